//! How a store is opened.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Clock, SystemClock};
use crate::error::Result;
use crate::lead::StatusSet;
use crate::schema::Catalogue;
use crate::search::Progress;
use crate::storage::OpenMode;

/// When a write must have reached the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Durability {
    /// Before the call returns: what was acknowledged survives a power cut.
    #[default]
    EveryCommit,
    /// Within this time after the call returned: a power cut, or a process that ends after its disk failed, may cost the
    /// writes of that time, the newest ones first and never a part of one. [`sync`](crate::LeadStore::sync) and
    /// [`close`](crate::LeadStore::close) make all of them durable.
    Within(Duration),
}

/// How to open a store.
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
    pub(crate) create_new: bool,
    pub(crate) wait_for_search: bool,
    pub(crate) on_search_rebuild: Option<Progress>,
    pub(crate) search: bool,
    /// The fields that the store knows.
    pub(crate) catalogue: Arc<Catalogue>,
    /// Whether the store has threads of its own, which look after it and the index.
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
    /// The options that [`LeadStore::open`](crate::LeadStore::open) opens with.
    pub fn new() -> Self {
        Self::default()
    }

    /// About how many bytes of the store are kept in memory at most; 64 MiB by default. A sixth of it, but no more than
    /// 40 MiB, is for what was written and is only in the journal yet; a transaction that needs more is written to the
    /// store's file at once.
    pub fn cache_bytes(mut self, bytes: usize) -> Self {
        self.cache_bytes = bytes;
        self
    }

    /// How long a deleted lead can be restored; 30 days by default. It holds for leads deleted from now on.
    pub fn trash_retention(mut self, retention: Duration) -> Self {
        self.trash_retention = retention;
        self
    }

    /// When a write must have reached the disk; before the call returns by default.
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// The statuses that a lead may be given; any by default. A lead starts as `new` if that is among them, and as the
    /// first otherwise. Leads that have another status keep it.
    pub fn statuses<T: Into<String>>(mut self, statuses: impl IntoIterator<Item = T>) -> Self {
        self.statuses = Some(statuses.into_iter().map(Into::into).collect());
        self
    }

    /// Where the time comes from; the operating system by default.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Opens the store for reading, without writing any file. Several processes may do so at once, while none writes.
    pub fn read_only(mut self, read_only: bool) -> Self {
        self.read_only = read_only;
        self
    }

    /// Demands that there is no store yet.
    pub fn create_new(mut self, create_new: bool) -> Self {
        self.create_new = create_new;
        self
    }

    /// Whether a search waits while the index is opened or rebuilt, as by default; otherwise it is
    /// [`Unavailable`](crate::error::ErrorKind::Unavailable) then.
    pub fn wait_for_search(mut self, wait: bool) -> Self {
        self.wait_for_search = wait;
        self
    }

    /// Is told how many leads are indexed, and of how many, while the search index is made anew: every thousand or so,
    /// and at the end, from a thread of the store, which waits for it. It must not use the store.
    pub fn on_search_rebuild(
        mut self,
        progress: impl Fn(u64, u64) + Send + Sync + 'static,
    ) -> Self {
        self.on_search_rebuild = Some(Arc::new(progress));
        self
    }

    /// Without an index, so that benches tell what one costs.
    #[cfg(feature = "unstable-testing")]
    pub(crate) fn without_search(mut self) -> Self {
        self.search = false;
        self
    }

    /// Without threads of its own, so that tests meet every operation in the same order again.
    #[cfg(feature = "unstable-testing")]
    pub(crate) fn without_threads(mut self) -> Self {
        self.threads = false;
        self
    }

    pub(crate) fn open_mode(&self) -> OpenMode {
        match (self.read_only, self.create_new) {
            (true, _) => OpenMode::ReadOnly,
            (false, true) => OpenMode::CreateNew,
            (false, false) => OpenMode::OpenOrCreate,
        }
    }

    /// How a store that was opened with these options is opened again.
    pub(crate) fn reopen_mode(&self) -> OpenMode {
        if self.read_only {
            OpenMode::ReadOnly
        } else {
            OpenMode::OpenExisting
        }
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
            .field("create_new", &self.create_new)
            .field("wait_for_search", &self.wait_for_search)
            .finish_non_exhaustive()
    }
}
