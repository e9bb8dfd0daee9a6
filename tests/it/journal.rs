//! Commits that are in the journal but not yet in the tables. They survive crashes, are recovered
//! exactly, and are never applied to another store.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use leadstore::{
    ErrorKind, Filter, LeadId, LeadPatch, LeadStore, ListQuery, NewLead, SearchQuery, Sort, SortKey,
};

use crate::support::{StopOnDrop, TestStore, options, wait_until};

/// Copies the files of a store, without its search index. The copy of an open store is what a
/// killed process would leave behind, provided that nothing is written during the copy.
fn copy(test: &TestStore, name: &str) -> PathBuf {
    copy_of(&test.path(), name)
}

fn copy_of(path: &Path, name: &str) -> PathBuf {
    let copied = path.with_file_name(name);
    std::fs::create_dir(&copied).unwrap();
    for entry in std::fs::read_dir(path).unwrap().map(Result::unwrap) {
        if entry.path().is_file() {
            std::fs::copy(entry.path(), copied.join(entry.file_name())).unwrap();
        }
    }
    copied
}

fn journal_bytes(path: &Path) -> u64 {
    ["leads.journal.0", "leads.journal.1"]
        .map(|name| std::fs::metadata(path.join(name)).unwrap().len())
        .iter()
        .sum()
}

/// Returns the leads, a list, the trash, the facets and the hits of a search, as one string.
fn contents(store: &LeadStore) -> String {
    let leads: Vec<_> = store.leads(&Filter::new()).map(Result::unwrap).collect();
    let by_name = store
        .list(
            &ListQuery::new()
                .sort([Sort::asc(SortKey::Name)])
                .per_page(100),
        )
        .unwrap();
    let names: Vec<_> = by_name.items.iter().map(|lead| &lead.name).collect();
    let trash = store
        .list_trash(&leadstore::TrashQuery::new().per_page(100))
        .unwrap();
    let facets = store.facets(&Filter::new()).unwrap();
    let found = store
        .search(&SearchQuery::new("lead ").per_page(100))
        .unwrap();
    format!(
        "{leads:?} {names:?} {trash:?} {facets:?} {} {:?}",
        found.total, found.items
    )
}

fn write_some(store: &LeadStore, count: u32) -> Vec<LeadId> {
    let create = |n| {
        store
            .create(
                NewLead::new(format!("lead {n:03}"))
                    .external_id(format!("x{n}"))
                    .tags(["a"])
                    .deal_value(n),
            )
            .unwrap()
            .id
    };
    let ids: Vec<LeadId> = (0..count).map(create).collect();
    store
        .update(ids[1], LeadPatch::new().status("won").name("renamed lead"))
        .unwrap();
    store.delete(ids[2]).unwrap();
    store.delete(ids[3]).unwrap();
    store.restore(ids[3]).unwrap();
    store.delete(ids[4]).unwrap();
    store.purge(ids[4]).unwrap();
    ids
}

#[test]
fn journaled_writes_survive_repeated_crashes() {
    let test = TestStore::new();
    write_some(&test.store, 40);
    let expected = contents(&test.store);
    let crashed = copy(&test, "crashed");
    let store = options(&test.clock).open(&crashed).unwrap();
    assert_eq!(contents(&store), expected);
    // Crash again right after the recovery, and once more after another write.
    let again = options(&test.clock)
        .open(copy_of(&crashed, "again"))
        .unwrap();
    assert_eq!(contents(&again), expected);
    store.create(NewLead::new("lead after")).unwrap();
    let expected = contents(&store);
    let path = copy_of(&crashed, "once more");
    let store = options(&test.clock).open(&path).unwrap();
    assert_eq!(contents(&store), expected);
    store.close().unwrap();
    assert_eq!(
        journal_bytes(&path),
        0,
        "after a close, everything is in leads.redb"
    );
    assert_eq!(
        contents(&options(&test.clock).open(&path).unwrap()),
        expected
    );
}

#[test]
fn idle_store_runs_a_checkpoint_by_itself() {
    let test = TestStore::new();
    write_some(&test.store, 20);
    let expected = contents(&test.store);
    let mut copies = 0;
    wait_until("a checkpoint", || {
        copies += 1;
        let copied = copy(&test, &format!("copy {copies}"));
        std::fs::write(copied.join("leads.journal.0"), b"").unwrap();
        std::fs::write(copied.join("leads.journal.1"), b"").unwrap();
        contents(&options(&test.clock).open(&copied).unwrap()) == expected
    });
    assert_eq!(
        contents(&test.store),
        expected,
        "the open store reads the new tables"
    );
}

#[test]
fn journal_that_does_not_match_the_tables_is_rejected() {
    let test = TestStore::new();
    let older = copy(&test, "older");
    write_some(&test.store, 10);
    let crashed = copy(&test, "crashed");
    // Put leads.redb of another store next to the journal.
    let other = TestStore::new();
    write_some(&other.store, 10);
    other.store.clone().close().unwrap();
    std::fs::copy(other.path().join("leads.redb"), crashed.join("leads.redb")).unwrap();
    let error = options(&test.clock).open(&crashed).map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupted, "{error}");

    // Put the journal next to an older copy of leads.redb whose history has diverged since.
    let store = options(&test.clock).open(&older).unwrap();
    store.create(NewLead::new("another")).unwrap();
    store.close().unwrap();
    for file in ["leads.journal.0", "leads.journal.1"] {
        std::fs::copy(test.path().join(file), older.join(file)).unwrap();
    }
    for read_only in [true, false] {
        let error = options(&test.clock)
            .read_only(read_only)
            .open(&older)
            .map(drop)
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupted, "{error}");
    }

    // leads.redb is missing, but the journal is still there.
    let removed = copy(&test, "removed");
    std::fs::remove_file(removed.join("leads.redb")).unwrap();
    let error = options(&test.clock).open(&removed).map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupted, "{error}");
    assert!(
        journal_bytes(&removed) > 0,
        "the journal must keep the last writes"
    );
    std::fs::remove_file(removed.join("leads.journal.0")).unwrap();
    std::fs::remove_file(removed.join("leads.journal.1")).unwrap();
    assert_eq!(
        options(&test.clock)
            .open(&removed)
            .unwrap()
            .count(&Filter::new())
            .unwrap(),
        0
    );
}

#[test]
fn corrupted_journal_is_reported_and_not_modified() {
    let test = TestStore::new();
    write_some(&test.store, 10);
    for at in [30, 300, 2_000] {
        let crashed = copy(&test, &format!("corrupted at {at}"));
        let path = crashed.join("leads.journal.0");
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[at] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        let error = options(&test.clock).open(&crashed).map(drop).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupted, "{error}");
        assert_eq!(
            std::fs::read(&path).unwrap(),
            bytes,
            "the corrupted journal must not be modified"
        );
    }
}

#[test]
fn repeated_updates_of_a_large_lead_survive_a_crash() {
    let test = TestStore::new();
    let text = |n: u32| format!("{n:04}").repeat(1_000);
    let large = (0..90).fold(NewLead::new("large"), |lead, n| {
        lead.custom_field(format!("f{n}"), text(n))
    });
    let id = test.store.create(large).unwrap().id;
    test.store
        .transaction(|t| {
            (0..200).try_for_each(|n| {
                t.update(id, LeadPatch::new().custom_field("f0", text(n)))
                    .map(drop)
            })
        })
        .unwrap();
    let expected = test.store.get(id).unwrap();
    let store = options(&test.clock).open(copy(&test, "crashed")).unwrap();
    assert_eq!(store.get(id).unwrap(), expected);
}

#[test]
fn checkpoints_do_not_disturb_writers_or_readers() {
    let test = TestStore::new();
    test.store.clone().close().unwrap();
    // The cache is so small that every few leads cause a checkpoint.
    let open = || {
        options(&test.clock)
            .cache_bytes(256 << 10)
            .open(test.path())
            .unwrap()
    };
    let store = open();
    let done = AtomicBool::new(false);
    let written: Vec<Vec<LeadId>> = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..3)
            .map(|writer| {
                let store = &store;
                scope.spawn(move || {
                    let mut ids = Vec::new();
                    for number in 0..150 {
                        let id = store
                            .create(NewLead::new(format!("lead {writer} {number}")))
                            .unwrap()
                            .id;
                        match number % 5 {
                            0 => drop(store.delete(id).unwrap()),
                            1 => drop(store.update(id, LeadPatch::new().status("won")).unwrap()),
                            _ => {}
                        }
                        ids.push(id);
                        if number % 40 == 39 {
                            // This transaction is too large for the overlay, so it is written
                            // straight to the tables.
                            let large = |n: u32| {
                                NewLead::new(format!("large {n}"))
                                    .custom_field("x", "y".repeat(1_000))
                            };
                            store
                                .transaction(|t| {
                                    (0..100).try_for_each(|n| t.create(large(n)).map(drop))
                                })
                                .unwrap();
                        }
                    }
                    ids
                })
            })
            .collect();
        let reader = scope.spawn(|| {
            let mut last = 0;
            while !done.load(Ordering::Relaxed) {
                let snapshot = store.snapshot().unwrap();
                let listed = snapshot.leads(&Filter::new()).map(Result::unwrap).count() as u64;
                assert_eq!(listed, snapshot.count(&Filter::new()).unwrap());
                let by_name = snapshot
                    .list(
                        &ListQuery::new()
                            .sort([Sort::desc(SortKey::Name)])
                            .window(listed, 10),
                    )
                    .unwrap();
                assert_eq!((by_name.total, by_name.items.len()), (listed, 0));
                // Each of the 3 writers has at most one lead that it is about to delete.
                assert!(listed + 3 >= last, "the count fell from {last} to {listed}");
                last = listed;
            }
        });
        let stop_reader = StopOnDrop(&done);
        let written = writers
            .into_iter()
            .map(|writer| writer.join().unwrap())
            .collect();
        drop(stop_reader);
        reader.join().unwrap();
        written
    });
    let check = |store: &LeadStore| {
        for (number, id) in written.iter().flat_map(|ids| ids.iter().enumerate()) {
            match (number % 5, store.get(*id).unwrap()) {
                (0, found) => assert!(found.is_none() && store.get_trashed(*id).unwrap().is_some()),
                (1, found) => assert_eq!(found.unwrap().status, "won"),
                (_, found) => assert_eq!(found.unwrap().status, "new"),
            }
        }
        assert_eq!(store.count(&Filter::new()).unwrap(), 3 * (150 - 30 + 300));
        assert_eq!(store.count(&Filter::new().status("won")).unwrap(), 90);
        assert_eq!(store.search(&SearchQuery::new("lead ")).unwrap().total, 360);
    };
    check(&store);
    store.close().unwrap();
    check(&open());
}
