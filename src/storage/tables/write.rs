//! The tables opened for writing: by a checkpoint, by a transaction that outgrows memory, or while
//! a store is created, copied or rebuilt.

use redb::{Table, WriteTransaction};

use crate::error::Result;
use crate::storage::record::meta::StoreMeta;
use crate::storage::redb_error::redb_error;
use crate::storage::tables::FORMAT;
use crate::storage::tables::read::Tables;
use crate::storage::tables::tree::{Bytes, FORMAT_KEY, META_KEY, Tree};

/// The tables of a write transaction.
pub(crate) type OpenTables<'t> = Tables<Table<'t, Bytes, Bytes>>;

impl<'t> OpenTables<'t> {
    pub(crate) fn of(transaction: &'t WriteTransaction) -> Result<Self> {
        Self::open(|tree| {
            transaction
                .open_table(tree.definition())
                .map_err(redb_error)
        })
    }

    /// Writes the tables of an empty store.
    pub(crate) fn initialise(&mut self) -> Result<()> {
        self.set_format(Some(FORMAT))?;
        self.write_meta(&StoreMeta::new())
    }

    pub(crate) fn set_format(&mut self, format: Option<u32>) -> Result<()> {
        self.set(
            Tree::Meta,
            FORMAT_KEY,
            format
                .map(u32::to_le_bytes)
                .as_ref()
                .map(<[u8; 4]>::as_slice),
        )
    }

    /// Sets the value under a key of a table, or removes the key if `value` is `None`.
    pub(crate) fn set(&mut self, tree: Tree, key: &[u8], value: Option<&[u8]>) -> Result<()> {
        let table = self.table_mut(tree);
        match value {
            Some(value) => table.insert(key, value).map_err(redb_error)?,
            None => table.remove(key).map_err(redb_error)?,
        };
        Ok(())
    }

    pub(crate) fn write_meta(&mut self, meta: &StoreMeta) -> Result<()> {
        self.set(Tree::Meta, META_KEY, Some(&meta.encode()?))
    }
}
