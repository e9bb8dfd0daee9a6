//! The index on disk: gone, damaged, foreign, behind. Search answers exactly all the same.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use leadstore::{
    ErrorKind, LeadId, LeadPatch, LeadStore, NewLead, SearchQuery, SearchState, Transaction,
};

use crate::support::{TestStore, options, wait_until};

fn filled() -> TestStore {
    let test = TestStore::new();
    test.store
        .transaction(|t| {
            (0..300)
                .try_for_each(|number| t.create(NewLead::new(format!("Jane no{number}"))).map(drop))
        })
        .unwrap();
    test
}

fn check(store: &LeadStore) {
    assert_eq!(store.search(&SearchQuery::new("jane ")).unwrap().total, 300);
    assert_eq!(
        store.search(&SearchQuery::new("no17 ")).unwrap().items[0]
            .lead
            .name,
        "Jane no17"
    );
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        if entry.path().is_file() {
            std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

fn contents(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let files = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    files
        .map(|file| (file.clone(), std::fs::read(file).unwrap()))
        .collect()
}

fn index_files(test: &TestStore) -> Vec<PathBuf> {
    let files = std::fs::read_dir(test.path().join("search"))
        .unwrap()
        .map(|entry| entry.unwrap().path());
    files
        .filter(|file| file.extension().is_none_or(|extension| extension != "lock"))
        .collect()
}

#[test]
fn a_missing_index_is_rebuilt() {
    let mut test = filled();
    test.store.clone().close().unwrap();
    std::fs::remove_dir_all(test.path().join("search")).unwrap();
    test.reopen();
    check(&test.store);
    test.reopen();
    check(&test.store);
}

#[test]
fn a_rebuild_is_reported() {
    let test = filled();
    test.store.clone().close().unwrap();
    let reports = Arc::new(Mutex::new(Vec::new()));
    let open = |reports: &Arc<Mutex<Vec<_>>>| {
        let reports = Arc::clone(reports);
        let report = move |indexed, total| reports.lock().unwrap().push((indexed, total));
        let store = options(&test.clock)
            .on_search_rebuild(report)
            .open(test.path())
            .unwrap();
        check(&store);
        // A batch of what was written since is no rebuild.
        let lead = store.create(NewLead::new("added")).unwrap();
        store.delete(lead.id).unwrap();
        store.purge(lead.id).unwrap();
        store.close().unwrap();
    };
    open(&reports);
    assert_eq!(
        *reports.lock().unwrap(),
        [],
        "an index that is whole is not made anew"
    );
    std::fs::remove_dir_all(test.path().join("search")).unwrap();
    open(&reports);
    assert_eq!(*reports.lock().unwrap(), [(0, 300), (300, 300)]);
}

#[test]
fn an_index_that_is_damaged_in_any_file_is_rebuilt() {
    let mut test = filled();
    test.store.clone().close().unwrap();
    let count = index_files(&test).len();
    assert!(count > 5);
    for index in 0..count {
        for damage in ["flip", "cut", "empty", "remove"] {
            let file = index_files(&test)
                .into_iter()
                .nth(index)
                .unwrap_or_else(|| index_files(&test).remove(0));
            let mut bytes = std::fs::read(&file).unwrap();
            let middle = bytes.len() / 2;
            match damage {
                "flip" if bytes.is_empty() => continue,
                "flip" => bytes[middle] ^= 0x10,
                "cut" => bytes.truncate(middle),
                "empty" => bytes.clear(),
                _ => {}
            }
            std::fs::remove_file(&file).unwrap();
            if damage != "remove" {
                std::fs::write(&file, bytes).unwrap();
            }
            test.store = options(&test.clock).open(test.path()).unwrap();
            check(&test.store);
            test.store.clone().close().unwrap();
        }
    }
}

#[test]
fn the_index_of_another_store_is_not_believed() {
    let test = filled();
    let other = TestStore::new();
    for _ in 0..300 {
        other.store.create(NewLead::new("Jane foreign")).unwrap();
    }
    for store in [&test.store, &other.store] {
        store.clone().close().unwrap();
    }
    std::fs::remove_dir_all(test.path().join("search")).unwrap();
    copy(&other.path().join("search"), &test.path().join("search"));
    let store = options(&test.clock).open(test.path()).unwrap();
    check(&store);
    assert_eq!(store.search(&SearchQuery::new("foreign")).unwrap().total, 0);
}

#[test]
fn an_older_index_catches_up_and_one_of_another_history_is_rebuilt() {
    let mut test = filled();
    test.store.clone().close().unwrap();
    let (old, newer) = (
        test.directory.path().join("old"),
        test.directory.path().join("newer"),
    );
    copy(&test.path().join("search"), &old.join("search"));
    std::fs::copy(test.path().join("leads.redb"), old.join("leads.redb")).unwrap();

    // Behind: the log says what is missing.
    test.store = options(&test.clock).open(test.path()).unwrap();
    let lead = test.store.create(NewLead::new("added")).unwrap();
    test.store.clone().close().unwrap();
    copy(&test.path().join("search"), &newer);
    std::fs::remove_dir_all(test.path().join("search")).unwrap();
    copy(&old.join("search"), &test.path().join("search"));
    test.store = options(&test.clock).open(test.path()).unwrap();
    check(&test.store);
    assert_eq!(
        test.store.search(&SearchQuery::new("added")).unwrap().items[0].lead,
        lead
    );
    test.store.clone().close().unwrap();

    // The older copy of the store under the newer index: ahead of it, then at the same number with another history.
    for branch_off in [false, true] {
        std::fs::copy(old.join("leads.redb"), test.path().join("leads.redb")).unwrap();
        if branch_off {
            std::fs::remove_dir_all(test.path().join("search")).unwrap();
            test.store = options(&test.clock).open(test.path()).unwrap();
            test.store.create(NewLead::new("branched")).unwrap();
            test.store.clone().close().unwrap();
        }
        std::fs::remove_dir_all(test.path().join("search")).unwrap();
        copy(&newer, &test.path().join("search"));
        test.store = options(&test.clock).open(test.path()).unwrap();
        check(&test.store);
        assert_eq!(
            test.store.search(&SearchQuery::new("added")).unwrap().total,
            0
        );
        assert_eq!(
            test.store
                .search(&SearchQuery::new("branched"))
                .unwrap()
                .total,
            u64::from(branch_off)
        );
        test.store.clone().close().unwrap();
    }
}

#[test]
fn a_store_that_is_only_read_uses_the_index_that_fits_it_and_changes_no_other() {
    let mut test = filled();
    test.store.clone().close().unwrap();
    let (search, old) = (
        test.path().join("search"),
        test.directory.path().join("old"),
    );
    copy(&search, &old);
    test.reopen();
    test.store.create(NewLead::new("added")).unwrap();
    test.store.clone().close().unwrap();

    let opens_with_reports = |expected: &[(u64, u64)]| {
        let before = contents(&search);
        let reports = Arc::new(Mutex::new(Vec::new()));
        let reported = Arc::clone(&reports);
        let report = move |indexed, total| reported.lock().unwrap().push((indexed, total));
        let store = options(&test.clock)
            .read_only(true)
            .on_search_rebuild(report)
            .open(test.path())
            .unwrap();
        check(&store);
        assert_eq!(store.search(&SearchQuery::new("added")).unwrap().total, 1);
        store.close().unwrap();
        assert_eq!(*reports.lock().unwrap(), expected);
        assert_eq!(contents(&search), before);
    };
    opens_with_reports(&[]);
    std::fs::remove_dir_all(&search).unwrap();
    copy(&old, &search);
    // Behind, which may not be mended where it is.
    opens_with_reports(&[(0, 301), (301, 301)]);
}

#[test]
fn without_waiting_a_search_is_unavailable_until_the_index_is_there() {
    let test = filled();
    test.store.clone().close().unwrap();
    std::fs::remove_dir_all(test.path().join("search")).unwrap();
    let store = options(&test.clock)
        .wait_for_search(false)
        .open(test.path())
        .unwrap();
    let mut refused = 0;
    wait_until("the index", || {
        let status = store.search_status();
        match store.search(&SearchQuery::new("jane ")) {
            Ok(found) => {
                assert_eq!(found.total, 300);
                true
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Unavailable);
                assert!(
                    matches!(status.state, SearchState::Building { .. }),
                    "{status:?}"
                );
                refused += 1;
                false
            }
        }
    });
    println!("{refused} refused");
    assert_eq!(store.search_status().state, SearchState::Ready);
}

#[test]
fn an_index_removed_while_it_is_used_is_made_anew() {
    let test = filled();
    check(&test.store);
    wait_until("indexing", || test.store.search_status().unindexed == 0);
    // Again, where the index put a file into it meanwhile.
    wait_until("removing the index", || {
        std::fs::remove_dir_all(test.path().join("search")).is_ok()
    });
    for number in 0..20 {
        test.store
            .create(NewLead::new(format!("later {number}")))
            .unwrap();
        assert_eq!(
            test.store
                .search(&SearchQuery::new("later "))
                .unwrap()
                .total,
            number + 1
        );
    }
    // The batch that follows fails for want of its directory, and the next one makes the index anew.
    wait_until("indexing", || test.store.search_status().unindexed == 0);
    check(&test.store);
    assert_eq!(
        test.store
            .search(&SearchQuery::new("later "))
            .unwrap()
            .total,
        20
    );
}

#[test]
fn an_index_that_turns_out_unreadable_while_it_is_used_is_made_anew() {
    let mut test = filled();
    let whole = test.store.search(&SearchQuery::new("jane ")).unwrap();
    test.store.clone().close().unwrap();
    for extension in ["fast", "term"] {
        test.reopen();
        wait_until("the index", || {
            test.store.search_status().state == SearchState::Ready
        });
        let is_one = |file: &PathBuf| file.extension().is_some_and(|found| found == extension);
        let files: Vec<PathBuf> = index_files(&test).into_iter().filter(is_one).collect();
        assert!(!files.is_empty(), "{extension}");
        for file in &files {
            let len = file.metadata().unwrap().len() as usize;
            // Over what is mapped into memory, after its checksum was compared. Such bytes are no column and no dictionary;
            // others might be one, with other leads.
            std::fs::OpenOptions::new()
                .write(true)
                .open(file)
                .unwrap()
                .write_all(&vec![0xff; len])
                .unwrap();
        }
        assert_eq!(
            test.store.search(&SearchQuery::new("jane ")).unwrap(),
            whole,
            "{extension}"
        );
        check(&test.store);
        assert_eq!(
            test.store
                .search_facets(&SearchQuery::new("jane "))
                .unwrap()
                .total,
            300
        );
        test.store.clone().close().unwrap();
    }
}

#[test]
fn an_index_that_cannot_be_made_leaves_everything_else_working_until_it_can() {
    let mut test = filled();
    test.store.clone().close().unwrap();
    let search = test.path().join("search");
    std::fs::remove_dir_all(&search).unwrap();
    std::fs::write(&search, b"in the way").unwrap();
    test.store = options(&test.clock).open(test.path()).unwrap();
    let error = test.store.search(&SearchQuery::new("jane ")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(matches!(
        test.store.search_status().state,
        SearchState::Failed(_)
    ));
    let lead = test.store.create(NewLead::new("meanwhile")).unwrap();
    assert_eq!(test.store.get(lead.id).unwrap().as_ref(), Some(&lead));
    std::fs::remove_file(&search).unwrap();
    wait_until("the index", || {
        test.store.search_status().state == SearchState::Ready
    });
    check(&test.store);
    assert_eq!(
        test.store
            .search(&SearchQuery::new("meanwhile"))
            .unwrap()
            .items[0]
            .lead,
        lead
    );
}

#[test]
fn a_search_within_a_transaction_does_not_wait_for_what_the_transaction_holds_up() {
    let test = TestStore::new();
    test.store.clone().close().unwrap();
    std::fs::remove_dir_all(test.path().join("search")).unwrap();
    let delayed = leadstore::Durability::Within(std::time::Duration::from_secs(3_600));
    let store = options(&test.clock)
        .durability(delayed)
        .open(test.path())
        .unwrap();
    store.create(NewLead::new("Jane")).unwrap();
    store
        .transaction(|_| {
            match store.search(&SearchQuery::new("jane")) {
                Ok(found) => assert_eq!(found.total, 1),
                Err(error) => assert_eq!(error.kind(), ErrorKind::Unavailable),
            }
            Ok(())
        })
        .unwrap();
    assert_eq!(store.search(&SearchQuery::new("jane")).unwrap().total, 1);
}

#[test]
fn writes_after_the_last_batch_are_found_after_a_crash() {
    let test = filled();
    test.store.search(&SearchQuery::new("jane")).unwrap();
    let copied = test.directory.path().join("crashed");
    // The copy of an open store is what a killed process leaves, as long as nobody writes meanwhile.
    let lead = test.store.create(NewLead::new("unindexed")).unwrap();
    let gone = test.store.search(&SearchQuery::new("no5 ")).unwrap().items[0]
        .lead
        .id;
    test.store.delete(gone).unwrap();
    copy(&test.path(), &copied);
    copy(&test.path().join("search"), &copied.join("search"));
    let store = options(&test.clock).open(&copied).unwrap();
    assert_eq!(
        store.search(&SearchQuery::new("unindexed")).unwrap().items[0].lead,
        lead
    );
    assert_eq!(store.search(&SearchQuery::new("no5 ")).unwrap().total, 0);
    assert_eq!(store.search(&SearchQuery::new("jane ")).unwrap().total, 299);
}

#[test]
fn a_bulk_load_is_searched_exactly_at_once() {
    let test = TestStore::new();
    for batch in 0..3 {
        test.store
            .transaction(|t| {
                (0..8_000).try_for_each(|number| {
                    t.create(NewLead::new(format!("bulk b{batch} n{number}")))
                        .map(drop)
                })
            })
            .unwrap();
        assert_eq!(
            test.store.search(&SearchQuery::new("bulk ")).unwrap().total,
            8_000 * (batch + 1)
        );
        assert_eq!(
            test.store
                .search(&SearchQuery::new(format!("b{batch} n77 ")))
                .unwrap()
                .total,
            1
        );
    }
    let hit = test
        .store
        .search(&SearchQuery::new("b0 n5 "))
        .unwrap()
        .items
        .remove(0);
    test.store
        .update(hit.lead.id, LeadPatch::new().name("renamed"))
        .unwrap();
    assert_eq!(
        test.store.search(&SearchQuery::new("bulk ")).unwrap().total,
        23_999
    );
}

#[test]
fn what_a_rebuild_that_was_ended_had_added_does_not_come_with_the_next_batch() {
    let mut test = TestStore::new();
    // More than are indexed between two reports.
    let leads = || (0..3_000).map(|number| NewLead::new(format!("Jane no{number}")));
    let create = |t: &mut Transaction<'_>| {
        leads()
            .map(|lead| t.create(lead).map(|lead| lead.id))
            .collect()
    };
    let ids: Vec<LeadId> = test.store.transaction(create).unwrap();
    test.store.clone().close().unwrap();
    std::fs::remove_dir_all(test.path().join("search")).unwrap();

    let (added, some_are_added) = mpsc::channel();
    let (is_closing, closing) = mpsc::channel();
    let once = Mutex::new(Some((added, closing)));
    let report = move |indexed, total| {
        if 0 < indexed
            && indexed < total
            && let Some((added, closing)) = once.lock().unwrap().take()
        {
            added.send(()).unwrap();
            closing.recv().unwrap();
            // So that it is told to end before it goes on: only what is to fail could come of too short a time.
            std::thread::sleep(Duration::from_millis(300));
        }
    };
    let options = options(&test.clock)
        .on_search_rebuild(report)
        .wait_for_search(false);
    let store = options.open(test.path()).unwrap();
    some_are_added.recv().unwrap();
    store
        .transaction(|t| ids.iter().try_for_each(|id| t.delete(*id).map(drop)))
        .unwrap();
    is_closing.send(()).unwrap();
    store.close().unwrap();

    test.reopen();
    assert_eq!(
        test.store.search(&SearchQuery::new("jane ")).unwrap().total,
        0
    );
    let report = test.store.check(|_, _| ()).unwrap();
    assert!(report.is_ok(), "{report:?}");
}
