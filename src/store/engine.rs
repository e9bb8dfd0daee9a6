//! An open store: the files, the published view, the threads. It lives from open to close or until the store fails; what
//! survives that is in [`LeadStore`](crate::store::LeadStore).

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

use crate::clock;
use crate::error::{Error, ErrorKind, Result};
use crate::search::{IndexLocation, IndexStorage, IndexSync, PublishedView, StoreView};
use crate::storage::{
    self, CorruptionSlot, Database, DiskSnapshot, FinishedBatch, Location, OpenMode, Pending,
    ReadView, Seq,
};
use crate::store::background::{BackgroundThread, Wakeup};
use crate::store::commit_group::CommitQueue;
use crate::store::options::{Durability, OpenOptions};
use crate::store::reentrancy::ReentrancyGuard;
use crate::store::transaction::{Rules, Transaction};
use crate::sync::lock;
use crate::trash::ClockGuard;

/// How many expired leads one transaction of the sweep purges.
const SWEEP_BATCH: usize = 256;
/// How long a compaction waits for reads that are under way.
const READERS_WAIT_MAX: Duration = Duration::from_secs(10);

pub(crate) struct Engine {
    core: Arc<Core>,
    background: Option<BackgroundThread>,
}

/// What the engine's own threads share with it.
pub(crate) struct Core {
    rules: Rules,
    durability: storage::JournalSync,
    read_only: bool,
    pub(crate) wait_for_search: bool,
    /// The file, as long as it is open; locked by whoever writes.
    file: Arc<Mutex<Option<Database>>>,
    /// Held while a checkpoint is made, before the file is locked.
    checkpointing: Mutex<()>,
    /// Whether writers wait for a checkpoint.
    backpressure: AtomicBool,
    wakeup: Arc<Wakeup>,
    queue: CommitQueue,
    /// The first damage that was met in the file.
    corruption: CorruptionSlot,
    /// What went wrong with the file, after which nothing is to be trusted until it is opened anew.
    failure: OnceLock<Error>,
    pub(crate) reentrancy: Arc<ReentrancyGuard>,
    view: Arc<PublishedView>,
    pub(crate) index_sync: IndexSync,
    clock_guard: Mutex<ClockGuard>,
    closed: AtomicBool,
    snapshots: AtomicUsize,
}

impl Engine {
    pub(crate) fn open(
        options: &OpenOptions,
        mode: OpenMode,
        location: &Location,
        reentrancy: &Arc<ReentrancyGuard>,
    ) -> Result<Self> {
        let statuses = options.status_set()?;
        let database = Database::open(location, options.cache_bytes, mode)?;
        let read = database.read().map_err(|error| match location {
            Location::Directory(directory) => {
                error.while_doing(format_args!("opening the store in {}", directory.display()))
            }
            Location::Memory(_) => error,
            #[cfg(feature = "unstable-testing")]
            Location::Simulated(_) => error,
        })?;
        let last_commit_at = (read.meta().seq.0 > 0).then_some(read.meta().last_commit_at);
        let corruption = database.corruption();
        let clock_guard = ClockGuard::new(last_commit_at, &*options.clock);
        let view = Arc::new(PublishedView::new(read));
        let file = Arc::new(Mutex::new(Some(database)));
        let place = match location {
            Location::Directory(directory) => {
                Some(IndexLocation::Directory(directory.join("search")))
            }
            Location::Memory(_) => None,
            #[cfg(feature = "unstable-testing")]
            Location::Simulated(disk) => Some(IndexLocation::Simulated(disk.directory("search"))),
        };
        let storage = match place {
            Some(place) if options.read_only => IndexStorage::ReadOnly(place),
            Some(place) => IndexStorage::Directory(place),
            None => IndexStorage::Memory,
        };
        let later = !options.read_only && options.durability != Durability::EveryCommit;
        let synced_file = Arc::clone(&file);
        let make_durable = move || sync(&synced_file);
        let on_rebuild = options.on_search_rebuild.clone();
        let index_sync = match (options.search, options.threads) {
            (true, true) => IndexSync::start(storage, Arc::clone(&view), make_durable, on_rebuild)?,
            #[cfg(feature = "unstable-testing")]
            (true, false) => {
                IndexSync::on_call(storage, Arc::clone(&view), make_durable, on_rebuild)
            }
            _ => IndexSync::none(Arc::clone(&view)),
        };
        let core = Arc::new(Core {
            rules: Rules {
                clock: Arc::clone(&options.clock),
                statuses,
                trash_retention: options.trash_retention,
            },
            durability: if later {
                storage::JournalSync::Later
            } else {
                storage::JournalSync::EveryCommit
            },
            read_only: options.read_only,
            wait_for_search: options.wait_for_search,
            file,
            checkpointing: Mutex::default(),
            backpressure: AtomicBool::new(false),
            wakeup: Arc::default(),
            queue: CommitQueue::default(),
            corruption,
            failure: OnceLock::new(),
            reentrancy: Arc::clone(reentrancy),
            view,
            index_sync,
            clock_guard: Mutex::new(clock_guard),
            closed: AtomicBool::new(false),
            snapshots: AtomicUsize::new(0),
        });
        if lock(&core.file)
            .as_ref()
            .is_some_and(Database::has_uncheckpointed)
        {
            core.wakeup.written(false);
        }
        let background = match options.durability {
            _ if options.read_only || !options.threads => None,
            Durability::EveryCommit => Some(BackgroundThread::start(&core, None)?),
            Durability::Within(time) => Some(BackgroundThread::start(&core, Some(time))?),
        };
        Ok(Self { core, background })
    }

    pub(crate) fn core(&self) -> &Arc<Core> {
        &self.core
    }

    /// Ends the threads, then closes the file. Whoever still reads or writes gets `Closed`.
    pub(crate) fn close(&self) -> Result<()> {
        let Some(database) = self.end() else {
            return Ok(());
        };
        catch_unwind(AssertUnwindSafe(|| database.close()))
            .unwrap_or_else(|_| {
                Err(Error::corrupted(
                    "closing the store panicked, which a damaged file can cause",
                ))
            })
            .map_err(|error| self.core.latch_failure(error))
    }

    /// Ends everything but the file, which is given out unless it was already.
    pub(crate) fn end(&self) -> Option<Database> {
        if let Some(background) = &self.background {
            background.stop();
        }
        // The follower indexes what is left, for which it needs the file and the view.
        self.core.index_sync.stop();
        self.core.closed.store(true, Ordering::Release);
        let _no_checkpoint = lock(&self.core.checkpointing);
        let database = lock(&self.core.file).take()?;
        self.core.view.close();
        Some(database)
    }
}

impl Core {
    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.rules.now()
    }

    #[cfg(feature = "http")]
    pub(crate) fn statuses(&self) -> &crate::lead::StatusSet {
        &self.rules.statuses
    }

    pub(crate) fn view(&self) -> Result<Arc<StoreView>> {
        self.view.current()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// By which the keeper is woken.
    pub(crate) fn wakeup(&self) -> &Arc<Wakeup> {
        &self.wakeup
    }

    /// The error of a store that has failed.
    pub(crate) fn check_failure(&self) -> Result<()> {
        match self.failure.get() {
            None => Ok(()),
            Some(failure) => Err(Error::new(
                failure.kind(),
                format!("the store failed earlier ({failure}); reopen() it"),
            )),
        }
    }

    /// Remembers an error of the store's own file, after which what is in memory and what is on disk may differ, and gives
    /// it back: as damage, if that is what redb stumbled over before it refused to go on.
    pub(crate) fn latch_failure(&self, error: Error) -> Error {
        let error = self.as_corruption(error);
        let is_damage = error.kind() == ErrorKind::Corrupted && self.corruption.get().is_some();
        if error.kind() == ErrorKind::Io || error.outcome_unknown() || is_damage {
            // The first one is the cause of those that follow.
            let _ = self.failure.set(error.repeated());
        }
        error
    }

    /// The error, as damage if that is what redb stumbled over before it refused to go on.
    pub(crate) fn as_corruption(&self, error: Error) -> Error {
        match self.corruption.get() {
            Some(corruption) if error.kind() == ErrorKind::Io => {
                Error::corrupted(format!("the store's file is damaged: {corruption}"))
                    .caused_by(error)
            }
            _ => error,
        }
    }

    /// Runs a read. A failure of input or output in it is the store's own, after which nothing is to be trusted.
    pub(crate) fn guarded<T>(&self, read: impl FnOnce() -> Result<T>) -> Result<T> {
        storage::guarded(read).map_err(|error| self.latch_failure(error))
    }

    /// Runs a caller's `work` in a transaction of its own and publishes what it committed.
    pub(crate) fn write<T>(
        &self,
        work: impl FnOnce(&mut Transaction<'_>) -> Result<T>,
    ) -> Result<T> {
        self.prepare_write()?;
        self.commit(lock(&self.file).as_mut().ok_or_else(Error::closed)?, work)
    }

    /// Carries out one write, in one commit with those of other threads that wait for the file at the same time.
    pub(crate) fn write_grouped<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Transaction<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.prepare_write()?;
        self.queue.carry_out(work, |jobs| {
            self.commit(
                lock(&self.file).as_mut().ok_or_else(Error::closed)?,
                |transaction| {
                    jobs(transaction);
                    Ok(())
                },
            )
        })
    }

    fn prepare_write(&self) -> Result<()> {
        self.refuse_read_only()?;
        self.reentrancy.refuse()?;
        self.index_sync.wait_for_room();
        if self.backpressure.load(Ordering::Acquire) {
            let _alone = lock(&self.checkpointing);
            // Another writer may have made room meanwhile.
            if self.backpressure.load(Ordering::Acquire) {
                self.checkpoint_alone(|| {})?;
            }
        }
        Ok(())
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

    /// Has checkpoints wait.
    pub(crate) fn hold_checkpoints(&self) -> MutexGuard<'_, ()> {
        lock(&self.checkpointing)
    }

    /// The newest state, of which the tables have everything; checkpoints are held.
    pub(crate) fn checkpoint_and_read(&self) -> Result<ReadView> {
        if !self.read_only {
            // So that less is left to do while writers wait.
            self.checkpoint_alone(|| {})?;
        }
        let mut file = lock(&self.file);
        let file = file.as_mut().ok_or_else(Error::closed)?;
        let view = file
            .checkpoint_and_read()
            .map_err(|error| self.latch_failure(error))?;
        self.view.rebase(view.clone());
        Ok(view)
    }

    /// The tables as they lie on the disk, and the last commit that they have.
    pub(crate) fn disk_snapshot(&self) -> Result<(DiskSnapshot, Seq)> {
        let file = lock(&self.file);
        let file = file.as_ref().ok_or_else(Error::closed)?;
        Ok((
            file.disk_snapshot()
                .map_err(|error| self.latch_failure(error))?,
            file.last_checkpoint(),
        ))
    }

    pub(crate) fn last_checkpoint(&self) -> Result<Seq> {
        Ok(lock(&self.file)
            .as_ref()
            .ok_or_else(Error::closed)?
            .last_checkpoint())
    }

    /// Brings into the store's tables what only its journal has yet. Writes go on meanwhile.
    pub(crate) fn checkpoint(&self) -> Result<()> {
        self.checkpoint_while(|| {})
    }

    /// The same, with the writes that a test makes meanwhile: before the tables are written, and after.
    pub(crate) fn checkpoint_while(&self, meanwhile: impl FnMut()) -> Result<()> {
        let _alone = lock(&self.checkpointing);
        self.checkpoint_alone(meanwhile)
    }

    fn checkpoint_alone(&self, mut meanwhile: impl FnMut()) -> Result<()> {
        self.check_failure()?;
        let write = || {
            let checkpoint = lock(&self.file)
                .as_mut()
                .ok_or_else(Error::closed)?
                .begin_checkpoint()?;
            let Some(checkpoint) = checkpoint else {
                return Ok(());
            };
            meanwhile();
            let written = checkpoint.write()?;
            meanwhile();
            let mut file = lock(&self.file);
            let file = file.as_mut().ok_or_else(Error::closed)?;
            file.end_checkpoint(written)?;
            self.backpressure
                .store(file.needs_checkpoint(), Ordering::Release);
            self.view.rebase(file.read()?);
            Ok(())
        };
        let panicked = |_| {
            Err(Error::corrupted(
                "a checkpoint panicked, which a damaged file can cause",
            ))
        };
        catch_unwind(AssertUnwindSafe(write)).unwrap_or_else(panicked).map_err(|error| {
            let error = self.latch_failure(error);
            let error =
                error.while_doing("bringing writes from the journal, where they are safe, into the store's tables");
            if error.kind() != ErrorKind::Closed {
                // Memory would grow without bound.
                let _ = self.failure.set(error.repeated());
            }
            error
        })
    }

    /// Runs `work` in a transaction on the file, which the caller has locked, and publishes what it committed.
    fn commit<T>(
        &self,
        file: &mut Database,
        work: impl FnOnce(&mut Transaction<'_>) -> Result<T>,
    ) -> Result<T> {
        self.check_failure()?;
        let own = |result: Result<_>| result.map_err(|error| self.latch_failure(error));
        let pending = file.begin().map_err(|error| self.latch_failure(error))?;
        let (value, changed) = match catch_unwind(AssertUnwindSafe(|| self.work(&pending, work))) {
            Ok(Ok((value, Some(finished)))) => {
                let changed = finished.changed_rows();
                own(file.commit(pending, finished, self.durability))?;
                (value, changed)
            }
            Ok(result) => {
                own(pending.abort())?;
                return result.map(|(value, _)| value);
            }
            Err(panic) => {
                // The panic is what the caller must hear of.
                let _ = own(pending.abort());
                resume_unwind(panic);
            }
        };
        let count = changed.len();
        self.view.commit(file.read()?, changed);
        self.index_sync.changed(count);
        self.backpressure
            .store(file.needs_checkpoint(), Ordering::Release);
        self.wakeup.written(file.wants_checkpoint());
        Ok(value)
    }

    /// What `work` gives, and what it changed, if anything, ready to be committed.
    fn work<T>(
        &self,
        pending: &Pending,
        work: impl FnOnce(&mut Transaction<'_>) -> Result<T>,
    ) -> Result<(T, Option<FinishedBatch>)> {
        let mut transaction = Transaction::new(pending.batch(), &self.rules);
        let value = {
            let _within = self.reentrancy.enter();
            work(&mut transaction)?
        };
        let batch = transaction.into_batch()?;
        if !batch.has_changes() {
            return Ok((value, None));
        }
        let trusted_now = lock(&self.clock_guard).trusted_now(&*self.rules.clock);
        let finished = batch
            .finish(
                trusted_now.map(clock::microseconds),
                self.index_sync.log_start(),
            )
            .map_err(|error| self.latch_failure(error))?;
        Ok((value, Some(finished)))
    }

    /// Makes every write so far durable.
    pub(crate) fn sync(&self) -> Result<()> {
        if self.read_only {
            return Ok(());
        }
        self.reentrancy.refuse()?;
        sync(&self.file)
    }

    pub(crate) fn compact(&self) -> Result<()> {
        self.refuse_read_only()?;
        self.reentrancy.refuse()?;
        self.compact_file()?;
        self.index_sync.compact();
        Ok(())
    }

    fn compact_file(&self) -> Result<()> {
        let busy = || {
            Error::new(
                ErrorKind::Busy,
                "a snapshot or an iterator over leads is still held; drop it first",
            )
        };
        let _indexing = self.index_sync.hold();
        let _no_checkpoint = lock(&self.checkpointing);
        self.checkpoint_alone(|| {})?;
        let mut file = lock(&self.file);
        if self.snapshots.load(Ordering::Acquire) > 0 {
            return Err(busy());
        }
        let database = std::cell::RefCell::new(file.as_mut().ok_or_else(Error::closed)?);
        let compact = || {
            let begun = Instant::now();
            loop {
                match database.borrow_mut().compact() {
                    Err(error)
                        if error.kind() == ErrorKind::Busy
                            && self.snapshots.load(Ordering::Acquire) > 0 =>
                    {
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
                    // Checkpoints may be stuck, and memory would grow without bound.
                    let _ = self.failure.set(error.repeated());
                }
            })
    }

    /// Purges some of what has expired, unless the clock is not to be trusted; tells how many leads that were.
    pub(crate) fn sweep_step(&self) -> Result<u64> {
        if !lock(&self.clock_guard).allows_sweep(&*self.rules.clock) {
            return Ok(0);
        }
        // Looked for in the published view first, so that a step for nothing costs no write transaction.
        if crate::trash::expired_rows(self.view()?.state(), self.now(), 1)?.is_empty() {
            return Ok(0);
        }
        self.write(|transaction| transaction.sweep(SWEEP_BATCH))
            .map(|purged| purged as u64)
    }

    pub(crate) fn snapshot_taken(&self) {
        self.snapshots.fetch_add(1, Ordering::AcqRel);
    }

    pub(crate) fn snapshot_dropped(&self) {
        self.snapshots.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Makes every commit so far durable.
fn sync(file: &Mutex<Option<Database>>) -> Result<()> {
    lock(file).as_mut().ok_or_else(Error::closed)?.sync()
}
