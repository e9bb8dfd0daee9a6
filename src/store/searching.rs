//! Searches on the newest view, with an index that may have to be waited for or made anew.

use std::sync::Arc;

use crate::error::{ErrorKind, Result};
use crate::query::{Facets, Page};
use crate::search::{self, Hit, SearchQuery, SearchStatus, StoreView};
use crate::store::engine::Core;

impl Core {
    pub(crate) fn search(&self, query: &SearchQuery) -> Result<Page<Hit>> {
        self.answer_from_index(query, search::search)
    }

    pub(crate) fn search_facets(&self, query: &SearchQuery) -> Result<Facets> {
        self.answer_from_index(query, search::facets)
    }

    /// The answer of the index; if that fails, of the one that is made anew.
    fn answer_from_index<T>(
        &self,
        query: &SearchQuery,
        answer: fn(&StoreView, &SearchQuery) -> Result<T>,
    ) -> Result<T> {
        query.check()?;
        let view = self.searchable()?;
        match answer(&view, query) {
            Err(error) if error.kind() == ErrorKind::Unavailable => {
                log::error!("the search index failed and is made anew: {error}");
                self.index_sync.invalidate_index(&view);
                answer(&*self.searchable()?, query)
            }
            result => result,
        }
    }

    /// A view that can be searched, waited for if the options say so.
    fn searchable(&self) -> Result<Arc<StoreView>> {
        let view = self.view()?;
        if view.is_searchable() {
            return Ok(view);
        }
        // A transaction must not wait: what it would wait for may need the file, which it holds.
        let waits = self.wait_for_search && self.reentrancy.refuse().is_ok();
        if waits {
            return self.index_sync.searchable();
        }
        if view.has_index() {
            Ok(view)
        } else {
            Err(search::index_is_built())
        }
    }

    #[cfg(feature = "unstable-testing")]
    pub(crate) fn index(&self) -> Result<()> {
        self.index_sync.index()
    }

    pub(crate) fn search_status(&self) -> SearchStatus {
        self.index_sync.status()
    }
}
