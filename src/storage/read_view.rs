//! One commit, opened for reading: the tables stay open, since opening them costs more than a lookup.

use redb::{ReadOnlyTable, ReadTransaction, ReadableTable};

use super::fault;
use super::header::Header;
use super::key::KeyRange;
use super::reader::{Reader, Visit};
use super::table::{FORMAT_KEY, HEADER_KEY, Tree};
use super::{FORMAT, codec::CodecError};
use crate::row::Direction;
use crate::{Error, ErrorKind, Result};

type Table = ReadOnlyTable<&'static [u8], &'static [u8]>;

/// The state of the store after one commit.
pub(crate) struct ReadView {
    pub(super) header: Header,
    leads: Table,
    entries: Table,
    bitmaps: Table,
    log: Table,
    meta: Table,
}

impl ReadView {
    pub(super) fn new(transaction: &ReadTransaction) -> Result<Self> {
        let open = |tree: Tree| transaction.open_table(tree.definition()).map_err(fault);
        let meta = open(Tree::Meta)?;
        check_format(&meta)?;
        let header = meta.get(HEADER_KEY).map_err(fault)?.ok_or(CodecError::Empty { record: "header" })?;
        let header = Header::decode(header.value())?;
        Ok(Self {
            header,
            leads: open(Tree::Leads)?,
            entries: open(Tree::Entries)?,
            bitmaps: open(Tree::Bitmaps)?,
            log: open(Tree::Log)?,
            meta,
        })
    }

    fn table(&self, tree: Tree) -> &Table {
        match tree {
            Tree::Leads => &self.leads,
            Tree::Entries => &self.entries,
            Tree::Bitmaps => &self.bitmaps,
            Tree::Log => &self.log,
            Tree::Meta => &self.meta,
        }
    }
}

/// Refuses a format that this version does not know, before anything else is read.
fn check_format(meta: &Table) -> Result<()> {
    let value = meta.get(FORMAT_KEY).map_err(fault)?;
    let bytes = value.as_ref().and_then(|value| <[u8; 4]>::try_from(value.value()).ok());
    match bytes.map(u32::from_le_bytes) {
        Some(FORMAT) => Ok(()),
        Some(other) => Err(Error::new(
            ErrorKind::UnsupportedFormat,
            format!(
                "the store has the format {other}, and this version of leadstore knows only {FORMAT}; \
                 use the version that wrote it, or a newer one"
            ),
        )),
        None => Err(Error::corrupted("the store's file is damaged: it does not say which format it has")),
    }
}

impl Reader for ReadView {
    fn header(&self) -> &Header {
        &self.header
    }

    fn value<T>(&self, tree: Tree, key: &[u8], read: impl FnOnce(&[u8]) -> Result<T>) -> Result<Option<T>> {
        self.table(tree).get(key).map_err(fault)?.map(|value| read(value.value())).transpose()
    }

    fn scan(
        &self,
        tree: Tree,
        range: &KeyRange,
        direction: Direction,
        visit: impl FnMut(&[u8], &[u8]) -> Result<Visit>,
    ) -> Result<()> {
        scan_table(self.table(tree), range, direction, visit)
    }
}

/// Shows `visit` the keys of a range in a table of either kind.
pub(super) fn scan_table(
    table: &impl ReadableTable<&'static [u8], &'static [u8]>,
    range: &KeyRange,
    direction: Direction,
    mut visit: impl FnMut(&[u8], &[u8]) -> Result<Visit>,
) -> Result<()> {
    if range.from >= range.to {
        return Ok(());
    }
    let mut entries = table.range::<&[u8]>(range.from.as_slice()..range.to.as_slice()).map_err(fault)?;
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
