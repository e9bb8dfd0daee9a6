//! The handle of an open store, and its life from open to close.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use chrono::{DateTime, Utc};

use crate::error::{Error, ErrorKind, Result};
use crate::schema::StoreState;
use crate::storage::Location;
use crate::store::engine::Engine;
use crate::store::open_store::OpenStore;
use crate::store::options::OpenOptions;
use crate::store::reentrancy::ReentrancyGuard;
use crate::sync::lock;
use crate::sync::{read_lock, write_lock};

/// A store of leads.
///
/// A handle: clones share one store, from any number of threads. A store is open once at a time. It closes when
/// [`close`](Self::close) is called on any handle, or silently when the last one is dropped.
///
/// After an input or output failure it refuses everything but [`close`](Self::close) and [`reopen`](Self::reopen), with
/// the failure's kind.
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
    pub(crate) shared: Arc<Shared>,
}

/// What all handles share.
pub(crate) struct Shared {
    options: OpenOptions,
    pub(crate) location: Location,
    state: RwLock<State>,
    /// Held by whoever closes or reopens. The state is not, since a transaction that they wait for may look at it.
    pub(crate) turn: Mutex<()>,
    pub(crate) reentrancy: Arc<ReentrancyGuard>,
}

pub(crate) enum State {
    Open(OpenStore),
    Reopening,
    Closed,
}

impl State {
    pub(crate) fn into_open(self) -> Option<OpenStore> {
        match self {
            Self::Open(open) => Some(open),
            Self::Reopening | Self::Closed => None,
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        let engine = std::mem::replace(state, State::Closed).into_open();
        if let Some(Err(error)) = engine.map(|engine| engine.close()) {
            log::error!("closing the store failed: {error}");
        }
    }
}

impl LeadStore {
    /// Opens the store in this directory, which is made if there is none.
    ///
    /// # Errors
    ///
    /// See [`OpenOptions::open`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        OpenOptions::new().open(path)
    }

    /// Opens a new store in memory, which is gone with its last handle.
    ///
    /// # Errors
    ///
    /// See [`OpenOptions::in_memory`].
    pub fn in_memory() -> Result<Self> {
        OpenOptions::new().in_memory()
    }

    /// How to open a store otherwise than by default.
    pub fn options() -> OpenOptions {
        OpenOptions::new()
    }

    pub(crate) fn open_with(options: OpenOptions, location: Location) -> Result<Self> {
        let reentrancy = Arc::default();
        let state = RwLock::new(State::Open(OpenStore::open(
            &options,
            options.open_mode(),
            &location,
            &reentrancy,
        )?));
        Ok(Self {
            shared: Arc::new(Shared {
                options,
                location,
                state,
                turn: Mutex::default(),
                reentrancy,
            }),
        })
    }

    /// Closes the store's file and opens it again, for every handle: after a failure whose cause is gone, or to hand
    /// the file to another process for a moment. Everything that had been acknowledged is there. Snapshots end.
    ///
    /// # Errors
    ///
    /// Those of [`OpenOptions::open`], after which the store stays closed and can be reopened again;
    /// [`Nested`](ErrorKind::Nested) within a transaction. Meanwhile other calls are
    /// [`Unavailable`](ErrorKind::Unavailable).
    pub fn reopen(&self) -> Result<()> {
        self.shared.reentrancy.refuse()?;
        let _turn = lock(&self.shared.turn);
        if let Some(Err(error)) = self
            .replace_state(State::Reopening)
            .into_open()
            .map(|engine| engine.close())
        {
            log::warn!("closing the store before it is reopened failed: {error}");
        }
        self.open_again()
    }

    /// Opens the files for every handle, whoever closed them.
    pub(crate) fn open_again(&self) -> Result<()> {
        let Shared {
            options,
            location,
            reentrancy,
            ..
        } = &*self.shared;
        // A store that is gone is not made anew.
        let opened = OpenStore::open(options, options.reopen_mode(), location, reentrancy);
        let (state, result) = match opened {
            Ok(engine) => (State::Open(engine), Ok(())),
            Err(error) => (State::Closed, Err(error)),
        };
        self.replace_state(state);
        result
    }

    /// Closes the store: indexes what is left, ends its threads and closes its files, and tells of what failed. Every
    /// other handle and every snapshot is [`Closed`](ErrorKind::Closed) from then on. Closing a closed store does
    /// nothing.
    ///
    /// # Errors
    ///
    /// [`Nested`](ErrorKind::Nested) within a transaction; [`Io`](ErrorKind::Io).
    pub fn close(self) -> Result<()> {
        self.shared.reentrancy.refuse()?;
        let _turn = lock(&self.shared.turn);
        self.replace_state(State::Closed)
            .into_open()
            .map_or(Ok(()), |engine| engine.close())
    }

    /// Runs a read, or whatever else runs no code of the caller's.
    pub(crate) fn with_engine<T>(&self, work: impl FnOnce(&Arc<Engine>) -> Result<T>) -> Result<T> {
        let engine = self.engine()?;
        engine.guarded(|| work(&engine))
    }

    /// The open store, unless it failed.
    pub(crate) fn engine(&self) -> Result<Arc<Engine>> {
        let engine = self.open_engine()?;
        engine.failure.check()?;
        Ok(engine)
    }

    /// The open store, be its file damaged.
    pub(crate) fn engine_even_if_corrupted(&self) -> Result<Arc<Engine>> {
        let engine = self.open_engine()?;
        match engine.failure.check() {
            Err(error) if error.kind() != ErrorKind::Corrupted => Err(error),
            _ => Ok(engine),
        }
    }

    fn open_engine(&self) -> Result<Arc<Engine>> {
        match &*read_lock(&self.shared.state) {
            State::Open(open) => Ok(Arc::clone(open.engine())),
            State::Reopening => Err(Error::new(
                ErrorKind::Unavailable,
                "the store is being reopened; try again in a moment",
            )),
            State::Closed => Err(Error::closed()),
        }
    }

    /// Runs a read on the published state.
    pub(crate) fn read<T>(&self, read: impl FnOnce(StoreState<'_>) -> Result<T>) -> Result<T> {
        self.with_engine(|engine| read(engine.view()?.state()))
    }

    pub(crate) fn now(&self) -> Result<DateTime<Utc>> {
        self.with_engine(|engine| Ok(engine.now()))
    }

    pub(crate) fn replace_state(&self, state: State) -> State {
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
