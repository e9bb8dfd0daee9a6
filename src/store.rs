//! The store that callers hold: handles, their life, and the calls on them. What the calls do is done elsewhere.

#[cfg(feature = "http")]
mod credentials;
mod engine;

mod background;
mod commit_group;
#[cfg(feature = "http")]
mod http_support;
mod maintenance;
mod options;
mod reentrancy;
mod searching;
mod snapshot;
mod transaction;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

#[cfg(feature = "http")]
pub use credentials::Credentials;
use engine::{Core, Engine};
pub use options::{Durability, OpenOptions};
use reentrancy::ReentrancyGuard;
pub use snapshot::Snapshot;
pub use transaction::Transaction;

use crate::error::{Error, ErrorKind, Result};
use crate::lead::{Lead, LeadId, LeadPatch, NewLead, TrashedLead, Version};
use crate::query::{self, Facets, Filter, ListQuery, Page};
use crate::search::{Hit, SearchQuery, SearchState, SearchStatus};
use crate::storage::Location;
use crate::sync::lock;
use crate::sync::{read_lock, write_lock};
use crate::trash::{self, TrashQuery};

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
    shared: Arc<Shared>,
}

/// What all handles share.
struct Shared {
    options: OpenOptions,
    location: Location,
    state: RwLock<State>,
    /// Held by whoever closes or reopens. The state is not, since a transaction that they wait for may look at it.
    turn: Mutex<()>,
    reentrancy: Arc<ReentrancyGuard>,
}

enum State {
    Open(Engine),
    Reopening,
    Closed,
}

impl State {
    fn into_engine(self) -> Option<Engine> {
        match self {
            Self::Open(engine) => Some(engine),
            Self::Reopening | Self::Closed => None,
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        let engine = std::mem::replace(state, State::Closed).into_engine();
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

    fn open_with(options: OpenOptions, location: Location) -> Result<Self> {
        let reentrancy = Arc::default();
        let state = RwLock::new(State::Open(Engine::open(
            &options,
            options.access(),
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

    /// Creates a lead.
    ///
    /// # Errors
    ///
    /// [`Invalid`](ErrorKind::Invalid) with every rule that the input breaks;
    /// [`AlreadyExists`](ErrorKind::AlreadyExists) for an id or external id that a lead has, be it in the trash. An id
    /// whose lead has expired there is free again.
    pub fn create(&self, lead: NewLead) -> Result<Lead> {
        self.write(move |transaction| transaction.create(lead))
    }

    /// Changes a lead. A patch that changes nothing writes nothing, and gives the lead as it is.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound), [`InTrash`](ErrorKind::InTrash); [`Conflict`](ErrorKind::Conflict) if the
    /// patch demands another version; [`Invalid`](ErrorKind::Invalid) with every rule that the input breaks;
    /// [`AlreadyExists`](ErrorKind::AlreadyExists) for an external id that another lead has.
    pub fn update(&self, id: LeadId, patch: LeadPatch) -> Result<Lead> {
        self.write(move |transaction| transaction.update(id, patch))
    }

    /// Moves a lead to the trash. Until it expires there, [`restore`](Self::restore) brings it back as it was.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound), [`InTrash`](ErrorKind::InTrash).
    pub fn delete(&self, id: LeadId) -> Result<TrashedLead> {
        self.write(move |transaction| transaction.delete(id))
    }

    /// Moves a lead to the trash if it has this version.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound), [`InTrash`](ErrorKind::InTrash), [`Conflict`](ErrorKind::Conflict).
    pub fn delete_if(&self, id: LeadId, version: Version) -> Result<TrashedLead> {
        self.write(move |transaction| transaction.delete_if(id, version))
    }

    /// Takes a lead out of the trash, with its id, its fields and its `created_at`.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) also once it has expired; [`NotInTrash`](ErrorKind::NotInTrash).
    pub fn restore(&self, id: LeadId) -> Result<Lead> {
        self.write(move |transaction| transaction.restore(id))
    }

    /// Takes a lead out of the trash if it has this version.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) also once it has expired; [`NotInTrash`](ErrorKind::NotInTrash),
    /// [`Conflict`](ErrorKind::Conflict).
    pub fn restore_if(&self, id: LeadId, version: Version) -> Result<Lead> {
        self.write(move |transaction| transaction.restore_if(id, version))
    }

    /// Removes a lead in the trash for good.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) also once it has expired; [`NotInTrash`](ErrorKind::NotInTrash).
    pub fn purge(&self, id: LeadId) -> Result<()> {
        self.write(move |transaction| transaction.purge(id))
    }

    /// Removes every lead in the trash for good, and tells how many that were.
    ///
    /// # Errors
    ///
    /// Only those of the store itself.
    pub fn empty_trash(&self) -> Result<u64> {
        self.transaction(|transaction| transaction.empty_trash())
    }

    /// Runs `work` in a transaction: what it writes is committed together if it gives `Ok`, and not at all if it gives
    /// an error or panics. Transactions run one after another, so other writers wait; readers do not.
    ///
    /// A write that fails has written nothing, so `work` may go on after it. An error of the application's own is
    /// carried out by [`Error::abort`].
    ///
    /// ```
    /// use leadstore::{LeadPatch, LeadStore, NewLead};
    ///
    /// let store = LeadStore::in_memory()?;
    /// let merged = store.transaction(|t| {
    ///     let kept = t.create(NewLead::new("Jane Doe"))?;
    ///     let duplicate = t.create(NewLead::new("J. Doe").phone("555 0123"))?;
    ///     t.delete(duplicate.id)?;
    ///     t.update(kept.id, LeadPatch::new().phone("555 0123"))
    /// })?;
    /// assert_eq!(merged.version.get(), 2);
    /// # Ok::<(), leadstore::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of `work`; [`Nested`](ErrorKind::Nested) for a transaction within another on the same thread, and for any
    /// other write on the store there; [`ReadOnly`](ErrorKind::ReadOnly); [`Io`](ErrorKind::Io), where
    /// [`outcome_unknown`](Error::outcome_unknown) tells if the commit itself failed.
    pub fn transaction<T>(
        &self,
        work: impl FnOnce(&mut Transaction<'_>) -> Result<T>,
    ) -> Result<T> {
        self.core()?.write(work)
    }

    /// The lead with this id; `None` if there is none, or it is in the trash.
    ///
    /// # Errors
    ///
    /// Only those of the store itself: [`Closed`](ErrorKind::Closed), [`Corrupted`](ErrorKind::Corrupted),
    /// [`Io`](ErrorKind::Io). So do all reads.
    pub fn get(&self, id: LeadId) -> Result<Option<Lead>> {
        self.with(|core| query::get(core.view()?.state(), id))
    }

    /// The leads with these ids, in their order, all of one state of the store; `None` where [`get`](Self::get) gives
    /// it.
    ///
    /// # Errors
    ///
    /// Only those of the store itself.
    pub fn get_many(&self, ids: &[LeadId]) -> Result<Vec<Option<Lead>>> {
        self.with(|core| query::get_many(core.view()?.state(), ids))
    }

    /// The lead with this id in another system; `None` if there is none, or it is in the trash.
    ///
    /// # Errors
    ///
    /// Only those of the store itself.
    pub fn get_by_external_id(&self, external_id: &str) -> Result<Option<Lead>> {
        self.with(|core| query::get_by_external_id(core.view()?.state(), external_id))
    }

    /// The lead with this id in the trash; `None` if it is not there, or has expired.
    ///
    /// # Errors
    ///
    /// Only those of the store itself.
    pub fn get_trashed(&self, id: LeadId) -> Result<Option<TrashedLead>> {
        self.with(|core| query::get_trashed(core.view()?.state(), id, core.now()))
    }

    /// A page of the trash, without what has expired.
    ///
    /// # Errors
    ///
    /// [`Invalid`](ErrorKind::Invalid) for a page, a number of leads to a page or sort keys that are out of range.
    pub fn list_trash(&self, query: &TrashQuery) -> Result<Page<TrashedLead>> {
        self.with(|core| trash::list_trash(core.view()?.state(), query, core.now()))
    }

    /// A page of leads, with the exact total.
    ///
    /// # Errors
    ///
    /// [`Invalid`](ErrorKind::Invalid) for a page, a number of leads to a page or sort keys that are out of range.
    pub fn list(&self, query: &ListQuery) -> Result<Page<Lead>> {
        self.with(|core| query::list(core.view()?.state(), query))
    }

    /// How many leads a filter wants.
    ///
    /// # Errors
    ///
    /// Only those of the store itself.
    pub fn count(&self, filter: &Filter) -> Result<u64> {
        self.with(|core| Ok(query::select(core.view()?.state(), filter)?.len()))
    }

    /// How the leads that a filter wants divide by status, source, owner and tag, and what their deals are worth by
    /// status, all exact and of one state.
    ///
    /// # Errors
    ///
    /// Only those of the store itself.
    pub fn facets(&self, filter: &Filter) -> Result<Facets> {
        self.with(|core| query::facets(core.view()?.state(), filter))
    }

    /// All leads that a filter wants, in creation order. The iterator holds a [`Snapshot`], and ends after the first
    /// error.
    pub fn leads(&self, filter: &Filter) -> impl Iterator<Item = Result<Lead>> + use<> {
        snapshot::Leads::new(self.snapshot(), filter)
    }

    /// A page of hits, the best first, with the exact total. It sees every write that returned before it began.
    ///
    /// # Errors
    ///
    /// [`Invalid`](ErrorKind::Invalid) for a query that is blank, has more than 512 bytes or 32 words, or a page out of
    /// range; [`Unavailable`](ErrorKind::Unavailable) while the index is rebuilt, if the options say not to wait, or
    /// cannot be.
    pub fn search(&self, query: &SearchQuery) -> Result<Page<Hit>> {
        self.with(|core| core.search(query))
    }

    /// How all that a search finds divides, by status, source, owner and tag; the query's page plays no part.
    ///
    /// # Errors
    ///
    /// Those of [`search`](Self::search).
    pub fn search_facets(&self, query: &SearchQuery) -> Result<Facets> {
        self.with(|core| core.search_facets(query))
    }

    /// The API keys and access tokens that [`LeadsApi`](crate::http::LeadsApi) accepts.
    #[cfg(feature = "http")]
    pub fn credentials(&self) -> Credentials<'_> {
        Credentials::new(self)
    }

    /// The store as it is now, held for as long as the snapshot lives.
    ///
    /// # Errors
    ///
    /// Only those of the store itself.
    pub fn snapshot(&self) -> Result<Snapshot> {
        self.with(|core| Snapshot::new(Arc::clone(core)))
    }

    /// How far the search index is.
    pub fn search_status(&self) -> SearchStatus {
        self.with(|core| Ok(core.search_status()))
            .unwrap_or(SearchStatus {
                state: SearchState::Closed,
                unindexed: 0,
            })
    }

    /// Makes every write so far durable. Only [`Durability::Within`] leaves anything to do.
    ///
    /// # Errors
    ///
    /// [`Nested`](ErrorKind::Nested) within a transaction; [`Io`](ErrorKind::Io).
    pub fn sync(&self) -> Result<()> {
        self.with(|core| core.sync())
    }

    /// Gives the space of purged leads back to the file system, and makes the search index one piece, in which nothing is
    /// left of them: about a second for 100,000 leads each. Reads and writes wait for the first, not for the second.
    /// Searches are quickest after it, which is worth while after a large import.
    ///
    /// # Errors
    ///
    /// [`Busy`](ErrorKind::Busy) while a [`Snapshot`] or an iterator over leads is held; [`Nested`](ErrorKind::Nested)
    /// within a transaction; [`ReadOnly`](ErrorKind::ReadOnly); [`Io`](ErrorKind::Io).
    pub fn compact(&self) -> Result<()> {
        self.with(|core| core.compact())
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
            .into_engine()
            .map(|engine| engine.close())
        {
            log::warn!("closing the store before it is reopened failed: {error}");
        }
        self.open_again()
    }

    /// Opens the files for every handle, whoever closed them.
    fn open_again(&self) -> Result<()> {
        let Shared {
            options,
            location,
            reentrancy,
            ..
        } = &*self.shared;
        // A store that is gone is not made anew.
        let opened = Engine::open(options, options.access_again(), location, reentrancy);
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
            .into_engine()
            .map_or(Ok(()), |engine| engine.close())
    }

    #[cfg(feature = "unstable-testing")]
    pub(crate) fn sweep(&self) -> Result<u64> {
        let core = self.core()?;
        let mut purged = 0;
        loop {
            match core.sweep_step()? {
                0 => return Ok(purged),
                step => purged += step,
            }
        }
    }

    #[cfg(feature = "unstable-testing")]
    pub(crate) fn index(&self) -> Result<()> {
        self.core()?.index()
    }

    #[cfg(feature = "unstable-testing")]
    pub(crate) fn checkpoint_while(&self, meanwhile: impl FnMut()) -> Result<()> {
        self.core()?.checkpoint_while(meanwhile)
    }

    /// One write, which may share its commit with those of other threads.
    pub(crate) fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Transaction<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.core()?.write_grouped(work)
    }

    /// Runs a read, or whatever else runs no code of the caller's.
    fn with<T>(&self, work: impl FnOnce(&Arc<Core>) -> Result<T>) -> Result<T> {
        let core = self.core()?;
        core.guarded(|| work(&core))
    }

    /// The open store, unless it failed.
    fn core(&self) -> Result<Arc<Core>> {
        let core = self.open_core()?;
        core.check_failure()?;
        Ok(core)
    }

    /// The open store, be its file damaged.
    fn core_even_if_corrupted(&self) -> Result<Arc<Core>> {
        let core = self.open_core()?;
        match core.check_failure() {
            Err(error) if error.kind() != ErrorKind::Corrupted => Err(error),
            _ => Ok(core),
        }
    }

    fn open_core(&self) -> Result<Arc<Core>> {
        match &*self.read_state() {
            State::Open(engine) => Ok(Arc::clone(engine.core())),
            State::Reopening => Err(Error::new(
                ErrorKind::Unavailable,
                "the store is being reopened; try again in a moment",
            )),
            State::Closed => Err(Error::closed()),
        }
    }

    fn replace_state(&self, state: State) -> State {
        std::mem::replace(&mut *self.write_state(), state)
    }

    // The state is replaced in one assignment, so a panic elsewhere leaves none half made.
    fn read_state(&self) -> RwLockReadGuard<'_, State> {
        read_lock(&self.shared.state)
    }

    fn write_state(&self) -> RwLockWriteGuard<'_, State> {
        write_lock(&self.shared.state)
    }
}

impl std::fmt::Debug for LeadStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LeadStore")
            .field("medium", &self.shared.location)
            .finish_non_exhaustive()
    }
}
