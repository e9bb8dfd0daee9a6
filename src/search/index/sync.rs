//! Keeps the search index in sync with the store. A background thread opens or rebuilds the index.
//! It then indexes the rows that the change log names, in batches, and publishes each batch. The
//! tables are authoritative, so an index that failed or was lost can always be rebuilt from them.
//!
//! Tests that must be reproducible run without the thread: a caller that needs the index then does
//! the work itself.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::error::{Error, ErrorKind, Result};
use crate::progress::Progress;
use crate::schema::StoreState;
use crate::search::index::files::{IndexFiles, IndexStorage};
use crate::search::index::payload::CommitPayload;
use crate::search::index::schedule::{NextRun, SyncFailure, SyncSchedule};
use crate::search::index::writer::{BatchProgress, Indexer};
use crate::search::search_view::{SearchView, ViewCell};
use crate::search::status::{SearchState, SearchStatus};
use crate::storage::Seq;
use crate::sync::{lock, wait, wait_timeout};

/// Number of unindexed leads above which writers wait, so that memory stays bounded.
const UNINDEXED_MAX: u64 = 50_000;

/// Handle to the indexing thread.
pub(crate) struct IndexSync {
    shared: Arc<SyncState>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// A callback that receives the progress of a rebuild: the number of leads indexed so far, and the
/// total.
pub(crate) type RebuildCallback = Arc<dyn Fn(Progress) + Send + Sync>;

type MakeDurable = Box<dyn Fn() -> Result<()> + Send + Sync>;

struct SyncState {
    storage: IndexStorage,
    cell: Arc<dyn ViewCell>,
    /// Makes every published commit durable. It is called before an index commit, because the index
    /// must not contain store commits that a power cut may undo.
    make_durable: MakeDurable,
    on_rebuild: Option<RebuildCallback>,
    schedule: Mutex<SyncSchedule>,
    /// Wakes the indexing thread.
    work: Condvar,
    /// Wakes the callers that are waiting for the indexing thread.
    progress: Condvar,
    /// Held while a batch is indexed.
    indexing: Mutex<()>,
    indexer: Mutex<Option<Indexer>>,
    /// True if there is no thread and callers bring the index up to date on demand.
    on_demand: bool,
    /// True if the handle was created by [`IndexSync::none`], so that there is no index.
    is_disabled: bool,
    indexed: AtomicU64,
    total: AtomicU64,
    log_start: AtomicU64,
}

impl IndexSync {
    pub(crate) fn start(
        storage: IndexStorage,
        cell: Arc<impl ViewCell + 'static>,
        make_durable: impl Fn() -> Result<()> + Send + Sync + 'static,
        on_rebuild: Option<RebuildCallback>,
    ) -> Result<Self> {
        let shared = Arc::new(SyncState::new(
            storage,
            cell,
            Box::new(make_durable),
            on_rebuild,
        ));
        let run = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("leadstore-search".to_owned())
            .spawn(move || run.run())
            .map_err(|error| {
                Error::new(
                    ErrorKind::Io,
                    format!("spawning the search thread failed: {error}"),
                )
                .caused_by(error)
            })?;
        Ok(Self {
            shared,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Creates the handle without a thread. Callers index on demand.
    #[cfg(feature = "unstable-testing")]
    pub(crate) fn on_demand(
        storage: IndexStorage,
        cell: Arc<impl ViewCell + 'static>,
        make_durable: impl Fn() -> Result<()> + Send + Sync + 'static,
        on_rebuild: Option<RebuildCallback>,
    ) -> Self {
        let shared = SyncState {
            on_demand: true,
            ..SyncState::new(storage, cell, Box::new(make_durable), on_rebuild)
        };
        Self {
            shared: Arc::new(shared),
            thread: Mutex::default(),
        }
    }

    /// Indexes all pending changes if there is no thread. If the last batch failed, returns the
    /// cause of the failure as an error.
    #[cfg(feature = "unstable-testing")]
    pub(crate) fn index(&self) -> Result<()> {
        if self.shared.on_demand {
            self.shared.attempt();
        }
        match &self.shared.schedule().failure {
            Some(failure) => Err(Error::new(ErrorKind::Unavailable, failure.cause.clone())),
            None => Ok(()),
        }
    }

    /// Returns a disabled handle: nothing is indexed, and every search is `Unavailable`.
    pub(crate) fn none(cell: Arc<impl ViewCell + 'static>) -> Self {
        let shared = SyncState {
            is_disabled: true,
            ..SyncState::new(IndexStorage::Memory, cell, Box::new(|| Ok(())), None)
        };
        let cause = "the store was opened without search".to_owned();
        shared.schedule().failure = Some(SyncFailure {
            cause,
            at: Instant::now(),
        });
        // No index will catch up from the change log, so none of it has to be retained.
        shared.log_start.store(u64::MAX, Ordering::Release);
        Self {
            shared: Arc::new(shared),
            thread: Mutex::new(None),
        }
    }

    /// Notifies the thread that a commit changed this many leads.
    pub(crate) fn changed(&self, leads: u64) {
        if self.shared.schedule().changed(leads, Instant::now()) {
            self.shared.work.notify_one();
        }
    }

    /// Blocks while too many leads are unindexed, unless indexing has failed or is being stopped.
    pub(crate) fn wait_for_room(&self) {
        let mut schedule = self.shared.schedule();
        while schedule.can_progress() && self.shared.unindexed() > UNINDEXED_MAX {
            schedule = self.shared.hurry(schedule);
        }
    }

    /// Waits until the published view can be searched.
    pub(crate) fn wait_until_searchable(&self) -> Result<()> {
        let mut schedule = self.shared.schedule();
        loop {
            if self.shared.cell.load()?.1.is_searchable() {
                return Ok(());
            }
            if let Some(failure) = &schedule.failure {
                return Err(Error::new(
                    ErrorKind::Unavailable,
                    format!("search is unavailable: {}", failure.cause),
                ));
            }
            if schedule.stop {
                return Err(Error::closed());
            }
            schedule = self.shared.hurry(schedule);
        }
    }

    /// Withdraws the index of the view `failed`, in which a read failed, and schedules a rebuild.
    /// Does nothing if that index has already been replaced.
    pub(crate) fn invalidate_index(&self, failed: &SearchView) {
        let mut schedule = self.shared.schedule();
        // The rebuild is requested and the index withdrawn under one lock, so that no batch can
        // begin in between.
        if self
            .shared
            .cell
            .load()
            .is_ok_and(|(_, view)| view.shares_index_with(failed))
        {
            schedule.discard = true;
            self.shared.drop_index();
            self.shared.work.notify_one();
        }
    }

    /// Merges the index into one segment without deleted documents. Waits until the merge is done
    /// or has failed, or until the index sync is stopped. After a failure the index is reopened or
    /// rebuilt as usual.
    ///
    /// # Errors
    ///
    /// `Unavailable` if indexing or merging failed, `Closed` if the index sync is stopped.
    pub(crate) fn compact(&self) -> Result<()> {
        if self.shared.is_disabled {
            return Ok(());
        }
        let mut schedule = self.shared.schedule();
        schedule.merge = true;
        while schedule.merge && schedule.can_progress() {
            schedule = self.shared.hurry(schedule);
        }
        match &schedule.failure {
            Some(failure) if schedule.merge => Err(Error::new(
                ErrorKind::Unavailable,
                format!(
                    "the search index could not be merged and may still contain purged leads: {}; \
                     call compact() again",
                    failure.cause
                ),
            )),
            None if schedule.merge => Err(Error::closed()),
            _ => Ok(()),
        }
    }

    pub(crate) fn status(&self) -> SearchStatus {
        let failure = self
            .shared
            .schedule()
            .failure
            .as_ref()
            .map(|failure| failure.cause.clone());
        let view = self.shared.cell.load().ok().map(|(_, view)| view);
        let state = match (failure, &view) {
            (Some(failure), _) => SearchState::Failed(failure),
            (None, Some(view)) if view.is_searchable() => SearchState::Ready,
            _ => SearchState::Building(Progress::new(
                self.shared.indexed.load(Ordering::Relaxed),
                self.shared.total.load(Ordering::Relaxed),
            )),
        };
        SearchStatus {
            state,
            unindexed: view.map_or(0, |view| view.unindexed()),
        }
    }

    /// Returns the lowest commit number that the change log must retain, so that the index can
    /// catch up after a crash.
    pub(crate) fn log_start(&self) -> Seq {
        Seq(self.shared.log_start.load(Ordering::Acquire))
    }

    /// Blocks indexing until the returned guard is dropped.
    pub(crate) fn hold(&self) -> impl Drop + '_ {
        lock(&self.shared.indexing)
    }

    /// Indexes the remaining changes unless indexing is failing, then stops the thread and
    /// tantivy's threads. A rebuild is aborted rather than finished.
    pub(crate) fn stop(&self) {
        self.shared.schedule().stop = true;
        self.shared.work.notify_all();
        self.shared.progress.notify_all();
        if let Some(thread) = lock(&self.thread).take() {
            // The thread catches its own panics.
            let _ = thread.join();
        }
        if self.shared.on_demand {
            self.shared.finish();
        }
    }
}

impl Drop for IndexSync {
    fn drop(&mut self) {
        self.stop();
    }
}

impl SyncState {
    fn new(
        storage: IndexStorage,
        cell: Arc<dyn ViewCell>,
        make_durable: MakeDurable,
        on_rebuild: Option<RebuildCallback>,
    ) -> Self {
        Self {
            storage,
            cell,
            make_durable,
            on_rebuild,
            schedule: Mutex::default(),
            work: Condvar::new(),
            progress: Condvar::new(),
            indexing: Mutex::default(),
            indexer: Mutex::default(),
            on_demand: false,
            is_disabled: false,
            indexed: AtomicU64::new(0),
            total: AtomicU64::new(0),
            log_start: AtomicU64::new(0),
        }
    }

    fn run(&self) {
        loop {
            self.attempt();
            if !self.wait_for_work() {
                break;
            }
        }
        self.finish();
    }

    fn finish(&self) {
        // Index the commits that arrived during the last batch, unless indexing is failing.
        if self.schedule().failure.is_none() && self.is_behind() {
            self.attempt();
        }
        if let Some(mut indexer) = lock(&self.indexer).take()
            && let Err(error) = indexer.settle()
        {
            log::warn!("merging search index segments while closing failed: {error}");
        }
        self.progress.notify_all();
    }

    /// Runs one batch. If it fails, drops the indexer and retries the batch once, immediately, with
    /// a new indexer, because the usual cause is a corrupted or removed index.
    fn attempt(&self) {
        let mut indexer = lock(&self.indexer);
        let failure = self
            .attempt_once(&mut indexer)
            .and_then(|_| self.attempt_once(&mut indexer));
        self.schedule().failure = failure.map(|cause| SyncFailure {
            cause,
            at: Instant::now(),
        });
        self.progress.notify_all();
    }

    /// Runs one batch and returns the cause if it failed.
    fn attempt_once(&self, indexer: &mut Option<Indexer>) -> Option<String> {
        let cause = match catch_unwind(AssertUnwindSafe(|| self.catch_up(indexer))) {
            Ok(Ok(())) => return None,
            Ok(Err(error)) if error.kind() == ErrorKind::Closed => return None,
            Ok(Err(error)) => error.to_string(),
            Err(_) => "indexing panicked".to_owned(),
        };
        log::error!("updating the search index failed: {cause}");
        *indexer = None;
        self.drop_index();
        Some(cause)
    }

    fn catch_up(&self, slot: &mut Option<Indexer>) -> Result<()> {
        let _indexing = lock(&self.indexing);
        let (discard, merge) = {
            let mut schedule = self.schedule();
            (schedule.begin_batch(), schedule.merge)
        };
        let (read, _) = self.cell.update(&mut SearchView::freeze)?;
        let state = read.state();
        if discard {
            *slot = None;
        }
        let indexer = match slot {
            Some(indexer) => indexer,
            None => slot.insert(self.open_indexer(discard, state)?),
        };
        let target = CommitPayload::of(state.meta);
        if indexer.payload() != Some(&target) {
            (self.make_durable)()?;
            let before = indexer.payload().map(CommitPayload::seq);
            indexer.index(state, &target, |progress| self.report_progress(progress))?;
            // Retain the change log back to the previous index commit: after a power cut the index
            // may have fallen back to it.
            self.log_start
                .store(before.unwrap_or(Seq(0)).0, Ordering::Release);
        }
        if merge {
            indexer.merge()?;
        }
        if self.on_demand {
            // Without an indexing thread, no thread may run between calls, so tantivy's threads end
            // here.
            indexer.settle()?;
        }
        let index = Arc::new(indexer.view()?);
        // The update fails only if the store was closed or could not be reopened. No view is
        // published then.
        let _ = self
            .cell
            .update(&mut |view| view.with_index(Arc::clone(&index)));
        if merge {
            // The old files are removed only now, because the previously published view used them.
            indexer.remove_unused()?;
            self.schedule().merge = false;
        }
        Ok(())
    }

    fn open_indexer(&self, discard: bool, state: StoreState<'_>) -> Result<Indexer> {
        let files = if discard {
            IndexFiles::discard(&self.storage)?
        } else {
            IndexFiles::open(&self.storage, *state)?
        };
        // Reset the figures of the previous batch.
        self.indexed.store(0, Ordering::Relaxed);
        self.total.store(0, Ordering::Relaxed);
        let indexer = Indexer::new(files);
        let seq = indexer.payload().map_or(0, |payload| payload.seq().0);
        self.log_start.store(seq, Ordering::Release);
        Ok(indexer)
    }

    /// Publishes the progress of a batch. Aborts a rebuild with `Closed` if the store is closing.
    fn report_progress(
        &self,
        BatchProgress {
            indexed,
            total,
            is_rebuild,
        }: BatchProgress,
    ) -> Result<()> {
        self.indexed.store(indexed, Ordering::Relaxed);
        self.total.store(total, Ordering::Relaxed);
        if let Some(progress) = self.on_rebuild.as_ref().filter(|_| is_rebuild && total > 0) {
            progress(Progress::new(indexed, total));
        }
        // A rebuild can be repeated after the next open. An incremental batch runs to its end.
        if is_rebuild && indexed < total && self.schedule().stop {
            Err(Error::closed())
        } else {
            Ok(())
        }
    }

    /// Waits until a batch is due. Returns `false` if the thread should exit.
    fn wait_for_work(&self) -> bool {
        let mut schedule = self.schedule();
        loop {
            schedule = match schedule.next_run(Instant::now()) {
                NextRun::Now => return true,
                NextRun::Never => return false,
                NextRun::WhenNotified => wait(&self.work, schedule),
                NextRun::In(rest) => wait_timeout(&self.work, schedule, rest),
            };
        }
    }

    /// Requests an immediate batch, and waits at most 100 ms for a batch to end.
    /// Without a thread, runs the batch itself.
    fn hurry<'a>(
        &'a self,
        mut schedule: MutexGuard<'a, SyncSchedule>,
    ) -> MutexGuard<'a, SyncSchedule> {
        if self.on_demand {
            drop(schedule);
            self.attempt();
            return self.schedule();
        }
        schedule.at_once = true;
        self.work.notify_one();
        // The wait is bounded, so that a missed notification cannot hang a caller.
        wait_timeout(&self.progress, schedule, Duration::from_millis(100))
    }

    /// Withdraws the index from the published view. Until a new one is published, searches wait or
    /// fail.
    fn drop_index(&self) {
        let _ = self.cell.update(&mut |_| SearchView::default());
    }

    /// Returns true if the index lacks a commit, even one that changed no lead: a read-only open
    /// accepts only an index that has every commit.
    fn is_behind(&self) -> bool {
        let indexed = lock(&self.indexer)
            .as_ref()
            .and_then(|indexer| indexer.payload().cloned());
        let newest = self
            .cell
            .load()
            .map(|(read, _)| CommitPayload::of(read.state().meta));
        indexed.is_some_and(|indexed| newest.is_ok_and(|newest| newest != indexed))
            || self.unindexed() > 0
    }

    fn unindexed(&self) -> u64 {
        self.cell.load().map_or(0, |(_, view)| view.unindexed())
    }

    fn schedule(&self) -> MutexGuard<'_, SyncSchedule> {
        lock(&self.schedule)
    }
}
