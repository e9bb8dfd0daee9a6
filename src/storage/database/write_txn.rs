//! The writes of one transaction, readable before they are committed.
//!
//! They gather in an overlay of the transaction's own. A transaction that outgrows memory writes it to the tables, in
//! key order, and goes on; such a one is committed there, past the journal.

use std::cell::OnceCell;
use std::sync::Arc;

use chrono::{DateTime, Utc};

#[cfg(feature = "http")]
use crate::credential::CredentialId;
use crate::error::{Error, ErrorKind, Result};
use crate::row::{Row, RowSet};
use crate::storage::database::checkpoint;
use crate::storage::index_entries::IndexEntries;
use crate::storage::journal::RedoOp;
use crate::storage::key::KeyRange;
#[cfg(any(test, feature = "unstable-testing"))]
use crate::storage::key::chunk_key;
use crate::storage::record::change_log::{self, LoggedChange};
#[cfg(feature = "http")]
use crate::storage::record::credential::StoredCredential;
use crate::storage::record::lead_record::{self, StoredLead};
use crate::storage::record::meta::{CommitId, Seq, StoreMeta, random_bytes};
use crate::storage::redb_error::redb_error;
use crate::storage::state::overlay::Overlay;
use crate::storage::state::read_view::ReadView;
use crate::storage::state::state_ref::StateRef;
use crate::storage::state::state_ref::scan_log;
use crate::storage::tables::read::CommittedTables;
use crate::storage::tables::read::ReadTables;
use crate::storage::tables::scan::Visit;
use crate::storage::tables::write::OpenTables;

/// How many log records one commit removes, so that trimming is spread over commits.
const LOG_RECORDS_TRIMMED: usize = 16;

/// A write that has begun. It must be ended by [`Database::commit`] or [`abort`](Self::abort): redb leaks the pages of a
/// transaction that is dropped while unwinding, and then checks the whole file at the next open.
pub(crate) struct TxnBase {
    view: ReadView,
    db: Arc<redb::Database>,
    /// Begun when the write outgrows memory.
    transaction: OnceCell<redb::WriteTransaction>,
    memory_limit: usize,
}

impl TxnBase {
    pub(crate) fn new(view: ReadView, db: Arc<redb::Database>, memory_limit: usize) -> Self {
        Self {
            view,
            db,
            transaction: OnceCell::new(),
            memory_limit,
        }
    }

    /// Returns redb's transaction, if the write has outgrown memory.
    pub(crate) fn into_transaction(self) -> Option<redb::WriteTransaction> {
        self.transaction.into_inner()
    }

    /// What this write reads and writes.
    pub(crate) fn write_txn(&self) -> WriteTxn<'_> {
        WriteTxn::new(self)
    }

    pub(crate) fn abort(self) -> Result<()> {
        self.transaction.into_inner().map_or(Ok(()), |transaction| {
            transaction.abort().map_err(redb_error)
        })
    }

    pub(crate) fn view(&self) -> &ReadView {
        &self.view
    }

    pub(crate) fn memory_limit(&self) -> usize {
        self.memory_limit
    }

    pub(crate) fn transaction(&self) -> Result<&redb::WriteTransaction> {
        if let Some(transaction) = self.transaction.get() {
            return Ok(transaction);
        }
        let transaction = checkpoint::begin_write(&self.db)?;
        Ok(self.transaction.get_or_init(|| transaction))
    }
}

/// The writes of one transaction.
pub(crate) struct WriteTxn<'p> {
    base: &'p TxnBase,
    meta: StoreMeta,
    overlay: Overlay,
    tables: Base<'p>,
    /// What the journal gets; nothing once the tables were written.
    ops: Vec<RedoOp>,
    ops_bytes: usize,
    changes: Vec<LoggedChange>,
    has_changes: bool,
    /// Set while the tables are written: if it stays, a part of the transaction is lost and nothing may be committed.
    half_written: bool,
}

/// The tables under the overlay.
enum Base<'p> {
    Committed(Arc<CommittedTables>),
    /// Those of this transaction, which has written to them.
    Open(Box<OpenTables<'p>>),
}

/// A transaction that has been carried out.
pub(crate) enum Finished {
    /// To be written to the journal: the state after it, and what it changed.
    InMemory(Box<ReadView>, Vec<RedoOp>),
    /// Written to the tables.
    InTables,
}

impl<'p> WriteTxn<'p> {
    pub(crate) fn new(base: &'p TxnBase) -> Self {
        let view = base.view();
        Self {
            base,
            meta: view.meta.clone(),
            overlay: view.overlay.clone(),
            tables: Base::Committed(Arc::clone(&view.tables)),
            ops: Vec::new(),
            ops_bytes: 0,
            changes: Vec::new(),
            has_changes: false,
            half_written: false,
        }
    }

    /// The row for a new lead.
    pub(crate) fn allocate_row(&mut self) -> Result<Row> {
        let row = Row(self.meta.next_row);
        // Chunk numbers end with FFFF, and so does the store.
        self.meta.next_row = row.0.checked_add(1).ok_or_else(|| {
            Error::new(
                ErrorKind::Unavailable,
                "the store has given out all of its 4,294,967,295 rows; start a new one",
            )
        })?;
        Ok(row)
    }

    pub(crate) fn note_created_at(&mut self, created_at: DateTime<Utc>) {
        self.meta.newest_created_at = self.meta.newest_created_at.max(created_at);
    }

    pub(crate) fn put_lead(&mut self, row: Row, stored: &StoredLead) -> Result<()> {
        let record = lead_record::encode(stored)?;
        self.change(RedoOp::Lead(row.0, Some(record.into())))
    }

    pub(crate) fn remove_lead(&mut self, row: Row) -> Result<()> {
        self.change(RedoOp::Lead(row.0, None))
    }

    /// Gives an id its row, or takes it away.
    #[cfg(any(test, feature = "unstable-testing"))]
    pub(crate) fn set_id(&mut self, id: &[u8], row: Option<Row>) -> Result<()> {
        self.change(RedoOp::Id(id.into(), row.map(|row| row.0)))
    }

    /// Puts a sorted key in or takes it out.
    #[cfg(any(test, feature = "unstable-testing"))]
    pub(crate) fn set_key(&mut self, key: &[u8], present: bool) -> Result<()> {
        self.change(RedoOp::Key(key.into(), present))
    }

    /// Puts a row into a bitmap or takes it out, by the key of its [`BitmapId`](crate::storage::key::BitmapId).
    #[cfg(any(test, feature = "unstable-testing"))]
    pub(crate) fn set_row(&mut self, bitmap: &[u8], row: Row, present: bool) -> Result<()> {
        self.change(RedoOp::Row {
            chunk: chunk_key(bitmap, row).as_slice().into(),
            row: row.0,
            present,
        })
    }

    /// Replaces a lead's entries in the derived tables.
    pub(crate) fn replace_entries(
        &mut self,
        row: Row,
        before: &IndexEntries,
        after: &IndexEntries,
    ) -> Result<()> {
        after
            .replace(before, row)
            .try_for_each(|op| self.change(op))
    }

    /// Sets a row's deal value, in ten-thousandths.
    #[cfg(any(test, feature = "unstable-testing"))]
    pub(crate) fn set_deal_value(&mut self, row: Row, value: Option<u64>) -> Result<()> {
        self.change(RedoOp::DealValue(row.0, value))
    }

    /// Notes for the change log that a lead has been changed, all of which has been written.
    pub(crate) fn log(&mut self, change: LoggedChange) -> Result<()> {
        self.changes.push(change);
        self.make_room()
    }

    /// Puts the record of a credential in, in place of an earlier one, or takes it out.
    #[cfg(feature = "http")]
    pub(crate) fn set_credential(
        &mut self,
        id: CredentialId,
        stored: Option<&StoredCredential>,
    ) -> Result<()> {
        let record = stored
            .map(crate::storage::record::credential::encode)
            .transpose()?;
        self.change(RedoOp::Credential(
            id.to_bytes().as_slice().into(),
            record.map(Into::into),
        ))?;
        self.make_room()
    }

    /// Writes what has gathered to the tables where it outgrows memory.
    fn make_room(&mut self) -> Result<()> {
        // A lead that is changed again and again takes the journal's room, though not the overlay's.
        let own_bytes = match self.tables {
            Base::Committed(_) => self
                .ops_bytes
                .max(self.overlay.bytes().saturating_sub(self.view_bytes())),
            Base::Open(_) => self.overlay.bytes(),
        };
        if own_bytes > self.base.memory_limit() {
            self.write_tables()
        } else {
            Ok(())
        }
    }

    /// Whether there is anything to commit.
    pub(crate) fn has_changes(&self) -> bool {
        self.has_changes
    }

    /// How many changes to leads were noted so far.
    pub(crate) fn change_count(&self) -> usize {
        self.changes.len()
    }

    /// Completes the transaction with its records in the log and the header. `log_start` is the lowest number that the
    /// log must keep. `now` is `None` while the clock is distrusted.
    pub(crate) fn prepare(
        mut self,
        now: Option<DateTime<Utc>>,
        log_start: Seq,
    ) -> Result<PreparedCommit> {
        if self.half_written {
            return Err(Error::corrupted(
                "an earlier failure in the transaction left a part of it unwritten",
            ));
        }
        let changes = std::mem::take(&mut self.changes);
        self.meta.seq = Seq(self.meta.seq.0.saturating_add(1));
        self.meta.commit_id = CommitId(random_bytes());
        // A commit that changes no lead has its record, too: by those, commits are told from another history's.
        let without_leads = changes.is_empty().then_some(changes.as_slice());
        let parts = changes
            .chunks(change_log::CHANGES_PER_RECORD)
            .chain(without_leads);
        for (part, changes) in parts.enumerate() {
            let key = change_log::key(self.meta.seq, u32::try_from(part).unwrap_or(u32::MAX));
            let record = change_log::encode(self.meta.commit_id, changes)?;
            self.change(RedoOp::Log(key.as_slice().into(), Some(record.into())))?;
        }
        self.trim_log(log_start)?;
        self.meta.last_commit_at = now.unwrap_or(self.meta.last_commit_at);
        let finished = match self.tables {
            Base::Open(mut tables) => {
                tables.write_overlay(&self.overlay)?;
                tables.write_meta(&self.meta)?;
                Finished::InTables
            }
            Base::Committed(tables) => {
                let view = ReadView {
                    meta: self.meta,
                    tables,
                    overlay: self.overlay,
                };
                Finished::InMemory(Box::new(view), self.ops)
            }
        };
        Ok(PreparedCommit { finished, changes })
    }

    fn view_bytes(&self) -> usize {
        self.base.view().overlay.bytes()
    }

    fn trim_log(&mut self, log_start: Seq) -> Result<()> {
        // This commit's own record stays.
        let log_start = log_start.min(self.meta.seq);
        if log_start <= self.meta.log_start {
            return Ok(());
        }
        let range = KeyRange {
            from: Vec::new(),
            to: change_log::key(log_start, 0).to_vec(),
        };
        let mut obsolete = Vec::new();
        let mut reached = log_start;
        scan_log(self.state(), &range, |key, _| {
            if obsolete.len() == LOG_RECORDS_TRIMMED {
                if let Some(number) = key.first_chunk::<8>() {
                    reached = Seq(u64::from_be_bytes(*number));
                }
                return Ok(Visit::Break(()));
            }
            obsolete.push(key.into());
            Ok(Visit::Continue(()))
        })?;
        for key in obsolete {
            self.change(RedoOp::Log(key, None))?;
        }
        self.meta.log_start = reached;
        Ok(())
    }

    fn change(&mut self, op: RedoOp) -> Result<()> {
        let tables: &dyn ReadTables = match &self.tables {
            Base::Committed(tables) => &**tables,
            Base::Open(tables) => &**tables,
        };
        self.has_changes = true;
        self.overlay.apply(&op, tables)?;
        if matches!(self.tables, Base::Committed(_)) {
            self.ops_bytes += op.size();
            self.ops.push(op);
        }
        Ok(())
    }

    /// Writes what has gathered to the tables.
    fn write_tables(&mut self) -> Result<()> {
        self.half_written = true;
        if matches!(self.tables, Base::Committed(_)) {
            self.tables = Base::Open(Box::new(OpenTables::of(self.base.transaction()?)?));
            self.ops = Vec::new();
        }
        if let Base::Open(tables) = &mut self.tables {
            tables.write_overlay(&std::mem::take(&mut self.overlay))?;
        }
        self.half_written = false;
        Ok(())
    }
}

/// A transaction that only needs to be committed.
pub(crate) struct PreparedCommit {
    pub(crate) finished: Finished,
    changes: Vec<LoggedChange>,
}

impl PreparedCommit {
    /// The rows of the leads that it changed.
    pub(crate) fn changed_rows(&self) -> RowSet {
        self.changes.iter().map(|change| change.row).collect()
    }
}

impl WriteTxn<'_> {
    /// Borrows the state as this transaction sees it, its own writes included.
    pub(crate) fn state(&self) -> StateRef<'_> {
        StateRef {
            meta: &self.meta,
            tables: self.base_tables(),
            overlay: &self.overlay,
        }
    }

    fn base_tables(&self) -> &dyn ReadTables {
        match &self.tables {
            Base::Committed(tables) => &**tables,
            Base::Open(tables) => &**tables,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::from_micros;
    use crate::row::Direction;
    use crate::storage::ChangeKind;
    use crate::storage::database::open::OpenMode;
    use crate::storage::database::{Database, JournalSync};
    use crate::storage::file::location::Location;

    fn keys(state: StateRef<'_>, direction: Direction) -> Vec<Vec<u8>> {
        let mut seen = Vec::new();
        let all = KeyRange {
            from: vec![0x10],
            to: vec![0x20],
        };
        state
            .scan_keys(&all, direction, |key| {
                seen.push(key.to_vec());
                Ok(Visit::Continue(()))
            })
            .unwrap();
        seen
    }

    fn change() -> LoggedChange {
        let (id, version) = (crate::LeadId::from_bytes([0; 16]), crate::Version::FIRST);
        LoggedChange {
            kind: ChangeKind::Created,
            row: Row(0),
            id,
            version,
        }
    }

    /// In memory, and written to the tables after every change.
    #[test]
    fn what_is_written_can_be_read_before_the_commit_and_after_it() {
        let bitmap = b"\x07\x01x";
        for cache_bytes in [8 << 20, 0] {
            let mut db =
                Database::open(&Location::memory(), cache_bytes, OpenMode::OpenOrCreate).unwrap();
            let base = db.begin().unwrap();
            let mut txn = base.write_txn();
            let fill = |txn: &mut WriteTxn<'_>| -> Result<()> {
                for key in [b"\x11b", b"\x11a", b"\x11c"] {
                    txn.set_key(key, true)?;
                    txn.log(change())?;
                }
                txn.set_key(b"\x11a", false)?;
                txn.log(change())?;
                assert_eq!(
                    keys(txn.state(), Direction::Ascending),
                    [b"\x11b", b"\x11c"]
                );
                assert_eq!(
                    keys(txn.state(), Direction::Descending),
                    [b"\x11c", b"\x11b"]
                );
                for row in [1, 70_000] {
                    txn.set_row(bitmap, Row(row), true)?;
                    txn.log(change())?;
                }
                assert_eq!(
                    txn.state().bitmap(bitmap)?.iter().collect::<Vec<_>>(),
                    [Row(1), Row(70_000)]
                );
                txn.set_row(bitmap, Row(70_000), false)?;
                txn.log(change())?;
                assert_eq!(
                    txn.state().bitmap(bitmap)?.iter().collect::<Vec<_>>(),
                    [Row(1)]
                );
                Ok(())
            };
            fill(&mut txn).unwrap();
            assert_eq!(matches!(txn.tables, Base::Open(_)), cache_bytes == 0);
            let finished = txn.prepare(Some(from_micros(0)), Seq(0)).unwrap();
            assert_eq!(finished.changed_rows().len(), 1);
            db.commit(base, finished, JournalSync::Now).unwrap();
            let view = db.read().unwrap();
            assert_eq!(view.state().bitmap(bitmap).unwrap().len(), 1);
            assert_eq!(
                keys(view.state(), Direction::Descending),
                [b"\x11c", b"\x11b"]
            );
            let mut logged = 0;
            view.state().changes_after(Seq(0), |_| logged += 1).unwrap();
            assert_eq!(logged, 7);
        }
    }

    #[test]
    fn a_transaction_goes_to_the_tables_once_it_takes_more_than_there_is_room() {
        let overlay_bytes = 100_000;
        let db = Database::open(
            &Location::memory(),
            overlay_bytes * 6,
            OpenMode::OpenOrCreate,
        )
        .unwrap();
        let base = db.begin().unwrap();
        let mut txn = base.write_txn();
        assert!(!txn.has_changes());
        // The overlay keeps the last record, the journal would get all.
        let stored = lead_record::with_text(9_000);
        let taken = size_of::<RedoOp>() + lead_record::encode(&stored).unwrap().len();
        for puts in 1..=overlay_bytes / taken + 1 {
            txn.put_lead(Row(0), &stored).unwrap();
            txn.log(change()).unwrap();
            assert!(txn.has_changes());
            assert_eq!(
                matches!(txn.tables, Base::Open(_)),
                puts * taken > overlay_bytes,
                "{puts} of {taken} bytes"
            );
        }
        drop(txn);
        base.abort().unwrap();
    }

    #[test]
    fn the_log_is_trimmed_by_some_records_a_commit_and_never_of_its_own() {
        let mut db = Database::open(&Location::memory(), 8 << 20, OpenMode::OpenOrCreate).unwrap();
        let mut commit = |log_start| {
            let base = db.begin().unwrap();
            let mut txn = base.write_txn();
            txn.log(change()).unwrap();
            let finished = txn.prepare(None, Seq(log_start)).unwrap();
            db.commit(base, finished, JournalSync::Deferred).unwrap();
            let (view, mut kept) = (db.read().unwrap(), Vec::new());
            view.state()
                .each_log_record(|seq, _| kept.extend(seq))
                .unwrap();
            assert_eq!(kept.first(), Some(&view.meta().log_start));
            (view.meta().log_start.0, kept.len())
        };
        (1..=40).for_each(|count| assert_eq!(commit(1), (1, count)));
        assert_eq!(commit(10), (10, 32));
        assert_eq!(commit(5), (10, 33), "not back");
        assert_eq!(commit(36), (26, 18), "sixteen at once");
        assert_eq!(commit(36), (36, 9), "then the rest");
        assert_eq!(commit(u64::MAX), (45, 1));
    }
}
