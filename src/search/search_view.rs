//! The search half of a store's published view: the committed index, and the leads that changed
//! since.

use std::sync::Arc;

use crate::error::{Error, ErrorKind, Result};
use crate::schema::CommittedState;
use crate::search::index::directory::OpenIndexFiles;
use crate::search::matching::recent::RecentIndex;
use crate::search::matching::segment::{RowColumn, Segment};
use crate::search::tantivy_error::tantivy_error;
use crate::search::terms::document::IndexSchema;
use crate::storage::ChangedLeads;

/// Limits on the changed leads that a search analyzes, in leads and in bytes of their records. If
/// there are more, the search has to wait for the index. The terms of a lead take about ten times
/// as much memory as its record.
const ANALYZED_MAX: u64 = 20_000;
const ANALYZED_BYTES_MAX: u64 = 16 << 20;

/// A committed state of the index.
pub(crate) struct IndexView {
    searcher: tantivy::Searcher,
    schema: IndexSchema,
    /// Row columns in the order of the searcher's segments.
    row_columns: Vec<RowColumn>,
    files: OpenIndexFiles,
}

/// The data that a search reads in addition to the store's state.
#[derive(Clone, Default)]
pub(crate) struct SearchView {
    /// `None` while the index is being opened or rebuilt.
    index: Option<Arc<IndexView>>,
    /// The leads that changed since the index was committed; empty while `tracks_changes` is false.
    recent: RecentIndex,
    /// False until the first batch starts, and again from the withdrawal of an index until the next
    /// batch starts. A batch does not index the leads that change after its start, so they must be
    /// kept in `recent`.
    tracks_changes: bool,
}

/// The interface through which the index sync reads and replaces the published view.
pub(crate) trait ViewCell: Send + Sync {
    /// Returns the published state and its search view.
    fn load(&self) -> Result<(CommittedState, Arc<SearchView>)>;

    /// Replaces the search view, and returns the published state and its new search view.
    fn update(
        &self,
        change: &mut dyn FnMut(&SearchView) -> SearchView,
    ) -> Result<(CommittedState, Arc<SearchView>)>;
}

impl SearchView {
    pub(crate) fn recent(&self) -> &RecentIndex {
        &self.recent
    }

    /// Returns the segments of the index. Fails with `Unavailable` while there is no index.
    pub(crate) fn segments(&self) -> Result<impl Iterator<Item = Segment<'_>>> {
        let index = self.index.as_ref().ok_or_else(index_not_ready)?;
        let segments = index
            .searcher
            .segment_readers()
            .iter()
            .zip(&index.row_columns);
        Ok(segments.map(|(reader, row_column)| Segment::new(reader, &index.schema, row_column)))
    }

    /// Verifies the files of the index. Returns the names of those that could not be read, with the
    /// reasons.
    pub(crate) fn verify_files(&self) -> Vec<(String, std::io::Error)> {
        let index = self.index.as_ref();
        index.map_or_else(Vec::new, |index| index.files.verify())
    }

    /// Returns true if a search can be answered at once: there is an index, and few enough leads
    /// are unindexed.
    pub(crate) fn is_searchable(&self) -> bool {
        self.index.is_some()
            && self.recent.len() <= ANALYZED_MAX
            && self.recent.bytes() <= ANALYZED_BYTES_MAX
    }

    /// Returns true if there is an index to search.
    pub(crate) fn has_index(&self) -> bool {
        self.index.is_some()
    }

    /// Returns true if both views share one committed index.
    pub(crate) fn shares_index_with(&self, other: &Self) -> bool {
        matches!((&self.index, &other.index), (Some(this), Some(other)) if Arc::ptr_eq(this, other))
    }

    /// Returns the number of changed leads that the index lacks. A lead that changed several times
    /// may be counted several times.
    pub(crate) fn unindexed(&self) -> u64 {
        self.recent.len()
    }

    /// Returns the view after a commit that changed these leads.
    pub(crate) fn with_changes(&self, changed: ChangedLeads, committed: &CommittedState) -> Self {
        // A memory segment pins the pages of its state until an index contains its leads. While no
        // index exists and no batch is building one, that might never happen, so changed leads are
        // not kept. The next batch indexes them anyway.
        let recent = if self.tracks_changes {
            self.recent.with(changed, committed)
        } else {
            RecentIndex::default()
        };
        Self {
            recent,
            ..self.clone()
        }
    }

    /// Returns a copy of the view in which the changes so far are marked as about to be indexed.
    pub(crate) fn freeze(&self) -> Self {
        Self {
            recent: self.recent.immutable(),
            tracks_changes: true,
            index: self.index.clone(),
        }
    }

    /// Returns a copy of the view with `index`, which contains the leads that were marked by
    /// [`freeze`](Self::freeze). If the view's index was withdrawn meanwhile, returns the view
    /// unchanged: later changes were not tracked, and `index` lacks them.
    pub(crate) fn with_index(&self, index: Arc<IndexView>) -> Self {
        if !self.tracks_changes {
            return self.clone();
        }
        Self {
            recent: self.recent.without_immutable(),
            index: Some(index),
            tracks_changes: true,
        }
    }

    /// Returns the part of the view that is kept while the tables are replaced.
    pub(crate) fn paused(&self) -> PausedSearch {
        let mut unindexed = ChangedLeads::default();
        for segment in self.recent.newest_first() {
            unindexed.add(segment.leads());
        }
        PausedSearch {
            unindexed,
            index: self.index.clone(),
            tracks_changes: self.tracks_changes,
        }
    }
}

/// A search view without the states that its memory segments hold.
pub(crate) struct PausedSearch {
    unindexed: ChangedLeads,
    index: Option<Arc<IndexView>>,
    tracks_changes: bool,
}

impl PausedSearch {
    /// Returns the view over the reopened state.
    pub(crate) fn resume(self, committed: &CommittedState) -> SearchView {
        SearchView {
            recent: RecentIndex::default().with(self.unindexed, committed),
            index: self.index,
            tracks_changes: self.tracks_changes,
        }
    }
}

impl IndexView {
    pub(crate) fn new(
        reader: &tantivy::IndexReader,
        schema: IndexSchema,
        files: OpenIndexFiles,
    ) -> Result<Self> {
        reader.reload().map_err(tantivy_error)?;
        let searcher = reader.searcher();
        let row_columns = searcher
            .segment_readers()
            .iter()
            .map(|_| RowColumn::new())
            .collect();
        // The term dictionaries are opened now, while the previous view still has those of the
        // segments that both have: they are read only once.
        for segment in searcher.segment_readers() {
            for field in schema.term_fields() {
                segment.inverted_index(field).map_err(tantivy_error)?;
            }
        }
        Ok(Self {
            searcher,
            schema,
            row_columns,
            files,
        })
    }
}

pub(crate) fn index_not_ready() -> Error {
    Error::new(
        ErrorKind::Unavailable,
        "the search index is being built; retry when search_status() is Ready",
    )
}
