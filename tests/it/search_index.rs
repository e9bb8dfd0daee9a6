//! Search stays exact when the index on disk is missing, corrupted, foreign or out of date.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use leadstore::{
    ErrorKind, LeadId, LeadPatch, LeadStore, NewLead, Progress, SearchQuery, SearchState,
    Transaction,
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
fn missing_index_is_rebuilt() {
    let mut test = filled();
    test.store.clone().close().unwrap();
    std::fs::remove_dir_all(test.path().join("search")).unwrap();
    test.reopen();
    check(&test.store);
    test.reopen();
    check(&test.store);
}

#[test]
fn only_a_rebuild_reports_progress() {
    let test = filled();
    test.store.clone().close().unwrap();
    let reports = Arc::new(Mutex::new(Vec::new()));
    let open = |reports: &Arc<Mutex<Vec<_>>>| {
        let reports = Arc::clone(reports);
        let report = move |progress: Progress| {
            reports
                .lock()
                .unwrap()
                .push((progress.done, progress.total))
        };
        let store = options(&test.clock)
            .on_search_rebuild(report)
            .open(test.path())
            .unwrap();
        check(&store);
        // Indexing a batch of new writes is not a rebuild.
        let lead = store.create(NewLead::new("added")).unwrap();
        store.delete(lead.id).unwrap();
        store.purge(lead.id).unwrap();
        store.close().unwrap();
    };
    open(&reports);
    assert_eq!(
        *reports.lock().unwrap(),
        [],
        "an intact index is not rebuilt"
    );
    std::fs::remove_dir_all(test.path().join("search")).unwrap();
    open(&reports);
    assert_eq!(*reports.lock().unwrap(), [(0, 300), (300, 300)]);
}

#[test]
fn corruption_in_any_index_file_triggers_a_rebuild() {
    let mut test = filled();
    test.store.clone().close().unwrap();
    let count = index_files(&test).len();
    assert!(count > 5);
    for index in 0..count {
        for corruption in ["flip", "cut", "empty", "remove"] {
            let file = index_files(&test)
                .into_iter()
                .nth(index)
                .unwrap_or_else(|| index_files(&test).remove(0));
            let mut bytes = std::fs::read(&file).unwrap();
            let middle = bytes.len() / 2;
            match corruption {
                "flip" if bytes.is_empty() => continue,
                "flip" => bytes[middle] ^= 0x10,
                "cut" => bytes.truncate(middle),
                "empty" => bytes.clear(),
                _ => {}
            }
            std::fs::remove_file(&file).unwrap();
            if corruption != "remove" {
                std::fs::write(&file, bytes).unwrap();
            }
            test.store = options(&test.clock).open(test.path()).unwrap();
            check(&test.store);
            test.store.clone().close().unwrap();
        }
    }
}

#[test]
fn index_of_another_store_is_rejected() {
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
fn older_index_catches_up_and_index_of_other_history_is_rebuilt() {
    let mut test = filled();
    test.store.clone().close().unwrap();
    let (old, newer) = (
        test.directory.path().join("old"),
        test.directory.path().join("newer"),
    );
    copy(&test.path().join("search"), &old.join("search"));
    std::fs::copy(test.path().join("leads.redb"), old.join("leads.redb")).unwrap();

    // The index is behind: the change log supplies what is missing.
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

    // An older copy of the store with the newer index. First the index is ahead of the store, then
    // both have the same commit number but different histories.
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
fn read_only_store_uses_a_matching_index_and_modifies_none() {
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
    // The last commit before closing changes no lead.
    #[cfg(feature = "http")]
    {
        use leadstore::http::Scope;
        test.reopen();
        let credentials = test.store.credentials();
        credentials.create_api_key("key", Scope::ALL).unwrap();
        test.store.clone().close().unwrap();
    }

    let opens_with_reports = |expected: &[(u64, u64)]| {
        let before = contents(&search);
        let reports = Arc::new(Mutex::new(Vec::new()));
        let reported = Arc::clone(&reports);
        let report = move |progress: Progress| {
            reported
                .lock()
                .unwrap()
                .push((progress.done, progress.total))
        };
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
    // The index is behind, and a read-only store must not update it in place.
    opens_with_reports(&[(0, 301), (301, 301)]);
}

#[test]
fn search_without_waiting_is_unavailable_until_index_is_ready() {
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
                    matches!(status.state, SearchState::Building(_)),
                    "{status:?}"
                );
                refused += 1;
                false
            }
        }
    });
    println!("{refused} searches refused");
    assert_eq!(store.search_status().state, SearchState::Ready);
}

/// Not on Windows, which removes no directory in which files are open.
#[cfg(unix)]
#[test]
fn index_removed_while_in_use_is_rebuilt() {
    let test = filled();
    check(&test.store);
    wait_until("indexing", || test.store.search_status().unindexed == 0);
    // Retry: the index sync may create a file in the directory during the removal.
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
    // Indexing the next batch fails because the directory is missing, and indexing the batch after
    // it rebuilds the index.
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

/// Overwrites or truncates the files with an extension.
fn damage(test: &TestStore, extension: &str, is_truncated: bool) {
    let is_one = |file: &PathBuf| file.extension().is_some_and(|found| found == extension);
    let files: Vec<PathBuf> = index_files(test).into_iter().filter(is_one).collect();
    assert!(!files.is_empty(), "{extension}");
    for path in &files {
        let len = path.metadata().unwrap().len();
        let mut file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
        if is_truncated {
            file.set_len(len / 2).unwrap();
        } else {
            file.write_all(&vec![0xff; len as usize]).unwrap();
        }
    }
}

/// Without a copy of the file in memory, a read of a truncated file must not raise a signal, as one
/// of a memory-mapped file does.
#[test]
fn index_corrupted_or_truncated_while_in_use_is_rebuilt() {
    let mut test = filled();
    let expected = test.store.search(&SearchQuery::new("jane ")).unwrap();
    test.store.clone().close().unwrap();
    for (extension, is_truncated) in ["fast", "term", "idx", "pos"]
        .into_iter()
        .flat_map(|extension| [(extension, false), (extension, true)])
    {
        test.reopen();
        wait_until("the index", || {
            test.store.search_status().state == SearchState::Ready
        });
        damage(&test, extension, is_truncated);
        let case = format!("{extension}, truncated: {is_truncated}");
        let found = test.store.search(&SearchQuery::new("jane ")).unwrap();
        assert_eq!(found, expected, "{case}");
        let phrase = test.store.search(&SearchQuery::new("\"jane no17\""));
        assert_eq!(phrase.unwrap().total, 1, "{case}");
        check(&test.store);
        let facets = test.store.search_facets(&SearchQuery::new("jane "));
        assert_eq!(facets.unwrap().total, 300, "{case}");
        test.store.clone().close().unwrap();
    }
}

#[test]
fn check_reports_corrupted_index_files_and_repair_rebuilds_them() {
    let mut test = filled();
    for (extension, is_truncated) in [("term", false), ("pos", true), ("store", false)] {
        // The index on disk is complete once the store is closed.
        test.store.clone().close().unwrap();
        test.reopen();
        check(&test.store);
        assert!(test.store.check(|_| ()).unwrap().is_ok());
        damage(&test, extension, is_truncated);
        let report = test.store.check(|_| ()).unwrap();
        let problems: Vec<String> = report.problems.iter().map(ToString::to_string).collect();
        assert!(
            problems
                .iter()
                .any(|problem| problem.contains("search index")
                    && problem.contains(&format!(".{extension}: "))),
            "{problems:?}"
        );
        let repaired = test.store.repair(|_| ()).unwrap();
        assert!(repaired.is_ok() && !repaired.repaired.is_empty());
        check(&test.store);
    }
}

#[test]
fn failed_index_creation_leaves_the_store_usable_and_is_retried() {
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
fn search_inside_a_transaction_does_not_deadlock_on_indexing() {
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
fn writes_after_the_last_batch_are_searchable_after_a_crash() {
    let test = filled();
    test.store.search(&SearchQuery::new("jane")).unwrap();
    let copied = test.directory.path().join("crashed");
    // Without concurrent writes, a copy of the files of an open store is what a killed process
    // leaves behind.
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
fn bulk_load_is_searchable_immediately() {
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
fn next_batch_commits_nothing_from_an_aborted_rebuild() {
    let mut test = TestStore::new();
    // More leads than are indexed between two progress reports.
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
    let report = move |Progress {
                           done: indexed,
                           total,
                           ..
                       }: Progress| {
        if 0 < indexed
            && indexed < total
            && let Some((added, closing)) = once.lock().unwrap().take()
        {
            added.send(()).unwrap();
            closing.recv().unwrap();
            // Give `close` time to request the abort before the rebuild continues. A sleep that is
            // too short can hide a bug, but cannot make the test fail if there is none.
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
    let report = test.store.check(|_| ()).unwrap();
    assert!(report.is_ok(), "{report:?}");
}
