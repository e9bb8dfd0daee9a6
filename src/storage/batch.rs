//! The writes of one transaction, readable before they are committed.
//!
//! Entries and bitmaps are held back: a transaction that creates many leads then writes its entries in key order, and
//! each bitmap once. Reading them flushes them first, or looks at what is held back.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use redb::{ReadableTable, Table, WriteTransaction};
use roaring::RoaringBitmap;

use super::fault;
use super::header::{CommitId, Header, Seq, random_bytes};
use super::key::{self, KeyRange};
use super::log::{self, LogChange};
use super::read_view::scan_table;
use super::reader::{Reader, Visit, decode_chunk};
use super::record::{self, Stored};
use super::table::{HEADER_KEY, Tree};
use crate::row::{Direction, Row};
use crate::{Error, ErrorKind, Result};

/// How many entries are held back before they are written, so that a large transaction needs bounded memory.
const MOST_PENDING: usize = 100_000;
/// How many log records one commit removes, so that trimming is spread over commits.
const LOG_RECORDS_TRIMMED: usize = 16;

type Bytes = &'static [u8];

/// The writes of one transaction.
pub(crate) struct WriteBatch<'txn> {
    header: Header,
    changes: Vec<LogChange>,
    leads: Table<'txn, Bytes, Bytes>,
    entries: RefCell<Table<'txn, Bytes, Bytes>>,
    /// Entries to write (`Some`) or to remove (`None`).
    pending: RefCell<BTreeMap<Vec<u8>, Option<Vec<u8>>>>,
    bitmaps: RefCell<Table<'txn, Bytes, Bytes>>,
    chunks: RefCell<BTreeMap<Vec<u8>, Chunk>>,
    /// Whether any of `chunks` is. Without it a scan of the bitmaps within a scan of them would find the table
    /// borrowed.
    chunks_dirty: Cell<bool>,
    /// Set while what was held back is written: if it stays, a part of it is lost and nothing may be committed.
    half_flushed: Cell<bool>,
    log: Table<'txn, Bytes, Bytes>,
    meta: Table<'txn, Bytes, Bytes>,
}

/// One chunk of a bitmap that this transaction has touched.
struct Chunk {
    rows: RoaringBitmap,
    dirty: bool,
}

impl<'txn> WriteBatch<'txn> {
    pub(super) fn new(transaction: &'txn WriteTransaction, header: Header) -> Result<Self> {
        let open = |tree: Tree| transaction.open_table(tree.definition()).map_err(fault);
        Ok(Self {
            header,
            changes: Vec::new(),
            leads: open(Tree::Leads)?,
            entries: RefCell::new(open(Tree::Entries)?),
            pending: RefCell::default(),
            bitmaps: RefCell::new(open(Tree::Bitmaps)?),
            chunks: RefCell::default(),
            chunks_dirty: Cell::new(false),
            half_flushed: Cell::new(false),
            log: open(Tree::Log)?,
            meta: open(Tree::Meta)?,
        })
    }

    /// The row for a new lead.
    pub(crate) fn allocate_row(&mut self) -> Result<Row> {
        let row = Row(self.header.next_row);
        // Chunk numbers end with FFFF, and so does the store.
        self.header.next_row = row.0.checked_add(1).ok_or_else(|| {
            Error::new(ErrorKind::Unavailable, "the store has given out all of its 4,294,967,295 rows; start a new one")
        })?;
        Ok(row)
    }

    pub(crate) fn note_created_at(&mut self, created_at: DateTime<Utc>) {
        self.header.newest_created_at = self.header.newest_created_at.max(created_at);
    }

    pub(crate) fn put_lead(&mut self, row: Row, stored: &Stored) -> Result<()> {
        let bytes = record::encode(stored)?;
        self.leads.insert(key::row_bytes(row).as_slice(), bytes.as_slice()).map_err(fault)?;
        Ok(())
    }

    pub(crate) fn remove_lead(&mut self, row: Row) -> Result<()> {
        self.leads.remove(key::row_bytes(row).as_slice()).map_err(fault)?;
        Ok(())
    }

    pub(crate) fn put_entry(&mut self, key: Vec<u8>, value: Vec<u8>) -> Result<()> {
        self.pending.get_mut().insert(key, Some(value));
        self.bound_pending()
    }

    pub(crate) fn remove_entry(&mut self, key: Vec<u8>) -> Result<()> {
        self.pending.get_mut().insert(key, None);
        self.bound_pending()
    }

    /// Puts a row into a bitmap or takes it out, by the key of its [`Posting`].
    pub(crate) fn set_row(&mut self, posting: &[u8], row: Row, present: bool) -> Result<()> {
        let mut key = posting.to_vec();
        key.extend(((row.0 >> 16) as u16).to_be_bytes());
        let chunks = self.chunks.get_mut();
        if !chunks.contains_key(&key) {
            let stored = self.bitmaps.get_mut().get(key.as_slice()).map_err(fault)?;
            let rows = stored.map(|bytes| decode_chunk(bytes.value())).transpose()?.unwrap_or_default();
            chunks.insert(key.clone(), Chunk { rows, dirty: false });
        }
        if let Some(chunk) = chunks.get_mut(&key) {
            chunk.dirty |= if present { chunk.rows.insert(row.0) } else { chunk.rows.remove(row.0) };
            self.chunks_dirty.set(self.chunks_dirty.get() | chunk.dirty);
        }
        Ok(())
    }

    /// Notes a change for the change log.
    pub(crate) fn log(&mut self, change: LogChange) {
        self.changes.push(change);
    }

    /// How many changes were noted so far.
    pub(crate) fn change_count(&self) -> usize {
        self.changes.len()
    }

    /// Writes what was held back, the log and the header; gives the header and what changed. `log_start` is the
    /// lowest number that the log must keep. `now` is `None` while the clock is distrusted.
    pub(crate) fn finish(mut self, now: Option<DateTime<Utc>>, log_start: Seq) -> Result<(Header, Vec<LogChange>)> {
        if self.half_flushed.get() {
            return Err(Error::corrupted("an earlier failure in the transaction left a part of it unwritten"));
        }
        self.flush_entries()?;
        self.flush_chunks()?;
        if !self.changes.is_empty() {
            self.header.seq = Seq(self.header.seq.0.saturating_add(1));
            self.header.commit_id = CommitId(random_bytes());
            for (part, changes) in self.changes.chunks(log::CHANGES_PER_RECORD).enumerate() {
                let key = log::key(self.header.seq, u32::try_from(part).unwrap_or(u32::MAX));
                let record = log::encode(self.header.commit_id, changes)?;
                self.log.insert(key.as_slice(), record.as_slice()).map_err(fault)?;
            }
        }
        self.trim_log(log_start)?;
        self.header.last_commit_at = now.unwrap_or(self.header.last_commit_at);
        self.meta.insert(HEADER_KEY, self.header.encode()?.as_slice()).map_err(fault)?;
        Ok((self.header, self.changes))
    }

    fn trim_log(&mut self, log_start: Seq) -> Result<()> {
        if log_start <= self.header.log_start {
            return Ok(());
        }
        let range = KeyRange { from: Vec::new(), to: log::key(log_start, 0).to_vec() };
        let mut obsolete = Vec::new();
        let mut reached = log_start;
        scan_table(&self.log, &range, Direction::Ascending, |key, _| {
            if obsolete.len() == LOG_RECORDS_TRIMMED {
                if let Some(number) = key.first_chunk::<8>() {
                    reached = Seq(u64::from_be_bytes(*number));
                }
                return Ok(Visit::Break(()));
            }
            obsolete.push(key.to_vec());
            Ok(Visit::Continue(()))
        })?;
        for key in obsolete {
            self.log.remove(key.as_slice()).map_err(fault)?;
        }
        self.header.log_start = reached;
        Ok(())
    }

    fn bound_pending(&mut self) -> Result<()> {
        if self.pending.get_mut().len() < MOST_PENDING { Ok(()) } else { self.flush_entries() }
    }

    fn flush_entries(&self) -> Result<()> {
        let pending = std::mem::take(&mut *self.pending.borrow_mut());
        if pending.is_empty() {
            return Ok(());
        }
        self.half_flushed.set(true);
        let mut entries = self.entries.borrow_mut();
        for (key, value) in pending {
            match value {
                Some(value) => entries.insert(key.as_slice(), value.as_slice()).map_err(fault)?,
                None => entries.remove(key.as_slice()).map_err(fault)?,
            };
        }
        self.half_flushed.set(false);
        Ok(())
    }

    fn flush_chunks(&self) -> Result<()> {
        if !self.chunks_dirty.replace(false) {
            return Ok(());
        }
        self.half_flushed.set(true);
        let mut bitmaps = self.bitmaps.borrow_mut();
        let mut bytes = Vec::new();
        for (key, chunk) in self.chunks.borrow_mut().iter_mut().filter(|(_, chunk)| chunk.dirty) {
            chunk.dirty = false;
            if chunk.rows.is_empty() {
                bitmaps.remove(key.as_slice()).map_err(fault)?;
                continue;
            }
            chunk.rows.optimize();
            bytes.clear();
            chunk.rows.serialize_into(&mut bytes).map_err(|error| {
                Error::new(ErrorKind::Io, "a bitmap could not be written to memory").caused_by(error)
            })?;
            bitmaps.insert(key.as_slice(), bytes.as_slice()).map_err(fault)?;
        }
        self.half_flushed.set(false);
        Ok(())
    }
}

impl Reader for WriteBatch<'_> {
    fn header(&self) -> &Header {
        &self.header
    }

    fn value<T>(&self, tree: Tree, key: &[u8], read: impl FnOnce(&[u8]) -> Result<T>) -> Result<Option<T>> {
        if tree == Tree::Entries {
            match self.pending.borrow().get(key) {
                Some(Some(held_back)) => return read(held_back).map(Some),
                Some(None) => return Ok(None),
                None => {}
            }
        }
        let get = |table: &Table<'_, Bytes, Bytes>| table.get(key).map_err(fault)?.map(|v| read(v.value())).transpose();
        match tree {
            Tree::Leads => get(&self.leads),
            Tree::Entries => get(&self.entries.borrow()),
            Tree::Bitmaps => {
                self.flush_chunks()?;
                get(&self.bitmaps.borrow())
            }
            Tree::Log => get(&self.log),
            Tree::Meta => get(&self.meta),
        }
    }

    fn scan(
        &self,
        tree: Tree,
        range: &KeyRange,
        direction: Direction,
        visit: impl FnMut(&[u8], &[u8]) -> Result<Visit>,
    ) -> Result<()> {
        match tree {
            Tree::Leads => scan_table(&self.leads, range, direction, visit),
            Tree::Entries => {
                self.flush_entries()?;
                scan_table(&*self.entries.borrow(), range, direction, visit)
            }
            Tree::Bitmaps => {
                self.flush_chunks()?;
                scan_table(&*self.bitmaps.borrow(), range, direction, visit)
            }
            Tree::Log => scan_table(&self.log, range, direction, visit),
            Tree::Meta => scan_table(&self.meta, range, direction, visit),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::database::{Access, Database, Durability, Medium};
    use super::*;
    use crate::clock::from_micros;
    use crate::storage::key::{Posting, ValueField};

    #[test]
    fn what_is_held_back_can_be_read_before_the_commit() {
        let db = Database::open(&Medium::memory(), 1 << 20, Access::OpenOrCreate).unwrap();
        let posting = Posting::Value(ValueField::Tag, Some("x"));
        let pending = db.begin(Durability::EveryCommit).unwrap();
        let mut batch = pending.batch().unwrap();
        let fill = |batch: &mut WriteBatch<'_>| -> Result<()> {
            batch.put_entry(b"\x11b".to_vec(), vec![1])?;
            batch.put_entry(b"\x11a".to_vec(), vec![2])?;
            assert_eq!(batch.value(Tree::Entries, b"\x11a", |v| Ok(v.to_vec()))?, Some(vec![2]));
            let mut seen = Vec::new();
            batch.scan(Tree::Entries, &KeyRange::prefix(&[0x11]), Direction::Descending, |key, _| {
                seen.push(key.to_vec());
                Ok(Visit::Continue(()))
            })?;
            assert_eq!(seen, [b"\x11b", b"\x11a"]);
            batch.remove_entry(b"\x11a".to_vec())?;
            assert_eq!(batch.value(Tree::Entries, b"\x11a", |_| Ok(()))?, None);
            for row in [1, 70_000] {
                batch.set_row(&posting.key(), Row(row), true)?;
            }
            assert_eq!(batch.rows(&posting)?.iter().collect::<Vec<_>>(), [Row(1), Row(70_000)]);
            batch.set_row(&posting.key(), Row(1), false)?;
            assert_eq!(batch.rows(&posting)?.len(), 1);
            batch.set_row(&posting.key(), Row(70_000), false)?;
            batch.log(LogChange {
                kind: super::super::LogKind::Created,
                row: Row(0),
                id: crate::LeadId::from_bytes([0; 16]),
                version: crate::Version::FIRST,
            });
            Ok(())
        };
        fill(&mut batch).unwrap();
        batch.finish(Some(from_micros(0)), Seq(0)).unwrap();
        pending.commit().unwrap();
        let view = db.read().unwrap();
        assert_eq!(view.rows(&posting).unwrap().len(), 0);
        assert_eq!(view.value(Tree::Entries, b"\x11b", |v| Ok(v.to_vec())).unwrap(), Some(vec![1]));
        assert_eq!(view.value(Tree::Bitmaps, &[&posting.key()[..], &[0, 0]].concat(), |_| Ok(())).unwrap(), None);
    }
}
