//! The tables of the file, opened: for reading, which costs more than a look-up and so is done once for many, or for
//! writing, at a checkpoint and by large transactions.

use std::sync::Arc;

use redb::{ReadOnlyTable, ReadTransaction, ReadableTable, Table, WriteTransaction};
use roaring::RoaringBitmap;

use crate::error::{Error, ErrorKind, Result};
use crate::row::{Direction, Row};
use crate::storage::key::{self, KeyRange};
use crate::storage::record::codec::CodecError;
use crate::storage::record::meta::StoreMeta;
use crate::storage::state::overlay::Overlay;
use crate::storage::state::state_ref::{Visit, Visitor, decode_chunk};
use crate::storage::tables::bitmap_cache::BitmapCache;
use crate::storage::tables::column::{self, BLOCK_ROWS, DealValues};
use crate::storage::tables::key_blocks::{self, KeyVisitor};
use crate::storage::tables::tree::{Bytes, FORMAT_KEY, META_KEY, Tree};
use crate::storage::{FORMAT, fault};

/// All tables, of one state or of one transaction.
pub(crate) struct Tables<T> {
    leads: T,
    ids: T,
    keys: T,
    bitmaps: T,
    columns: T,
    log: T,
    credentials: T,
    meta: T,
}

/// The tables as a commit left them.
pub(crate) struct CommittedTables {
    tables: Tables<ReadOnlyTable<Bytes, Bytes>>,
    /// What was decoded, since most lists ask for the same few bitmaps.
    bitmaps: BitmapCache,
}

pub(crate) type OpenTables<'t> = Tables<Table<'t, Bytes, Bytes>>;

/// Reading from the tables, whoever opened them.
pub(crate) trait ReadTables {
    /// Shows `read` the value under a key, if there is one.
    fn get(&self, tree: Tree, key: &[u8], read: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()>;

    /// The rows of a bitmap, by the key that its chunks share.
    fn bitmap(&self, bitmap: &[u8]) -> Result<Arc<RoaringBitmap>> {
        let mut rows = RoaringBitmap::new();
        self.scan(
            Tree::Bitmaps,
            &KeyRange::prefix(bitmap),
            Direction::Ascending,
            &mut |_, bytes| {
                rows |= decode_chunk(bytes)?;
                Ok(Visit::Continue(()))
            },
        )?;
        Ok(Arc::new(rows))
    }

    /// Shows `visitor` the sorted keys of a range until it breaks.
    fn scan_keys(
        &self,
        range: &KeyRange,
        direction: Direction,
        visitor: &mut dyn KeyVisitor,
    ) -> Result<()>;

    /// Shows `visit` the keys of a range of another table, with their values, until it breaks.
    fn scan(
        &self,
        tree: Tree,
        range: &KeyRange,
        direction: Direction,
        visit: &mut Visitor<'_>,
    ) -> Result<()>;
}

impl<T> Tables<T> {
    fn open(mut open: impl FnMut(Tree) -> Result<T>) -> Result<Self> {
        Ok(Self {
            leads: open(Tree::Leads)?,
            ids: open(Tree::Ids)?,
            keys: open(Tree::BlockKeys)?,
            bitmaps: open(Tree::Bitmaps)?,
            columns: open(Tree::Columns)?,
            log: open(Tree::Log)?,
            credentials: open(Tree::Credentials)?,
            meta: open(Tree::Meta)?,
        })
    }

    fn table(&self, tree: Tree) -> &T {
        match tree {
            Tree::Leads => &self.leads,
            Tree::Ids => &self.ids,
            Tree::BlockKeys => &self.keys,
            Tree::Bitmaps => &self.bitmaps,
            Tree::Columns => &self.columns,
            Tree::Log => &self.log,
            Tree::Credentials => &self.credentials,
            Tree::Meta => &self.meta,
        }
    }
}

impl<T> Tables<T> {
    fn table_mut(&mut self, tree: Tree) -> &mut T {
        match tree {
            Tree::Leads => &mut self.leads,
            Tree::Ids => &mut self.ids,
            Tree::BlockKeys => &mut self.keys,
            Tree::Bitmaps => &mut self.bitmaps,
            Tree::Columns => &mut self.columns,
            Tree::Log => &mut self.log,
            Tree::Credentials => &mut self.credentials,
            Tree::Meta => &mut self.meta,
        }
    }
}

impl<T: ReadableTable<Bytes, Bytes>> ReadTables for Tables<T> {
    fn get(&self, tree: Tree, key: &[u8], read: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        match self.table(tree).get(key).map_err(fault)? {
            Some(value) => read(value.value()),
            None => Ok(()),
        }
    }

    fn scan_keys(
        &self,
        range: &KeyRange,
        direction: Direction,
        visitor: &mut dyn KeyVisitor,
    ) -> Result<()> {
        key_blocks::scan(&self.keys, range, direction, visitor)
    }

    fn scan(
        &self,
        tree: Tree,
        range: &KeyRange,
        direction: Direction,
        visit: &mut Visitor<'_>,
    ) -> Result<()> {
        if range.from >= range.to {
            return Ok(());
        }
        let mut entries = self
            .table(tree)
            .range::<&[u8]>(range.from.as_slice()..range.to.as_slice())
            .map_err(fault)?;
        loop {
            let entry = match direction {
                Direction::Ascending => entries.next(),
                Direction::Descending => entries.next_back(),
            };
            let Some(entry) = entry else { return Ok(()) };
            let (key, value) = entry.map_err(fault)?;
            if visit(key.value(), value.value())?.is_break() {
                return Ok(());
            }
        }
    }
}

impl CommittedTables {
    /// The tables as a commit left them, with the header. A format that this version does not know is refused before
    /// anything else is read.
    pub(crate) fn of(transaction: &ReadTransaction) -> Result<(Self, StoreMeta)> {
        let open = |tree: Tree| transaction.open_table(tree.definition()).map_err(fault);
        check_format(&open(Tree::Meta)?)?;
        let tables = Tables::open(open)?;
        let meta = tables.meta()?;
        Ok((
            Self {
                tables,
                bitmaps: BitmapCache::default(),
            },
            meta,
        ))
    }
}

impl ReadTables for CommittedTables {
    fn get(&self, tree: Tree, key: &[u8], read: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        self.tables.get(tree, key, read)
    }

    fn bitmap(&self, bitmap: &[u8]) -> Result<Arc<RoaringBitmap>> {
        self.bitmaps
            .get_or_insert(bitmap, || self.tables.bitmap(bitmap))
    }

    fn scan_keys(
        &self,
        range: &KeyRange,
        direction: Direction,
        visitor: &mut dyn KeyVisitor,
    ) -> Result<()> {
        self.tables.scan_keys(range, direction, visitor)
    }

    fn scan(
        &self,
        tree: Tree,
        range: &KeyRange,
        direction: Direction,
        visit: &mut Visitor<'_>,
    ) -> Result<()> {
        self.tables.scan(tree, range, direction, visit)
    }
}

impl<T: ReadableTable<Bytes, Bytes>> Tables<T> {
    pub(crate) fn meta(&self) -> Result<StoreMeta> {
        let meta = self
            .meta
            .get(META_KEY)
            .map_err(fault)?
            .ok_or(CodecError::Empty { record: "header" })?;
        StoreMeta::decode(meta.value())
    }
}

fn check_format(meta: &impl ReadableTable<Bytes, Bytes>) -> Result<()> {
    let value = meta.get(FORMAT_KEY).map_err(fault)?;
    let bytes = value
        .as_ref()
        .and_then(|value| <[u8; 4]>::try_from(value.value()).ok());
    match bytes.map(u32::from_le_bytes) {
        Some(FORMAT) => Ok(()),
        Some(other) => Err(Error::new(
            ErrorKind::UnsupportedFormat,
            format!(
                "the store has the format {other}, and this version of leadstore knows only {FORMAT}; \
                 use the version that wrote it, or a newer one"
            ),
        )),
        None => Err(Error::corrupted(
            "the store's file is damaged: it does not say which format it has",
        )),
    }
}

impl<'t> OpenTables<'t> {
    pub(crate) fn of(transaction: &'t WriteTransaction) -> Result<Self> {
        Self::open(|tree| transaction.open_table(tree.definition()).map_err(fault))
    }

    /// Writes the tables of a store that holds nothing.
    pub(crate) fn initialise(&mut self) -> Result<()> {
        self.set_format(Some(FORMAT))?;
        self.write_meta(&StoreMeta::new())
    }

    pub(crate) fn set_format(&mut self, format: Option<u32>) -> Result<()> {
        set(
            &mut self.meta,
            FORMAT_KEY,
            format
                .map(u32::to_le_bytes)
                .as_ref()
                .map(<[u8; 4]>::as_slice),
        )
    }

    /// Puts in what another store's table of this kind has under a key.
    pub(crate) fn put(&mut self, tree: Tree, key: &[u8], value: &[u8]) -> Result<()> {
        set(self.table_mut(tree), key, Some(value))
    }

    pub(crate) fn write_meta(&mut self, meta: &StoreMeta) -> Result<()> {
        self.meta
            .insert(META_KEY, meta.encode()?.as_slice())
            .map_err(fault)?;
        Ok(())
    }

    /// Writes everything that `overlay` has, in the order of its keys.
    pub(crate) fn write(&mut self, overlay: &Overlay) -> Result<()> {
        for (row, record) in overlay.leads() {
            set(
                &mut self.leads,
                &key::row_bytes(Row(*row)),
                record.as_deref(),
            )?;
        }
        for (id, row) in overlay.ids() {
            set(
                &mut self.ids,
                id,
                row.map(key::row_bytes).as_ref().map(<[u8; 4]>::as_slice),
            )?;
        }
        key_blocks::write(&mut self.keys, overlay.keys())?;
        let mut bytes = Vec::new();
        for (chunk, rows) in overlay.chunks() {
            if rows.is_empty() {
                set(&mut self.bitmaps, chunk, None)?;
                continue;
            }
            let mut rows = RoaringBitmap::clone(rows);
            rows.optimize();
            bytes.clear();
            rows.serialize_into(&mut bytes).map_err(|error| {
                Error::new(ErrorKind::Io, "a bitmap could not be written to memory")
                    .caused_by(error)
            })?;
            set(&mut self.bitmaps, chunk, Some(&bytes))?;
        }
        let mut block: Option<DealValues> = None;
        for (row, value) in overlay.deal_values() {
            if block
                .as_ref()
                .is_none_or(|block| row / BLOCK_ROWS != block.first_row() / BLOCK_ROWS)
            {
                self.write_deal_values(block.take())?;
                block = Some(column::stored_block(self, *row)?);
            }
            if let Some(block) = &mut block {
                block.set(*row, *value);
            }
        }
        self.write_deal_values(block)?;
        for (key, record) in overlay.log() {
            set(&mut self.log, key, record.as_deref())?;
        }
        for (id, record) in overlay.credentials() {
            set(&mut self.credentials, id, record.as_deref())?;
        }
        Ok(())
    }
}

impl OpenTables<'_> {
    fn write_deal_values(&mut self, block: Option<DealValues>) -> Result<()> {
        let Some(block) = block else { return Ok(()) };
        let bytes = block.encode();
        let value = Some(bytes.as_slice()).filter(|bytes| !bytes.is_empty());
        set(
            &mut self.columns,
            &key::deal_value_block(block.first_row()),
            value,
        )
    }
}

fn set(table: &mut Table<'_, Bytes, Bytes>, key: &[u8], value: Option<&[u8]>) -> Result<()> {
    match value {
        Some(value) => table.insert(key, value).map_err(fault)?,
        None => table.remove(key).map_err(fault)?,
    };
    Ok(())
}
