//! An open store as its threads share it: the file, the published view, the queue of writers and
//! the failure latch. What they do with it is in `commit`, `checkpointing` and `searching`.
//!
//! # Lock order
//!
//! A thread that holds one of these locks takes only locks below it.
//!
//! 1. `LeadStore`'s turn: held while a handle closes, reopens or repairs the store.
//! 2. `LeadStore`'s state: held for one read or replacement.
//! 3. `IndexSync`'s indexer, then its indexing lock: held while a batch is indexed or the file is compacted.
//! 4. `checkpointing`: held while a checkpoint, a backup or a check needs the tables to stay as they are.
//! 5. `file`: held for one commit or one step of a checkpoint.
//! 6. `CommitQueue`'s state, the clock guard, the reentrancy guard: each held for a few statements.
//! 7. `IndexSync`'s schedule, then the published view's slot: each held for one change.
//! 8. The locks of a file, of the bitmap cache and of a memory segment's analysis: leaves.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use chrono::{DateTime, Utc};

use crate::clock::ClockGuard;
use crate::error::{Error, Result};
use crate::search::IndexSync;
use crate::storage::{self, Database, JournalSync};
use crate::store::background::Wakeup;
use crate::store::commit_group::CommitQueue;
use crate::store::failure::FailureLatch;
use crate::store::reentrancy::ReentrancyGuard;
use crate::store::transaction::Rules;
use crate::store::view::{PublishedView, StoreView};
use crate::sync::lock;

pub(crate) struct Engine {
    pub(crate) rules: Rules,
    pub(crate) journal_sync: JournalSync,
    pub(crate) read_only: bool,
    pub(crate) wait_for_search: bool,
    /// The store's files, as long as they are open.
    pub(crate) file: Arc<Mutex<Option<Database>>>,
    /// Held while a checkpoint is made.
    pub(crate) checkpointing: Mutex<()>,
    /// Set while writers have to wait for a checkpoint.
    pub(crate) backpressure: AtomicBool,
    pub(crate) wakeup: Arc<Wakeup>,
    pub(crate) queue: CommitQueue,
    pub(crate) failure: FailureLatch,
    pub(crate) reentrancy: Arc<ReentrancyGuard>,
    pub(crate) view: Arc<PublishedView>,
    pub(crate) index_sync: IndexSync,
    pub(crate) clock_guard: Mutex<ClockGuard>,
    pub(crate) closed: AtomicBool,
    pub(crate) snapshots: AtomicUsize,
}

impl Engine {
    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.rules.now()
    }

    /// Returns the published view.
    pub(crate) fn view(&self) -> Result<Arc<StoreView>> {
        self.view.current()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Runs a read. An I/O error in it is latched.
    pub(crate) fn guarded<T>(&self, read: impl FnOnce() -> Result<T>) -> Result<T> {
        storage::catch_corruption_panic(read).map_err(|error| self.failure.latch(error))
    }

    /// Runs `work` on the open file, without latching its errors.
    pub(crate) fn with_file<T>(&self, work: impl FnOnce(&mut Database) -> Result<T>) -> Result<T> {
        work(lock(&self.file).as_mut().ok_or_else(Error::closed)?)
    }

    pub(crate) fn refuse_read_only(&self) -> Result<()> {
        if self.read_only {
            Err(storage::read_only())
        } else {
            Ok(())
        }
    }

    pub(crate) fn refuse_nested(&self) -> Result<()> {
        self.reentrancy.refuse()
    }

    pub(crate) fn snapshot_taken(&self) {
        self.snapshots.fetch_add(1, Ordering::AcqRel);
    }

    pub(crate) fn snapshot_dropped(&self) {
        self.snapshots.fetch_sub(1, Ordering::AcqRel);
    }

    pub(crate) fn has_snapshots(&self) -> bool {
        self.snapshots.load(Ordering::Acquire) > 0
    }
}
