//! Searches on the newest view, with an index that may have to be waited for or made anew.

use std::sync::Arc;

use crate::error::{ErrorKind, Result};
use crate::query::{Facets, Page};
use crate::search::{self, Hit, SearchQuery, SearchStatus, View};
use crate::store::engine::Core;

impl Core {
    pub(crate) fn search(&self, query: &SearchQuery) -> Result<Page<Hit>> {
        self.searched(query, search::search)
    }

    pub(crate) fn search_facets(&self, query: &SearchQuery) -> Result<Facets> {
        self.searched(query, search::facets)
    }

    /// The answer of the index; if that fails, of the one that is made anew.
    fn searched<T>(
        &self,
        query: &SearchQuery,
        answer: fn(&View, &SearchQuery) -> Result<T>,
    ) -> Result<T> {
        query.check()?;
        let view = self.searchable()?;
        match answer(&view, query) {
            Err(error) if error.kind() == ErrorKind::Unavailable => {
                log::error!("the search index failed and is made anew: {error}");
                self.follower.distrust(&view);
                answer(&*self.searchable()?, query)
            }
            result => result,
        }
    }

    /// A view that can be searched, waited for if the options say so.
    fn searchable(&self) -> Result<Arc<View>> {
        let view = self.view()?;
        if view.is_searchable() {
            return Ok(view);
        }
        // A transaction must not wait: what it would wait for may need the file, which it holds.
        let waits = self.wait_for_search && self.nesting.refuse().is_ok();
        if waits {
            return self.follower.searchable();
        }
        if view.has_index() {
            Ok(view)
        } else {
            Err(search::index_is_built())
        }
    }

    #[cfg(feature = "unstable-testing")]
    pub(crate) fn index(&self) -> Result<()> {
        self.follower.index()
    }

    pub(crate) fn search_status(&self) -> SearchStatus {
        self.follower.status()
    }
}
