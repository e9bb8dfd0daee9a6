//! Options for opening a store.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Clock, SystemClock};
use crate::error::{Error, Result};
use crate::lead::{StatusSet, Violation, ViolationCode};
use crate::progress::Progress;
use crate::schema::Catalogue;
use crate::search::RebuildCallback;
use crate::storage::OpenMode;

/// The time by which a write must have reached the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Durability {
    /// Before the call returns: an acknowledged write survives a power cut.
    #[default]
    EveryCommit,
    /// Within this time after the call returns. A power cut can lose the newest writes, but none
    /// that returned longer ago than this time. The newest writes can also be lost if the disk
    /// fails and the process then ends. A write is lost as a whole or not at all.
    /// [`sync`](crate::LeadStore::sync) and [`close`](crate::LeadStore::close) make all writes
    /// durable.
    Within(Duration),
}

/// Options for opening a store.
///
/// ```
/// use std::time::Duration;
/// use leadstore::LeadStore;
///
/// # let directory = tempfile::tempdir().unwrap();
/// # let path = directory.path().join("leads");
/// let store = LeadStore::options()
///     .cache_bytes(256 << 20)
///     .trash_retention(Duration::from_secs(7 * 86_400))
///     .statuses(["new", "qualified", "won", "lost"])
///     .open(&path)?;
/// # store.close()?;
/// # Ok::<(), leadstore::Error>(())
/// ```
#[derive(Clone)]
#[must_use = "options do nothing until a store is opened with them"]
pub struct OpenOptions {
    pub(crate) cache_bytes: usize,
    pub(crate) trash_retention: Duration,
    pub(crate) durability: Durability,
    pub(crate) statuses: Option<Vec<String>>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) read_only: bool,
    pub(crate) create: bool,
    pub(crate) create_new: bool,
    pub(crate) wait_for_search: bool,
    pub(crate) on_search_rebuild: Option<RebuildCallback>,
    pub(crate) search: bool,
    /// The fields that the store knows.
    pub(crate) catalogue: Arc<Catalogue>,
    /// True if the store runs background threads for itself and its index.
    pub(crate) threads: bool,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self {
            cache_bytes: 64 << 20,
            trash_retention: Duration::from_secs(30 * 86_400),
            durability: Durability::EveryCommit,
            statuses: None,
            clock: Arc::new(SystemClock),
            read_only: false,
            create: true,
            create_new: false,
            wait_for_search: true,
            on_search_rebuild: None,
            search: true,
            catalogue: Catalogue::builtin(),
            threads: true,
        }
    }
}

impl OpenOptions {
    /// Returns the default options, which [`LeadStore::open`](crate::LeadStore::open) uses.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the approximate memory limit for cached data of the store, in bytes. The default is 64
    /// MiB. One eighth of the limit is for the search index. One sixth of the rest, at most 40 MiB,
    /// is for writes that are in the journal but not in the store's file yet. A transaction that
    /// needs more than that is written directly to the store's file. The term dictionaries of the
    /// search index are kept in memory in addition.
    pub fn cache_bytes(mut self, bytes: usize) -> Self {
        self.cache_bytes = bytes;
        self
    }

    /// Sets how long a deleted lead can be restored. The default is 30 days. Applies to leads
    /// deleted from now on.
    pub fn trash_retention(mut self, retention: Duration) -> Self {
        self.trash_retention = retention;
        self
    }

    /// Sets when a write must have reached the disk. The default is before the call returns.
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// Sets the statuses that a lead may be given. The default is any status. A new lead for which
    /// no status is given gets the status `new` if it is in the list, and the first status
    /// otherwise. Existing leads keep their status, even if it is not in the list.
    pub fn statuses<T: Into<String>>(mut self, statuses: impl IntoIterator<Item = T>) -> Self {
        self.statuses = Some(statuses.into_iter().map(Into::into).collect());
        self
    }

    /// Sets the source of time. The default is the operating system's clock.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Sets whether the store is opened for reading only. No file is written then. Several
    /// processes can have a store open for reading at once, as long as no process has it open for
    /// writing.
    pub fn read_only(mut self, read_only: bool) -> Self {
        self.read_only = read_only;
        self
    }

    /// Sets whether the store is created if it does not exist. The default is true. With false,
    /// opening a store that does not exist fails with [`NotFound`](crate::ErrorKind::NotFound).
    /// Ignored with [`create_new`](Self::create_new), and with [`read_only`](Self::read_only),
    /// which never creates a store.
    pub fn create(mut self, create: bool) -> Self {
        self.create = create;
        self
    }

    /// Sets whether opening fails if the store already exists.
    pub fn create_new(mut self, create_new: bool) -> Self {
        self.create_new = create_new;
        self
    }

    /// Sets whether a search waits while the index is being opened or rebuilt, or lacks more than
    /// 20,000 changed leads or 16 MiB of them. The default is true. With false, the search returns
    /// [`Unavailable`](crate::ErrorKind::Unavailable).
    pub fn wait_for_search(mut self, wait: bool) -> Self {
        self.wait_for_search = wait;
        self
    }

    /// Sets a callback for the progress of a search index rebuild. It receives the number of leads
    /// indexed so far and the total, about every thousand leads and at the end. It runs on a thread
    /// of the store, which waits for it, and must not use the store.
    pub fn on_search_rebuild(
        mut self,
        progress: impl Fn(Progress) + Send + Sync + 'static,
    ) -> Self {
        self.on_search_rebuild = Some(Arc::new(progress));
        self
    }

    /// Disables the search index, so that benchmarks can measure its cost.
    #[cfg(feature = "unstable-testing")]
    pub(crate) fn without_search(mut self) -> Self {
        self.search = false;
        self
    }

    /// Disables background threads, so that tests can repeat all operations in the same order.
    #[cfg(feature = "unstable-testing")]
    pub(crate) fn without_threads(mut self) -> Self {
        self.threads = false;
        self
    }

    /// Returns the part of `cache_bytes` that is for the search index.
    pub(crate) fn search_cache_bytes(&self) -> usize {
        self.cache_bytes / 8
    }

    /// Returns the part of `cache_bytes` that is for the tables.
    pub(crate) fn table_cache_bytes(&self) -> usize {
        self.cache_bytes - self.search_cache_bytes()
    }

    pub(crate) fn open_mode(&self) -> OpenMode {
        if self.read_only {
            OpenMode::ReadOnly
        } else if self.create_new {
            OpenMode::CreateNew
        } else if self.create {
            OpenMode::OpenOrCreate
        } else {
            OpenMode::OpenExisting
        }
    }

    /// Returns the mode in which a store opened with these options is reopened.
    pub(crate) fn reopen_mode(&self) -> OpenMode {
        if self.read_only {
            OpenMode::ReadOnly
        } else {
            OpenMode::OpenExisting
        }
    }

    /// Rejects options that contradict each other.
    pub(crate) fn check(&self) -> Result<()> {
        if self.read_only && self.create_new {
            let message = "must not be combined with read_only";
            return Err(Error::invalid(vec![Violation::new(
                "create_new",
                ViolationCode::NotAllowed,
                message,
            )]));
        }
        Ok(())
    }

    pub(crate) fn status_set(&self) -> Result<StatusSet> {
        self.statuses
            .clone()
            .map_or_else(|| Ok(StatusSet::default()), StatusSet::of)
    }
}

impl fmt::Debug for OpenOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenOptions")
            .field("cache_bytes", &self.cache_bytes)
            .field("trash_retention", &self.trash_retention)
            .field("durability", &self.durability)
            .field("statuses", &self.statuses)
            .field("read_only", &self.read_only)
            .field("create", &self.create)
            .field("create_new", &self.create_new)
            .field("wait_for_search", &self.wait_for_search)
            .finish_non_exhaustive()
    }
}
