//! The tables opened for reading. Opening them costs more than a lookup, so they are opened only
//! once after each redb commit.

use std::sync::Arc;

use redb::{ReadOnlyTable, ReadTransaction, ReadableTable};
use roaring::RoaringBitmap;

use crate::error::{Error, ErrorKind, Result};
use crate::row::Direction;
use crate::storage::key::{self, KeyRange};
use crate::storage::record::codec::CodecError;
use crate::storage::record::meta::StoreMeta;
use crate::storage::redb_error::redb_error;
use crate::storage::tables::bitmap_cache::BitmapCache;
use crate::storage::tables::bitmap_chunk::decode_chunk;
use crate::storage::tables::column::DealValues;
use crate::storage::tables::key_blocks::{self, KeyVisitor};
use crate::storage::tables::scan::Visit;
use crate::storage::tables::scan::Visitor;
use crate::storage::tables::tree::{Bytes, FORMAT_KEY, META_KEY, Tree};
use crate::storage::tables::{FORMAT, OLDEST_FORMAT};

/// One table handle per [`Tree`], in the order of [`Tree::ALL`].
pub(crate) struct Tables<T>([T; Tree::ALL.len()]);

/// The tables of a committed state.
pub(crate) struct CommittedTables {
    tables: Tables<ReadOnlyTable<Bytes, Bytes>>,
    /// A cache of decoded bitmaps, since most lists use the same few.
    bitmaps: BitmapCache,
    format: u32,
}

/// Read access to the tables of a committed state or of a write transaction.
pub(crate) trait ReadTables {
    /// Calls `read` with the value under a key, if there is one.
    fn get(&self, tree: Tree, key: &[u8], read: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()>;

    /// Returns the rows of a bitmap, given the key prefix that its chunks share.
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

    /// Calls `visitor` with the index keys of a range until it returns `Break`.
    fn scan_keys(
        &self,
        range: &KeyRange,
        direction: Direction,
        visitor: &mut dyn KeyVisitor,
    ) -> Result<()>;

    /// Calls `visit` with the keys and values in a range of any table except `keys`, until it
    /// returns `Break`.
    fn scan(
        &self,
        tree: Tree,
        range: &KeyRange,
        direction: Direction,
        visit: &mut Visitor<'_>,
    ) -> Result<()>;
}

impl<T> Tables<T> {
    pub(crate) fn open(mut open: impl FnMut(Tree) -> Result<T>) -> Result<Self> {
        let [leads, ids, keys, bitmaps, columns, log, credentials, meta] = Tree::ALL.map(&mut open);
        Ok(Self([
            leads?,
            ids?,
            keys?,
            bitmaps?,
            columns?,
            log?,
            credentials?,
            meta?,
        ]))
    }

    #[expect(clippy::indexing_slicing, reason = "there is a table for each tree")]
    fn table(&self, tree: Tree) -> &T {
        &self.0[tree as usize]
    }

    #[expect(clippy::indexing_slicing, reason = "there is a table for each tree")]
    pub(crate) fn table_mut(&mut self, tree: Tree) -> &mut T {
        &mut self.0[tree as usize]
    }
}

impl<T: ReadableTable<Bytes, Bytes>> ReadTables for Tables<T> {
    fn get(&self, tree: Tree, key: &[u8], read: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        match self.table(tree).get(key).map_err(redb_error)? {
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
        key_blocks::scan(self.table(Tree::Keys), range, direction, visitor)
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
            .map_err(redb_error)?;
        loop {
            let entry = match direction {
                Direction::Ascending => entries.next(),
                Direction::Descending => entries.next_back(),
            };
            let Some(entry) = entry else { return Ok(()) };
            let (key, value) = entry.map_err(redb_error)?;
            if visit(key.value(), value.value())?.is_break() {
                return Ok(());
            }
        }
    }
}

impl CommittedTables {
    /// Opens the tables of a committed state and reads its metadata. An unsupported format is
    /// rejected before anything else is read.
    pub(crate) fn of(transaction: &ReadTransaction) -> Result<(Self, StoreMeta)> {
        let open = |tree: Tree| {
            transaction
                .open_table(tree.definition())
                .map_err(redb_error)
        };
        let format = read_format(&open(Tree::Meta)?)?;
        let tables = Tables::open(open)?;
        let meta = tables.meta()?;
        Ok((
            Self {
                tables,
                bitmaps: BitmapCache::default(),
                format,
            },
            meta,
        ))
    }
}

impl CommittedTables {
    /// Returns the store's file format.
    pub(crate) fn format(&self) -> u32 {
        self.format
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
    /// Returns the block of deal values that a row belongs to, or an empty block if the tables lack
    /// it.
    pub(crate) fn deal_value_block(&self, row: u32) -> Result<DealValues> {
        let empty = DealValues::empty(row);
        let first_row = empty.first_row();
        let key = key::deal_value_block(first_row);
        let stored = stored_value(self, Tree::Columns, &key, |bytes| {
            DealValues::decode(first_row, bytes)
        })?;
        Ok(stored.unwrap_or(empty))
    }

    pub(crate) fn meta(&self) -> Result<StoreMeta> {
        let meta = self
            .table(Tree::Meta)
            .get(META_KEY)
            .map_err(redb_error)?
            .ok_or(CodecError::Empty {
                record: "metadata record",
            })?;
        StoreMeta::decode(meta.value())
    }
}

/// Returns the store's file format.
///
/// # Errors
///
/// `UnsupportedFormat` for a format that this version cannot read; `Corrupted` if the format is
/// missing.
fn read_format(meta: &impl ReadableTable<Bytes, Bytes>) -> Result<u32> {
    let value = meta.get(FORMAT_KEY).map_err(redb_error)?;
    let bytes = value
        .as_ref()
        .and_then(|value| <[u8; 4]>::try_from(value.value()).ok());
    match bytes.map(u32::from_le_bytes) {
        Some(format @ OLDEST_FORMAT..=FORMAT) => Ok(format),
        Some(other) => Err(Error::new(
            ErrorKind::UnsupportedFormat,
            format!(
                "the store has file format {other}, and this version of leadstore reads formats {OLDEST_FORMAT} to \
                 {FORMAT}; open it with the version that wrote it, or with a newer one"
            ),
        )),
        None => Err(Error::corrupted(
            "leads.redb is corrupted: the file format is missing",
        )),
    }
}

/// Returns the decoded value under a key, if there is one.
pub(crate) fn stored_value<T>(
    tables: &dyn ReadTables,
    tree: Tree,
    key: &[u8],
    decode: impl Fn(&[u8]) -> Result<T>,
) -> Result<Option<T>> {
    let mut value = None;
    tables.get(tree, key, &mut |bytes| {
        value = Some(decode(bytes)?);
        Ok(())
    })?;
    Ok(value)
}

/// Returns a chunk of a bitmap, or an empty chunk if the tables lack it.
pub(crate) fn stored_chunk(tables: &dyn ReadTables, chunk: &[u8]) -> Result<RoaringBitmap> {
    Ok(stored_value(tables, Tree::Bitmaps, chunk, decode_chunk)?.unwrap_or_default())
}
