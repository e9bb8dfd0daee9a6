//! An engine with its threads, from open to close. It ends when the store is closed, reopened or
//! repaired; state that outlives the engine is in the handle.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::clock::ClockGuard;
use crate::error::Result;
use crate::schema::{self, CommittedState};
use crate::search::{IndexLocation, IndexStorage, IndexSync};
use crate::storage::{self, Database, JournalSync, JournalSyncer, Location, OpenMode};
use crate::store::engine::Engine;
use crate::store::engine::background::{BackgroundTasks, BackgroundThread};
use crate::store::engine::commit_group::CommitQueue;
use crate::store::engine::failure::FailureLatch;
use crate::store::engine::reentrancy::ReentrancyGuard;
use crate::store::engine::view::PublishedView;
use crate::store::options::{Durability, OpenOptions};
use crate::store::transaction::Rules;
use crate::sync::lock;

/// An open store: the engine, and the threads that serve it.
pub(crate) struct OpenStore {
    engine: Arc<Engine>,
    background: Option<BackgroundThread>,
}

impl OpenStore {
    pub(crate) fn open(
        options: &OpenOptions,
        mode: OpenMode,
        location: &Location,
        reentrancy: &Arc<ReentrancyGuard>,
    ) -> Result<Self> {
        let rules = rules(options)?;
        let database = storage::catch_corruption_panic(|| {
            schema::open_migrated(
                location,
                options.table_cache_bytes(),
                mode,
                &rules.catalogue,
            )
        })?;
        let read = database.read().map_err(|error| match location {
            Location::Directory(directory) => {
                error.while_doing(format_args!("opening the store in {directory}"))
            }
            Location::Memory(_) => error,
        })?;
        let meta = read.meta();
        let remembered = (meta.seq.0 > 0).then_some(meta.trusted_time);
        let clock_guard = ClockGuard::new(remembered, &*options.clock);
        let failure = FailureLatch::new(database.corruption());
        let has_uncheckpointed = database.has_uncheckpointed();
        let view = Arc::new(PublishedView::new(CommittedState::new(
            read,
            Arc::clone(&rules.catalogue),
        )));
        let journal_sync = journal_sync(options.durability);
        // With `JournalSync::Now`, a published commit is already durable.
        let syncer = database
            .journal_syncer()
            .filter(|_| journal_sync == JournalSync::Deferred);
        let index_sync = open_index(options, location, &view, syncer)?;
        let engine = Arc::new(Engine {
            rules,
            journal_sync,
            read_only: options.read_only,
            wait_for_search: options.wait_for_search,
            file: Mutex::new(Some(database)),
            checkpointing: Mutex::default(),
            backpressure: AtomicBool::new(false),
            wakeup: Arc::default(),
            queue: CommitQueue::default(),
            failure,
            reentrancy: Arc::clone(reentrancy),
            view,
            index_sync,
            clock_guard: Mutex::new(clock_guard),
            closed: AtomicBool::new(false),
            snapshots: AtomicUsize::new(0),
        });
        if has_uncheckpointed {
            engine.wakeup.written(false);
        }
        let background = start_background(options, &engine)?;
        Ok(Self { engine, background })
    }

    pub(crate) fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// Ends the threads, then closes the file. Calls that are still running may return `Closed`.
    pub(crate) fn close(&self) -> Result<()> {
        let Some(database) = self.end() else {
            return Ok(());
        };
        self.engine.failure.guard(|| database.close())
    }

    /// Ends everything except the database. Returns the database, or `None` if an earlier call has
    /// returned it.
    pub(crate) fn end(&self) -> Option<Database> {
        if let Some(background) = &self.background {
            background.stop();
        }
        if let Err(error) = self.engine.remember_distrust() {
            log::warn!("could not store for how long the clock has been distrusted: {error}");
        }
        // Before the index sync stops, it indexes the remaining changes. For that, the file and the
        // view must still be open.
        self.engine.index_sync.stop();
        self.engine.closed.store(true, Ordering::Release);
        let _no_checkpoint = lock(&self.engine.checkpointing);
        let database = lock(&self.engine.file).take()?;
        self.engine.view.close();
        Some(database)
    }
}

fn rules(options: &OpenOptions) -> Result<Rules> {
    Ok(Rules {
        clock: Arc::clone(&options.clock),
        statuses: options.status_set()?,
        trash_retention: options.trash_retention,
        catalogue: Arc::clone(&options.catalogue),
    })
}

fn journal_sync(durability: Durability) -> JournalSync {
    match durability {
        Durability::EveryCommit => JournalSync::Now,
        Durability::Within(_) => JournalSync::Deferred,
    }
}

fn open_index(
    options: &OpenOptions,
    location: &Location,
    view: &Arc<PublishedView>,
    syncer: Option<JournalSyncer>,
) -> Result<IndexSync> {
    let cache_bytes = options.search_cache_bytes();
    let storage = match location {
        Location::Directory(directory) => {
            let index = IndexLocation::new(directory.subdirectory("search"), cache_bytes);
            match options.read_only {
                true => IndexStorage::ReadOnly(index),
                false => IndexStorage::Directory(index),
            }
        }
        Location::Memory(_) => IndexStorage::Memory,
    };
    let view = Arc::clone(view);
    // The journal is synced without locking the file. With the lock, a search that waits for the
    // index would also have to wait for a running transaction.
    let make_durable = move || syncer.as_ref().map_or(Ok(()), JournalSyncer::sync);
    let on_rebuild = options.on_search_rebuild.clone();
    match (options.search, options.threads) {
        (true, true) => IndexSync::start(storage, view, make_durable, on_rebuild),
        #[cfg(feature = "unstable-testing")]
        (true, false) => Ok(IndexSync::on_demand(
            storage,
            view,
            make_durable,
            on_rebuild,
        )),
        _ => Ok(IndexSync::none(view)),
    }
}

fn start_background(
    options: &OpenOptions,
    engine: &Arc<Engine>,
) -> Result<Option<BackgroundThread>> {
    if options.read_only || !options.threads {
        return Ok(None);
    }
    let sync_interval = match options.durability {
        Durability::EveryCommit => None,
        Durability::Within(time) => Some(time),
    };
    let (checkpointed, swept, synced) =
        (Arc::clone(engine), Arc::clone(engine), Arc::clone(engine));
    let tasks = BackgroundTasks {
        checkpoint: Box::new(move || checkpointed.checkpoint()),
        sweep: Box::new(move || swept.sweep_step()),
        sync: Box::new(move || synced.sync_if_healthy()),
    };
    BackgroundThread::start(Arc::clone(&engine.wakeup), tasks, sync_interval).map(Some)
}
