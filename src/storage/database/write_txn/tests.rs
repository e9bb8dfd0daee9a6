//! Unit tests of `write_txn`.

use super::*;
use crate::row::Direction;
use crate::storage::ChangeKind;
use crate::storage::database::open::OpenMode;
use crate::storage::database::{Database, JournalSync};
use crate::storage::file::location::Location;

fn keys(state: StateRef<'_>, direction: Direction) -> Vec<Vec<u8>> {
    let mut seen = Vec::new();
    let all = KeyRange {
        from: vec![0x10],
        to: vec![0x20],
    };
    state
        .scan_keys(&all, direction, |key| {
            seen.push(key.to_vec());
            Ok(Visit::Continue(()))
        })
        .unwrap();
    seen
}

fn change() -> LoggedChange {
    let (id, version) = (
        crate::LeadId::from_bytes([0; 16]),
        crate::LeadVersion::FIRST,
    );
    LoggedChange {
        kind: ChangeKind::Created,
        row: Row(0),
        id,
        version,
    }
}

/// Each check runs twice: first in memory only, then with a write to the tables after every change.
#[test]
fn writes_are_readable_before_and_after_the_commit() {
    let bitmap = b"\x07\x01x";
    for cache_bytes in [8 << 20, 0] {
        let mut db =
            Database::open(&Location::memory(), cache_bytes, OpenMode::OpenOrCreate).unwrap();
        let base = db.begin().unwrap();
        let mut txn = base.write_txn();
        let fill = |txn: &mut WriteTxn<'_>| -> Result<()> {
            for key in [b"\x11b", b"\x11a", b"\x11c"] {
                txn.set_key(key, true)?;
                txn.log(change())?;
            }
            txn.set_key(b"\x11a", false)?;
            txn.log(change())?;
            assert_eq!(
                keys(txn.state(), Direction::Ascending),
                [b"\x11b", b"\x11c"]
            );
            assert_eq!(
                keys(txn.state(), Direction::Descending),
                [b"\x11c", b"\x11b"]
            );
            for row in [1, 70_000] {
                txn.set_row(bitmap, Row(row), true)?;
                txn.log(change())?;
            }
            assert_eq!(
                txn.state().bitmap(bitmap)?.iter().collect::<Vec<_>>(),
                [Row(1), Row(70_000)]
            );
            txn.set_row(bitmap, Row(70_000), false)?;
            txn.log(change())?;
            assert_eq!(
                txn.state().bitmap(bitmap)?.iter().collect::<Vec<_>>(),
                [Row(1)]
            );
            Ok(())
        };
        fill(&mut txn).unwrap();
        assert_eq!(matches!(txn.tables, BaseTables::Open(_)), cache_bytes == 0);
        let finished = txn
            .prepare(
                crate::clock::TrustedTime::at(crate::clock::from_micros(0)),
                Seq(0),
            )
            .unwrap();
        assert_eq!(finished.changed.rows.len(), 1);
        db.commit(base, finished, JournalSync::Now).unwrap();
        let view = db.read().unwrap();
        assert_eq!(view.state().bitmap(bitmap).unwrap().len(), 1);
        assert_eq!(
            keys(view.state(), Direction::Descending),
            [b"\x11c", b"\x11b"]
        );
        let mut logged = 0;
        view.state().changes_after(Seq(0), |_| logged += 1).unwrap();
        assert_eq!(logged, 7);
    }
}

#[test]
fn transaction_over_its_budget_moves_to_the_tables() {
    let overlay_bytes = 100_000;
    let db = Database::open(
        &Location::memory(),
        overlay_bytes * 6,
        OpenMode::OpenOrCreate,
    )
    .unwrap();
    let base = db.begin().unwrap();
    let mut txn = base.write_txn();
    assert!(!txn.has_changes());
    // The overlay keeps the last record only, but the journal would get all of them.
    let stored = lead_record::with_text(9_000);
    let taken = size_of::<RedoOp>() + lead_record::encode(&stored).unwrap().len();
    for puts in 1..=overlay_bytes / taken + 1 {
        txn.put_lead(Row(0), &stored).unwrap();
        txn.log(change()).unwrap();
        assert!(txn.has_changes());
        assert_eq!(
            matches!(txn.tables, BaseTables::Open(_)),
            puts * taken > overlay_bytes,
            "{puts} of {taken} bytes"
        );
    }
    drop(txn);
    base.abort().unwrap();
}

#[test]
fn commits_trim_a_few_log_records_but_never_their_own() {
    let mut db = Database::open(&Location::memory(), 8 << 20, OpenMode::OpenOrCreate).unwrap();
    let mut commit = |log_start| {
        let base = db.begin().unwrap();
        let mut txn = base.write_txn();
        txn.log(change()).unwrap();
        let finished = txn
            .prepare(
                crate::clock::TrustedTime::at(crate::clock::from_micros(0)),
                Seq(log_start),
            )
            .unwrap();
        db.commit(base, finished, JournalSync::Deferred).unwrap();
        let (view, mut kept) = (db.read().unwrap(), Vec::new());
        view.state()
            .each_log_record(|seq, _| kept.extend(seq))
            .unwrap();
        assert_eq!(kept.first(), Some(&view.meta().log_start));
        (view.meta().log_start.0, kept.len())
    };
    (1..=40).for_each(|count| assert_eq!(commit(1), (1, count)));
    assert_eq!(commit(10), (10, 32));
    assert_eq!(commit(5), (10, 33), "the start does not move back");
    assert_eq!(commit(36), (26, 18), "16 records per commit");
    assert_eq!(commit(36), (36, 9), "then the rest");
    assert_eq!(commit(u64::MAX), (45, 1));
}
