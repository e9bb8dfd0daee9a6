//! Unit tests of `journal`.

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
    // Keep only 100 of the preallocated zeros, because every recovery below scans them for later
    // entries.
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
    // The next commit is as long as the first lost one, so leftovers of the other two would
    // directly follow it.
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
            // Seven rounds contain one switch. A second one would require a checkpoint first.
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

/// A file whose syncs fail, in a journal whose syncer belongs to another thread.
#[test]
fn failed_sync_of_the_syncer_stops_the_journal_and_reports_its_cause() {
    let (_, new, _) = new_journal();
    let [first, second] = [(); 2].map(|()| FailingFile::at(-1, SharedMemory(Arc::default())));
    let files: [Box<dyn StorageBackend>; 2] = [Box::new(first.clone()), Box::new(second.clone())];
    let recovery = Recovery::read(&files).unwrap();
    let mut journal = Journal::new(files, &recovery.after(&new).unwrap(), &new).unwrap();
    let mut state = new.clone();
    let syncer = journal.syncer();
    append_unsynced(&mut journal, &mut state, 10).unwrap();
    syncer.sync().unwrap();
    append_unsynced(&mut journal, &mut state, 10).unwrap();
    second.fail();
    let error = syncer.sync().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    for error in [
        syncer.sync().unwrap_err(),
        journal.sync().unwrap_err(),
        append_unsynced(&mut journal, &mut state, 10).unwrap_err(),
    ] {
        assert!(
            error.to_string().contains("failed earlier (syncing"),
            "{error}"
        );
    }
}

#[test]
fn syncer_of_a_closed_journal_returns_closed() {
    let (_, _, journal) = new_journal();
    let syncer = journal.syncer();
    syncer.sync().unwrap();
    drop(journal);
    assert_eq!(syncer.sync().unwrap_err().kind(), ErrorKind::Closed);
}
