//! Searches on the published view. A search may have to wait for the index, and requests a rebuild
//! if the index fails.

use std::sync::Arc;

use crate::error::{ErrorKind, Result};
use crate::query::{Facets, Page};
use crate::schema::StoreState;
use crate::search::{self, Hit, SearchQuery, SearchStatus, SearchView};
use crate::store::engine::Engine;
use crate::store::engine::view::StoreView;

impl Engine {
    pub(crate) fn search(&self, query: &SearchQuery) -> Result<Page<Hit>> {
        self.answer_from_index(query, search::search)
    }

    pub(crate) fn search_facets(&self, query: &SearchQuery) -> Result<Facets> {
        self.answer_from_index(query, search::facets)
    }

    /// Answers a query from the index. If the index fails, requests a rebuild and tries once more.
    /// Inside a transaction, or if the options say not to wait, the second attempt fails, because
    /// the index is still being rebuilt.
    fn answer_from_index<T>(
        &self,
        query: &SearchQuery,
        answer: fn(StoreState<'_>, &SearchView, &SearchQuery) -> Result<T>,
    ) -> Result<T> {
        query.check(&self.rules.catalogue)?;
        let view = self.searchable()?;
        match answer(view.state(), view.search(), query) {
            Err(error) if error.kind() == ErrorKind::Unavailable => {
                log::error!("the search index failed and is being rebuilt: {error}");
                self.index_sync.invalidate_index(view.search());
                let view = self.searchable()?;
                answer(view.state(), view.search(), query)
            }
            result => result,
        }
    }

    /// Returns a view that can be searched at once. If the published view cannot be searched, waits
    /// for the index. Inside a transaction, or if the options say not to wait, fails instead.
    fn searchable(&self) -> Result<Arc<StoreView>> {
        let view = self.view()?;
        if view.search().is_searchable() {
            return Ok(view);
        }
        // Inside a transaction, waiting could cause a deadlock: the search would wait for the
        // index, the index for a running compaction, and the compaction for the file, which the
        // transaction holds.
        if self.wait_for_search && self.reentrancy.refuse().is_ok() {
            return self.wait_until_searchable();
        }
        Err(search::index_not_ready())
    }

    /// Waits for the index, then loads the view. If the view has changed in between and cannot be
    /// searched, waits again.
    fn wait_until_searchable(&self) -> Result<Arc<StoreView>> {
        loop {
            self.index_sync.wait_until_searchable()?;
            let view = self.view()?;
            if view.search().is_searchable() {
                return Ok(view);
            }
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
