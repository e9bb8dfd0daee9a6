//! One state of the store, ready to be read and searched, and the place where the newest one is published. A view
//! changes as a whole: swapped apart, a lead would show twice or not at all.

use std::sync::{Arc, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::error::{Error, ErrorKind, Result};
use crate::row::RowSet;
use crate::search::fault;
use crate::search::matching::recent::RecentIndex;
use crate::search::matching::segment::{RowColumn, Segment};
use crate::search::terms::document::IndexSchema;
use crate::storage::{ReadView, StateRef};
use crate::sync::read_lock;
use crate::sync::write_lock;

/// A committed state of the index.
pub(crate) struct IndexView {
    searcher: tantivy::Searcher,
    schema: IndexSchema,
    /// In the order of the searcher's segments.
    row_columns: Vec<RowColumn>,
}

/// One state of the store: what is on disk, what the index has of it, and what it has not yet.
#[derive(Clone)]
pub(crate) struct StoreView {
    read: Arc<ReadView>,
    /// `None` while the index is opened or rebuilt.
    index: Option<Arc<IndexView>>,
    /// Those that changed since; of no use, and empty, while `is_followed` is false.
    recent: RecentIndex,
    /// Whether the follower will hand out an index to which what is written from now on must be added.
    is_followed: bool,
}

impl StoreView {
    pub(crate) fn state(&self) -> StateRef<'_> {
        self.read.state()
    }

    pub(crate) fn recent(&self) -> &RecentIndex {
        &self.recent
    }

    /// The segments of the index; `Unavailable` while there is none.
    pub(crate) fn segments(&self) -> Result<impl Iterator<Item = Segment<'_>>> {
        let index = self.index.as_ref().ok_or_else(index_is_built)?;
        let segments = index
            .searcher
            .segment_readers()
            .iter()
            .zip(&index.row_columns);
        Ok(segments.map(|(reader, row_column)| Segment::new(reader, &index.schema, row_column)))
    }

    /// Whether a search can be answered at once: there is an index, and few enough leads beside it.
    pub(crate) fn is_searchable(&self) -> bool {
        self.index.is_some() && self.recent.len() <= ANALYSED_MAX
    }

    /// Whether there is an index to search.
    pub(crate) fn has_index(&self) -> bool {
        self.index.is_some()
    }

    /// Whether this has the very index that another view has.
    pub(crate) fn has_index_of(&self, other: &Self) -> bool {
        matches!((&self.index, &other.index), (Some(this), Some(other)) if Arc::ptr_eq(this, other))
    }

    /// How many changed leads the index has not yet.
    pub(crate) fn unindexed(&self) -> u64 {
        self.recent.len()
    }
}

pub(crate) fn index_is_built() -> Error {
    Error::new(
        ErrorKind::Unavailable,
        "the search index is being made; search again once search_status() says ready",
    )
}

/// More leads than this beside the index are not analysed for a search: it waits for the follower instead.
const ANALYSED_MAX: u64 = 20_000;

/// The newest view. There is none while the file is compacted and after the store was closed.
pub(crate) struct PublishedView(RwLock<Option<Arc<StoreView>>>);

impl PublishedView {
    pub(crate) fn new(read: ReadView) -> Self {
        let view = StoreView {
            read: Arc::new(read),
            index: None,
            recent: RecentIndex::default(),
            is_followed: false,
        };
        Self(RwLock::new(Some(Arc::new(view))))
    }

    pub(crate) fn current(&self) -> Result<Arc<StoreView>> {
        self.read_slot().clone().ok_or_else(Error::closed)
    }

    /// Publishes the state after a commit that changed `rows`.
    pub(crate) fn commit(&self, read: ReadView, rows: RowSet) {
        let read = Arc::new(read);
        self.replace(|view| {
            // A layer keeps the pages of its state from being used again: without a follower they would be kept for
            // ever.
            let recent = if view.is_followed {
                view.recent.with(rows, &read)
            } else {
                RecentIndex::default()
            };
            StoreView {
                read: Arc::clone(&read),
                recent,
                ..view.clone()
            }
        });
    }

    /// Publishes the same state, read from other tables.
    pub(crate) fn rebase(&self, read: ReadView) {
        let read = Arc::new(read);
        self.replace(|view| StoreView {
            read: Arc::clone(&read),
            ..view.clone()
        });
    }

    /// Hands all that is not indexed yet to the follower, with the state to index.
    pub(crate) fn freeze(&self) -> Result<Arc<StoreView>> {
        self.replace(|view| StoreView {
            recent: view.recent.immutable(),
            is_followed: true,
            ..view.clone()
        })
        .ok_or_else(Error::closed)
    }

    /// Publishes an index that has what was frozen, unless it was given up meanwhile: then what was written since is
    /// missing.
    pub(crate) fn indexed(&self, index: IndexView) {
        let index = Some(Arc::new(index));
        self.replace(|view| {
            if !view.is_followed {
                view.clone()
            } else {
                StoreView {
                    recent: view.recent.without_immutable(),
                    index,
                    ..view.clone()
                }
            }
        });
    }

    /// Gives the index up: searches wait until the follower has made another.
    pub(crate) fn without_index(&self) {
        self.replace(|view| StoreView {
            index: None,
            recent: RecentIndex::default(),
            is_followed: false,
            ..view.clone()
        });
    }

    /// Takes the view away, so that nobody reads, and keeps readers waiting while `work` runs; then publishes what
    /// `open` opens.
    pub(crate) fn pause<T>(
        &self,
        work: impl FnOnce() -> Result<T>,
        open: impl FnOnce() -> Result<ReadView>,
    ) -> Result<T> {
        let mut slot = self.write_slot();
        let view = slot.take().ok_or_else(Error::closed)?;
        let (index, is_followed) = (view.index.clone(), view.is_followed);
        let mut unindexed = RowSet::default();
        for segment in view.recent.newest_first() {
            unindexed.add_all(segment.rows());
        }
        // With the layers, which hold views of their own.
        drop(view);
        let result = work();
        // The first error is the cause of those that follow.
        let (read, result) = match (open(), result) {
            (Ok(read), result) => (Arc::new(read), result),
            (Err(_), Err(error)) | (Err(error), Ok(_)) => return Err(error),
        };
        let recent = RecentIndex::default().with(unindexed, &read);
        *slot = Some(Arc::new(StoreView {
            recent,
            read,
            index,
            is_followed,
        }));
        result
    }

    /// Ends publishing: nobody gets a view any more.
    pub(crate) fn close(&self) {
        *self.write_slot() = None;
    }

    fn replace(&self, make: impl FnOnce(&StoreView) -> StoreView) -> Option<Arc<StoreView>> {
        let mut slot = self.write_slot();
        let view = Arc::new(make(slot.as_ref()?));
        *slot = Some(Arc::clone(&view));
        Some(view)
    }

    // A view is replaced in one assignment, so a panic elsewhere leaves none half made.
    fn read_slot(&self) -> RwLockReadGuard<'_, Option<Arc<StoreView>>> {
        read_lock(&self.0)
    }

    fn write_slot(&self) -> RwLockWriteGuard<'_, Option<Arc<StoreView>>> {
        write_lock(&self.0)
    }
}

impl IndexView {
    pub(crate) fn new(reader: &tantivy::IndexReader, schema: IndexSchema) -> Result<Self> {
        reader.reload().map_err(fault)?;
        let searcher = reader.searcher();
        let row_columns = searcher
            .segment_readers()
            .iter()
            .map(|_| RowColumn::new())
            .collect();
        Ok(Self {
            searcher,
            schema,
            row_columns,
        })
    }
}
