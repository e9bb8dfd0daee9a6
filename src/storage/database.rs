//! An open store, and the operations that read, commit, checkpoint, compact and close it.
//!
//! A commit goes to the journal and into the overlay, unless its transaction exceeded its memory
//! budget and was written to the tables directly. A [`Checkpoint`] writes the overlay to the
//! tables, many commits at once, while other threads continue to commit.

pub(crate) mod backup;
pub(crate) mod checkpoint;
pub(crate) mod checkpoint_policy;
pub(crate) mod disk_snapshot;
pub(crate) mod open;
pub(crate) mod rebuild;
pub(crate) mod write_txn;

use std::sync::Arc;

use redb::ReadableDatabase;

use crate::error::{Error, ErrorKind, Result};
use crate::storage::database::checkpoint::Checkpoint;
use crate::storage::database::checkpoint_policy::{Backlog, CheckpointPolicy};
use crate::storage::database::disk_snapshot::DiskSnapshot;
use crate::storage::database::write_txn::{CommitTarget, PreparedCommit, TxnBase};
use crate::storage::file::directory::DirectoryLock;
use crate::storage::file::table_file::{CorruptionSlot, TableFile};
use crate::storage::journal::{Journal, JournalSyncer};
use crate::storage::record::meta::{Seq, StoreMeta};
use crate::storage::redb_error::{catch_corruption_panic, redb_error};
use crate::storage::state::overlay::Overlay;
use crate::storage::state::read_view::ReadView;
use crate::storage::tables::FORMAT;
use crate::storage::tables::read::CommittedTables;

/// Maximum number of syncs in a compaction. redb moves up to a million pages between some tens of
/// syncs, so only a compaction that makes no progress exceeds this.
const COMPACTION_SYNCS_MAX: u64 = 2_000;

/// When a commit must be durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JournalSync {
    /// Before the call returns.
    Now,
    /// With the next commit that uses `Now`, or the next sync.
    Deferred,
}

/// An open store.
pub(crate) struct Database {
    pub(crate) files: OpenFiles,
    /// The file that holds the tables.
    pub(crate) file: TableFile,
    /// The newest state, or `None` during a compaction, and after one that left the file
    /// unreadable.
    pub(crate) view: Option<ReadView>,
    /// The last commit that the tables contain.
    pub(crate) checkpoint: Seq,
    pub(crate) policy: CheckpointPolicy,
}

pub(crate) enum OpenFiles {
    Writable(Box<Writable>),
    ReadOnly(redb::ReadOnlyDatabase),
}

pub(crate) struct Writable {
    pub(crate) db: Arc<redb::Database>,
    pub(crate) journal: Journal,
    /// Changes committed since the running checkpoint started, or `None` if no checkpoint is
    /// running or if a large transaction has already written everything to the tables.
    pub(crate) delta: Option<Overlay>,
    pub(crate) _lock: Option<DirectoryLock>,
}

impl Database {
    pub(crate) fn corruption(&self) -> CorruptionSlot {
        self.file.corruption()
    }

    /// Returns true if the file has an older format than this version writes, and must be migrated
    /// before anything is written to it.
    pub(crate) fn needs_migration(&self) -> bool {
        self.view
            .as_ref()
            .is_some_and(|view| view.tables.format() < FORMAT)
    }

    /// Returns the newest state.
    pub(crate) fn read(&self) -> Result<ReadView> {
        self.view.clone().ok_or_else(Error::closed)
    }

    /// Starts a write transaction. The caller ensures that only one is open at a time.
    pub(crate) fn begin(&self) -> Result<TxnBase> {
        let OpenFiles::Writable(writable) = &self.files else {
            return Err(read_only());
        };
        Ok(TxnBase::new(
            self.read()?,
            Arc::clone(&writable.db),
            self.policy.overlay_bytes(),
        ))
    }

    /// Commits a prepared transaction. If this fails with an unknown outcome, only reopening the
    /// store shows whether it contains the commit.
    pub(crate) fn commit(
        &mut self,
        base: TxnBase,
        txn: PreparedCommit,
        durability: JournalSync,
    ) -> Result<()> {
        let unknown = |error: Error| {
            error
                .with_unknown_outcome()
                .while_doing("committing a write, whose outcome is unknown until reopen()")
        };
        let OpenFiles::Writable(writable) = &mut self.files else {
            return Err(read_only());
        };
        match txn.finished {
            CommitTarget::InMemory(view, ops) => {
                writable.journal.check()?;
                let previous = base.view().meta.commit_id;
                writable
                    .journal
                    .append(previous, &view.meta, &ops)
                    .map_err(unknown)?;
                if durability == JournalSync::Now {
                    writable.journal.sync().map_err(unknown)?;
                }
                if let Some(delta) = &mut writable.delta {
                    delta.merge_from(&ops, &view.overlay);
                }
                self.view = Some(*view);
            }
            CommitTarget::InTables => {
                let commit = || {
                    if let Some(transaction) = base.into_transaction() {
                        transaction.commit().map_err(redb_error)?;
                    }
                    let (tables, meta) =
                        CommittedTables::of(&writable.db.begin_read().map_err(redb_error)?)?;
                    writable.journal.restart(meta.seq)?;
                    Ok((tables, meta))
                };
                let (tables, meta) = commit().map_err(unknown)?;
                // A running checkpoint has nothing left to write.
                writable.delta = None;
                self.checkpoint = meta.seq;
                self.view = Some(ReadView {
                    meta,
                    tables: Arc::new(tables),
                    overlay: Overlay::default(),
                });
            }
        }
        Ok(())
    }

    /// Makes all previous commits durable.
    pub(crate) fn sync(&mut self) -> Result<()> {
        match &mut self.files {
            OpenFiles::Writable(writable) => writable.journal.sync(),
            OpenFiles::ReadOnly(_) => Ok(()),
        }
    }

    /// Returns a handle that makes commits durable without a lock on the database, or `None` if the
    /// store was opened read-only.
    pub(crate) fn journal_syncer(&self) -> Option<JournalSyncer> {
        match &self.files {
            OpenFiles::Writable(writable) => Some(writable.journal.syncer()),
            OpenFiles::ReadOnly(_) => None,
        }
    }

    /// Returns true if a checkpoint should start.
    pub(crate) fn wants_checkpoint(&self) -> bool {
        let is_running =
            matches!(&self.files, OpenFiles::Writable(writable) if writable.delta.is_some());
        !is_running
            && self
                .backlog()
                .is_some_and(|backlog| self.policy.is_due(backlog))
    }

    /// Returns true if writers have to wait for a checkpoint.
    pub(crate) fn needs_checkpoint(&self) -> bool {
        self.backlog()
            .is_some_and(|backlog| self.policy.needs_backpressure(backlog))
    }

    fn backlog(&self) -> Option<Backlog> {
        let (OpenFiles::Writable(writable), Some(view)) = (&self.files, &self.view) else {
            return None;
        };
        Some(Backlog {
            overlay_bytes: view.overlay.bytes(),
            journal_bytes: writable.journal.bytes(),
            commits: view.meta.seq.0 - self.checkpoint.0,
        })
    }

    /// Returns true if the tables lack a commit.
    pub(crate) fn has_uncheckpointed(&self) -> bool {
        self.view
            .as_ref()
            .is_some_and(|view| !view.overlay.is_empty())
    }

    /// Starts a checkpoint. Returns `None` if the tables already contain every commit, or if a
    /// checkpoint is running.
    pub(crate) fn begin_checkpoint(&mut self) -> Result<Option<Checkpoint>> {
        let (OpenFiles::Writable(writable), Some(view)) = (&mut self.files, &self.view) else {
            return Ok(None);
        };
        if view.overlay.is_empty() || writable.delta.is_some() {
            return Ok(None);
        }
        writable.journal.switch()?;
        writable.delta = Some(Overlay::default());
        Ok(Some(Checkpoint::new(
            Arc::clone(&writable.db),
            view.clone(),
        )))
    }

    /// Installs a finished checkpoint. `written` is `None` if it found nothing to write.
    pub(crate) fn end_checkpoint(
        &mut self,
        written: Option<(CommittedTables, StoreMeta)>,
    ) -> Result<()> {
        let (OpenFiles::Writable(writable), Some(view)) = (&mut self.files, &mut self.view) else {
            return Ok(());
        };
        let (Some(delta), Some((tables, meta))) = (writable.delta.take(), written) else {
            return Ok(());
        };
        self.checkpoint = meta.seq;
        *view = ReadView {
            meta: view.meta.clone(),
            tables: Arc::new(tables),
            overlay: delta,
        };
        writable.journal.checkpointed(self.checkpoint)
    }

    fn checkpoint(&mut self) -> Result<()> {
        if let Some(checkpoint) = self.begin_checkpoint()? {
            let written = checkpoint.write()?;
            self.end_checkpoint(written)?;
        }
        Ok(())
    }

    /// Runs a checkpoint, then returns the newest state, which has an empty overlay. No other
    /// checkpoint may be running.
    pub(crate) fn checkpoint_and_read(&mut self) -> Result<ReadView> {
        self.checkpoint()?;
        self.read()
    }

    /// Returns the tables as they are on disk. Commits that only the journal contains are missing
    /// from them.
    pub(crate) fn disk_snapshot(&self) -> Result<DiskSnapshot> {
        if let OpenFiles::Writable(writable) = &self.files {
            // After this empty commit the file opens without a verification, so that its intact
            // parts can be read.
            let empty = crate::storage::database::checkpoint::begin_write(&writable.db)
                .and_then(|empty| empty.commit().map_err(redb_error));
            // Corruption that makes the commit fail is found again when the snapshot is read.
            if let Err(error) = empty
                && error.kind() != ErrorKind::Corrupted
                && self.file.corruption().get().is_none()
            {
                return Err(error);
            }
        }
        DiskSnapshot::new(&self.file, self.read()?)
    }

    /// Returns the last commit that the tables contain.
    pub(crate) fn last_checkpoint(&self) -> Seq {
        self.checkpoint
    }

    /// Returns free pages to the file system and empties the journal. Fails with `Busy` while a
    /// view is held, or while a write or a checkpoint is in progress.
    pub(crate) fn compact(&mut self) -> Result<()> {
        self.checkpoint()?;
        let busy = || {
            Error::new(
                ErrorKind::Busy,
                "a write or checkpoint is in progress; try again",
            )
        };
        let OpenFiles::Writable(writable) = &mut self.files else {
            return Err(read_only());
        };
        let db = Arc::get_mut(&mut writable.db).ok_or_else(busy)?;
        let view = self
            .view
            .take_if(|view| view.overlay.is_empty())
            .ok_or_else(busy)?;
        let meta = view.meta.clone();
        drop(view);
        // If the last commit before a crash is one of redb's own compaction commits, redb verifies
        // the whole file at the next open. One more commit, with quick repair, prevents that.
        let compacted = self
            .file
            .limiting_syncs(COMPACTION_SYNCS_MAX, || db.compact())
            .map_err(redb_error);
        let compacted = compacted.and_then(|_| {
            crate::storage::database::checkpoint::begin_write(db)?
                .commit()
                .map_err(redb_error)
        });
        let tables = db
            .begin_read()
            .map_err(redb_error)
            .and_then(|read| CommittedTables::of(&read));
        let (tables, compacted) = match (tables, compacted) {
            (Ok((tables, _)), compacted) => (tables, compacted),
            (Err(_), Err(error)) | (Err(error), Ok(())) => return Err(error),
        };
        self.view = Some(ReadView {
            meta,
            tables: Arc::new(tables),
            overlay: Overlay::default(),
        });
        // The journal would otherwise keep the text of deleted leads.
        compacted.and_then(|()| writable.journal.clear())
    }

    /// Writes everything to the tables and closes the files. Views that are still held can no
    /// longer be read.
    pub(crate) fn close(mut self) -> Result<()> {
        let view = self.view.take();
        match self.files {
            OpenFiles::ReadOnly(db) => db.close().map_err(redb_error),
            OpenFiles::Writable(writable) => {
                let Writable {
                    db,
                    mut journal,
                    _lock,
                    ..
                } = *writable;
                // The journal is not switched for this checkpoint: no commits follow, and a failed
                // journal would refuse the switch.
                let written = match view.filter(|view| !view.overlay.is_empty()) {
                    // A panic is caught here, because redb's database must not be dropped while
                    // one unwinds: it panics again, and the process would abort.
                    Some(view) => catch_corruption_panic(|| {
                        Checkpoint::new(Arc::clone(&db), view).write().map(|_| ())
                    }),
                    None => Ok(()),
                };
                if written.is_err() {
                    // Without the checkpoint, the journal has the only copy of the last commits.
                    journal.sync()?;
                }
                let closed = match Arc::try_unwrap(db) {
                    Ok(db) => db.close().map_err(redb_error),
                    Err(_) => Ok(()),
                };
                written.and(closed)?;
                if let Err(error) = journal.clear() {
                    log::warn!(
                        "the journal is no longer needed, but could not be emptied: {error}"
                    );
                }
                Ok(())
            }
        }
    }
}

pub(crate) fn read_only() -> Error {
    Error::new(
        ErrorKind::ReadOnly,
        "the store was opened read-only; open it without read_only to write",
    )
}

#[cfg(test)]
mod tests;
