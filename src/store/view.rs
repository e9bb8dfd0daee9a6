//! The published state of the store: one view of tables, overlay and search index. It is replaced as a whole. If its parts
//! were swapped one by one, a lead could show twice or not at all.

use std::sync::{Arc, RwLock};

use crate::error::{Error, Result};
use crate::row::RowSet;
use crate::search::{SearchView, ViewCell};
use crate::storage::ReadView;
use crate::storage::StateRef;
use crate::sync::{read_lock, write_lock};

/// One state of the store: what is committed, and how far the search index is.
#[derive(Clone)]
pub(crate) struct StoreView {
    read: Arc<ReadView>,
    search: Arc<SearchView>,
}

impl StoreView {
    pub(crate) fn state(&self) -> StateRef<'_> {
        self.read.state()
    }

    pub(crate) fn search(&self) -> &SearchView {
        &self.search
    }
}

/// The slot of the newest view. It is empty while the file is compacted and after the store was closed.
pub(crate) struct PublishedView(RwLock<Option<Arc<StoreView>>>);

impl PublishedView {
    pub(crate) fn new(read: ReadView) -> Self {
        let view = StoreView {
            read: Arc::new(read),
            search: Arc::default(),
        };
        Self(RwLock::new(Some(Arc::new(view))))
    }

    pub(crate) fn current(&self) -> Result<Arc<StoreView>> {
        read_lock(&self.0).clone().ok_or_else(Error::closed)
    }

    /// Publishes the state after a commit that changed `rows`.
    pub(crate) fn commit(&self, read: ReadView, rows: RowSet) {
        let read = Arc::new(read);
        self.replace(|view| StoreView {
            search: Arc::new(view.search.with_changes(rows, &read)),
            read,
        });
    }

    /// Publishes the same state, read from other tables.
    pub(crate) fn rebase(&self, read: ReadView) {
        let read = Arc::new(read);
        self.replace(|view| StoreView {
            read,
            ..view.clone()
        });
    }

    /// Takes the view away and keeps readers waiting while `work` runs; then publishes the state that `open` returns.
    pub(crate) fn pause<T>(
        &self,
        work: impl FnOnce() -> Result<T>,
        open: impl FnOnce() -> Result<ReadView>,
    ) -> Result<T> {
        let mut slot = write_lock(&self.0);
        let view = slot.take().ok_or_else(Error::closed)?;
        // Drops the memory segments with the view, since they hold views of their own.
        let paused = view.search.paused();
        drop(view);
        let result = work();
        // The first error is the cause of those that follow.
        let (read, result) = match (open(), result) {
            (Ok(read), result) => (Arc::new(read), result),
            (Err(_), Err(error)) | (Err(error), Ok(_)) => return Err(error),
        };
        let search = Arc::new(paused.resume(&read));
        *slot = Some(Arc::new(StoreView { read, search }));
        result
    }

    /// Ends publishing: every later call returns `Closed`.
    pub(crate) fn close(&self) {
        *write_lock(&self.0) = None;
    }

    fn replace(&self, make: impl FnOnce(&StoreView) -> StoreView) -> Option<Arc<StoreView>> {
        let mut slot = write_lock(&self.0);
        let view = Arc::new(make(slot.as_ref()?));
        *slot = Some(Arc::clone(&view));
        Some(view)
    }
}

impl ViewCell for PublishedView {
    fn load(&self) -> Result<(Arc<ReadView>, Arc<SearchView>)> {
        let view = self.current()?;
        Ok((Arc::clone(&view.read), Arc::clone(&view.search)))
    }

    fn update(
        &self,
        change: &mut dyn FnMut(&SearchView) -> SearchView,
    ) -> Result<(Arc<ReadView>, Arc<SearchView>)> {
        let view = self
            .replace(|view| StoreView {
                read: Arc::clone(&view.read),
                search: Arc::new(change(&view.search)),
            })
            .ok_or_else(Error::closed)?;
        Ok((Arc::clone(&view.read), Arc::clone(&view.search)))
    }
}
