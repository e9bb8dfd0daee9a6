//! Unit tests of `database`.

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
    let (id, version) = (
        crate::LeadId::from_bytes([0; 16]),
        crate::LeadVersion::FIRST,
    );
    txn.log(LoggedChange {
        kind: ChangeKind::Created,
        row: Row(row),
        id,
        version,
    })?;
    let finished = txn.prepare(
        crate::clock::TrustedTime::at(crate::clock::from_micros(0)),
        Seq(0),
    )?;
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

/// Overwrites the lead in row 0 with one that has a text of `bytes` bytes.
fn overwrite_lead(db: &mut Database, bytes: usize) {
    let base = db.begin().unwrap();
    let mut txn = base.write_txn();
    txn.put_lead(
        Row(0),
        &crate::storage::record::lead_record::with_text(bytes),
    )
    .unwrap();
    let finished = txn
        .prepare(
            crate::clock::TrustedTime::at(crate::clock::from_micros(0)),
            Seq(0),
        )
        .unwrap();
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
