//! The index with its writer, and how it is brought to a state of the store.

use tantivy::{IndexWriter, SegmentMeta};

use crate::error::Result;
use crate::row::RowSet;
use crate::schema::StoreState;
use crate::schema::keys::BitmapId;
use crate::search::index::files::IndexFiles;
use crate::search::index::payload::CommitPayload;
use crate::search::search_view::IndexView;
use crate::search::tantivy_error::tantivy_error;
use crate::storage::{ChangeKind, LoggedChange, Seq};

/// An index that is written.
pub(crate) struct Indexer {
    files: IndexFiles,
    /// `None` before the first batch, and after one that failed or was ended: what was added and not committed must not
    /// come with the next one, and after a failed commit tantivy's writer loses what follows.
    writer: Option<IndexWriter>,
    /// Whether the last commit is from here and known to have succeeded. Of one that failed half-way, segments may be there
    /// under the payload of the commit before.
    made_last_commit: bool,
}

/// How far a batch is.
#[derive(Clone, Copy)]
pub(crate) struct BatchProgress {
    pub(crate) indexed: u64,
    pub(crate) total: u64,
    /// Whether the index is made anew, from all leads.
    pub(crate) is_rebuild: bool,
}

/// After so many leads it is told how far a batch is.
const PROGRESS_INTERVAL: u64 = 1_024;

impl Indexer {
    pub(crate) fn new(files: IndexFiles) -> Self {
        Self {
            files,
            writer: None,
            made_last_commit: false,
        }
    }

    /// What the last commit goes up to; `None` if there was none.
    pub(crate) fn payload(&self) -> Option<&CommitPayload> {
        self.files.payload.as_ref()
    }

    /// The last commit, to be searched.
    pub(crate) fn view(&self) -> Result<IndexView> {
        IndexView::new(&self.files.reader, self.files.schema.clone())
    }

    /// Brings the index to the state of `state`, and commits it as `target`. `tell` is told now and then how far that is,
    /// and can end it by an error.
    pub(crate) fn index(
        &mut self,
        state: StoreState<'_>,
        target: &CommitPayload,
        mut tell: impl FnMut(BatchProgress) -> Result<()>,
    ) -> Result<()> {
        let since = self.payload().map(CommitPayload::seq);
        let ChangedRows { rows, created } = match since {
            Some(seq) => ChangedRows::after(seq, state)?,
            None => ChangedRows::all(state)?,
        };
        let (total, is_rebuild) = (rows.len(), since.is_none());
        let knows_index = std::mem::take(&mut self.made_last_commit);
        let schema = &self.files.schema;
        let mut writer = match self.writer.take() {
            Some(writer) => writer,
            None => self.files.writer()?,
        };
        for (indexed, row) in (0_u64..).zip(rows.iter()) {
            if indexed % PROGRESS_INTERVAL == 0 {
                tell(BatchProgress {
                    indexed,
                    total,
                    is_rebuild,
                })?;
            }
            if !(created.contains(row) && (is_rebuild || knows_index)) {
                writer.delete_term(schema.row_term(row));
            }
            if let Some(stored) = state.lead(row)?.filter(|stored| stored.trash.is_none()) {
                writer
                    .add_document(schema.document(state.catalogue, row, &stored.lead))
                    .map_err(tantivy_error)?;
            }
        }
        let mut commit = writer.prepare_commit().map_err(tantivy_error)?;
        commit.set_payload(&target.encode()?);
        commit.commit().map_err(tantivy_error)?;
        self.writer = Some(writer);
        self.made_last_commit = true;
        self.files.payload = Some(target.clone());
        tell(BatchProgress {
            indexed: total,
            total,
            is_rebuild,
        })
    }

    /// Waits for merges that go on.
    pub(crate) fn settle(&mut self) -> Result<()> {
        self.writer.take().map_or(Ok(()), |writer| {
            writer.wait_merging_threads().map_err(tantivy_error)
        })
    }

    /// Makes one segment of all.
    pub(crate) fn merge(&mut self) -> Result<()> {
        // Segments that are being merged cannot be merged otherwise.
        self.settle()?;
        let writer = self.writer.insert(self.files.writer()?);
        let segments = self.files.segments()?;
        if segments.len() > 1 || segments.iter().any(|segment| segment.has_deletes()) {
            let ids: Vec<_> = segments.iter().map(SegmentMeta::id).collect();
            writer.merge(&ids).wait().map_err(tantivy_error)?;
        }
        Ok(())
    }

    /// Removes files that no commit and no view needs.
    pub(crate) fn remove_unused(&self) -> Result<()> {
        if let Some(writer) = &self.writer {
            writer
                .garbage_collect_files()
                .wait()
                .map_err(tantivy_error)?;
        }
        Ok(())
    }
}

/// What changed since the index was committed.
struct ChangedRows {
    rows: RowSet,
    /// Those of which it had nothing, so that nothing of them need be looked for to be removed.
    created: RowSet,
}

impl ChangedRows {
    fn after(seq: Seq, state: StoreState<'_>) -> Result<Self> {
        let mut changed = Self {
            rows: RowSet::default(),
            created: RowSet::default(),
        };
        state.changes_after(seq, |LoggedChange { kind, row, .. }| {
            changed.rows.insert(row);
            if kind == ChangeKind::Created {
                changed.created.insert(row);
            }
        })?;
        Ok(changed)
    }

    /// All, of an index that has nothing.
    fn all(state: StoreState<'_>) -> Result<Self> {
        let rows = state.rows(&BitmapId::Live)?;
        Ok(Self {
            created: rows.clone(),
            rows,
        })
    }
}
