//! The journal: what each commit changed, appended and synced before the commit returns. The tables get it later, many
//! commits at once, by a checkpoint; after a crash it is read back.
//!
//! Two files take turns. A checkpoint begins with a switch: what is committed meanwhile goes to the other file, and
//! once the tables have what the first one holds, that is written over. Both are filled with zeros ahead of the
//! entries, because syncing a file that need not grow is a quarter faster.
//!
//! `entry` has the bytes, `recovery` reads them back and tells a torn end from damage.

mod entry;
mod recovery;

use redb::StorageBackend;

pub(crate) use entry::RedoOp;
pub(crate) use recovery::{Recovered, Recovery};

use crate::error::{Error, ErrorKind, Result};
use crate::storage::record::meta::{CommitId, Seq, StoreMeta};

/// A file grows by so many bytes at once.
const PREALLOC_BYTES: u64 = 1 << 20;
/// A file that is written over keeps at most so many bytes.
const RETAINED_BYTES: u64 = 4 << 20;

/// The journal of a store that is open for writing.
pub(crate) struct Journal {
    active: JournalFile,
    resting: JournalFile,
    /// Drawn anew each time that a file is begun from its start: where entries of another use follow, the file ends.
    epoch: u64,
    /// Where the next entry goes.
    end: u64,
    /// The last commit that is known to survive a power cut, and with it all before it.
    synced: Seq,
    last: Seq,
    /// Set by the first failure. What the files hold is in doubt then, and a sync that is tried again succeeds although
    /// the kernel has given up what it could not write.
    failed: bool,
}

struct JournalFile {
    backend: Box<dyn StorageBackend>,
    length: u64,
    /// Whether anything was written since the last sync.
    dirty: bool,
}

impl Journal {
    /// The journal in two files, to go on after what was recovered from them. All else that they hold is removed: it
    /// would seem to follow on what is written next.
    pub(crate) fn new(
        files: [Box<dyn StorageBackend>; 2],
        recovered: &Recovered<'_>,
        state: &StoreMeta,
    ) -> Result<Self> {
        let [first, second] = files.map(JournalFile::new);
        let (mut active, mut resting) = (first?, second?);
        if recovered.ends_in_second {
            std::mem::swap(&mut active, &mut resting);
        }
        let (epoch, end) = recovered.resume_at.unwrap_or_else(|| (random_epoch(), 0));
        let mut journal = Self {
            active,
            resting,
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
        journal.attempt("shortening", |journal| {
            journal.active.truncate(end)?;
            journal.resting.truncate(0)
        })?;
        journal.sync()?;
        Ok(journal)
    }

    /// Appends what a commit changed; `meta` is the state after it, `previous` the commit before it.
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
        self.resting.sync()?;
        self.active.sync()
    }

    /// The error of a journal that has failed.
    pub(crate) fn check(&self) -> Result<()> {
        if self.failed {
            return Err(Error::new(
                ErrorKind::Io,
                "the store's journal failed earlier; reopen() the store",
            ));
        }
        Ok(())
    }

    /// How many bytes of entries there are since the last switch.
    pub(crate) fn bytes(&self) -> u64 {
        self.end
    }

    /// Begins the other file, which must hold nothing that the tables have not.
    pub(crate) fn switch(&mut self) -> Result<()> {
        self.attempt("shortening", |journal| {
            journal.resting.truncate(RETAINED_BYTES)
        })?;
        std::mem::swap(&mut self.active, &mut self.resting);
        self.begin();
        Ok(())
    }

    /// Begins the file anew, because the tables have all that is in it.
    pub(crate) fn restart(&mut self, checkpoint: Seq) -> Result<()> {
        self.attempt("shortening", |journal| {
            journal.active.invalidate()?;
            journal.active.truncate(RETAINED_BYTES)
        })?;
        self.begin();
        self.checkpointed(checkpoint)
    }

    /// Notes that the tables have every commit up to this one, and all that is in the other file.
    pub(crate) fn checkpointed(&mut self, seq: Seq) -> Result<()> {
        self.synced = self.synced.max(seq);
        self.last = self.last.max(seq);
        // Without its beginning it cannot be taken for the rest of a copy of the store that is put back later.
        self.attempt("marking", |journal| journal.resting.invalidate())
    }

    /// Empties both files, because the tables have all that is in them.
    pub(crate) fn clear(&mut self) -> Result<()> {
        self.begin();
        self.attempt("emptying", |journal| {
            journal.active.truncate(0)?;
            journal.resting.truncate(0)?;
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
            // What was acknowledged before without a sync can still be made durable, unless it was a sync that failed.
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
            // Zeros that are only promised by the length would have to be made at each sync.
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

    fn truncate(&mut self, most: u64) -> std::io::Result<()> {
        if self.length > most {
            self.dirty = true;
            self.backend.set_len(most)?;
            self.length = most;
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
    let message =
        format!("{what} the store's journal failed: {error}; free the cause, then reopen()");
    Error::new(ErrorKind::Io, message).caused_by(error)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;
    use redb::backends::InMemoryBackend;

    use super::*;
    use crate::storage::file::failing::Failing;
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

    /// Appends a commit that writes so many bytes; `state` is then the one after it.
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

    /// Appends commits of growing size.
    fn append(journal: &mut Journal, state: &mut StoreMeta, count: u64) {
        for _ in 0..count {
            append_unsynced(journal, state, state.seq.0 as usize * 10).unwrap();
            journal.sync().unwrap();
        }
    }

    /// A new journal, with the state before its first commit.
    fn begun() -> (Files, StoreMeta, Journal) {
        let (files, new) = (Files::new(), StoreMeta::new());
        let journal = files.open(&new);
        (files, new, journal)
    }

    #[test]
    fn what_was_appended_is_recovered_after_the_state_that_the_tables_have() {
        let (files, new, mut journal) = begun();
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
            "it goes on where it ended"
        );
    }

    #[test]
    fn after_a_crash_during_a_checkpoint_all_that_is_needed_is_in_one_file() {
        let (files, new, mut journal) = begun();
        let mut state = new.clone();
        append(&mut journal, &mut state, 3);
        journal.switch().unwrap();
        append(&mut journal, &mut state, 2);
        for _ in 0..2 {
            let mut journal = files.open(&new);
            append(&mut journal, &mut state, 1);
        }
        assert_eq!(files.recover(&new).unwrap(), [1, 2, 3, 4, 5, 6, 7]);
        // The next checkpoint begins the other file.
        let mut journal = files.open(&new);
        journal.switch().unwrap();
        append(&mut journal, &mut state, 1);
        assert_eq!(files.recover(&new).unwrap(), [1, 2, 3, 4, 5, 6, 7, 8]);
    }

    #[test]
    fn entries_of_an_earlier_use_of_a_file_are_not_read() {
        let (files, new, mut journal) = begun();
        let mut state = new.clone();
        append(&mut journal, &mut state, 20);
        let checkpoint = state.clone();
        journal.restart(checkpoint.seq).unwrap();
        append(&mut journal, &mut state, 1);
        assert_eq!(files.recover(&checkpoint).unwrap(), [21]);
    }

    #[test]
    fn a_torn_end_is_cut_off_and_damage_before_it_is_reported() {
        let (files, new, mut journal) = begun();
        append(&mut journal, &mut new.clone(), 4);
        // Without most of the zeros, through which the search for more would go each time.
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
    fn commits_that_were_never_synced_may_be_lost_from_any_place() {
        let (files, new, mut journal) = begun();
        let mut state = new.clone();
        append(&mut journal, &mut state, 2);
        let (kept, end) = (state.clone(), journal.end);
        (0..3).for_each(|_| append_unsynced(&mut journal, &mut state, 9).unwrap());
        files.0[0].write(end, &[0; 8]).unwrap();
        assert_eq!(files.recover(&new).unwrap(), [1, 2]);
        // What comes next has the length of what was lost, so that the rest would follow on it.
        let (mut journal, mut state) = (files.open(&new), kept);
        append_unsynced(&mut journal, &mut state, 9).unwrap();
        journal.sync().unwrap();
        assert_eq!(files.recover(&new).unwrap(), [1, 2, 3]);
    }

    #[test]
    fn a_commit_whose_file_was_lost_does_not_come_back_with_the_next_ones() {
        let (files, new, mut journal) = begun();
        let mut state = new.clone();
        append(&mut journal, &mut state, 2);
        let (kept, end) = (state.clone(), journal.end);
        append_unsynced(&mut journal, &mut state, 9).unwrap();
        journal.switch().unwrap();
        append_unsynced(&mut journal, &mut state, 9).unwrap();
        // A power cut costs the third commit, but not the fourth.
        files.0[0].write(end, &[0; 8]).unwrap();
        assert_eq!(files.recover(&new).unwrap(), [1, 2]);
        let mut journal = files.open(&new);
        let mut state = kept;
        append(&mut journal, &mut state, 1);
        assert_eq!(files.recover(&new).unwrap(), [1, 2, 3]);
        append(&mut journal, &mut state, 2);
        assert_eq!(files.recover(&new).unwrap(), [1, 2, 3, 4, 5]);
    }

    /// One operation of a file fails, once; afterwards the disk works again.
    #[test]
    fn after_any_failure_nothing_more_is_acknowledged_and_nothing_that_was_is_lost() {
        let new = StoreMeta::new();
        for fails_at in 0..40 {
            for which in 0..2 {
                let files = Files::new();
                let mut backends = files.backends();
                backends[which] = Box::new(Failing::at(
                    fails_at,
                    SharedMemory(Arc::clone(&files.0[which])),
                ));
                let recovery = Recovery::read(&files.backends()).unwrap();
                let Ok(mut journal) = Journal::new(backends, &recovery.after(&new).unwrap(), &new)
                else {
                    continue;
                };
                let (mut state, mut acknowledged, mut failed) = (new.clone(), 0, false);
                // Without a checkpoint nothing may be switched over a second time.
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
    fn the_journal_of_another_history_is_reported() {
        let (files, new, mut journal) = begun();
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
        fn arbitrary_bytes_are_no_journal_and_no_panic(first: Vec<u8>, second: Vec<u8>) {
            let files = Files::new();
            for (file, bytes) in files.0.iter().zip([first, second]) {
                file.set_len(bytes.len() as u64).unwrap();
                file.write(0, &bytes).unwrap();
            }
            prop_assert_eq!(files.recover(&StoreMeta::new()).unwrap(), [] as [u64; 0]);
        }
    }

    /// An older copy of the tables that is put back beside the journal.
    #[test]
    fn what_a_checkpoint_has_brought_to_the_tables_is_no_continuation_of_an_older_state() {
        for restarts in [false, true] {
            let (files, new, mut journal) = begun();
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
    fn each_use_of_a_file_is_told_from_the_ones_before() {
        let mut usages: Vec<u64> = (0..10).map(|_| random_epoch()).collect();
        usages.sort_unstable();
        usages.dedup();
        assert_eq!(usages.len(), 10);
    }
}
