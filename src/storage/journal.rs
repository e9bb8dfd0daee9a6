//! The journal (write-ahead log). Before a commit returns, it is appended to the journal, and
//! synced unless its durability is deferred. Only a transaction that exceeded its memory budget
//! goes to the tables directly. A checkpoint later writes many commits to the tables at once, and
//! crash recovery replays the commits that the tables lack.
//!
//! Two files alternate. A checkpoint starts by switching files: commits made during the checkpoint
//! go to the other file, and the previous file is reused once the tables contain its commits. Both
//! are preallocated with zeros, because syncing a file that need not grow is a quarter faster.
//!
//! `entry` defines the bytes of an entry. `recovery` reads the files back and distinguishes a torn
//! end from corruption.

mod entry;
mod recovery;

use std::sync::{Arc, Mutex, Weak};

use redb::StorageBackend;

pub(crate) use entry::RedoOp;
pub(crate) use recovery::{Recovered, Recovery};

use crate::error::{Error, ErrorKind, Result};
use crate::storage::record::meta::{CommitId, Seq, StoreMeta};
use crate::sync::lock;

/// Step in bytes by which a journal file grows.
const PREALLOC_BYTES: u64 = 1 << 20;
/// Maximum size in bytes of a file that is reused. A larger one is truncated to this size.
const RETAINED_BYTES: u64 = 4 << 20;

/// The journal of a store that is open for writing.
pub(crate) struct Journal {
    active: JournalFile,
    inactive: JournalFile,
    /// Random epoch, changed whenever a file is rewritten from offset 0. In each file, recovery
    /// stops at the first entry whose epoch differs from that of the file's first entry.
    epoch: u64,
    /// Offset of the next entry.
    end: u64,
    /// The last commit that is known to survive a power cut. All earlier commits survive with it.
    synced: Seq,
    last: Seq,
    /// Latched by the first I/O error: after a failed fsync the kernel may drop dirty pages, so a
    /// retried fsync can succeed without having written them.
    failed: Arc<Mutex<Option<String>>>,
}

/// A handle that syncs a journal without locking the database, so that a thread that needs durable
/// commits does not have to wait for writers.
pub(crate) struct JournalSyncer {
    /// Weak, so that the files are closed when the journal is dropped.
    files: [Weak<dyn StorageBackend>; 2],
    failed: Arc<Mutex<Option<String>>>,
}

impl JournalSyncer {
    /// Makes every entry that was appended before this call survive a power cut. After an error the
    /// journal takes no more entries.
    pub(crate) fn sync(&self) -> Result<()> {
        let files = self.files.each_ref().map(Weak::upgrade);
        let mut failed = lock(&self.failed);
        check(&failed)?;
        for file in files {
            let synced = file.ok_or_else(Error::closed)?.sync_data();
            synced.map_err(|error| fail(&mut failed, "syncing", error))?;
        }
        Ok(())
    }
}

struct JournalFile {
    backend: Arc<dyn StorageBackend>,
    length: u64,
    /// True if the file has writes that the next sync must flush. Invalidating its first entry does
    /// not count.
    dirty: bool,
}

impl Journal {
    /// Opens the journal on two files and continues after the recovered commits. All other content
    /// is removed, because recovery could read it as a continuation of the next entries.
    pub(crate) fn new(
        files: [Box<dyn StorageBackend>; 2],
        recovered: &Recovered<'_>,
        state: &StoreMeta,
    ) -> Result<Self> {
        let [first, second] = files.map(JournalFile::new);
        let (mut active, mut inactive) = (first?, second?);
        if recovered.ends_in_second {
            std::mem::swap(&mut active, &mut inactive);
        }
        let (epoch, end) = recovered.resume_at.unwrap_or_else(|| (random_epoch(), 0));
        let mut journal = Self {
            active,
            inactive,
            epoch,
            end,
            synced: state.seq,
            last: state.seq,
            failed: Arc::default(),
        };
        recovered
            .carried
            .iter()
            .try_for_each(|entry| journal.append_bytes(entry))?;
        journal.sync()?;
        let end = journal.end;
        journal.attempt("truncating", |journal| {
            journal.active.truncate(end)?;
            journal.inactive.truncate(0)
        })?;
        journal.sync()?;
        Ok(journal)
    }

    /// Appends a commit to the journal: its redo operations, the store metadata that results from
    /// it, and the id of the previous commit.
    pub(crate) fn append(
        &mut self,
        previous: CommitId,
        meta: &StoreMeta,
        ops: &[RedoOp],
    ) -> Result<()> {
        self.append_bytes(&entry::encode(
            self.epoch,
            self.synced,
            previous,
            meta,
            ops,
        )?)?;
        self.last = meta.seq;
        Ok(())
    }

    fn append_bytes(&mut self, bytes: &[u8]) -> Result<()> {
        self.attempt("writing", |journal| {
            journal.active.write(journal.end, bytes)
        })?;
        self.end += bytes.len() as u64;
        Ok(())
    }

    /// Makes all previously appended entries survive a power cut.
    pub(crate) fn sync(&mut self) -> Result<()> {
        // The lock is held during the sync: if two syncs of a file run at the same time, Linux
        // reports a lost write to only one of them.
        let shared = Arc::clone(&self.failed);
        let mut failed = lock(&shared);
        check(&failed)?;
        self.sync_files()
            .map_err(|error| fail(&mut failed, "syncing", error))?;
        self.synced = self.last;
        Ok(())
    }

    fn sync_files(&mut self) -> std::io::Result<()> {
        self.inactive.sync()?;
        self.active.sync()
    }

    /// Returns a handle that syncs the journal from another thread.
    pub(crate) fn syncer(&self) -> JournalSyncer {
        JournalSyncer {
            files: [&self.active, &self.inactive].map(|file| Arc::downgrade(&file.backend)),
            failed: Arc::clone(&self.failed),
        }
    }

    /// Returns an error if the journal has failed.
    pub(crate) fn check(&self) -> Result<()> {
        check(&lock(&self.failed))
    }

    /// Returns the size in bytes of the entries in the active file.
    pub(crate) fn bytes(&self) -> u64 {
        self.end
    }

    /// Makes the other file active and starts it at offset 0. The tables must contain every commit
    /// in that file.
    pub(crate) fn switch(&mut self) -> Result<()> {
        self.attempt("truncating", |journal| {
            journal.inactive.truncate(RETAINED_BYTES)
        })?;
        std::mem::swap(&mut self.active, &mut self.inactive);
        self.begin();
        Ok(())
    }

    /// Restarts the active file at offset 0, and invalidates the inactive file. The tables must
    /// contain every commit in both files; `checkpoint` is the last of them.
    pub(crate) fn restart(&mut self, checkpoint: Seq) -> Result<()> {
        self.attempt("truncating", |journal| {
            journal.active.invalidate()?;
            journal.active.truncate(RETAINED_BYTES)
        })?;
        self.begin();
        self.checkpointed(checkpoint)
    }

    /// Records that the tables contain every commit up to `seq`, and invalidates the inactive file.
    /// The tables must contain every commit in that file.
    pub(crate) fn checkpointed(&mut self, seq: Seq) -> Result<()> {
        self.synced = self.synced.max(seq);
        self.last = self.last.max(seq);
        // If an older copy of the store is restored later, a file without its first entry cannot be
        // mistaken for the continuation of that copy.
        self.attempt("invalidating", |journal| journal.inactive.invalidate())
    }

    /// Empties both files. The tables must contain every commit in them.
    pub(crate) fn clear(&mut self) -> Result<()> {
        self.begin();
        self.attempt("emptying", |journal| {
            journal.active.truncate(0)?;
            journal.inactive.truncate(0)?;
            journal.sync_files()
        })
    }

    fn begin(&mut self) {
        self.epoch = random_epoch();
        self.end = 0;
    }

    fn attempt(
        &mut self,
        what: &str,
        work: impl FnOnce(&mut Self) -> std::io::Result<()>,
    ) -> Result<()> {
        self.check()?;
        work(self).map_err(|error| {
            let error = fail(&mut lock(&self.failed), what, error);
            // Commits that were acknowledged without a sync can still be made durable, unless the
            // failed operation was itself a sync.
            let _ = self.sync_files();
            error
        })
    }
}

impl JournalFile {
    fn new(backend: Box<dyn StorageBackend>) -> Result<Self> {
        let length = backend.len().map_err(|error| failure("opening", error))?;
        Ok(Self {
            backend: Arc::from(backend),
            length,
            dirty: false,
        })
    }

    fn write(&mut self, offset: u64, bytes: &[u8]) -> std::io::Result<()> {
        let end = offset + bytes.len() as u64;
        self.dirty = true;
        if end > self.length {
            let length = end.next_multiple_of(PREALLOC_BYTES);
            self.backend.set_len(length)?;
            // Merely extending the length would allocate no space, and each sync would have to
            // allocate some.
            let zeros = vec![0; usize::try_from(length - self.length).unwrap_or_default()];
            self.backend.write(self.length, &zeros)?;
            self.length = length;
        }
        self.backend.write(offset, bytes)
    }

    fn sync(&mut self) -> std::io::Result<()> {
        if self.dirty {
            self.backend.sync_data()?;
            self.dirty = false;
        }
        Ok(())
    }

    fn truncate(&mut self, max_length: u64) -> std::io::Result<()> {
        if self.length > max_length {
            self.dirty = true;
            self.backend.set_len(max_length)?;
            self.length = max_length;
        }
        Ok(())
    }

    fn invalidate(&mut self) -> std::io::Result<()> {
        let start = [0; 64];
        if self.length >= start.len() as u64 {
            self.backend.write(0, &start)
        } else {
            Ok(())
        }
    }
}

fn check(failed: &Option<String>) -> Result<()> {
    match failed {
        None => Ok(()),
        Some(cause) => Err(Error::new(
            ErrorKind::Io,
            format!("the journal failed earlier ({cause}); call reopen()"),
        )),
    }
}

/// Records the first failure, and returns it as an error.
fn fail(failed: &mut Option<String>, what: &str, error: std::io::Error) -> Error {
    failed.get_or_insert_with(|| format!("{what}: {error}"));
    failure(what, error)
}

fn random_epoch() -> u64 {
    uuid::Uuid::new_v4().as_u64_pair().0
}

fn failure(what: &str, error: std::io::Error) -> Error {
    let message = format!("{what} the journal failed: {error}; fix the cause, then call reopen()");
    Error::new(ErrorKind::Io, message).caused_by(error)
}

#[cfg(test)]
mod tests;
