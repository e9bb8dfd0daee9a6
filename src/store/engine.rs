//! The parts of an open store that all threads share: the file, the published view, the queue of
//! writers and the failure latch. `open_store` assembles and ends them. `commit` and
//! `checkpointing` are the operations on them, and `background` has the background
//! threads. `view` is the published state, and `failure` the latch.
//!
//! # Lock order
//!
//! A thread that holds one of these locks takes only locks below it.
//!
//! 1. `StoreShared::lifecycle`: held while a handle closes, reopens or repairs the store.
//! 2. `StoreShared::state`: held for one read or replacement.
//! 3. `IndexSync::thread` and `BackgroundThread::threads`: held while their threads are joined.
//! 4. `SyncState::indexer`, then `SyncState::indexing`: held while a batch is indexed. The second
//!    one is also held while the file is compacted.
//! 5. `Engine::checkpointing`: held while a checkpoint is made, and while none may start: during a
//!    check, a compaction, closing, and the beginning of a backup.
//! 6. `Engine::file`: held for one commit or for the beginning or end of a checkpoint.
//! 7. `CommitQueue::state`, then the lock of one write's result (`Slot`). Besides, in no order relative to those two, `Engine::clock_guard`, the reentrancy guard and `Wakeup::pending`. Each of these locks is held for a few statements.
//!    The application's `Clock` may run while `Engine::file` and `Engine::clock_guard` are held, so
//!    it must not call the store.
//! 8. `SyncState::schedule`, then the slot of `Engine::view`: each held for one change. A compaction
//!    holds the slot until it is done, so that no read begins meanwhile.
//! 9. `MemSegment::analyzing`: held while the leads of a segment are read and analyzed.
//! 10. The locks of files and of the bitmap cache: held for one access. The lock of the journal's
//!     failure is held for one sync.

pub(crate) mod background;
pub(crate) mod checkpointing;
pub(crate) mod commit;
pub(crate) mod commit_group;
pub(crate) mod failure;
pub(crate) mod open_store;
pub(crate) mod reentrancy;
pub(crate) mod view;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use chrono::{DateTime, Utc};

use crate::clock::ClockGuard;
use crate::error::{Error, Result};
use crate::search::IndexSync;
use crate::storage::{self, Database, JournalSync};
use crate::store::engine::background::Wakeup;
use crate::store::engine::commit_group::CommitQueue;
use crate::store::engine::failure::FailureLatch;
use crate::store::engine::reentrancy::ReentrancyGuard;
use crate::store::engine::view::{PublishedView, StoreView};
use crate::store::transaction::Rules;
use crate::sync::lock;

pub(crate) struct Engine {
    pub(crate) rules: Rules,
    pub(crate) journal_sync: JournalSync,
    pub(crate) read_only: bool,
    pub(crate) wait_for_search: bool,
    /// The store's files, or `None` once they are closed.
    pub(crate) file: Mutex<Option<Database>>,
    /// Held while a checkpoint is made, and while none may start.
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

    /// Runs an operation, converts a panic in it into a corruption error, and latches a failure of
    /// the files.
    pub(crate) fn guarded<T>(&self, read: impl FnOnce() -> Result<T>) -> Result<T> {
        self.failure.guard(read)
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
