//! A write transaction, which reads its own uncommitted writes.
//!
//! The writes are collected in the transaction's own copy of the overlay. A transaction that
//! exceeds its memory budget writes this copy to the tables, in key order, and continues. It is
//! then committed to the tables directly, without the journal.

use std::cell::OnceCell;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::clock::TrustedTime;
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
use crate::storage::random::random_bytes;
use crate::storage::record::change_log::{self, LoggedChange};
#[cfg(feature = "http")]
use crate::storage::record::credential::StoredCredential;
use crate::storage::record::lead_record::{self, StoredLead};
use crate::storage::record::meta::{CommitId, Seq, StoreMeta};
use crate::storage::redb_error::redb_error;
use crate::storage::state::overlay::Overlay;
use crate::storage::state::read_view::ReadView;
use crate::storage::state::state_ref::StateRef;
use crate::storage::state::state_ref::scan_log;
use crate::storage::tables::read::CommittedTables;
use crate::storage::tables::read::ReadTables;
use crate::storage::tables::scan::Visit;
use crate::storage::tables::write::OpenTables;

/// Maximum number of log records that one commit removes, so that trimming is spread over commits.
const LOG_RECORDS_TRIMMED: usize = 16;

/// A started write transaction, the base of a `WriteTxn`. It must be ended by [`Database::commit`]
/// or [`abort`](Self::abort): redb leaks the pages of a transaction that is dropped during
/// unwinding, and then verifies the whole file at the next open.
pub(crate) struct TxnBase {
    view: ReadView,
    db: Arc<redb::Database>,
    /// Opened when the transaction exceeds its memory budget.
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

    /// Returns redb's transaction, if this one has exceeded its memory budget.
    pub(crate) fn into_transaction(self) -> Option<redb::WriteTransaction> {
        self.transaction.into_inner()
    }

    /// Returns the `WriteTxn` that reads and writes on this base.
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

/// A write transaction: the state that it started from, with its own writes on top.
pub(crate) struct WriteTxn<'p> {
    base: &'p TxnBase,
    meta: StoreMeta,
    overlay: Overlay,
    tables: BaseTables<'p>,
    /// Redo operations for the journal. Empty once the transaction has written to the tables.
    ops: Vec<RedoOp>,
    ops_bytes: usize,
    /// Id of the commit that this transaction becomes.
    commit_id: CommitId,
    /// The last changes, which are in no log record yet.
    unrecorded: Vec<LoggedChange>,
    /// Number of log records written so far.
    log_records: u32,
    /// Number of lead changes so far.
    change_count: usize,
    changed: ChangedLeads,
    has_changes: bool,
    /// True while the tables are being written. If it stays true after an error, part of the
    /// transaction may be lost, and the transaction must not be committed.
    half_written: bool,
}

/// The tables under the overlay.
enum BaseTables<'p> {
    Committed(Arc<CommittedTables>),
    /// The tables of this transaction, which has already written to them.
    Open(Box<OpenTables<'p>>),
}

/// Destination of a prepared commit.
pub(crate) enum CommitTarget {
    /// To be appended to the journal: the state after the commit, and its redo operations.
    InMemory(Box<ReadView>, Vec<RedoOp>),
    /// Already written to the tables.
    InTables,
}

impl<'p> WriteTxn<'p> {
    pub(crate) fn new(base: &'p TxnBase) -> Self {
        let view = base.view();
        Self {
            base,
            meta: view.meta.clone(),
            overlay: view.overlay.clone(),
            tables: BaseTables::Committed(Arc::clone(&view.tables)),
            ops: Vec::new(),
            ops_bytes: 0,
            commit_id: CommitId(random_bytes()),
            unrecorded: Vec::new(),
            log_records: 0,
            change_count: 0,
            changed: ChangedLeads::default(),
            has_changes: false,
            half_written: false,
        }
    }

    /// Allocates the row of a new lead.
    pub(crate) fn allocate_row(&mut self) -> Result<Row> {
        let row = Row(self.meta.next_row);
        // The next row must fit in a `u32` too, so the last row is `u32::MAX - 1`.
        self.meta.next_row = row.0.checked_add(1).ok_or_else(|| {
            Error::new(
                ErrorKind::Unavailable,
                "all 4,294,967,295 rows of the store are used up; create a new store",
            )
        })?;
        Ok(row)
    }

    pub(crate) fn note_created_at(&mut self, created_at: DateTime<Utc>) {
        self.meta.newest_created_at = self.meta.newest_created_at.max(created_at);
    }

    pub(crate) fn put_lead(&mut self, row: Row, stored: &StoredLead) -> Result<()> {
        let record = lead_record::encode(stored)?;
        self.changed.bytes += record.len() as u64;
        self.change(RedoOp::Lead(row.0, Some(record.into())))
    }

    pub(crate) fn remove_lead(&mut self, row: Row) -> Result<()> {
        self.change(RedoOp::Lead(row.0, None))
    }

    /// Sets or removes the row of an id.
    #[cfg(any(test, feature = "unstable-testing"))]
    pub(crate) fn set_id(&mut self, id: &[u8], row: Option<Row>) -> Result<()> {
        self.change(RedoOp::Id(id.into(), row.map(|row| row.0)))
    }

    /// Adds or removes an index key.
    #[cfg(any(test, feature = "unstable-testing"))]
    pub(crate) fn set_key(&mut self, key: &[u8], present: bool) -> Result<()> {
        self.change(RedoOp::Key(key.into(), present))
    }

    /// Adds a row to a bitmap or removes it. `bitmap` is the prefix that the keys of the bitmap's
    /// chunks share.
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

    /// Sets or removes a row's deal value, in ten-thousandths.
    #[cfg(any(test, feature = "unstable-testing"))]
    pub(crate) fn set_deal_value(&mut self, row: Row, value: Option<u64>) -> Result<()> {
        self.change(RedoOp::DealValue(row.0, value))
    }

    /// Records a change to a lead for the change log. All writes of that change must precede this
    /// call.
    pub(crate) fn log(&mut self, change: LoggedChange) -> Result<()> {
        self.changed.rows.insert(change.row);
        self.change_count += 1;
        self.unrecorded.push(change);
        if self.unrecorded.len() == change_log::CHANGES_PER_RECORD {
            self.write_log_record()?;
        }
        self.make_room()
    }

    /// Writes the last changes as a record of the change log.
    fn write_log_record(&mut self) -> Result<()> {
        let key = change_log::key(self.meta.seq.next(), self.log_records);
        let record = change_log::encode(self.commit_id, &self.unrecorded)?;
        self.unrecorded.clear();
        self.log_records = self.log_records.saturating_add(1);
        self.change(RedoOp::Log(key.as_slice().into(), Some(record.into())))
    }

    /// Sets or removes the record of a credential.
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

    /// Writes the collected changes to the tables if the transaction exceeds its memory budget.
    fn make_room(&mut self) -> Result<()> {
        // Each change of the same lead adds redo operations, but the overlay keeps only the last
        // value. So the redo operations can take more memory than the overlay's growth.
        let own_bytes = match self.tables {
            BaseTables::Committed(_) => self
                .ops_bytes
                .max(self.overlay.bytes().saturating_sub(self.view_bytes())),
            BaseTables::Open(_) => self.overlay.bytes(),
        };
        if own_bytes > self.base.memory_limit() {
            self.write_tables()
        } else {
            Ok(())
        }
    }

    /// Makes the transaction commit even if it changes nothing else, to remember the trusted time.
    pub(crate) fn remember_time(&mut self) {
        self.has_changes = true;
    }

    /// Returns true if there is anything to commit.
    pub(crate) fn has_changes(&self) -> bool {
        self.has_changes
    }

    /// Returns the number of lead changes recorded so far.
    pub(crate) fn change_count(&self) -> usize {
        self.change_count
    }

    /// Prepares the commit: adds its last log record and the new store metadata, which includes
    /// `trusted_time`. `log_start` is the lowest commit number that the log must keep.
    pub(crate) fn prepare(
        mut self,
        trusted_time: TrustedTime,
        log_start: Seq,
    ) -> Result<PreparedCommit> {
        if self.half_written {
            return Err(Error::corrupted(
                "an earlier failure lost a part of the transaction, so it cannot be committed",
            ));
        }
        // A commit that changes no lead also gets a record: the commit ids in these records tell
        // one history of the store from another.
        if !self.unrecorded.is_empty() || self.log_records == 0 {
            self.write_log_record()?;
        }
        self.meta.seq = self.meta.seq.next();
        self.meta.commit_id = self.commit_id;
        self.trim_log(log_start)?;
        self.meta.trusted_time = trusted_time;
        let finished = match self.tables {
            BaseTables::Open(mut tables) => {
                tables.write_overlay(&self.overlay)?;
                tables.write_meta(&self.meta)?;
                CommitTarget::InTables
            }
            BaseTables::Committed(tables) => {
                let view = ReadView {
                    meta: self.meta,
                    tables,
                    overlay: self.overlay,
                };
                CommitTarget::InMemory(Box::new(view), self.ops)
            }
        };
        Ok(PreparedCommit {
            finished,
            changed: self.changed,
        })
    }

    fn view_bytes(&self) -> usize {
        self.base.view().overlay.bytes()
    }

    fn trim_log(&mut self, log_start: Seq) -> Result<()> {
        // This commit's own record is kept.
        let log_start = log_start.min(self.meta.seq);
        if log_start <= self.meta.log_start {
            return Ok(());
        }
        let range = KeyRange {
            from: change_log::key(self.meta.log_start, 0).to_vec(),
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
            BaseTables::Committed(tables) => &**tables,
            BaseTables::Open(tables) => &**tables,
        };
        self.has_changes = true;
        self.overlay.apply(&op, tables)?;
        if matches!(self.tables, BaseTables::Committed(_)) {
            self.ops_bytes += op.size();
            self.ops.push(op);
        }
        Ok(())
    }

    /// Writes the collected changes to the tables.
    fn write_tables(&mut self) -> Result<()> {
        self.half_written = true;
        if matches!(self.tables, BaseTables::Committed(_)) {
            self.tables = BaseTables::Open(Box::new(OpenTables::of(self.base.transaction()?)?));
            self.ops = Vec::new();
        }
        if let BaseTables::Open(tables) = &mut self.tables {
            tables.write_overlay(&std::mem::take(&mut self.overlay))?;
        }
        self.half_written = false;
        Ok(())
    }
}

/// A prepared transaction, ready to be committed.
pub(crate) struct PreparedCommit {
    pub(crate) finished: CommitTarget,
    /// The leads that the transaction changed.
    pub(crate) changed: ChangedLeads,
}

/// The leads that one or more commits have changed.
#[derive(Clone, Default)]
pub(crate) struct ChangedLeads {
    pub(crate) rows: RowSet,
    /// Total size in bytes of the records that were written for them.
    pub(crate) bytes: u64,
}

impl ChangedLeads {
    pub(crate) fn add(&mut self, other: &Self) {
        self.rows.add_all(&other.rows);
        self.bytes = self.bytes.saturating_add(other.bytes);
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
            BaseTables::Committed(tables) => &**tables,
            BaseTables::Open(tables) => &**tables,
        }
    }
}

#[cfg(test)]
mod tests;
