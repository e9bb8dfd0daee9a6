//! The handle to a store, and the store's life from open to close.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use chrono::{DateTime, Utc};

use crate::error::{Error, ErrorKind, Result};
use crate::schema::StoreState;
use crate::storage::Location;
use crate::store::engine::Engine;
use crate::store::engine::open_store::OpenStore;
use crate::store::engine::reentrancy::ReentrancyGuard;
use crate::store::options::OpenOptions;
use crate::sync::lock;
use crate::sync::{read_lock, write_lock};

/// A store of leads.
///
/// This type is a handle: clones share one store and can be used from any number of threads. A
/// store can be open only once at a time, unless it is opened [read-only](OpenOptions::read_only).
/// It is closed by [`close`](Self::close) on any handle, or when the last handle is dropped. An
/// error while closing on drop is only logged.
///
/// After an I/O error, or after corruption that a checksum or a panic revealed, every read and
/// write on a handle returns an error of the same kind. This lasts until the store is reopened, for
/// example by [`reopen`](Self::reopen). After corruption, [`check`](Self::check) and
/// [`repair`](Self::repair) still work.
///
/// ```
/// use leadstore::{LeadPatch, LeadStore, ListQuery, NewLead};
///
/// # let directory = tempfile::tempdir().unwrap();
/// # let path = directory.path().join("leads");
/// let store = LeadStore::open(&path)?;
/// let jane = store.create(NewLead::new("Jane Doe").email("jane@example.com"))?;
/// store.update(jane.id, LeadPatch::new().status("qualified"))?;
/// assert_eq!(store.list(&ListQuery::new())?.items[0].status, "qualified");
/// store.delete(jane.id)?;
/// assert_eq!(store.get(jane.id)?, None);
/// store.restore(jane.id)?;
/// store.close()?;
/// # Ok::<(), leadstore::Error>(())
/// ```
#[derive(Clone)]
pub struct LeadStore {
    pub(crate) shared: Arc<StoreShared>,
}

/// State shared by all handles.
pub(crate) struct StoreShared {
    options: OpenOptions,
    pub(crate) location: Location,
    state: RwLock<StoreLifecycle>,
    /// Serializes closing, reopening and repairing. `state` is not locked during these operations,
    /// because they may wait for a transaction. The transaction may read `state`, so a lock on it
    /// would cause a deadlock.
    pub(crate) lifecycle: Mutex<()>,
    pub(crate) reentrancy: Arc<ReentrancyGuard>,
}

pub(crate) enum StoreLifecycle {
    Open(OpenStore),
    Reopening,
    Closed,
}

impl StoreLifecycle {
    pub(crate) fn into_open(self) -> Option<OpenStore> {
        match self {
            Self::Open(open) => Some(open),
            Self::Reopening | Self::Closed => None,
        }
    }
}

impl Drop for StoreShared {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        let engine = std::mem::replace(state, StoreLifecycle::Closed).into_open();
        if let Some(Err(error)) = engine.map(|engine| engine.close()) {
            log::error!("closing the store failed: {error}");
        }
    }
}

impl LeadStore {
    /// Opens the store in this directory, and creates it if it does not exist.
    ///
    /// # Errors
    ///
    /// See [`OpenOptions::open`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        OpenOptions::new().open(path)
    }

    /// Opens a new store in memory. Its contents are lost with the last handle.
    ///
    /// # Errors
    ///
    /// See [`OpenOptions::in_memory`].
    pub fn in_memory() -> Result<Self> {
        OpenOptions::new().in_memory()
    }

    /// Returns the default options, to be changed before a store is opened with them.
    pub fn options() -> OpenOptions {
        OpenOptions::new()
    }

    pub(crate) fn open_with(options: OpenOptions, location: Location) -> Result<Self> {
        options.check()?;
        let reentrancy = Arc::default();
        let state = RwLock::new(StoreLifecycle::Open(OpenStore::open(
            &options,
            options.open_mode(),
            &location,
            &reentrancy,
        )?));
        Ok(Self {
            shared: Arc::new(StoreShared {
                options,
                location,
                state,
                lifecycle: Mutex::default(),
                reentrancy,
            }),
        })
    }

    /// Closes the store's files and opens them again, for every handle. Call it after a failure,
    /// once the cause is fixed. The store then still contains every acknowledged write. Open
    /// snapshots are closed.
    ///
    /// # Errors
    ///
    /// Those of [`OpenOptions::open`]. After such an error the store stays closed, and `reopen` can
    /// be called again. [`Nested`](ErrorKind::Nested) inside a transaction. While the store is
    /// being reopened, other calls return [`Unavailable`](ErrorKind::Unavailable).
    pub fn reopen(&self) -> Result<()> {
        self.shared.reentrancy.refuse()?;
        let _turn = lock(&self.shared.lifecycle);
        if let Some(Err(error)) = self
            .replace_state(StoreLifecycle::Reopening)
            .into_open()
            .map(|engine| engine.close())
        {
            log::warn!("closing the store before reopening it failed: {error}");
        }
        self.open_again()
    }

    /// Opens the files for every handle after they were closed.
    pub(crate) fn open_again(&self) -> Result<()> {
        let StoreShared {
            options,
            location,
            reentrancy,
            ..
        } = &*self.shared;
        // A store that no longer exists must not be created again.
        let opened = OpenStore::open(options, options.reopen_mode(), location, reentrancy);
        let (state, result) = match opened {
            Ok(engine) => (StoreLifecycle::Open(engine), Ok(())),
            Err(error) => (StoreLifecycle::Closed, Err(error)),
        };
        self.replace_state(state);
        result
    }

    /// Closes the store: stops the background threads, indexes the remaining changes, and closes
    /// the files. Changes that cannot be indexed are left to the next open. All other handles and
    /// all snapshots return [`Closed`](ErrorKind::Closed) from then on. Closing a closed store does
    /// nothing.
    ///
    /// # Errors
    ///
    /// [`Nested`](ErrorKind::Nested) inside a transaction; [`Io`](ErrorKind::Io).
    pub fn close(self) -> Result<()> {
        self.shared.reentrancy.refuse()?;
        let _turn = lock(&self.shared.lifecycle);
        self.replace_state(StoreLifecycle::Closed)
            .into_open()
            .map_or(Ok(()), |engine| engine.close())
    }

    /// Runs an operation on the open store. `work` must not call the application's code: a panic in
    /// that code would be reported as corruption.
    pub(crate) fn with_engine<T>(&self, work: impl FnOnce(&Arc<Engine>) -> Result<T>) -> Result<T> {
        let engine = self.engine()?;
        engine.guarded(|| work(&engine))
    }

    /// Returns the open store, or an error if it has failed.
    pub(crate) fn engine(&self) -> Result<Arc<Engine>> {
        let engine = self.open_engine()?;
        engine.failure.check()?;
        Ok(engine)
    }

    /// Returns the open store, even if its file is corrupted.
    pub(crate) fn engine_even_if_corrupted(&self) -> Result<Arc<Engine>> {
        let engine = self.open_engine()?;
        match engine.failure.check() {
            Err(error) if error.kind() != ErrorKind::Corrupted => Err(error),
            _ => Ok(engine),
        }
    }

    fn open_engine(&self) -> Result<Arc<Engine>> {
        match &*read_lock(&self.shared.state) {
            StoreLifecycle::Open(open) => Ok(Arc::clone(open.engine())),
            StoreLifecycle::Reopening => Err(Error::new(
                ErrorKind::Unavailable,
                "the store is being reopened or repaired; try again in a moment",
            )),
            StoreLifecycle::Closed => Err(Error::closed()),
        }
    }

    /// Runs a read on the published state.
    pub(crate) fn read<T>(&self, read: impl FnOnce(StoreState<'_>) -> Result<T>) -> Result<T> {
        self.with_engine(|engine| read(engine.view()?.state()))
    }

    pub(crate) fn now(&self) -> Result<DateTime<Utc>> {
        // Not guarded: a panic in the application's clock is not a failure of the store.
        Ok(self.engine()?.now())
    }

    pub(crate) fn replace_state(&self, state: StoreLifecycle) -> StoreLifecycle {
        std::mem::replace(&mut *write_lock(&self.shared.state), state)
    }
}

impl std::fmt::Debug for LeadStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LeadStore")
            .field("location", &self.shared.location)
            .finish_non_exhaustive()
    }
}
