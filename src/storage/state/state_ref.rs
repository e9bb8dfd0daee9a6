//! Reads from one state of the store: a snapshot, or a transaction that has not committed yet.

use std::borrow::Cow;
use std::sync::Arc;

use roaring::RoaringBitmap;

#[cfg(feature = "http")]
use crate::credential::CredentialId;
use crate::error::{Error, Result};
use crate::row::{Direction, Row, RowBits, RowSet, chunk_length};
use crate::storage::key::{self, KeyRange};
use crate::storage::record::change_log::{self, LoggedChange};
#[cfg(feature = "http")]
use crate::storage::record::credential::{self, StoredCredential};
use crate::storage::record::lead_record::{self, StoredLead};
use crate::storage::record::meta::{CommitId, Seq, StoreMeta};
use crate::storage::state::merge::{KeyScan, MergedValue, merged, merged_keys, range_of};
use crate::storage::state::overlay::Overlay;
use crate::storage::tables::bitmap_chunk::corrupted_chunk;
use crate::storage::tables::bitmap_chunk::decode_chunk;
use crate::storage::tables::column::DealValues;
use crate::storage::tables::read::ReadTables;
use crate::storage::tables::read::stored_value;
use crate::storage::tables::scan::Visit;
use crate::storage::tables::scan::Visitor;
use crate::storage::tables::tree::Tree;

/// Cost of a lead lookup, measured in rows of a scan. Leads whose rows are no further apart than
/// this on average are read with one scan.
const LOOKUP_COST_IN_ROWS: usize = 8;

/// A borrowed state of the store: the tables, and the overlay with all later changes.
#[derive(Clone, Copy)]
pub(crate) struct StateRef<'a> {
    pub(crate) meta: &'a StoreMeta,
    pub(crate) tables: &'a dyn ReadTables,
    /// Its entries hide those of the tables with the same key.
    pub(crate) overlay: &'a Overlay,
}

impl StateRef<'_> {
    /// Calls `visit` with the index keys in a range, until `visit` returns `Break`.
    pub(crate) fn scan_keys(
        self,
        range: &KeyRange,
        direction: Direction,
        visit: impl FnMut(&[u8]) -> Result<Visit>,
    ) -> Result<()> {
        self.scan_keys_with(
            &KeyScan {
                range,
                direction,
                among: None,
                skip: 0,
            },
            visit,
        )
    }

    /// Calls `visit` with the index keys that `scan` selects, until `visit` returns `Break`.
    pub(crate) fn scan_keys_with(
        self,
        scan: &KeyScan<'_>,
        visit: impl FnMut(&[u8]) -> Result<Visit>,
    ) -> Result<()> {
        merged_keys(self.overlay.keys(), self.tables, scan, visit)
    }

    /// Returns the lead in a row, live or in the trash.
    pub(crate) fn lead(self, row: Row) -> Result<Option<StoredLead>> {
        match self.overlay.leads().get(&row.0) {
            Some(changed) => changed.as_deref().map(lead_record::decode).transpose(),
            None => stored_value(
                self.tables,
                Tree::Leads,
                &key::row_bytes(row),
                lead_record::decode,
            ),
        }
    }

    /// Returns the leads in `rows`, in the same order. An index refers to these rows, so a missing
    /// lead is corruption.
    pub(crate) fn leads_at(self, rows: &[Row]) -> Result<Vec<StoredLead>> {
        let (Some(first), Some(last)) = (rows.iter().min(), rows.iter().max()) else {
            return Ok(Vec::new());
        };
        if (last.0 - first.0) as usize > rows.len() * LOOKUP_COST_IN_ROWS {
            return rows.iter().map(|row| self.lead_at(*row)).collect();
        }
        // Sorts positions rather than leads, because leads are large.
        let mut slots: Vec<(u32, usize)> = rows
            .iter()
            .enumerate()
            .map(|(slot, row)| (row.0, slot))
            .collect();
        slots.sort_unstable();
        let mut slots = slots.into_iter().peekable();
        let mut leads: Vec<Option<StoredLead>> = rows.iter().map(|_| None).collect();
        self.tables.scan(
            Tree::Leads,
            &KeyRange::rows(*first, *last),
            Direction::Ascending,
            &mut |key, record| {
                let row = key::row(key)?;
                while slots.next_if(|(next, _)| *next < row).is_some() {}
                while let Some((_, slot)) = slots.next_if(|(next, _)| *next == row) {
                    if let Some(lead) = leads.get_mut(slot) {
                        *lead = Some(lead_record::decode(record)?);
                    }
                }
                Ok(Visit::Continue(()))
            },
        )?;
        let changed = self.overlay.leads();
        let leads = leads.into_iter().zip(rows).map(|(lead, row)| match lead {
            Some(stored) if changed.is_empty() || changed.get(&row.0).is_none() => Ok(stored),
            _ => self.lead_at(*row),
        });
        leads.collect()
    }

    /// Returns the lead in a row that an index refers to. A missing lead is corruption.
    pub(crate) fn lead_at(self, row: Row) -> Result<StoredLead> {
        let missing = || {
            Error::corrupted(format!(
                "leads.redb is corrupted: row {} has no lead",
                row.0
            ))
        };
        self.lead(row)?.ok_or_else(missing)
    }

    /// Returns the row stored under a key of the table `ids`.
    pub(crate) fn row_by_key(self, id: &[u8]) -> Result<Option<Row>> {
        match self.overlay.ids().get(id) {
            Some(changed) => Ok(*changed),
            None => stored_value(self.tables, Tree::Ids, id, decode_row),
        }
    }

    /// Returns the rows of the bitmap with this key.
    pub(crate) fn bitmap(self, bitmap: &[u8]) -> Result<RowSet> {
        let range = KeyRange::prefix(bitmap);
        let mut rows = self.tables.bitmap(bitmap)?;
        for (chunk_key, chunk) in range_of(self.overlay.chunks(), &range, Direction::Ascending) {
            let first = u32::from(key::chunk_number(chunk_key)?) << 16;
            let rows = Arc::make_mut(&mut rows);
            rows.remove_range(first..=first | 0xffff);
            *rows |= &**chunk;
        }
        Ok(RowSet::shared(rows))
    }

    /// Calls `visit` with the key and the rows of each bitmap in a range of keys, in the given
    /// direction, until `visit` returns `Break`.
    pub(crate) fn each_bitmap(
        self,
        range: &KeyRange,
        direction: Direction,
        mut visit: impl FnMut(&[u8], RowSet) -> Result<Visit>,
    ) -> Result<()> {
        let mut current: Option<(Vec<u8>, RoaringBitmap)> = None;
        let mut stopped = false;
        scan_chunks(self, range, direction, |chunk_key, chunk| {
            let bitmap = key::split_chunk(chunk_key)?;
            match &mut current {
                Some((value, rows)) if value == bitmap => *rows |= &*chunk,
                _ => {
                    let complete = current.replace((bitmap.to_vec(), chunk.into_owned()));
                    if let Some((value, rows)) = complete {
                        let next = visit(&value, rows.into())?;
                        stopped = next.is_break();
                        return Ok(next);
                    }
                }
            }
            Ok(Visit::Continue(()))
        })?;
        match current {
            Some((value, rows)) if !stopped => visit(&value, rows.into()).map(|_| ()),
            _ => Ok(()),
        }
    }

    /// Calls `visit` with the key and the number of rows of each bitmap in a range of keys, in key
    /// order. With `among`, only rows in this set are counted. Bitmaps with a count of 0 are
    /// omitted.
    pub(crate) fn count_bitmaps(
        self,
        range: &KeyRange,
        among: Option<&RowBits>,
        mut visit: impl FnMut(&[u8], u64) -> Result<()>,
    ) -> Result<()> {
        let mut current: Option<(Vec<u8>, u64)> = None;
        let mut count = |chunk_key: &[u8], rows: u64| {
            let bitmap = key::split_chunk(chunk_key)?;
            match &mut current {
                Some((value, sum)) if value == bitmap => *sum += rows,
                _ => {
                    let complete = current
                        .replace((bitmap.to_vec(), rows))
                        .filter(|(_, sum)| *sum > 0);
                    complete.map_or(Ok(()), |(value, sum)| visit(&value, sum))?;
                }
            }
            Ok(Visit::Continue(()))
        };
        let scan = |visit: &mut Visitor<'_>| {
            self.tables
                .scan(Tree::Bitmaps, range, Direction::Ascending, visit)
        };
        merged(
            self.overlay.chunks(),
            range,
            Direction::Ascending,
            scan,
            |chunk_key, found| {
                let rows = match (found, among) {
                    (MergedValue::Stored(bytes), None) => {
                        chunk_length(bytes).ok_or_else(corrupted_chunk)?
                    }
                    (MergedValue::Stored(bytes), Some(among)) => {
                        among.count_of(bytes).ok_or_else(corrupted_chunk)?
                    }
                    (MergedValue::Changed(rows), None) => rows.len(),
                    (MergedValue::Changed(rows), Some(among)) => among.count_among(rows),
                };
                count(chunk_key, rows)
            },
        )?;
        let complete = current.filter(|(_, sum)| *sum > 0);
        complete.map_or(Ok(()), |(value, sum)| visit(&value, sum))
    }

    /// Calls `visit` with each block of 512 rows that may contain a deal value, in row order.
    pub(crate) fn each_deal_value_block(self, visit: impl FnMut(&DealValues)) -> Result<()> {
        each_deal_value_block(self.tables, self.overlay, visit)
    }

    /// Returns the credential with this id.
    #[cfg(feature = "http")]
    pub(crate) fn credential(self, id: CredentialId) -> Result<Option<StoredCredential>> {
        let id = id.to_bytes();
        match self.overlay.credentials().get(id.as_slice()) {
            Some(changed) => changed.as_deref().map(credential::decode).transpose(),
            None => stored_value(self.tables, Tree::Credentials, &id, credential::decode),
        }
    }

    /// Returns the id of the commit with this number, or `None` if the change log does not contain
    /// the commit.
    pub(crate) fn logged_commit(self, seq: Seq) -> Result<Option<CommitId>> {
        let key = change_log::key(seq, 0);
        let decode = |bytes: &[u8]| change_log::decode(bytes).map(|(commit, _)| commit);
        match self.overlay.log().get(key.as_slice()) {
            Some(changed) => changed.as_deref().map(decode).transpose(),
            None => stored_value(self.tables, Tree::Log, &key, decode),
        }
    }

    /// Calls `visit` with the changes of all commits after `seq`, oldest first.
    pub(crate) fn changes_after(self, seq: Seq, mut visit: impl FnMut(LoggedChange)) -> Result<()> {
        let range = KeyRange {
            from: change_log::key(Seq(seq.0.saturating_add(1)), 0).to_vec(),
            to: vec![0xff; 13],
        };
        scan_log(self, &range, |_, bytes| {
            let (_, changes) = change_log::decode(bytes)?;
            changes.into_iter().for_each(&mut visit);
            Ok(Visit::Continue(()))
        })
    }
}

/// Calls `visit` with the records in a range of the change log, oldest first.
pub(crate) fn scan_log(
    state: StateRef<'_>,
    range: &KeyRange,
    mut visit: impl FnMut(&[u8], &[u8]) -> Result<Visit>,
) -> Result<()> {
    let scan = |visit: &mut Visitor<'_>| {
        state
            .tables
            .scan(Tree::Log, range, Direction::Ascending, visit)
    };
    merged(
        state.overlay.log(),
        range,
        Direction::Ascending,
        scan,
        |key, found| match found {
            MergedValue::Stored(record) => visit(key, record),
            MergedValue::Changed(Some(record)) => visit(key, record),
            MergedValue::Changed(None) => Ok(Visit::Continue(())),
        },
    )
}

/// Calls `visit` with the bitmap chunks in a range of keys.
fn scan_chunks(
    state: StateRef<'_>,
    range: &KeyRange,
    direction: Direction,
    mut visit: impl FnMut(&[u8], Cow<'_, RoaringBitmap>) -> Result<Visit>,
) -> Result<()> {
    let scan = |visit: &mut Visitor<'_>| state.tables.scan(Tree::Bitmaps, range, direction, visit);
    merged(
        state.overlay.chunks(),
        range,
        direction,
        scan,
        |key, found| match found {
            MergedValue::Stored(bytes) => visit(key, Cow::Owned(decode_chunk(bytes)?)),
            MergedValue::Changed(rows) if rows.is_empty() => Ok(Visit::Continue(())),
            MergedValue::Changed(rows) => visit(key, Cow::Borrowed(&**rows)),
        },
    )
}

pub(crate) fn decode_row(bytes: &[u8]) -> Result<Row> {
    let corrupted =
        |_| Error::corrupted("leads.redb is corrupted: the row of an id cannot be decoded");
    bytes
        .try_into()
        .map(|bytes| Row(u32::from_be_bytes(bytes)))
        .map_err(corrupted)
}

/// Calls `visit` with each block of 512 rows that may contain a deal value, in row order.
fn each_deal_value_block(
    tables: &dyn ReadTables,
    overlay: &Overlay,
    mut visit: impl FnMut(&DealValues),
) -> Result<()> {
    let mut changed = overlay
        .deal_values()
        .iter()
        .map(|(row, value)| (*row, *value))
        .peekable();
    tables.scan(
        Tree::Columns,
        &KeyRange::deal_values(),
        Direction::Ascending,
        &mut |key, bytes| {
            let mut block = DealValues::decode(key::row(key)?, bytes)?;
            while let Some(missing) = DealValues::missing(&mut changed, block.first_row()) {
                visit(&missing);
            }
            block.patch(&mut changed);
            visit(&block);
            Ok(Visit::Continue(()))
        },
    )?;
    while let Some(missing) = DealValues::missing(&mut changed, u32::MAX) {
        visit(&missing);
    }
    Ok(())
}
