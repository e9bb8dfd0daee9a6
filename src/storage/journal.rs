//! The journal (write-ahead log). Each commit is appended to it, and synced unless its durability
//! is deferred, before the commit returns. A checkpoint later writes many commits to the tables at
//! once, and crash recovery replays the commits that the tables lack.
//!
//! Two files alternate. A checkpoint starts by switching files: commits made during the checkpoint
//! go to the other file, and the first one is overwritten once the tables contain its commits. Both
//! are preallocated with zeros, because syncing a file that need not grow is a quarter faster.
//!
//! `entry` defines the bytes of an entry. `recovery` reads the files back and distinguishes a torn
//! end from corruption.

mod entry;
mod recovery;

use redb::StorageBackend;

pub(crate) use entry::RedoOp;
pub(crate) use recovery::{Recovered, Recovery};

use crate::error::{Error, ErrorKind, Result};
use crate::storage::record::meta::{CommitId, Seq, StoreMeta};

/// Step in bytes by which a journal file grows.
const PREALLOC_BYTES: u64 = 1 << 20;
/// Maximum size in bytes of a file that is reused. A larger one is truncated to this size.
const RETAINED_BYTES: u64 = 4 << 20;

/// The journal of a store that is open for writing.
pub(crate) struct Journal {
    active: JournalFile,
    inactive: JournalFile,
    /// Random epoch, changed whenever a file is rewritten from offset 0. Recovery stops at the
    /// first entry of another epoch.
    epoch: u64,
    /// Offset of the next entry.
    end: u64,
    /// The last commit that is known to survive a power cut. All earlier commits survive with it.
    synced: Seq,
    last: Seq,
    /// Latched by the first I/O error: after a failed fsync the kernel may drop dirty pages, so a
    /// retried fsync can succeed without having written them.
    failed: bool,
}

struct JournalFile {
    backend: Box<dyn StorageBackend>,
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
            failed: false,
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

    /// Appends the redo operations of a commit, with the store metadata after it and the id of the
    /// commit before it.
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

    /// Makes every entry so far survive a power cut.
    pub(crate) fn sync(&mut self) -> Result<()> {
        self.attempt("syncing", Self::sync_files)?;
        self.synced = self.last;
        Ok(())
    }

    fn sync_files(&mut self) -> std::io::Result<()> {
        self.inactive.sync()?;
        self.active.sync()
    }

    /// Returns an error if the journal has failed.
    pub(crate) fn check(&self) -> Result<()> {
        if self.failed {
            return Err(Error::new(
                ErrorKind::Io,
                "the journal failed earlier; call reopen()",
            ));
        }
        Ok(())
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

    /// Restarts the active file at offset 0. The tables must contain every commit in it.
    pub(crate) fn restart(&mut self, checkpoint: Seq) -> Result<()> {
        self.attempt("truncating", |journal| {
            journal.active.invalidate()?;
            journal.active.truncate(RETAINED_BYTES)
        })?;
        self.begin();
        self.checkpointed(checkpoint)
    }

    /// Records that the tables contain every commit up to `seq`, and every commit in the other
    /// file.
    pub(crate) fn checkpointed(&mut self, seq: Seq) -> Result<()> {
        self.synced = self.synced.max(seq);
        self.last = self.last.max(seq);
        // Without its first entry, the file cannot be mistaken for the continuation of an older
        // copy of the store that is restored later.
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
            self.failed = true;
            // Commits that were acknowledged without a sync can still be made durable, unless the
            // failed operation was itself a sync.
            let _ = self.sync_files();
            failure(what, error)
        })
    }
}

impl JournalFile {
    fn new(backend: Box<dyn StorageBackend>) -> Result<Self> {
        let length = backend.len().map_err(|error| failure("opening", error))?;
        Ok(Self {
            backend,
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
            // Extending the length alone would leave the zeros to be allocated at each sync.
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

fn random_epoch() -> u64 {
    uuid::Uuid::new_v4().as_u64_pair().0
}

fn failure(what: &str, error: std::io::Error) -> Error {
    let message = format!("{what} the journal failed: {error}; fix the cause, then call reopen()");
    Error::new(ErrorKind::Io, message).caused_by(error)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;
    use redb::backends::InMemoryBackend;

    use super::*;
    use crate::storage::file::failing::FailingFile;
    use crate::storage::file::location::SharedMemory;

    struct Files([Arc<InMemoryBackend>; 2]);

    impl Files {
        fn new() -> Self {
            Self([Arc::default(), Arc::default()])
        }

        fn backends(&self) -> [Box<dyn StorageBackend>; 2] {
            self.0
                .each_ref()
                .map(|file| Box::new(SharedMemory(Arc::clone(file))) as Box<dyn StorageBackend>)
        }

        fn bytes(&self, file: usize) -> Vec<u8> {
            let mut bytes = vec![0; self.0[file].len().unwrap() as usize];
            self.0[file].read(0, &mut bytes).unwrap();
            bytes
        }

        fn recover(&self, state: &StoreMeta) -> Result<Vec<u64>> {
            let recovery = Recovery::read(&self.backends())?;
            let recovered = recovery.after(state)?;
            Ok(recovered
                .commits()
                .map(|commit| commit.unwrap().meta.seq.0)
                .collect())
        }

        fn open(&self, state: &StoreMeta) -> Journal {
            let recovery = Recovery::read(&self.backends()).unwrap();
            Journal::new(self.backends(), &recovery.after(state).unwrap(), state).unwrap()
        }
    }

    /// Appends a commit that writes a record of `bytes` bytes, without a sync, and moves `state`
    /// past it.
    fn append_unsynced(journal: &mut Journal, state: &mut StoreMeta, bytes: usize) -> Result<()> {
        let previous = state.commit_id;
        state.seq = Seq(state.seq.0 + 1);
        state.commit_id = CommitId(uuid::Uuid::new_v4().into_bytes());
        journal.append(
            previous,
            state,
            &[RedoOp::Lead(1, Some(vec![7; bytes].into()))],
        )
    }

    /// Appends and syncs commits of growing size.
    fn append(journal: &mut Journal, state: &mut StoreMeta, count: u64) {
        for _ in 0..count {
            append_unsynced(journal, state, state.seq.0 as usize * 10).unwrap();
            journal.sync().unwrap();
        }
    }

    /// Returns a new journal and the state before its first commit.
    fn new_journal() -> (Files, StoreMeta, Journal) {
        let (files, new) = (Files::new(), StoreMeta::new());
        let journal = files.open(&new);
        (files, new, journal)
    }

    #[test]
    fn recovery_replays_commits_after_the_checkpoint() {
        let (files, new, mut journal) = new_journal();
        let mut state = new.clone();
        append(&mut journal, &mut state, 3);
        let checkpoint = state.clone();
        assert_eq!(files.recover(&new).unwrap(), [1, 2, 3]);
        journal.switch().unwrap();
        append(&mut journal, &mut state, 2);
        assert_eq!(files.recover(&new).unwrap(), [1, 2, 3, 4, 5]);
        assert_eq!(files.recover(&checkpoint).unwrap(), [4, 5]);
        assert_eq!(files.recover(&state).unwrap(), [] as [u64; 0]);
        let mut journal = files.open(&checkpoint);
        append(&mut journal, &mut state, 1);
        assert_eq!(
            files.recover(&checkpoint).unwrap(),
            [4, 5, 6],
            "appending continues at the end"
        );
    }

    #[test]
    fn recovery_collects_all_needed_commits_in_one_file() {
        let (files, new, mut journal) = new_journal();
        let mut state = new.clone();
        append(&mut journal, &mut state, 3);
        journal.switch().unwrap();
        append(&mut journal, &mut state, 2);
        for _ in 0..2 {
            let mut journal = files.open(&new);
            append(&mut journal, &mut state, 1);
        }
        assert_eq!(files.recover(&new).unwrap(), [1, 2, 3, 4, 5, 6, 7]);
        // The next checkpoint reuses the other file.
        let mut journal = files.open(&new);
        journal.switch().unwrap();
        append(&mut journal, &mut state, 1);
        assert_eq!(files.recover(&new).unwrap(), [1, 2, 3, 4, 5, 6, 7, 8]);
    }

    #[test]
    fn entries_of_an_earlier_epoch_are_ignored() {
        let (files, new, mut journal) = new_journal();
        let mut state = new.clone();
        append(&mut journal, &mut state, 20);
        let checkpoint = state.clone();
        journal.restart(checkpoint.seq).unwrap();
        append(&mut journal, &mut state, 1);
        assert_eq!(files.recover(&checkpoint).unwrap(), [21]);
    }

    #[test]
    fn torn_end_is_dropped_and_earlier_corruption_is_reported() {
        let (files, new, mut journal) = new_journal();
        append(&mut journal, &mut new.clone(), 4);
        // Keep 100 of the preallocated zeros: recovery scans all of them for later entries each
        // time.
        let length = files.bytes(0).iter().rposition(|byte| *byte != 0).unwrap() + 1;
        files.0[0].set_len(length as u64 + 100).unwrap();
        let bytes = files.bytes(0);
        for (at, byte) in bytes[..length].iter().enumerate() {
            files.0[0].write(at as u64, &[byte ^ 0x40]).unwrap();
            match files.recover(&new) {
                Ok(commits) => assert_eq!(commits, [1, 2, 3], "byte {at} of {length}"),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Corrupted, "byte {at} of {length}")
                }
            }
            files.0[0].write(at as u64, &[*byte]).unwrap();
        }
        for length in 0..length {
            files.0[0]
                .write(length as u64, &vec![0; bytes.len() - length])
                .unwrap();
            let commits = files.recover(&new).unwrap();
            assert!(commits.iter().copied().eq(1..=commits.len() as u64) && commits.len() < 4);
            files.0[0].write(0, &bytes).unwrap();
        }
        assert_eq!(files.recover(&new).unwrap(), [1, 2, 3, 4]);
    }

    #[test]
    fn leftovers_of_lost_unsynced_commits_are_not_replayed() {
        let (files, new, mut journal) = new_journal();
        let mut state = new.clone();
        append(&mut journal, &mut state, 2);
        let (kept, end) = (state.clone(), journal.end);
        (0..3).for_each(|_| append_unsynced(&mut journal, &mut state, 9).unwrap());
        files.0[0].write(end, &[0; 8]).unwrap();
        assert_eq!(files.recover(&new).unwrap(), [1, 2]);
        // The next commit has the length of the lost one, so the leftover entries directly follow
        // it.
        let (mut journal, mut state) = (files.open(&new), kept);
        append_unsynced(&mut journal, &mut state, 9).unwrap();
        journal.sync().unwrap();
        assert_eq!(files.recover(&new).unwrap(), [1, 2, 3]);
    }

    #[test]
    fn commit_after_a_lost_one_does_not_reappear() {
        let (files, new, mut journal) = new_journal();
        let mut state = new.clone();
        append(&mut journal, &mut state, 2);
        let (kept, end) = (state.clone(), journal.end);
        append_unsynced(&mut journal, &mut state, 9).unwrap();
        journal.switch().unwrap();
        append_unsynced(&mut journal, &mut state, 9).unwrap();
        // A power cut loses the third commit but not the fourth.
        files.0[0].write(end, &[0; 8]).unwrap();
        assert_eq!(files.recover(&new).unwrap(), [1, 2]);
        let mut journal = files.open(&new);
        let mut state = kept;
        append(&mut journal, &mut state, 1);
        assert_eq!(files.recover(&new).unwrap(), [1, 2, 3]);
        append(&mut journal, &mut state, 2);
        assert_eq!(files.recover(&new).unwrap(), [1, 2, 3, 4, 5]);
    }

    /// One operation of a file fails, once. Afterwards the disk works again.
    #[test]
    fn io_error_stops_commits_and_keeps_acknowledged_ones() {
        let new = StoreMeta::new();
        for fails_at in 0..40 {
            for which in 0..2 {
                let files = Files::new();
                let mut backends = files.backends();
                backends[which] = Box::new(FailingFile::at(
                    fails_at,
                    SharedMemory(Arc::clone(&files.0[which])),
                ));
                let recovery = Recovery::read(&files.backends()).unwrap();
                let Ok(mut journal) = Journal::new(backends, &recovery.after(&new).unwrap(), &new)
                else {
                    continue;
                };
                let (mut state, mut acknowledged, mut failed) = (new.clone(), 0, false);
                // Without a checkpoint in between, a second switch is not allowed.
                for round in 0..7 {
                    let before = (state.clone(), acknowledged);
                    let done = (|| {
                        if round % 4 == 3 {
                            return journal.switch();
                        }
                        append_unsynced(&mut journal, &mut state, 200_000)?;
                        journal.sync()?;
                        acknowledged = state.seq.0;
                        Ok(())
                    })();
                    assert!(!failed || done.is_err(), "acknowledged after a failure");
                    failed |= done.is_err();
                    if failed {
                        (state, acknowledged) = before;
                    }
                }
                let recovered = files.recover(&new).unwrap();
                assert!(
                    recovered.len() as u64 >= acknowledged,
                    "{recovered:?} of {acknowledged}, {fails_at} {which}"
                );
            }
        }
    }

    #[test]
    fn journal_of_another_history_is_reported_as_corruption() {
        let (files, new, mut journal) = new_journal();
        append(&mut journal, &mut new.clone(), 3);
        let other = StoreMeta {
            commit_id: CommitId([1; 16]),
            ..new.clone()
        };
        assert_eq!(
            files.recover(&other).map(drop).unwrap_err().kind(),
            ErrorKind::Corrupted
        );
        let ahead = StoreMeta {
            commit_id: CommitId([1; 16]),
            seq: Seq(3),
            ..new
        };
        assert_eq!(files.recover(&ahead).unwrap(), [] as [u64; 0]);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_recover_to_an_empty_journal(first: Vec<u8>, second: Vec<u8>) {
            let files = Files::new();
            for (file, bytes) in files.0.iter().zip([first, second]) {
                file.set_len(bytes.len() as u64).unwrap();
                file.write(0, &bytes).unwrap();
            }
            prop_assert_eq!(files.recover(&StoreMeta::new()).unwrap(), [] as [u64; 0]);
        }
    }

    /// An older copy of the tables is restored next to the journal.
    #[test]
    fn older_tables_reject_a_checkpointed_journal() {
        for restarts in [false, true] {
            let (files, new, mut journal) = new_journal();
            let mut state = new.clone();
            append(&mut journal, &mut state, 3);
            if restarts {
                journal.restart(state.seq).unwrap();
            } else {
                journal.switch().unwrap();
                assert_eq!(files.recover(&new).unwrap(), [1, 2, 3]);
                journal.checkpointed(state.seq).unwrap();
            }
            for _ in 0..2 {
                assert_eq!(
                    files.recover(&new).unwrap_err().kind(),
                    ErrorKind::Corrupted
                );
                append(&mut journal, &mut state, 1);
            }
            journal.clear().unwrap();
            assert!(files.0.iter().all(|file| file.len().unwrap() == 0));
        }
    }

    #[test]
    fn epochs_are_unique() {
        let mut epochs: Vec<u64> = (0..10).map(|_| random_epoch()).collect();
        epochs.sort_unstable();
        epochs.dedup();
        assert_eq!(epochs.len(), 10);
    }
}
