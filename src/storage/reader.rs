//! What can be read, whether from a snapshot or from a transaction that has not committed yet.

use std::ops::ControlFlow;

use roaring::RoaringBitmap;

use super::header::{CommitId, Header, Seq};
use super::key::{self, KeyRange, Posting, ValueField};
use super::log::{self, LogChange};
use super::record::{self, Stored};
use super::table::Tree;
use crate::lead::LeadId;
use crate::row::{Direction, Row, RowSet};
use crate::{Error, Result};

/// Whether a visitor wants to see more.
pub(crate) type Visit = ControlFlow<()>;

/// Reading, over two primitives: one value, and a range of keys.
pub(crate) trait Reader {
    fn header(&self) -> &Header;

    /// What `read` makes of the value under `key`, if there is one.
    fn value<T>(&self, tree: Tree, key: &[u8], read: impl FnOnce(&[u8]) -> Result<T>) -> Result<Option<T>>;

    /// Shows `visit` the keys of a range with their values until it breaks.
    fn scan(
        &self,
        tree: Tree,
        range: &KeyRange,
        direction: Direction,
        visit: impl FnMut(&[u8], &[u8]) -> Result<Visit>,
    ) -> Result<()>;

    /// The lead in a row, live or in the trash.
    fn lead(&self, row: Row) -> Result<Option<Stored>> {
        self.value(Tree::Leads, &key::row_bytes(row), record::decode)
    }

    /// The lead in a row that an index names: that it is missing means that the file is damaged.
    fn indexed_lead(&self, row: Row) -> Result<Stored> {
        let missing = || Error::corrupted(format!("the store's file is damaged: row {} has no lead", row.0));
        self.lead(row)?.ok_or_else(missing)
    }

    fn row_by_id(&self, id: LeadId) -> Result<Option<Row>> {
        self.value(Tree::Entries, &key::id(id), decode_row)
    }

    fn row_by_external_id(&self, external_id: &str) -> Result<Option<Row>> {
        self.value(Tree::Entries, &key::external_id(external_id), decode_row)
    }

    /// The rows of one bitmap.
    fn rows(&self, posting: &Posting<'_>) -> Result<RowSet> {
        let mut rows = RoaringBitmap::new();
        self.scan(Tree::Bitmaps, &KeyRange::prefix(&posting.key()), Direction::Ascending, |_, bytes| {
            rows |= decode_chunk(bytes)?;
            Ok(Visit::Continue(()))
        })?;
        Ok(RowSet(rows))
    }

    /// Shows `visit` each value of a field, as its bitmap's key, with its rows, in the order of the values. Leads
    /// without one are not shown.
    fn each_value(
        &self,
        field: ValueField,
        direction: Direction,
        mut visit: impl FnMut(&[u8], RowSet) -> Result<Visit>,
    ) -> Result<()> {
        let mut current: Option<(Vec<u8>, RoaringBitmap)> = None;
        let mut stopped = false;
        self.scan(Tree::Bitmaps, &KeyRange::values(field), direction, |chunk_key, bytes| {
            let posting = key::split_chunk(chunk_key)?;
            let chunk = decode_chunk(bytes)?;
            match &mut current {
                Some((value, rows)) if value == posting => *rows |= chunk,
                _ => {
                    let complete = current.replace((posting.to_vec(), chunk));
                    if let Some((value, rows)) = complete {
                        let wanted = visit(&value, RowSet(rows))?;
                        stopped = wanted.is_break();
                        return Ok(wanted);
                    }
                }
            }
            Ok(Visit::Continue(()))
        })?;
        match current {
            Some((value, rows)) if !stopped => visit(&value, RowSet(rows)).map(|_| ()),
            _ => Ok(()),
        }
    }

    /// The id of the commit with this number, if the log still holds it.
    fn logged_commit(&self, seq: Seq) -> Result<Option<CommitId>> {
        self.value(Tree::Log, &log::key(seq, 0), |bytes| log::decode(bytes).map(|(commit, _)| commit))
    }

    /// Shows `visit` the changes of the commits after `seq`, oldest first.
    fn changes_after(&self, seq: Seq, mut visit: impl FnMut(LogChange)) -> Result<()> {
        let range = KeyRange { from: log::key(Seq(seq.0.saturating_add(1)), 0).to_vec(), to: vec![0xff; 13] };
        self.scan(Tree::Log, &range, Direction::Ascending, |_, bytes| {
            let (_, changes) = log::decode(bytes)?;
            changes.into_iter().for_each(&mut visit);
            Ok(Visit::Continue(()))
        })
    }
}

fn decode_row(bytes: &[u8]) -> Result<Row> {
    let damaged = |_| Error::corrupted("the store's file is damaged: an id has no row");
    bytes.try_into().map(|bytes| Row(u32::from_be_bytes(bytes))).map_err(damaged)
}

pub(super) fn decode_chunk(bytes: &[u8]) -> Result<RoaringBitmap> {
    RoaringBitmap::deserialize_from(bytes)
        .map_err(|error| Error::corrupted("the store's file is damaged: a bitmap cannot be read").caused_by(error))
}
