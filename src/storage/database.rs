//! An open store: reads, commits, checkpoints, compacts and closes its files.
//!
//! A commit goes to the journal and into the overlay. A [`Checkpoint`] writes the overlay to the
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
use crate::storage::file::checksummed::{ChecksummedFile, CorruptionSlot};
use crate::storage::file::directory::DirectoryLock;
use crate::storage::journal::Journal;
use crate::storage::record::meta::{Seq, StoreMeta};
use crate::storage::redb_error::redb_error;
use crate::storage::state::overlay::Overlay;
use crate::storage::state::read_view::ReadView;
use crate::storage::tables::read::CommittedTables;

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
    pub(crate) file: ChecksummedFile,
    /// The newest state, or `None` while the file is compacted.
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
    /// running.
    pub(crate) delta: Option<Overlay>,
    pub(crate) _lock: Option<DirectoryLock>,
}

impl Database {
    pub(crate) fn corruption(&self) -> CorruptionSlot {
        self.file.corruption()
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

    /// Commits a prepared transaction. If an error has an unknown outcome, only reopening the store
    /// shows whether the commit is in it.
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

    /// Makes every commit so far durable.
    pub(crate) fn sync(&mut self) -> Result<()> {
        match &mut self.files {
            OpenFiles::Writable(writable) => writable.journal.sync(),
            OpenFiles::ReadOnly(_) => Ok(()),
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

    /// Starts a checkpoint. Returns `None` if the tables lack nothing or a checkpoint is already
    /// running.
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

    /// Runs a checkpoint, then returns the newest state, which has an empty overlay.
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
    /// read or write is in progress.
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
        // After the last commits of a compaction, a crash would make redb verify the whole file.
        // One more commit with quick repair prevents that.
        let compacted = db.compact().map_err(redb_error);
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
                // No commits follow, so the journal need not be switched, which a failed journal
                // would refuse.
                let written = match view.filter(|view| !view.overlay.is_empty()) {
                    Some(view) => Checkpoint::new(Arc::clone(&db), view).write().map(|_| ()),
                    None => Ok(()),
                };
                if written.is_err() {
                    // The journal is then the only copy of the last commits.
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
    Error::new(ErrorKind::ReadOnly, "the store was opened read-only")
}

#[cfg(test)]
mod tests {
    use redb::{Builder, StorageBackend};

    use super::*;
    use crate::row::Row;
    use crate::storage::database::open::open_memory;
    use crate::storage::file::failing::FailingFile;
    use crate::storage::file::location::MemoryFiles;
    use crate::storage::record::meta::Seq;
    use crate::storage::{ChangeKind, LoggedChange};

    /// Opens the store in memory, with `first` as the first journal file.
    fn open(files: &MemoryFiles, first: Box<dyn StorageBackend>) -> Result<Database> {
        let opened = open_memory(&mut Builder::new(), files)?;
        Database::recover(
            opened,
            [first, Box::new(files.journal[1].clone())],
            None,
            CheckpointPolicy::with_overlay_bytes(1 << 20),
        )
    }

    /// The key of a bitmap.
    const BITMAP: &[u8] = b"\x07\x01x";

    fn write(db: &mut Database, row: u32, durability: JournalSync) -> Result<()> {
        let base = db.begin()?;
        let mut txn = base.write_txn();
        txn.set_row(BITMAP, Row(row), true)?;
        let (id, version) = (crate::LeadId::from_bytes([0; 16]), crate::Version::FIRST);
        txn.log(LoggedChange {
            kind: ChangeKind::Created,
            row: Row(row),
            id,
            version,
        })?;
        let finished = txn.prepare(None, Seq(0))?;
        db.commit(base, finished, durability)
    }

    #[test]
    fn close_writes_acknowledged_commits_after_a_journal_failure() {
        for durability in [JournalSync::Now, JournalSync::Deferred] {
            let files = MemoryFiles::default();
            let failing = FailingFile::at(-1, files.journal[0].clone());
            let mut db = open(&files, Box::new(failing.clone())).unwrap();
            (0..5).for_each(|row| write(&mut db, row, durability).unwrap());
            failing.fail();
            let error = write(&mut db, 5, durability).unwrap_err();
            assert_eq!(
                (error.kind(), error.outcome_unknown()),
                (ErrorKind::Io, true)
            );
            let error = write(&mut db, 6, durability).unwrap_err();
            assert_eq!(
                (error.kind(), error.outcome_unknown()),
                (ErrorKind::Io, false),
                "nothing was written"
            );
            assert!(db.sync().is_err());
            db.close().unwrap();
            // Reopen with empty journal files.
            let without = MemoryFiles {
                journal: Default::default(),
                ..files
            };
            let db = open(&without, Box::new(without.journal[0].clone())).unwrap();
            assert_eq!(db.read().unwrap().state().bitmap(BITMAP).unwrap().len(), 5);
        }
    }

    /// Overwrites the same lead with a record of `bytes` bytes.
    fn overwrite_lead(db: &mut Database, bytes: usize) {
        let base = db.begin().unwrap();
        let mut txn = base.write_txn();
        txn.put_lead(
            Row(0),
            &crate::storage::record::lead_record::with_text(bytes),
        )
        .unwrap();
        let finished = txn.prepare(None, Seq(0)).unwrap();
        db.commit(base, finished, JournalSync::Deferred).unwrap();
    }

    fn open_with(overlay_bytes: usize) -> Database {
        let files = MemoryFiles::default();
        let opened = open_memory(&mut Builder::new(), &files).unwrap();
        let [first, second] = files.journal;
        Database::recover(
            opened,
            [Box::new(first), Box::new(second)],
            None,
            CheckpointPolicy::with_overlay_bytes(overlay_bytes),
        )
        .unwrap()
    }

    fn checkpoint_flags(db: &Database) -> (bool, bool) {
        (db.wants_checkpoint(), db.needs_checkpoint())
    }

    #[test]
    fn overlay_size_requests_and_then_requires_a_checkpoint() {
        let mut db = open_with(100_000);
        let overlay = |db: &Database| db.read().unwrap().overlay.bytes();
        assert!(!db.has_uncheckpointed());
        for (end, expected) in [(50_000, (false, false)), (100_000, (true, false))] {
            while overlay(&db) < end {
                assert_eq!(checkpoint_flags(&db), expected, "{} bytes", overlay(&db));
                let row = db.read().unwrap().meta.seq.0 as u32 * 70_000;
                write(&mut db, row, JournalSync::Deferred).unwrap();
                assert!(db.has_uncheckpointed());
            }
        }
        assert_eq!(checkpoint_flags(&db), (true, true));
        let checkpoint = db.begin_checkpoint().unwrap().unwrap();
        assert_eq!(
            checkpoint_flags(&db),
            (false, true),
            "a checkpoint is running"
        );
        assert!(db.begin_checkpoint().unwrap().is_none());
        write(&mut db, 7, JournalSync::Deferred).unwrap();
        db.end_checkpoint(checkpoint.write().unwrap()).unwrap();
        assert_eq!(checkpoint_flags(&db), (false, false));
        assert!(
            db.has_uncheckpointed(),
            "the commit during the checkpoint is not in the tables"
        );
        assert!(db.begin_checkpoint().unwrap().is_some());
    }

    #[test]
    fn journal_size_and_commit_count_request_a_checkpoint() {
        let mut db = open_with(usize::MAX);
        let bytes = |db: &Database| match &db.files {
            OpenFiles::Writable(writable) => writable.journal.bytes(),
            OpenFiles::ReadOnly(_) => 0,
        };
        for (times, expected) in [(1, (false, false)), (2, (true, false))] {
            while bytes(&db) < checkpoint_policy::JOURNAL_BYTES * times {
                assert_eq!(checkpoint_flags(&db), expected, "{} bytes", bytes(&db));
                overwrite_lead(&mut db, 500_000);
            }
        }
        assert_eq!(checkpoint_flags(&db), (true, true));
        db.checkpoint().unwrap();
        assert_eq!(checkpoint_flags(&db), (false, false));
        for expected in [(false, false), (true, false)] {
            for commit in 0..checkpoint_policy::COMMITS {
                assert_eq!(checkpoint_flags(&db), expected, "{commit} commits");
                overwrite_lead(&mut db, 1);
            }
        }
        assert_eq!(checkpoint_flags(&db), (true, true));
    }
}
