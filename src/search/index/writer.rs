//! The index with its writer, and the batches that bring the index up to date with a state of the
//! store.

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

/// An index that is open for writing.
pub(crate) struct Indexer {
    files: IndexFiles,
    /// Writer of the index. `None` before the first batch, after `settle`, and after a failed or
    /// aborted batch. The writer of such a batch is not kept: its uncommitted documents must not
    /// become part of the next batch, and after a failed commit a tantivy writer loses all
    /// documents that are added to it.
    writer: Option<IndexWriter>,
    /// True if the last commit was made by this indexer and is known to have succeeded. A commit
    /// that failed halfway may have added its segments while the payload is still that of the
    /// previous commit.
    last_commit_known: bool,
}

/// Progress of a batch.
#[derive(Clone, Copy)]
pub(crate) struct BatchProgress {
    pub(crate) indexed: u64,
    pub(crate) total: u64,
    /// True if the index is being rebuilt from all leads.
    pub(crate) is_rebuild: bool,
}

/// Number of leads between two progress reports.
const PROGRESS_INTERVAL: u64 = 1_024;

impl Indexer {
    pub(crate) fn new(files: IndexFiles) -> Self {
        Self {
            files,
            writer: None,
            last_commit_known: false,
        }
    }

    /// Returns the payload of the last commit, or `None` if there is no commit.
    pub(crate) fn payload(&self) -> Option<&CommitPayload> {
        self.files.payload.as_ref()
    }

    /// Returns a searchable view of the last commit.
    pub(crate) fn view(&self) -> Result<IndexView> {
        self.files.view()
    }

    /// Brings the index up to `state`, and commits it with `target` as payload. Calls
    /// `report_progress` periodically before the commit, and once after it. If `report_progress`
    /// fails, returns its error. If that happens before the commit, the batch is aborted.
    pub(crate) fn index(
        &mut self,
        state: StoreState<'_>,
        target: &CommitPayload,
        mut report_progress: impl FnMut(BatchProgress) -> Result<()>,
    ) -> Result<()> {
        let since = self.payload().map(CommitPayload::seq);
        let ChangedRows { rows, created } = match since {
            Some(seq) => ChangedRows::after(seq, state)?,
            None => ChangedRows::all(state)?,
        };
        let (total, is_rebuild) = (rows.len(), since.is_none());
        let last_commit_known = std::mem::take(&mut self.last_commit_known);
        let schema = &self.files.schema;
        let mut writer = match self.writer.take() {
            Some(writer) => writer,
            None => self.files.writer()?,
        };
        for (indexed, row) in (0_u64..).zip(rows.iter()) {
            if indexed % PROGRESS_INTERVAL == 0 {
                report_progress(BatchProgress {
                    indexed,
                    total,
                    is_rebuild,
                })?;
            }
            if !(created.contains(row) && (is_rebuild || last_commit_known)) {
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
        self.last_commit_known = true;
        self.files.payload = Some(target.clone());
        report_progress(BatchProgress {
            indexed: total,
            total,
            is_rebuild,
        })
    }

    /// Waits for running merges and drops the writer.
    pub(crate) fn settle(&mut self) -> Result<()> {
        self.writer.take().map_or(Ok(()), |writer| {
            writer.wait_merging_threads().map_err(tantivy_error)
        })
    }

    /// Merges all segments into one.
    pub(crate) fn merge(&mut self) -> Result<()> {
        // A segment that is being merged cannot take part in another merge.
        self.settle()?;
        let writer = self.writer.insert(self.files.writer()?);
        let segments = self.files.segments()?;
        if segments.len() > 1 || segments.iter().any(|segment| segment.has_deletes()) {
            let ids: Vec<_> = segments.iter().map(SegmentMeta::id).collect();
            writer.merge(&ids).wait().map_err(tantivy_error)?;
        }
        Ok(())
    }

    /// Removes the files that no commit and no view uses.
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

/// Rows that changed since the last index commit.
struct ChangedRows {
    rows: RowSet,
    /// Rows created since then. The index has no document for them, unless the outcome of its last
    /// commit is unknown.
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

    /// Returns all live rows, for an index that is empty.
    fn all(state: StoreState<'_>) -> Result<Self> {
        let rows = state.rows(&BitmapId::All)?;
        Ok(Self {
            created: rows.clone(),
            rows,
        })
    }
}
