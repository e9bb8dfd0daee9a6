//! The thread that keeps the index after the store. It opens or rebuilds the index, then indexes in batches what the
//! change log names, and publishes each batch. Redb is the truth: whatever goes wrong here is mended by doing it again.
//! For tests that are to repeat exactly there need be no thread: then whoever would wait for it does its work.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::error::{Error, ErrorKind, Result};
use crate::search::index::files::{IndexFiles, IndexHome};
use crate::search::index::payload::Payload;
use crate::search::index::schedule::{Due, Failure, Signal};
use crate::search::index::writer::{BatchProgress, Indexer};
use crate::search::status::{SearchState, SearchStatus};
use crate::search::view::{Published, View};
use crate::storage::{Reader, Seq};

/// A writer waits while more leads than this are not indexed, so that memory does not grow without bound.
const MOST_UNINDEXED: u64 = 50_000;

/// The handle of the thread.
pub(crate) struct Follower {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// Is told how many leads are indexed, and of how many.
pub(crate) type Progress = Arc<dyn Fn(u64, u64) + Send + Sync>;

type MakeDurable = Box<dyn Fn() -> Result<()> + Send + Sync>;

struct Shared {
    home: IndexHome,
    published: Arc<Published>,
    /// Makes every published commit durable, since the index must not run ahead of what a power cut leaves.
    make_durable: MakeDurable,
    on_rebuild: Option<Progress>,
    signal: Mutex<Signal>,
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

impl Follower {
    pub(crate) fn start(
        home: IndexHome,
        published: Arc<Published>,
        make_durable: impl Fn() -> Result<()> + Send + Sync + 'static,
        on_rebuild: Option<Progress>,
    ) -> Result<Self> {
        let shared = Arc::new(Shared::new(
            home,
            published,
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
        home: IndexHome,
        published: Arc<Published>,
        make_durable: impl Fn() -> Result<()> + Send + Sync + 'static,
        on_rebuild: Option<Progress>,
    ) -> Self {
        let shared = Shared {
            on_call: true,
            ..Shared::new(home, published, Box::new(make_durable), on_rebuild)
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
        match &self.shared.signal().failure {
            Some(failure) => Err(Error::new(ErrorKind::Unavailable, failure.cause.clone())),
            None => Ok(()),
        }
    }

    /// None at all: nothing is indexed, and searches are `Unavailable`.
    pub(crate) fn none(published: Arc<Published>) -> Self {
        let shared = Shared::new(IndexHome::Memory, published, Box::new(|| Ok(())), None);
        let cause = "the store was opened without search".to_owned();
        shared.signal().failure = Some(Failure {
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
        if self.shared.signal().changed(leads, Instant::now()) {
            self.shared.work.notify_one();
        }
    }

    /// Waits while too much is not indexed.
    pub(crate) fn wait_for_room(&self) {
        let mut signal = self.shared.signal();
        while signal.is_at_work() && self.shared.unindexed() > MOST_UNINDEXED {
            signal = self.shared.hurry(signal);
        }
    }

    /// The newest view as soon as it can be searched.
    pub(crate) fn searchable(&self) -> Result<Arc<View>> {
        let mut signal = self.shared.signal();
        loop {
            let view = self.shared.published.current()?;
            if view.is_searchable() {
                return Ok(view);
            }
            if let Some(failure) = &signal.failure {
                return Err(Error::new(
                    ErrorKind::Unavailable,
                    format!("search is out of order: {}", failure.cause),
                ));
            }
            if signal.stop {
                return Err(Error::closed());
            }
            signal = self.shared.hurry(signal);
        }
    }

    /// Has the index of `failed` thrown away and made anew, because reading it failed; unless that was done already.
    pub(crate) fn distrust(&self, failed: &View) {
        let mut signal = self.shared.signal();
        // In this order: a batch that ends meanwhile must not publish it again.
        if self
            .shared
            .published
            .current()
            .is_ok_and(|view| view.has_index_of(failed))
        {
            signal.discard = true;
            self.shared.published.without_index();
            self.shared.work.notify_one();
        }
    }

    /// Merges the index into one segment, in which nothing is left of leads that are gone, and waits until that is done or
    /// has failed; then the index is made anew as ever.
    pub(crate) fn compact(&self) {
        let mut signal = self.shared.signal();
        signal.merge = true;
        while signal.merge && signal.is_at_work() {
            signal = self.shared.hurry(signal);
        }
    }

    pub(crate) fn status(&self) -> SearchStatus {
        let failure = self
            .shared
            .signal()
            .failure
            .as_ref()
            .map(|failure| failure.cause.clone());
        let view = self.shared.published.current().ok();
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
        self.shared.signal().stop = true;
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

impl Drop for Follower {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Shared {
    fn new(
        home: IndexHome,
        published: Arc<Published>,
        make_durable: MakeDurable,
        on_rebuild: Option<Progress>,
    ) -> Self {
        Self {
            home,
            published,
            make_durable,
            on_rebuild,
            signal: Mutex::default(),
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
        if self.signal().failure.is_none() && self.unindexed() > 0 {
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
        self.signal().failure = failure.map(|cause| Failure {
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
        self.published.without_index();
        Some(cause)
    }

    fn catch_up(&self, slot: &mut Option<Indexer>) -> Result<()> {
        let _indexing = lock(&self.indexing);
        let (discard, merge) = {
            let mut signal = self.signal();
            (signal.begin_batch(), signal.merge)
        };
        let view = self.published.freeze()?;
        let reader = view.reader();
        if discard {
            *slot = None;
        }
        let indexer = match slot {
            Some(indexer) => indexer,
            None => {
                let files = if discard {
                    IndexFiles::discard(&self.home)?
                } else {
                    IndexFiles::open(&self.home, reader)?
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
        let target = Payload::of(reader.header());
        if indexer.payload() != Some(&target) {
            (self.make_durable)()?;
            let before = indexer.payload().map(Payload::seq);
            indexer.index(reader, &target, |progress| self.tell(progress))?;
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
        self.published.indexed(indexer.view()?);
        if merge {
            // The view before held the files that were merged.
            indexer.remove_unused()?;
            self.signal().merge = false;
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
        if is_rebuild && indexed < total && self.signal().stop {
            Err(Error::closed())
        } else {
            Ok(())
        }
    }

    /// Waits until there is something to do; `false` if that is to end.
    fn wait_for_work(&self) -> bool {
        let mut signal = self.signal();
        loop {
            signal = match signal.due(Instant::now()) {
                Due::Now => return true,
                Due::Never => return false,
                Due::WhenTold => self
                    .work
                    .wait(signal)
                    .unwrap_or_else(PoisonError::into_inner),
                Due::In(rest) => {
                    self.work
                        .wait_timeout(signal, rest)
                        .unwrap_or_else(PoisonError::into_inner)
                        .0
                }
            };
        }
    }

    /// Asks for a batch at once and waits until something has changed.
    fn hurry<'a>(&'a self, mut signal: MutexGuard<'a, Signal>) -> MutexGuard<'a, Signal> {
        if self.on_call {
            drop(signal);
            self.attempt();
            return self.signal();
        }
        signal.at_once = true;
        self.work.notify_one();
        // Not for ever, so that no missed signal can hang a caller.
        let (signal, _) = self
            .progress
            .wait_timeout(signal, Duration::from_millis(100))
            .unwrap_or_else(PoisonError::into_inner);
        signal
    }

    fn unindexed(&self) -> u64 {
        self.published.current().map_or(0, |view| view.unindexed())
    }

    fn signal(&self) -> MutexGuard<'_, Signal> {
        lock(&self.signal)
    }
}

/// Every lock here guards values that are whole between any two statements, so a panic elsewhere spoils none.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
