//! The reads of a store, a snapshot and a transaction. The reads that all three have in common are
//! defined and documented once.

#[expect(unused_imports, reason = "linked from the documentation")]
use crate::error::ErrorKind;
use crate::error::Result;
use crate::lead::{Lead, LeadId, TrashedLead};
use crate::query::{self, Facets, Filter, ListQuery, Page};
use crate::row::{Row, RowSet};
use crate::search::{Hit, SearchQuery};
#[cfg(feature = "http")]
use crate::store::credentials::Credentials;
use crate::store::lead_store::LeadStore;
use crate::store::snapshot::{LeadIter, Snapshot};
use crate::store::transaction::Transaction;
use crate::trash::{self, TrashQuery};

/// Generates the reads that a store, a snapshot and a transaction have in common. The type provides
/// `read(|state| …)`, which runs a read on its state, and `now()`.
macro_rules! reads {
    () => {
        /// Returns the lead with this id, or `None` if there is no such lead or it is in the trash.
        ///
        /// # Errors
        ///
        /// Only store errors, which every read can return: [`Closed`](ErrorKind::Closed),
        /// [`Corrupted`](ErrorKind::Corrupted), [`Io`](ErrorKind::Io), and
        /// [`Unavailable`](ErrorKind::Unavailable) while the store is being reopened or repaired.
        pub fn get(&self, id: LeadId) -> Result<Option<Lead>> {
            self.read(|state| query::get(state, id))
        }

        /// Returns the leads with these ids, in the same order and from one state of the store. An
        /// element is `None` where [`get`](Self::get) would return `None`.
        ///
        /// # Errors
        ///
        /// Only store errors, see [`get`](Self::get).
        pub fn get_many(&self, ids: &[LeadId]) -> Result<Vec<Option<Lead>>> {
            self.read(|state| query::get_many(state, ids))
        }

        /// Returns the lead with this external id, which is the lead's id in another system.
        /// Returns `None` if there is no such lead or it is in the trash.
        ///
        /// # Errors
        ///
        /// Only store errors, see [`get`](Self::get).
        pub fn get_by_external_id(&self, external_id: &str) -> Result<Option<Lead>> {
            self.read(|state| query::get_by_external_id(state, external_id))
        }

        /// Returns the lead with this id from the trash, or `None` if it is not in the trash or has
        /// expired.
        ///
        /// # Errors
        ///
        /// Only store errors, see [`get`](Self::get).
        pub fn get_trashed(&self, id: LeadId) -> Result<Option<TrashedLead>> {
            let now = self.now()?;
            self.read(|state| trash::get_trashed(state, id, now))
        }

        /// Returns a page of the trash, without expired leads.
        ///
        /// # Errors
        ///
        /// [`Invalid`](ErrorKind::Invalid) for a page number or page size that is out of range, or
        /// for sort keys that the list does not accept.
        pub fn list_trash(&self, query: &TrashQuery) -> Result<Page<TrashedLead>> {
            let now = self.now()?;
            self.read(|state| trash::list_trash(state, query, now))
        }

        /// Returns a page of leads, with the exact total.
        ///
        /// # Errors
        ///
        /// [`Invalid`](ErrorKind::Invalid) for a page number or page size that is out of range, or
        /// for sort keys that the list does not accept.
        pub fn list(&self, query: &ListQuery) -> Result<Page<Lead>> {
            self.read(|state| query::list(state, query))
        }

        /// Returns the number of leads that match a filter.
        ///
        /// # Errors
        ///
        /// [`Invalid`](ErrorKind::Invalid) for a filter value that no lead can have.
        pub fn count(&self, filter: &Filter) -> Result<u64> {
            self.read(|state| Ok(query::select(state, filter)?.len()))
        }
    };
}

impl LeadStore {
    reads!();

    /// Returns an iterator over all leads that match a filter, in creation order. The iterator
    /// holds a [`Snapshot`] and ends after the first error.
    pub fn leads(&self, filter: &Filter) -> impl Iterator<Item = Result<Lead>> + use<> {
        LeadIter::new(self.snapshot(), filter)
    }

    /// Returns the facets of the leads that match a filter: counts by status, source, owner and
    /// tag, and deal values by status. All figures are exact and from one state of the store.
    ///
    /// # Errors
    ///
    /// [`Invalid`](ErrorKind::Invalid) for a filter value that no lead can have.
    pub fn facets(&self, filter: &Filter) -> Result<Facets> {
        self.read(|state| query::facets(state, filter))
    }

    /// Returns a page of hits, best first, with the exact total. A search sees every write that
    /// returned before the search began.
    ///
    /// # Errors
    ///
    /// [`Invalid`](ErrorKind::Invalid) for a query that is blank or longer than 512 bytes or 32
    /// words, or for a page that is out of range; [`Unavailable`](ErrorKind::Unavailable) if the
    /// index cannot be rebuilt. Inside a transaction, or if the options say not to wait, a search
    /// also returns `Unavailable` while the index is being opened or rebuilt, or lacks more than
    /// 20,000 changed leads or 16 MiB of them.
    pub fn search(&self, query: &SearchQuery) -> Result<Page<Hit>> {
        self.with_engine(|engine| engine.search(query))
    }

    /// Returns the facets of all leads that a search finds, by status, source, owner and tag. The
    /// page of the query is ignored.
    ///
    /// # Errors
    ///
    /// Those of [`search`](Self::search).
    pub fn search_facets(&self, query: &SearchQuery) -> Result<Facets> {
        self.with_engine(|engine| engine.search_facets(query))
    }

    /// Takes a snapshot of the current state of the store. The state is kept until the snapshot is
    /// dropped.
    ///
    /// # Errors
    ///
    /// Only store errors, see [`get`](Self::get).
    pub fn snapshot(&self) -> Result<Snapshot> {
        Snapshot::new(self.engine()?)
    }

    /// Returns a handle to the API keys and access tokens that [`LeadsApi`](crate::http::LeadsApi)
    /// accepts.
    #[cfg(feature = "http")]
    pub fn credentials(&self) -> Credentials<'_> {
        Credentials::new(self)
    }
}

impl Snapshot {
    reads!();

    /// Returns all leads that match a filter, in creation order. The iterator ends after the first
    /// error.
    pub fn leads(&self, filter: &Filter) -> impl Iterator<Item = Result<Lead>> + use<> {
        LeadIter::new(Ok(self.clone()), filter)
    }

    /// Returns exact facets of the leads that match a filter, see [`LeadStore::facets`].
    ///
    /// # Errors
    ///
    /// [`Invalid`](ErrorKind::Invalid) for a filter value that no lead can have.
    pub fn facets(&self, filter: &Filter) -> Result<Facets> {
        self.read(|state| query::facets(state, filter))
    }

    /// Returns a page of hits. See [`LeadStore::search`](super::LeadStore::search).
    ///
    /// # Errors
    ///
    /// Those of [`LeadStore::search`], and [`Unavailable`](ErrorKind::Unavailable) if the snapshot
    /// was taken while the search index was being opened or rebuilt, or lacked more than 20,000
    /// changed leads or 16 MiB of them.
    pub fn search(&self, query: &SearchQuery) -> Result<Page<Hit>> {
        self.search_with(query, crate::search::search)
    }

    /// Returns the facets of all hits, see [`LeadStore::search_facets`].
    ///
    /// # Errors
    ///
    /// Those of [`search`](Self::search).
    pub fn search_facets(&self, query: &SearchQuery) -> Result<Facets> {
        self.search_with(query, crate::search::facets)
    }
}

impl Transaction<'_> {
    reads!();

    /// Returns all leads that match a filter, in creation order. The leads reflect the
    /// transaction's own writes. The iterator ends after the first error.
    pub fn leads(&self, filter: &Filter) -> impl Iterator<Item = Result<Lead>> + '_ {
        let (rows, error) = match self.read(|state| query::select(state, filter)) {
            Ok(rows) => (rows, None),
            Err(error) => (RowSet::default(), Some(Err(error))),
        };
        let leads = rows
            .into_rows()
            .map(|row| self.read(|state| Ok(state.lead_at(Row(row))?.lead)));
        error.into_iter().chain(leads).scan(false, |failed, lead| {
            if *failed {
                return None;
            }
            *failed = lead.is_err();
            Some(lead)
        })
    }
}
