//! The thread that keeps the index after the store. It opens or rebuilds the index, then indexes in batches what the
//! change log names, and publishes each batch. Redb is the truth: whatever goes wrong here is mended by doing it again.
//! For tests that are to repeat exactly there need be no thread: then whoever would wait for it does its work.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::error::{Error, ErrorKind, Result};
use crate::search::index::files::{IndexFiles, IndexStorage};
use crate::search::index::payload::CommitPayload;
use crate::search::index::schedule::{NextRun, SyncFailure, SyncSchedule};
use crate::search::index::writer::{BatchProgress, Indexer};
use crate::search::search_view::{SearchView, ViewCell};
use crate::search::status::{SearchState, SearchStatus};
use crate::storage::Seq;
use crate::sync::lock;
use crate::sync::wait;
use crate::sync::wait_timeout;

/// A writer waits while more leads than this are not indexed, so that memory does not grow without bound.
const UNINDEXED_MAX: u64 = 50_000;

/// The handle of the thread.
pub(crate) struct IndexSync {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// Is told how many leads are indexed, and of how many.
pub(crate) type Progress = Arc<dyn Fn(u64, u64) + Send + Sync>;

type MakeDurable = Box<dyn Fn() -> Result<()> + Send + Sync>;

struct Shared {
    storage: IndexStorage,
    cell: Arc<dyn ViewCell>,
    /// Makes every published commit durable, since the index must not run ahead of what a power cut leaves.
    make_durable: MakeDurable,
    on_rebuild: Option<Progress>,
    schedule: Mutex<SyncSchedule>,
    /// Wakes the thread.
    work: Condvar,
    /// Wakes those who wait for the thread.
    progress: Condvar,
    /// Held while a batch is indexed.
    indexing: Mutex<()>,
    indexer: Mutex<Option<Indexer>>,
    /// Whether there is no thread, and whoever needs the index brings it up to date.
    on_call: bool,
    indexed: AtomicU64,
    total: AtomicU64,
    log_start: AtomicU64,
}

impl IndexSync {
    pub(crate) fn start(
        storage: IndexStorage,
        cell: Arc<impl ViewCell + 'static>,
        make_durable: impl Fn() -> Result<()> + Send + Sync + 'static,
        on_rebuild: Option<Progress>,
    ) -> Result<Self> {
        let shared = Arc::new(Shared::new(
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
                    format!("starting the search thread: {error}"),
                )
                .caused_by(error)
            })?;
        Ok(Self {
            shared,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// The same without a thread.
    #[cfg(feature = "unstable-testing")]
    pub(crate) fn on_call(
        storage: IndexStorage,
        cell: Arc<impl ViewCell + 'static>,
        make_durable: impl Fn() -> Result<()> + Send + Sync + 'static,
        on_rebuild: Option<Progress>,
    ) -> Self {
        let shared = Shared {
            on_call: true,
            ..Shared::new(storage, cell, Box::new(make_durable), on_rebuild)
        };
        Self {
            shared: Arc::new(shared),
            thread: Mutex::default(),
        }
    }

    /// Indexes what is not indexed yet, if that is on call; the cause if it failed.
    #[cfg(feature = "unstable-testing")]
    pub(crate) fn index(&self) -> Result<()> {
        if self.shared.on_call {
            self.shared.attempt();
        }
        match &self.shared.schedule().failure {
            Some(failure) => Err(Error::new(ErrorKind::Unavailable, failure.cause.clone())),
            None => Ok(()),
        }
    }

    /// None at all: nothing is indexed, and searches are `Unavailable`.
    pub(crate) fn none(cell: Arc<impl ViewCell + 'static>) -> Self {
        let shared = Shared::new(IndexStorage::Memory, cell, Box::new(|| Ok(())), None);
        let cause = "the store was opened without search".to_owned();
        shared.schedule().failure = Some(SyncFailure {
            cause,
            at: Instant::now(),
        });
        // No index will ever look for its place in the log.
        shared.log_start.store(u64::MAX, Ordering::Release);
        Self {
            shared: Arc::new(shared),
            thread: Mutex::new(None),
        }
    }

    /// Tells the thread that a commit has changed so many leads.
    pub(crate) fn changed(&self, leads: u64) {
        if self.shared.schedule().changed(leads, Instant::now()) {
            self.shared.work.notify_one();
        }
    }

    /// Waits while too much is not indexed.
    pub(crate) fn wait_for_room(&self) {
        let mut schedule = self.shared.schedule();
        while schedule.is_at_work() && self.shared.unindexed() > UNINDEXED_MAX {
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
                    format!("search is out of order: {}", failure.cause),
                ));
            }
            if schedule.stop {
                return Err(Error::closed());
            }
            schedule = self.shared.hurry(schedule);
        }
    }

    /// Has the index of `failed` thrown away and made anew, because reading it failed; unless that was done already.
    pub(crate) fn invalidate_index(&self, failed: &SearchView) {
        let mut schedule = self.shared.schedule();
        // In this order: a batch that ends meanwhile must not publish it again.
        if self
            .shared
            .cell
            .load()
            .is_ok_and(|(_, view)| view.has_index_of(failed))
        {
            schedule.discard = true;
            self.shared.drop_index();
            self.shared.work.notify_one();
        }
    }

    /// Merges the index into one segment, in which nothing is left of leads that are gone, and waits until that is done or
    /// has failed; then the index is made anew as ever.
    pub(crate) fn compact(&self) {
        let mut schedule = self.shared.schedule();
        schedule.merge = true;
        while schedule.merge && schedule.is_at_work() {
            schedule = self.shared.hurry(schedule);
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
            _ => SearchState::Building {
                indexed: self.shared.indexed.load(Ordering::Relaxed),
                total: self.shared.total.load(Ordering::Relaxed),
            },
        };
        SearchStatus {
            state,
            unindexed: view.map_or(0, |view| view.unindexed()),
        }
    }

    /// The lowest number that the change log must keep, so that the index finds its place in it after a crash.
    pub(crate) fn log_start(&self) -> Seq {
        Seq(self.shared.log_start.load(Ordering::Acquire))
    }

    /// Keeps the thread from reading until the guard is dropped.
    pub(crate) fn hold(&self) -> impl Drop + '_ {
        lock(&self.shared.indexing)
    }

    /// Indexes what is left, and ends the thread with all of tantivy's.
    pub(crate) fn stop(&self) {
        self.shared.schedule().stop = true;
        self.shared.work.notify_all();
        self.shared.progress.notify_all();
        if let Some(thread) = lock(&self.thread).take() {
            // The thread catches its own panics.
            let _ = thread.join();
        }
        if self.shared.on_call {
            self.shared.finish();
        }
    }
}

impl Drop for IndexSync {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Shared {
    fn new(
        storage: IndexStorage,
        cell: Arc<dyn ViewCell>,
        make_durable: MakeDurable,
        on_rebuild: Option<Progress>,
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
            on_call: false,
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
        // What came while the last batch was indexed, unless it is hopeless.
        if self.schedule().failure.is_none() && self.unindexed() > 0 {
            self.attempt();
        }
        if let Some(mut indexer) = lock(&self.indexer).take()
            && let Err(error) = indexer.settle()
        {
            log::warn!("the last merge of the search index failed: {error}");
        }
        self.progress.notify_all();
    }

    /// One batch. A failure costs the indexer, and is tried again with a new one at once: mostly the index was damaged
    /// or removed.
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

    /// The cause if it failed.
    fn attempt_once(&self, indexer: &mut Option<Indexer>) -> Option<String> {
        let cause = match catch_unwind(AssertUnwindSafe(|| self.catch_up(indexer))) {
            Ok(Ok(())) => return None,
            Ok(Err(error)) if error.kind() == ErrorKind::Closed => return None,
            Ok(Err(error)) => error.to_string(),
            Err(_) => "indexing panicked".to_owned(),
        };
        log::error!("the search index cannot follow the store: {cause}");
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
            None => {
                let files = if discard {
                    IndexFiles::discard(&self.storage)?
                } else {
                    IndexFiles::open(&self.storage, *state)?
                };
                // Of the batch before.
                self.indexed.store(0, Ordering::Relaxed);
                self.total.store(0, Ordering::Relaxed);
                let indexer = slot.insert(Indexer::new(files));
                self.log_start.store(
                    indexer.payload().map_or(0, |payload| payload.seq().0),
                    Ordering::Release,
                );
                indexer
            }
        };
        let target = CommitPayload::of(state.meta);
        if indexer.payload() != Some(&target) {
            (self.make_durable)()?;
            let before = indexer.payload().map(CommitPayload::seq);
            indexer.index(state, &target, |progress| self.tell(progress))?;
            // One generation later: after a power cut the index may be back at the commit before this one.
            self.log_start
                .store(before.unwrap_or(Seq(0)).0, Ordering::Release);
        }
        if merge {
            indexer.merge()?;
        }
        if self.on_call {
            // No thread of tantivy's is to go on when the caller does.
            indexer.settle()?;
        }
        let index = Arc::new(indexer.view()?);
        // Fails only if the store was closed, which ends this thread anyway.
        let _ = self
            .cell
            .update(&mut |view| view.with_index(Arc::clone(&index)));
        if merge {
            // The view before held the files that were merged.
            indexer.remove_unused()?;
            self.schedule().merge = false;
        }
        Ok(())
    }

    /// Lets others know how far a batch is, and ends a rebuild if the store is closed.
    fn tell(
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
            progress(indexed, total);
        }
        // A rebuild can be begun again; what was written since is finished.
        if is_rebuild && indexed < total && self.schedule().stop {
            Err(Error::closed())
        } else {
            Ok(())
        }
    }

    /// Waits until there is something to do; `false` if that is to end.
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

    /// Asks for a batch at once and waits until something has changed.
    fn hurry<'a>(
        &'a self,
        mut schedule: MutexGuard<'a, SyncSchedule>,
    ) -> MutexGuard<'a, SyncSchedule> {
        if self.on_call {
            drop(schedule);
            self.attempt();
            return self.schedule();
        }
        schedule.at_once = true;
        self.work.notify_one();
        // Not for ever, so that no missed signal can hang a caller.
        wait_timeout(&self.progress, schedule, Duration::from_millis(100))
    }

    /// Drops the index: searches wait until there is another.
    fn drop_index(&self) {
        let _ = self.cell.update(&mut |_| SearchView::default());
    }

    fn unindexed(&self) -> u64 {
        self.cell.load().map_or(0, |(_, view)| view.unindexed())
    }

    fn schedule(&self) -> MutexGuard<'_, SyncSchedule> {
        lock(&self.schedule)
    }
}
