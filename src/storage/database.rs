//! The store's files as a whole, once they are open: read, written, compacted, closed.
//!
//! A commit goes to the journal and into the overlay. A [`Checkpoint`] brings what has gathered there into the tables,
//! many commits at once, while others go on.

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
use crate::storage::database::write_txn::{Finished, PreparedCommit, TxnBase};
use crate::storage::file::checksummed::{ChecksummedFile, CorruptionSlot};
use crate::storage::file::directory::DirectoryLock;
use crate::storage::journal::Journal;
use crate::storage::record::meta::{Seq, StoreMeta};
use crate::storage::redb_error::redb_error;
use crate::storage::state::overlay::Overlay;
use crate::storage::state::read_view::ReadView;
use crate::storage::tables::read::CommittedTables;

/// When a commit must have reached the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JournalSync {
    /// Before the call returns.
    Now,
    /// With the next commit that says so.
    Deferred,
}

/// An open store.
pub(crate) struct Database {
    pub(crate) files: OpenFiles,
    /// What the tables lie in.
    pub(crate) file: ChecksummedFile,
    /// The newest state; none while the file is compacted.
    pub(crate) view: Option<ReadView>,
    /// The last commit that the tables have.
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
    /// What has been committed since a checkpoint began, while it goes on.
    pub(crate) delta: Option<Overlay>,
    pub(crate) _lock: Option<DirectoryLock>,
}

impl Database {
    pub(crate) fn corruption(&self) -> CorruptionSlot {
        self.file.corruption()
    }

    /// The newest state.
    pub(crate) fn read(&self) -> Result<ReadView> {
        self.view.clone().ok_or_else(Error::closed)
    }

    /// Begins a write. The caller sees to it that there is one at a time.
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

    /// Commits a finished transaction. After an error it may or may not be in the store once that is reopened.
    pub(crate) fn commit(
        &mut self,
        base: TxnBase,
        txn: PreparedCommit,
        durability: JournalSync,
    ) -> Result<()> {
        let unknown = |error: Error| {
            error.with_unknown_outcome().while_doing(
                "committing a write, which may or may not be in the store after reopen()",
            )
        };
        let OpenFiles::Writable(writable) = &mut self.files else {
            return Err(read_only());
        };
        match txn.finished {
            Finished::InMemory(view, ops) => {
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
            Finished::InTables => {
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
                // A checkpoint that goes on has nothing left to do.
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

    /// Whether the tables have not everything.
    pub(crate) fn has_uncheckpointed(&self) -> bool {
        self.view
            .as_ref()
            .is_some_and(|view| !view.overlay.is_empty())
    }

    /// Begins to bring into the tables what they have not, unless there is nothing.
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

    /// Goes on with the tables that a checkpoint has written; `None` if it found nothing to do.
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

    /// The newest state, of which the tables have everything.
    pub(crate) fn checkpoint_and_read(&mut self) -> Result<ReadView> {
        self.checkpoint()?;
        self.read()
    }

    /// The tables as they lie on the disk, which may lack what only the journal has.
    pub(crate) fn disk_snapshot(&self) -> Result<DiskSnapshot> {
        if let OpenFiles::Writable(writable) = &self.files {
            // After which the file opens without being verified, so that what is whole can be read.
            let empty = crate::storage::database::checkpoint::begin_write(&writable.db)
                .and_then(|empty| empty.commit().map_err(redb_error));
            // Damage that is in the way is found once more.
            if let Err(error) = empty
                && error.kind() != ErrorKind::Corrupted
                && self.file.corruption().get().is_none()
            {
                return Err(error);
            }
        }
        DiskSnapshot::new(&self.file, self.read()?)
    }

    /// The last commit that the tables have.
    pub(crate) fn last_checkpoint(&self) -> Seq {
        self.checkpoint
    }

    /// Gives free pages back to the file system and empties the journal; `Busy` while anybody reads.
    pub(crate) fn compact(&mut self) -> Result<()> {
        self.checkpoint()?;
        let busy = || Error::new(ErrorKind::Busy, "the store is being written; try again");
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
        // The last commits of a compaction are such that after a crash all of the file would be verified.
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
        // Which would keep the text of leads that are gone.
        compacted.and_then(|()| writable.journal.clear())
    }

    /// Brings everything into the tables and closes the files. Views that are still held can read no more.
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
                // Nobody commits any more, so the journal need not be switched, which it may refuse.
                let written = match view.filter(|view| !view.overlay.is_empty()) {
                    Some(view) => Checkpoint::new(Arc::clone(&db), view).write().map(|_| ()),
                    None => Ok(()),
                };
                if written.is_err() {
                    // Then it is all there is of the last commits.
                    journal.sync()?;
                }
                let closed = match Arc::try_unwrap(db) {
                    Ok(db) => db.close().map_err(redb_error),
                    Err(_) => Ok(()),
                };
                written.and(closed)?;
                if let Err(error) = journal.clear() {
                    log::warn!(
                        "what the journal holds is not needed any more, but could not be removed: {error}"
                    );
                }
                Ok(())
            }
        }
    }
}

pub(crate) fn read_only() -> Error {
    Error::new(ErrorKind::ReadOnly, "the store was opened for reading only")
}

#[cfg(test)]
mod tests {
    use redb::{Builder, StorageBackend};

    use super::*;
    use crate::row::Row;
    use crate::storage::database::open::open_memory;
    use crate::storage::file::failing::Failing;
    use crate::storage::file::location::MemoryFiles;
    use crate::storage::record::meta::Seq;
    use crate::storage::{ChangeKind, LoggedChange};

    /// The store in memory, with the first file of its journal replaced.
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
    fn what_was_acknowledged_before_the_journal_failed_is_in_the_tables_after_closing() {
        for durability in [JournalSync::Now, JournalSync::Deferred] {
            let files = MemoryFiles::default();
            let failing = Failing::at(-1, files.journal[0].clone());
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
            // The journal's files are gone.
            let without = MemoryFiles {
                journal: Default::default(),
                ..files
            };
            let db = open(&without, Box::new(without.journal[0].clone())).unwrap();
            assert_eq!(db.read().unwrap().state().bitmap(BITMAP).unwrap().len(), 5);
        }
    }

    /// Writes a lead's record of so many bytes over the one before.
    fn write_again(db: &mut Database, bytes: usize) {
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

    fn wishes(db: &Database) -> (bool, bool) {
        (db.wants_checkpoint(), db.needs_checkpoint())
    }

    #[test]
    fn a_checkpoint_is_wanted_at_half_of_what_the_overlay_may_take_and_needed_at_all_of_it() {
        let mut db = open_with(100_000);
        let overlay = |db: &Database| db.read().unwrap().overlay.bytes();
        assert!(!db.has_uncheckpointed());
        for (end, wanted) in [(50_000, (false, false)), (100_000, (true, false))] {
            while overlay(&db) < end {
                assert_eq!(wishes(&db), wanted, "{} bytes", overlay(&db));
                let row = db.read().unwrap().meta.seq.0 as u32 * 70_000;
                write(&mut db, row, JournalSync::Deferred).unwrap();
                assert!(db.has_uncheckpointed());
            }
        }
        assert_eq!(wishes(&db), (true, true));
        let checkpoint = db.begin_checkpoint().unwrap().unwrap();
        assert_eq!(wishes(&db), (false, true), "one goes on");
        assert!(db.begin_checkpoint().unwrap().is_none());
        write(&mut db, 7, JournalSync::Deferred).unwrap();
        db.end_checkpoint(checkpoint.write().unwrap()).unwrap();
        assert_eq!(wishes(&db), (false, false));
        assert!(db.has_uncheckpointed(), "of the commit meanwhile");
        assert!(db.begin_checkpoint().unwrap().is_some());
    }

    #[test]
    fn a_checkpoint_is_wanted_for_what_a_crash_would_have_to_read() {
        let mut db = open_with(usize::MAX);
        let bytes = |db: &Database| match &db.files {
            OpenFiles::Writable(writable) => writable.journal.bytes(),
            OpenFiles::ReadOnly(_) => 0,
        };
        for (times, wanted) in [(1, (false, false)), (2, (true, false))] {
            while bytes(&db) < checkpoint_policy::JOURNAL_BYTES * times {
                assert_eq!(wishes(&db), wanted, "{} bytes", bytes(&db));
                write_again(&mut db, 500_000);
            }
        }
        assert_eq!(wishes(&db), (true, true));
        db.checkpoint().unwrap();
        assert_eq!(wishes(&db), (false, false));
        for wanted in [(false, false), (true, false)] {
            for commit in 0..checkpoint_policy::COMMITS {
                assert_eq!(wishes(&db), wanted, "{commit} commits");
                write_again(&mut db, 1);
            }
        }
        assert_eq!(wishes(&db), (true, true));
    }
}
