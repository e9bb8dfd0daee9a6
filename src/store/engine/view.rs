//! The published state of the store: one view of tables, overlay and search index. It is replaced
//! as a whole. If its parts were replaced one by one, a search could find a lead twice or not at
//! all.

use std::sync::{Arc, RwLock};

use crate::error::{Error, Result};
use crate::schema::{CommittedState, StoreState};
use crate::search::{SearchView, ViewCell};
use crate::storage::{ChangedLeads, ReadView};
use crate::sync::{read_lock, write_lock};

/// One state of the store: the committed data, and the search view that belongs to it.
#[derive(Clone)]
pub(crate) struct StoreView {
    committed: CommittedState,
    search: Arc<SearchView>,
}

impl StoreView {
    pub(crate) fn state(&self) -> StoreState<'_> {
        self.committed.state()
    }

    pub(crate) fn search(&self) -> &SearchView {
        &self.search
    }
}

/// The newest view. It is absent while the file is compacted, if the tables cannot be read after a
/// compaction, and after the store was closed.
pub(crate) struct PublishedView(RwLock<Option<Arc<StoreView>>>);

impl PublishedView {
    pub(crate) fn new(committed: CommittedState) -> Self {
        let view = StoreView {
            committed,
            search: Arc::default(),
        };
        Self(RwLock::new(Some(Arc::new(view))))
    }

    pub(crate) fn current(&self) -> Result<Arc<StoreView>> {
        read_lock(&self.0).clone().ok_or_else(Error::closed)
    }

    /// Publishes the state after a commit that changed these leads.
    pub(crate) fn commit(&self, read: ReadView, changed: ChangedLeads) {
        self.replace(|view| {
            let committed = view.committed.with(read);
            StoreView {
                search: Arc::new(view.search.with_changes(changed, &committed)),
                committed,
            }
        });
    }

    /// Publishes the same state again, now backed by the tables after a checkpoint.
    pub(crate) fn rebase(&self, read: ReadView) {
        self.replace(|view| StoreView {
            committed: view.committed.with(read),
            ..view.clone()
        });
    }

    /// Takes the view away and keeps readers waiting while `work` runs. Then, even if `work`
    /// failed, publishes the state that `open` returns.
    pub(crate) fn pause<T>(
        &self,
        work: impl FnOnce() -> Result<T>,
        open: impl FnOnce() -> Result<ReadView>,
    ) -> Result<T> {
        let mut slot = write_lock(&self.0);
        let view = slot.take().ok_or_else(Error::closed)?;
        // Drops the memory segments with the view, since they hold views of their own.
        let (paused, catalogue) = (view.search.paused(), Arc::clone(view.committed.catalogue()));
        drop(view);
        let result = work();
        // If both fail, the error of `work` is returned: it caused the other one.
        let (read, result) = match (open(), result) {
            (Ok(read), result) => (read, result),
            (Err(_), Err(error)) | (Err(error), Ok(_)) => return Err(error),
        };
        let committed = CommittedState::new(read, catalogue);
        let search = Arc::new(paused.resume(&committed));
        *slot = Some(Arc::new(StoreView { committed, search }));
        result
    }

    /// Ends publishing: from now on [`current`](Self::current) returns `Closed`.
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
    fn load(&self) -> Result<(CommittedState, Arc<SearchView>)> {
        let view = self.current()?;
        Ok((view.committed.clone(), Arc::clone(&view.search)))
    }

    fn update(
        &self,
        change: &mut dyn FnMut(&SearchView) -> SearchView,
    ) -> Result<(CommittedState, Arc<SearchView>)> {
        let view = self
            .replace(|view| StoreView {
                committed: view.committed.clone(),
                search: Arc::new(change(&view.search)),
            })
            .ok_or_else(Error::closed)?;
        Ok((view.committed.clone(), Arc::clone(&view.search)))
    }
}
