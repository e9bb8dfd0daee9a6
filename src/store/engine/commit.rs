//! The commit pipeline: run the writes, append them to the journal, publish the new view, and wake
//! the index sync and the background thread.
//!
//! With [`JournalSync::Now`], a commit is durable once [`Database::commit`] has returned. It is
//! visible once the view is published. A crash between the two loses nothing: recovery replays the
//! journal, so the store contains the write although the call never returned.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::Ordering;

use chrono::{DateTime, Utc};

use crate::error::{ErrorKind, Result};
#[expect(unused_imports, reason = "linked from the documentation")]
use crate::storage::JournalSync;
use crate::storage::{Database, PreparedCommit, TxnBase};
use crate::store::engine::Engine;
use crate::store::transaction::Transaction;
use crate::sync::lock;
use crate::trash;

impl Engine {
    /// Runs `work` in its own transaction and publishes the committed state.
    pub(crate) fn write<T>(
        &self,
        work: impl FnOnce(&mut Transaction<'_>) -> Result<T>,
    ) -> Result<T> {
        self.prepare_write()?;
        self.with_file(|file| self.commit(file, work))
    }

    /// Runs one write in a group commit, together with the writes of other threads that are waiting
    /// for the file.
    pub(crate) fn write_grouped<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Transaction<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.prepare_write()?;
        self.queue.run(work, |jobs| {
            self.with_file(|file| {
                self.commit(file, |transaction| {
                    jobs(transaction);
                    Ok(())
                })
            })
        })
    }

    fn prepare_write(&self) -> Result<()> {
        self.refuse_read_only()?;
        self.refuse_nested()?;
        self.index_sync.wait_for_room();
        self.wait_for_checkpoint()
    }

    /// Runs `work` in a transaction on the locked file and publishes the committed state. If `work`
    /// panics, the transaction is rolled back and the panic reaches the caller. If the storage
    /// engine panics, the panic is latched as corruption.
    fn commit<T>(
        &self,
        file: &mut Database,
        work: impl FnOnce(&mut Transaction<'_>) -> Result<T>,
    ) -> Result<T> {
        self.failure.check()?;
        let base = self.failure.guard(|| file.begin())?;
        let prepared = catch_unwind(AssertUnwindSafe(|| self.prepare(&base, work)));
        let (value, prepared) = match prepared {
            Ok(Ok((value, Some(prepared)))) => (value, prepared),
            Ok(result) => {
                let aborted = self.failure.guard(|| base.abort());
                // If both the write and the rollback failed, the error of the write is returned,
                // because it came first.
                let (value, _) = result?;
                return aborted.map(|()| value);
            }
            Err(panic) => {
                // The caller gets the panic. An error of the rollback is not returned, because it
                // would hide the panic.
                let _ = self.failure.guard(|| base.abort());
                resume_unwind(panic);
            }
        };
        self.failure
            .guard(|| {
                let changed = prepared.changed.clone();
                file.commit(base, prepared, self.journal_sync)?;
                let count = changed.rows.len();
                self.view.commit(file.read()?, changed);
                self.index_sync.changed(count);
                Ok(())
            })
            // After a panic, which is reported as corruption, it is unknown whether the commit was
            // written.
            .map_err(|error| match error.kind() {
                ErrorKind::Corrupted => error.with_unknown_outcome(),
                _ => error,
            })?;
        self.backpressure
            .store(file.needs_checkpoint(), Ordering::Release);
        self.wakeup.written(file.wants_checkpoint());
        Ok(value)
    }

    /// Runs `work` and returns its value with the prepared commit, which is `None` if `work`
    /// changed nothing.
    fn prepare<T>(
        &self,
        base: &TxnBase,
        work: impl FnOnce(&mut Transaction<'_>) -> Result<T>,
    ) -> Result<(T, Option<PreparedCommit>)> {
        let mut transaction = Transaction::new(base.write_txn(), &self.rules, &self.failure);
        let value = {
            let _entered = self.reentrancy.enter();
            work(&mut transaction)?
        };
        let txn = transaction.into_write_txn()?;
        if !txn.has_changes() {
            return Ok((value, None));
        }
        let trusted_time = lock(&self.clock_guard).trusted_time(&*self.rules.clock);
        let prepared = self
            .failure
            .guard(|| txn.prepare(trusted_time, self.index_sync.log_start()))?;
        Ok((value, Some(prepared)))
    }

    /// Makes all previous writes durable.
    pub(crate) fn sync(&self) -> Result<()> {
        if self.read_only {
            return Ok(());
        }
        self.refuse_nested()?;
        self.failure.guard(|| self.with_file(Database::sync))
    }

    /// Makes all previous writes durable, unless the store has failed. An I/O error is latched.
    pub(crate) fn sync_if_healthy(&self) -> Result<()> {
        if self.failure.check().is_err() {
            return Ok(());
        }
        self.sync()
    }

    /// Purges one batch of leads that expired before the trusted time, which lags behind the clock
    /// after a jump. Returns the number of leads purged.
    pub(crate) fn sweep_step(&self) -> Result<u64> {
        let until = lock(&self.clock_guard).sweep_until(&*self.rules.clock);
        // Check the published view first, so that a step without work costs no write transaction.
        if !self.has_expired(until)? {
            return Ok(0);
        }
        self.write(|transaction| transaction.sweep(until, trash::SWEEP_BATCH))
            .map(|purged| purged as u64)
    }

    /// If expired leads cannot be swept because the clock is not trusted yet, stores for how long
    /// it has been distrusted. Without this, a store that is only ever open for minutes at a time
    /// would never sweep these leads.
    pub(crate) fn remember_distrust(&self) -> Result<()> {
        if self.read_only || self.failure.check().is_err() {
            return Ok(());
        }
        let trusted_time = lock(&self.clock_guard).trusted_time(&*self.rules.clock);
        let view = self.view()?;
        if trusted_time.jump.is_none()
            || view.state().meta.trusted_time == trusted_time
            || !self.has_expired(self.now())?
        {
            return Ok(());
        }
        self.write(|transaction| {
            transaction.remember_time();
            Ok(())
        })
    }

    /// Returns true if a lead in the trash has expired by `until`.
    fn has_expired(&self, until: DateTime<Utc>) -> Result<bool> {
        self.guarded(|| Ok(!trash::expired_rows(self.view()?.state(), until, 1)?.is_empty()))
    }
}
