//! An open store: the file, the published view, the threads. It lives from open to close or until the store fails; what survives
//! that is in [`LeadStore`](super::LeadStore).

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

use super::keeper::Keeper;
use super::nesting::Nesting;
use super::options::{Durability, OpenOptions};
use super::transaction::{Rules, Transaction};
use crate::query::Page;
use crate::row::RowSet;
use crate::search::{self, Follower, Hit, IndexHome, Published, SearchQuery, SearchStatus, View};
use crate::storage::{self, Database, LogChange, Medium, Pending, Reader};
use crate::trash::Patience;
use crate::{Error, ErrorKind, Result};

/// How many expired leads one transaction of the sweep purges.
const SWEEP_STEP: usize = 256;
/// How long a compaction waits for reads that are under way.
const READERS_LEAVE: Duration = Duration::from_secs(10);

pub(super) struct Engine {
    core: Arc<Core>,
    keeper: Option<Keeper>,
}

/// What the engine's own threads share with it.
pub(super) struct Core {
    rules: Rules,
    durability: storage::Durability,
    read_only: bool,
    wait_for_search: bool,
    /// The file, as long as it is open; locked by whoever writes.
    file: Arc<Mutex<Option<Database>>>,
    nesting: Arc<Nesting>,
    published: Arc<Published>,
    follower: Follower,
    patience: Mutex<Patience>,
    closed: AtomicBool,
    snapshots: AtomicUsize,
}

impl Engine {
    pub(super) fn open(options: &OpenOptions, medium: &Medium, nesting: &Arc<Nesting>) -> Result<Self> {
        let statuses = options.status_set()?;
        let database = Database::open(medium, options.cache_bytes, options.access())?;
        let read = database.read().map_err(|error| match medium {
            Medium::Directory(directory) => {
                error.while_doing(format_args!("opening the store in {}", directory.display()))
            }
            Medium::Memory(_) => error,
        })?;
        let last_commit_at = (read.header().seq.0 > 0).then_some(read.header().last_commit_at);
        let patience = Patience::new(last_commit_at, &*options.clock);
        let published = Arc::new(Published::new(read));
        let file = Arc::new(Mutex::new(Some(database)));
        let home = match medium {
            Medium::Directory(directory) if options.read_only => IndexHome::ReadOnly(directory.join("search")),
            Medium::Directory(directory) => IndexHome::Directory(directory.join("search")),
            Medium::Memory(_) => IndexHome::Memory,
        };
        let later = options.durability != Durability::EveryCommit;
        let synced_file = Arc::clone(&file);
        let make_durable = move || if later { with_file(&synced_file, Database::sync) } else { Ok(()) };
        let follower = Follower::start(home, Arc::clone(&published), make_durable)?;
        let core = Arc::new(Core {
            rules: Rules { clock: Arc::clone(&options.clock), statuses, trash_retention: options.trash_retention },
            durability: if later { storage::Durability::Later } else { storage::Durability::EveryCommit },
            read_only: options.read_only,
            wait_for_search: options.wait_for_search,
            file,
            nesting: Arc::clone(nesting),
            published,
            follower,
            patience: Mutex::new(patience),
            closed: AtomicBool::new(false),
            snapshots: AtomicUsize::new(0),
        });
        let keeper = match (options.read_only, options.durability) {
            (true, _) => None,
            (false, Durability::EveryCommit) => Some(Keeper::start(Arc::clone(&core), None)?),
            (false, Durability::Within(time)) => Some(Keeper::start(Arc::clone(&core), Some(time))?),
        };
        Ok(Self { core, keeper })
    }

    pub(super) fn core(&self) -> &Arc<Core> {
        &self.core
    }

    /// Ends the threads, then closes the file. Whoever still reads or writes gets `Closed`.
    pub(super) fn close(&self) -> Result<()> {
        if let Some(keeper) = &self.keeper {
            keeper.stop();
        }
        // The follower indexes what is left, for which it needs the file and the view.
        self.core.follower.stop();
        self.core.closed.store(true, Ordering::Release);
        let mut file = lock(&self.core.file);
        let Some(database) = file.take() else { return Ok(()) };
        self.core.published.close();
        let synced = match self.core.durability {
            storage::Durability::Later => database.sync(),
            storage::Durability::EveryCommit => Ok(()),
        };
        synced.and(database.close())
    }
}

impl Core {
    pub(super) fn now(&self) -> DateTime<Utc> {
        self.rules.now()
    }

    pub(super) fn view(&self) -> Result<Arc<View>> {
        self.published.current()
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Runs `work` in a transaction and publishes what it committed.
    pub(super) fn write<T>(&self, work: impl FnOnce(&mut Transaction<'_>) -> Result<T>) -> Result<T> {
        if self.read_only {
            return Err(storage::read_only());
        }
        self.nesting.refuse()?;
        self.follower.wait_for_room();
        let file = lock(&self.file);
        let database = file.as_ref().ok_or_else(Error::closed)?;
        let pending = database.begin(self.durability)?;
        let (value, changes) = match catch_unwind(AssertUnwindSafe(|| self.work(&pending, work))) {
            Ok(Ok((value, changes))) if !changes.is_empty() => {
                pending.commit()?;
                (value, changes)
            }
            Ok(result) => {
                pending.abort()?;
                return result.map(|(value, _)| value);
            }
            Err(panic) => {
                // The panic is what the caller must hear of.
                let _ = pending.abort();
                resume_unwind(panic);
            }
        };
        let rows: RowSet = changes.iter().map(|change| change.row).collect();
        let changed = rows.len();
        let read = database.read().map_err(|error| {
            error.with_unknown_outcome().while_doing("reading what was just committed, which is there after reopen()")
        })?;
        self.published.commit(read, rows);
        self.follower.changed(changed);
        Ok(value)
    }

    /// What `work` gives, and what it changed, written but not committed.
    fn work<T>(
        &self,
        pending: &Pending,
        work: impl FnOnce(&mut Transaction<'_>) -> Result<T>,
    ) -> Result<(T, Vec<LogChange>)> {
        let mut transaction = Transaction::new(pending.batch()?, &self.rules);
        let value = {
            let _within = self.nesting.enter();
            work(&mut transaction)?
        };
        let batch = transaction.into_batch()?;
        if batch.change_count() == 0 {
            return Ok((value, Vec::new()));
        }
        let (_, changes) = batch.finish(self.now(), self.follower.log_start())?;
        Ok((value, changes))
    }

    pub(super) fn search(&self, query: &SearchQuery) -> Result<Page<Hit>> {
        query.check()?;
        let answer = |view: &View| catch_unwind(AssertUnwindSafe(|| search::search(view, query)));
        match answer(&*self.searchable()?) {
            Ok(Err(error)) if error.kind() == ErrorKind::Unavailable => {
                log::error!("the search index failed and is made anew: {error}");
            }
            Ok(result) => return result,
            Err(_) => log::error!("the search index panicked and is made anew"),
        }
        self.follower.distrust();
        answer(&*self.searchable()?).unwrap_or_else(|panic| resume_unwind(panic))
    }

    fn searchable(&self) -> Result<Arc<View>> {
        if self.wait_for_search {
            return self.follower.searchable();
        }
        let view = self.view()?;
        if view.has_index() { Ok(view) } else { Err(search::index_is_built()) }
    }

    pub(super) fn search_status(&self) -> SearchStatus {
        self.follower.status()
    }

    /// Makes every write so far durable.
    pub(super) fn sync(&self) -> Result<()> {
        if self.read_only {
            return Ok(());
        }
        self.nesting.refuse()?;
        with_file(&self.file, Database::sync)
    }

    pub(super) fn compact(&self) -> Result<()> {
        if self.read_only {
            return Err(storage::read_only());
        }
        self.nesting.refuse()?;
        let busy = || Error::new(ErrorKind::Busy, "a snapshot or an iterator over leads is still held; drop it first");
        let _indexing = self.follower.hold();
        let mut file = lock(&self.file);
        if self.snapshots.load(Ordering::Acquire) > 0 {
            return Err(busy());
        }
        let database = std::cell::RefCell::new(file.as_mut().ok_or_else(Error::closed)?);
        let compact = || {
            let begun = Instant::now();
            loop {
                match database.borrow_mut().compact() {
                    Err(error) if error.kind() == ErrorKind::Busy && self.snapshots.load(Ordering::Acquire) > 0 => {
                        return Err(busy());
                    }
                    Err(error) if error.kind() == ErrorKind::Busy && begun.elapsed() < READERS_LEAVE => {
                        std::thread::sleep(Duration::from_millis(1));
                    }
                    done => return done,
                }
            }
        };
        self.published.pause(compact, || database.borrow().read())
    }

    /// Purges what has expired, step by step, unless the clock is not to be trusted; tells how many leads that were.
    pub(super) fn sweep(&self) -> Result<u64> {
        let mut purged = 0;
        while lock(&self.patience).allows_sweep(&*self.rules.clock) {
            // Looked for in the published view first, so that an empty step costs no write transaction.
            if crate::trash::expired_rows(self.view()?.reader(), self.now(), 1)?.is_empty() {
                break;
            }
            purged += self.write(|transaction| transaction.sweep(SWEEP_STEP))? as u64;
        }
        Ok(purged)
    }

    pub(super) fn snapshot_taken(&self) {
        self.snapshots.fetch_add(1, Ordering::AcqRel);
    }

    pub(super) fn snapshot_dropped(&self) {
        self.snapshots.fetch_sub(1, Ordering::AcqRel);
    }
}

fn with_file<T>(file: &Mutex<Option<Database>>, work: impl FnOnce(&Database) -> Result<T>) -> Result<T> {
    work(lock(file).as_ref().ok_or_else(Error::closed)?)
}

/// Every lock here guards values that are whole between any two statements, so a panic elsewhere spoils none.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
