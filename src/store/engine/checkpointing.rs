//! Checkpoints, which write commits from the overlay to the tables while other threads read and
//! write. `CheckpointPolicy` in `storage` decides when a checkpoint is due, and usually the thread
//! in `background` makes it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::MutexGuard;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::error::{Error, ErrorKind, Result};
use crate::storage::{DiskSnapshot, ReadView, Seq};
use crate::store::engine::Engine;
use crate::sync::lock;

/// Maximum time that a compaction waits for running reads.
const READERS_WAIT_MAX: Duration = Duration::from_secs(10);

impl Engine {
    /// Makes a checkpoint. Writers continue meanwhile.
    pub(crate) fn checkpoint(&self) -> Result<()> {
        self.checkpoint_while(|| {})
    }

    /// Makes a checkpoint and calls `meanwhile` before and after the tables are written, so that a
    /// test can commit at these points.
    pub(crate) fn checkpoint_while(&self, meanwhile: impl FnMut()) -> Result<()> {
        let _alone = lock(&self.checkpointing);
        self.checkpoint_locked(meanwhile)
    }

    /// If the backlog is too large, blocks the writer until the running checkpoint ends, or makes a
    /// checkpoint if none is running.
    pub(crate) fn wait_for_checkpoint(&self) -> Result<()> {
        if self.backpressure.load(Ordering::Acquire) {
            let _alone = lock(&self.checkpointing);
            // Another writer may have made the checkpoint meanwhile.
            if self.backpressure.load(Ordering::Acquire) {
                self.checkpoint_locked(|| {})?;
            }
        }
        Ok(())
    }

    /// Waits for a running checkpoint, then keeps other threads from starting one until the guard
    /// is dropped.
    pub(crate) fn hold_checkpoints(&self) -> MutexGuard<'_, ()> {
        lock(&self.checkpointing)
    }

    fn checkpoint_locked(&self, mut meanwhile: impl FnMut()) -> Result<()> {
        self.failure.check()?;
        let write = || {
            let Some(checkpoint) = self.with_file(|file| file.begin_checkpoint())? else {
                return Ok(());
            };
            meanwhile();
            let written = checkpoint.write()?;
            meanwhile();
            self.with_file(|file| {
                file.end_checkpoint(written)?;
                self.backpressure
                    .store(file.needs_checkpoint(), Ordering::Release);
                self.view.rebase(file.read()?);
                Ok(())
            })
        };
        let panicked = |_| {
            Err(Error::corrupted(
                "a checkpoint panicked, which a corrupted file can cause",
            ))
        };
        catch_unwind(AssertUnwindSafe(write))
            .unwrap_or_else(panicked)
            .map_err(|error| {
                let error = self
                    .failure
                    .latch(error)
                    .while_doing("checkpointing leads.redb (the journal still holds the commits)");
                if error.kind() != ErrorKind::Closed {
                    // The store must fail, because without checkpoints, its memory would grow
                    // indefinitely.
                    self.failure.latch_always(&error);
                }
                error
            })
    }

    /// Makes a checkpoint and returns the newest state, with an empty overlay. The caller must hold
    /// the guard of [`hold_checkpoints`](Self::hold_checkpoints).
    pub(crate) fn checkpoint_and_read(&self) -> Result<ReadView> {
        if !self.read_only {
            // Most of the work is done here, so that writers wait less below.
            self.checkpoint_locked(|| {})?;
        }
        self.failure.guard(|| {
            self.with_file(|file| {
                let view = file.checkpoint_and_read()?;
                self.view.rebase(view.clone());
                Ok(view)
            })
        })
    }

    /// Returns the tables as they are on disk, and the number of the last commit that they contain.
    pub(crate) fn disk_snapshot(&self) -> Result<(DiskSnapshot, Seq)> {
        self.failure
            .guard(|| self.with_file(|file| Ok((file.disk_snapshot()?, file.last_checkpoint()))))
    }

    pub(crate) fn last_checkpoint(&self) -> Result<Seq> {
        self.with_file(|file| Ok(file.last_checkpoint()))
    }

    /// Gives free pages back to the file system, then merges the search index into one segment.
    pub(crate) fn compact(&self) -> Result<()> {
        self.refuse_read_only()?;
        self.refuse_nested()?;
        self.failure.guard(|| self.compact_file())?;
        self.index_sync.compact()
    }

    fn compact_file(&self) -> Result<()> {
        let busy = || {
            Error::new(
                ErrorKind::Busy,
                "a snapshot or a lead iterator is still held; drop it first",
            )
        };
        let _indexing = self.index_sync.hold();
        let _no_checkpoint = lock(&self.checkpointing);
        self.checkpoint_locked(|| {})?;
        let mut file = lock(&self.file);
        if self.has_snapshots() {
            return Err(busy());
        }
        let database = std::cell::RefCell::new(file.as_mut().ok_or_else(Error::closed)?);
        let compact = || {
            let begun = Instant::now();
            loop {
                match database.borrow_mut().compact() {
                    Err(error) if error.kind() == ErrorKind::Busy && self.has_snapshots() => {
                        return Err(busy());
                    }
                    Err(error)
                        if error.kind() == ErrorKind::Busy
                            && begun.elapsed() < READERS_WAIT_MAX =>
                    {
                        std::thread::sleep(Duration::from_millis(1));
                    }
                    done => return done,
                }
            }
        };
        self.view
            .pause(compact, || database.borrow().read())
            .inspect_err(|error| {
                if error.kind() != ErrorKind::Busy {
                    // The store must fail, because this failure may keep later checkpoints from
                    // starting, and memory would then grow indefinitely.
                    self.failure.latch_always(error);
                }
            })
    }
}
