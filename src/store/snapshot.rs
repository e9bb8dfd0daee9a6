//! One state of the store, held for as long as the caller likes.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::error::{Error, ErrorKind, Result};
use crate::lead::{Lead, LeadId, TrashedLead};
use crate::query::{self, Facets, Filter, ListQuery, Page};
use crate::row::{Row, RowSet};
use crate::search::{self, Hit, SearchQuery, StoreView};
use crate::store::engine::Core;
use crate::trash::{self, TrashQuery};

/// One state of the store. Its reads are those of [`LeadStore`](crate::store::LeadStore), and whatever is written meanwhile
/// does not show in them, so that paging through it neither skips nor repeats a lead.
///
/// It judges by the time it was taken what has expired in the trash. Space that newer writes free cannot be used again
/// while it is held. Closing the store ends it: its reads are [`Closed`](ErrorKind::Closed) then.
pub struct Snapshot {
    held: Held,
}

/// A view that counts as held by a caller.
struct Held {
    core: Arc<Core>,
    view: Arc<StoreView>,
    now: DateTime<Utc>,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.core.snapshot_dropped();
    }
}

impl Held {
    /// Reads the view, unless the store was closed.
    fn read<T>(&self, read: impl FnOnce(&StoreView) -> Result<T>) -> Result<T> {
        if self.core.is_closed() {
            Err(Error::closed())
        } else {
            self.core.guarded(|| read(&self.view))
        }
    }
}

impl Snapshot {
    pub(crate) fn new(core: Arc<Core>) -> Result<Self> {
        core.snapshot_taken();
        let view = match core.view() {
            Ok(view) => view,
            Err(error) => {
                core.snapshot_dropped();
                return Err(error);
            }
        };
        let now = core.now();
        Ok(Self {
            held: Held { core, view, now },
        })
    }

    /// The lead with this id, see [`LeadStore::get`](crate::store::LeadStore::get).
    ///
    /// # Errors
    ///
    /// The same.
    pub fn get(&self, id: LeadId) -> Result<Option<Lead>> {
        self.held.read(|view| query::get(view.state(), id))
    }

    /// The leads with these ids, see [`LeadStore::get_many`](crate::store::LeadStore::get_many).
    ///
    /// # Errors
    ///
    /// The same.
    pub fn get_many(&self, ids: &[LeadId]) -> Result<Vec<Option<Lead>>> {
        self.held.read(|view| query::get_many(view.state(), ids))
    }

    /// The lead with this id in another system, see
    /// [`LeadStore::get_by_external_id`](crate::store::LeadStore::get_by_external_id).
    ///
    /// # Errors
    ///
    /// The same.
    pub fn get_by_external_id(&self, external_id: &str) -> Result<Option<Lead>> {
        self.held
            .read(|view| query::get_by_external_id(view.state(), external_id))
    }

    /// The lead with this id in the trash, see [`LeadStore::get_trashed`](crate::store::LeadStore::get_trashed).
    ///
    /// # Errors
    ///
    /// The same.
    pub fn get_trashed(&self, id: LeadId) -> Result<Option<TrashedLead>> {
        self.held
            .read(|view| query::get_trashed(view.state(), id, self.held.now))
    }

    /// A page of the trash, see [`LeadStore::list_trash`](crate::store::LeadStore::list_trash).
    ///
    /// # Errors
    ///
    /// The same.
    pub fn list_trash(&self, query: &TrashQuery) -> Result<Page<TrashedLead>> {
        self.held
            .read(|view| trash::list_trash(view.state(), query, self.held.now))
    }

    /// A page of leads, see [`LeadStore::list`](crate::store::LeadStore::list).
    ///
    /// # Errors
    ///
    /// The same.
    pub fn list(&self, query: &ListQuery) -> Result<Page<Lead>> {
        self.held.read(|view| query::list(view.state(), query))
    }

    /// How many leads a filter wants, see [`LeadStore::count`](crate::store::LeadStore::count).
    ///
    /// # Errors
    ///
    /// The same.
    pub fn count(&self, filter: &Filter) -> Result<u64> {
        self.held
            .read(|view| Ok(query::select(view.state(), filter)?.len()))
    }

    /// How the leads that a filter wants divide, see [`LeadStore::facets`](crate::store::LeadStore::facets).
    ///
    /// # Errors
    ///
    /// The same.
    pub fn facets(&self, filter: &Filter) -> Result<Facets> {
        self.held.read(|view| query::facets(view.state(), filter))
    }

    /// All leads that a filter wants, see [`LeadStore::leads`](crate::store::LeadStore::leads).
    pub fn leads(&self, filter: &Filter) -> impl Iterator<Item = Result<Lead>> + use<> {
        let held = Self::new(Arc::clone(&self.held.core)).map(|mut snapshot| {
            snapshot.held.view = Arc::clone(&self.held.view);
            snapshot
        });
        Leads::new(held, filter)
    }

    /// A page of hits, see [`LeadStore::search`](crate::store::LeadStore::search).
    ///
    /// # Errors
    ///
    /// The same; and [`Unavailable`](ErrorKind::Unavailable) if the snapshot was taken while the search index was
    /// opened or rebuilt.
    pub fn search(&self, query: &SearchQuery) -> Result<Page<Hit>> {
        self.search_with(query, search::search)
    }

    /// How all that a search finds divides, see [`LeadStore::search_facets`](crate::store::LeadStore::search_facets).
    ///
    /// # Errors
    ///
    /// Those of [`search`](Self::search).
    pub fn search_facets(&self, query: &SearchQuery) -> Result<Facets> {
        self.search_with(query, search::facets)
    }

    fn search_with<T>(
        &self,
        query: &SearchQuery,
        answer: fn(&StoreView, &SearchQuery) -> Result<T>,
    ) -> Result<T> {
        query.check()?;
        self.held.read(|view| {
            if !view.has_index() {
                let message =
                    "the snapshot was taken before the search index was ready; take another";
                return Err(Error::new(ErrorKind::Unavailable, message));
            }
            answer(view, query)
        })
    }
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Snapshot")
            .field("taken_at", &self.held.now)
            .finish_non_exhaustive()
    }
}

/// Leads one after another, in creation order, all of one snapshot.
pub(crate) struct Leads {
    snapshot: Option<Snapshot>,
    rows: roaring::bitmap::IntoIter,
    error: Option<Error>,
}

impl Leads {
    pub(crate) fn new(snapshot: Result<Snapshot>, filter: &Filter) -> Self {
        let selected = snapshot.and_then(|snapshot| {
            let rows = snapshot
                .held
                .read(|view| query::select(view.state(), filter))?;
            Ok((rows, snapshot))
        });
        match selected {
            Ok((rows, snapshot)) => Self {
                snapshot: Some(snapshot),
                rows: rows.into_rows(),
                error: None,
            },
            Err(error) => Self {
                snapshot: None,
                rows: RowSet::default().into_rows(),
                error: Some(error),
            },
        }
    }
}

impl Iterator for Leads {
    type Item = Result<Lead>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(error) = self.error.take() {
            return Some(Err(error));
        }
        let row = Row(self.rows.next()?);
        let lead = self
            .snapshot
            .as_ref()?
            .held
            .read(|view| Ok(view.state().lead_at(row)?.lead));
        if lead.is_err() {
            // What failed once is not asked again.
            self.snapshot = None;
        }
        Some(lead)
    }
}
