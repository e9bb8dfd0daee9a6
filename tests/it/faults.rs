//! Faults of the disk, the clock, the directory and the callers, each with its documented outcome.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use leadstore::testing::{self, Fault, SimulatedDisk};
use leadstore::{
    Durability, ErrorKind, Filter, Lead, LeadPatch, LeadStore, ListQuery, NewLead, OpenOptions,
    SearchQuery,
};

use crate::support::{self, TestStore, day};

fn options() -> OpenOptions {
    // Without a cache, every read goes to the disk.
    testing::without_threads(LeadStore::options().cache_bytes(0))
}

/// Returns options with the default cache, which is so large that writes stay in the journal until
/// a checkpoint.
fn journaled() -> OpenOptions {
    testing::without_threads(LeadStore::options())
}

fn create(store: &LeadStore, count: usize) -> Vec<Lead> {
    (0..count)
        .map(|n| store.create(NewLead::new(format!("Jane no{n}"))).unwrap())
        .collect()
}

fn assert_leads(store: &LeadStore, leads: &[Lead]) {
    let held: Vec<Lead> = store
        .leads(&Filter::new())
        .collect::<Result<_, _>>()
        .unwrap();
    assert_eq!(held, leads);
}

/// Asserts that every call fails with an I/O error until the store is reopened, and that the store
/// then contains all acknowledged writes.
fn assert_failed_until_reopened(store: &LeadStore, disk: &SimulatedDisk, leads: &[Lead]) {
    for error in [
        store.get(leads[0].id).map(drop),
        store.create(NewLead::new("A")).map(drop),
        store.list(&ListQuery::new()).map(drop),
        store.sync(),
    ] {
        assert_eq!(error.unwrap_err().kind(), ErrorKind::Io);
    }
    disk.clear_fault();
    store.reopen().unwrap();
    assert_leads(store, leads);
    store.create(NewLead::new("A")).unwrap();
}

#[test]
fn full_disk_fails_the_write_and_loses_no_data() {
    let seed = support::seed();
    for options in [options, journaled] {
        let disk = SimulatedDisk::new(seed);
        let store = testing::open_on(options(), &disk).unwrap();
        let mut leads = create(&store, 3);
        disk.inject(0, Fault::Full);
        let error = loop {
            // Writes succeed until a file has to grow.
            match store.create(NewLead::new("large").custom_field("text", "x".repeat(4_000))) {
                Ok(lead) => leads.push(lead),
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), ErrorKind::Io, "{error}");
        assert_failed_until_reopened(&store, &disk, &leads);
    }
}

#[test]
fn io_error_at_any_operation_of_a_commit_loses_no_data() {
    let seed = support::seed();
    for options in [options, journaled] {
        let mut failed = 0;
        for at in 0..40 {
            let disk = SimulatedDisk::new(seed);
            let store = testing::open_on(options(), &disk).unwrap();
            let mut leads = create(&store, 3);
            disk.inject(at, Fault::Error);
            let error = loop {
                match store.create(NewLead::new("Joe")) {
                    Ok(lead) => leads.push(lead),
                    Err(error) => break error,
                }
            };
            assert_eq!(error.kind(), ErrorKind::Io, "{error}");
            assert!(error.to_string().contains("reopen()"), "{error}");
            disk.clear_fault();
            store.reopen().unwrap();
            let held: Vec<Lead> = store
                .leads(&Filter::new())
                .collect::<Result<_, _>>()
                .unwrap();
            assert_eq!(held[..leads.len()], leads, "fault at operation {at}");
            let max_leads = leads.len() + usize::from(error.outcome_unknown());
            assert!(
                held.len() <= max_leads,
                "a write that definitely failed is present, fault at operation {at}"
            );
            failed += 1;
        }
        assert_eq!(failed, 40);
    }
}

#[test]
fn failed_sync_is_reported_and_reopen_keeps_all_writes() {
    let disk = SimulatedDisk::new(support::seed());
    let delayed = journaled().durability(Durability::Within(Duration::from_secs(3_600)));
    let store = testing::open_on(delayed, &disk).unwrap();
    let leads = create(&store, 5);
    disk.inject(0, Fault::Error);
    assert_eq!(store.sync().unwrap_err().kind(), ErrorKind::Io);
    assert_failed_until_reopened(&store, &disk, &leads);
}

#[test]
fn unwritable_search_index_fails_only_searches() {
    let disk = SimulatedDisk::new(support::seed());
    let store = testing::open_on(journaled(), &disk).unwrap();
    let mut leads = create(&store, 5);
    assert_eq!(store.search(&SearchQuery::new("jane ")).unwrap().total, 5);
    leads.extend(create(&store, 1));
    // This fault makes the commit of the search index fail, and also the rebuild that follows.
    disk.inject(3, Fault::Full);
    assert_eq!(
        testing::index(&store).unwrap_err().kind(),
        ErrorKind::Unavailable
    );
    assert_eq!(
        store.search(&SearchQuery::new("jane ")).unwrap_err().kind(),
        ErrorKind::Unavailable
    );
    assert_leads(&store, &leads);
    disk.clear_fault();
    leads.extend(create(&store, 1));
    testing::index(&store).unwrap();
    assert_eq!(store.search(&SearchQuery::new("jane ")).unwrap().total, 7);
    assert_leads(&store, &leads);
}

#[test]
fn io_error_at_any_indexing_operation_keeps_searches_exact() {
    let mut failed = 0;
    for at in 0..60 {
        let disk = SimulatedDisk::new(at);
        let store = testing::open_on(journaled(), &disk).unwrap();
        let leads = create(&store, 5);
        testing::index(&store).unwrap();
        create(&store, 2);
        store.delete(leads[0].id).unwrap();
        disk.inject(at, Fault::Error);
        let _ = testing::index(&store);
        let found = |query: &str| store.search(&SearchQuery::new(query)).unwrap().total;
        assert_eq!(
            (found("jane "), found("no0 "), found("no4 ")),
            (6, 1, 1),
            "fault at operation {at}"
        );
        failed += u64::from(disk.has_failed());
        disk.clear_fault();
        create(&store, 1);
        testing::index(&store).unwrap();
        assert_eq!(
            (found("jane "), found("no0 ")),
            (7, 2),
            "fault at operation {at}"
        );
    }
    assert!(failed > 30, "only {failed} faults were met");
}

/// An I/O error in a read that is part of a write must make the store fail, as an error in a disk
/// write does. This holds even if the closure of the transaction ignores the error.
#[test]
fn io_error_in_the_reads_of_a_write_fails_the_store_until_it_is_reopened() {
    type Read = fn(&mut leadstore::Transaction<'_>, &Lead) -> leadstore::Result<()>;
    let reads: [Read; 3] = [
        |transaction, lead| {
            let patch = LeadPatch::new().status("won");
            transaction.update(lead.id, patch).map(drop)
        },
        |transaction, lead| {
            let _ = transaction.update(lead.id, LeadPatch::new().status("won"));
            Ok(())
        },
        |transaction, _| {
            let failed = transaction.leads(&Filter::new()).filter(Result::is_err);
            assert_eq!(failed.count(), 1);
            Ok(())
        },
    ];
    for read in reads {
        let disk = SimulatedDisk::new(1);
        let small_cache = testing::without_search(journaled().cache_bytes(48 << 10));
        let store = testing::open_on(small_cache, &disk).unwrap();
        let mut leads = create(&store, 300);
        testing::checkpoint(&store).unwrap();
        // The fault hits the first read that follows the create.
        disk.inject(0, Fault::ReadError);
        leads.extend(create(&store, 1));
        let written = store.transaction(|transaction| {
            read(transaction, &leads[0])?;
            transaction.create(NewLead::new("Written after the error"))
        });
        assert_eq!(written.unwrap_err().kind(), ErrorKind::Io);
        assert_failed_until_reopened(&store, &disk, &leads);
    }
}

#[test]
fn disk_failure_during_compaction_is_reported_and_loses_no_data() {
    let seed = support::seed();
    let mut failed = 0;
    for at in 0..60 {
        let disk = SimulatedDisk::new(seed);
        let store = testing::open_on(options(), &disk).unwrap();
        let leads = create(&store, 1);
        disk.inject(at, Fault::Broken);
        let Err(error) = store.compact() else {
            continue;
        };
        assert_eq!(error.kind(), ErrorKind::Io, "{at}: {error}");
        assert_failed_until_reopened(&store, &disk, &leads);
        failed += 1;
    }
    assert!(failed > 5, "only {failed} compactions failed");
}

#[test]
fn read_only_store_writes_nothing_even_if_closing_was_interrupted() {
    let mut opened = 0;
    for at in 0..60 {
        let disk = SimulatedDisk::new(at);
        let store = testing::open_on(journaled(), &disk).unwrap();
        let leads = create(&store, 3);
        testing::checkpoint(&store).unwrap();
        disk.inject(at, Fault::Stop);
        let _ = store.close();
        let disk = disk.process_killed();
        let operations = disk.operations();
        if let Ok(store) = testing::open_on(journaled().read_only(true), &disk) {
            assert_leads(&store, &leads);
            store.close().unwrap();
            opened += 1;
        }
        assert_eq!(disk.operations(), operations, "stopped at operation {at}");
    }
    assert!(opened > 5, "only {opened} stores opened");
}

#[test]
fn clock_jumps_by_years_affect_only_timestamps() {
    let mut test = TestStore::new();
    let mut leads = vec![];
    for year in [2026, 2036, 1990, 2026, 2400, 1970, 2026] {
        test.clock.set(day(year, 3, 1));
        let lead = test
            .store
            .create(NewLead::new(format!("Jane {year}")))
            .unwrap();
        assert_eq!(lead.created_at, day(year, 3, 1));
        let changed = test
            .store
            .update(lead.id, LeadPatch::new().status("won"))
            .unwrap();
        assert!(changed.updated_at >= changed.created_at);
        leads.push(changed);
    }
    test.reopen();
    assert_leads(&test.store, &leads);
    let sorted = test.store.list(&ListQuery::new()).unwrap().items;
    assert!(sorted.is_sorted_by(|a, b| a.created_at >= b.created_at));
    assert_eq!(
        test.store.search(&SearchQuery::new("jane ")).unwrap().total,
        7
    );
    // While the clock is wrong for a short time, a sweep does not purge the trashed lead, so the
    // lead is back once the clock is right again.
    let trashed = test.store.delete(leads[0].id).unwrap();
    test.clock.set(day(2100, 1, 1));
    testing::sweep(&test.store).unwrap();
    assert_eq!(
        test.store.get_trashed(leads[0].id).unwrap(),
        None,
        "the lead is expired while the clock is ahead"
    );
    test.clock.set(day(2026, 3, 2));
    assert_eq!(test.store.get_trashed(leads[0].id).unwrap(), Some(trashed));
    test.store.restore(leads[0].id).unwrap();
}

#[test]
fn a_hundred_threads_can_write_and_read_one_store() {
    let test = TestStore::new();
    std::thread::scope(|scope| {
        for thread in 0..100 {
            let store = test.store.clone();
            scope.spawn(move || {
                for number in 0..5 {
                    let lead = store
                        .create(NewLead::new(format!("Jane t{thread} n{number}")))
                        .unwrap();
                    assert_eq!(store.get(lead.id).unwrap(), Some(lead.clone()));
                    assert_eq!(
                        store
                            .search(&SearchQuery::new(format!("t{thread} n{number} ")))
                            .unwrap()
                            .total,
                        1
                    );
                    if number == 0 {
                        store.delete(lead.id).unwrap();
                    }
                }
            });
        }
    });
    assert_eq!(test.store.count(&Filter::new()).unwrap(), 400);
    assert_eq!(test.store.empty_trash().unwrap(), 100);
}

#[test]
fn dropping_the_last_handle_closes_the_store() {
    let test = TestStore::new();
    let path = test.path();
    let (snapshot, mut leads) = (
        test.store.snapshot().unwrap(),
        test.store.leads(&Filter::new()),
    );
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let store = test.store.clone();
            scope.spawn(move || {
                for number in 0..20 {
                    store
                        .create(NewLead::new(format!("Jane t{thread} n{number}")))
                        .unwrap();
                }
                // Read a page, abort a transaction, and drop the handle.
                let _ = store.list(&ListQuery::new()).unwrap();
                let _ = store.transaction(|t| {
                    t.create(NewLead::new("x"))
                        .and_then(|_| Err::<(), _>(leadstore::Error::abort("no")))
                });
            });
        }
        drop(test.store);
    });
    drop(snapshot);
    assert!(
        leads.next().is_none(),
        "the iterator reads the state at its creation"
    );
    drop(leads);
    assert_eq!(
        LeadStore::options()
            .read_only(true)
            .open(&path)
            .unwrap()
            .count(&Filter::new())
            .unwrap(),
        160
    );
}

/// Runs as the child process of the next test. Does nothing unless `LEADSTORE_TEST_HELD_STORE` is
/// set.
#[test]
fn child_that_holds_a_store() {
    let Some(path) = std::env::var_os("LEADSTORE_TEST_HELD_STORE") else {
        return;
    };
    let store = LeadStore::open(path).unwrap();
    store.create(NewLead::new("Jane")).unwrap();
    println!("held");
    std::io::stdout().flush().unwrap();
    std::thread::sleep(Duration::from_secs(60));
}

#[test]
fn store_open_in_another_process_returns_already_open() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "faults::child_that_holds_a_store", "--nocapture"])
        .env("LEADSTORE_TEST_HELD_STORE", &path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(
        lines
            .map_while(Result::ok)
            .any(|line| line.contains("held"))
    );
    for read_only in [false, true] {
        let error = LeadStore::options()
            .read_only(read_only)
            .open(&path)
            .map(drop)
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyOpen, "{error}");
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(
        LeadStore::open(&path)
            .unwrap()
            .count(&Filter::new())
            .unwrap(),
        1
    );
}

#[cfg(unix)]
#[test]
fn read_only_file_can_only_be_opened_read_only() {
    use std::os::unix::fs::PermissionsExt;
    let test = TestStore::new();
    let leads = create(&test.store, 2);
    test.store.clone().close().unwrap();
    let file = test.path().join("leads.redb");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o400)).unwrap();
    if std::fs::OpenOptions::new().write(true).open(&file).is_ok() {
        println!("SKIPPED: the current user can write to any file");
        return;
    }
    let error = LeadStore::open(test.path()).map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io, "{error}");
    assert_leads(
        &LeadStore::options()
            .read_only(true)
            .open(test.path())
            .unwrap(),
        &leads,
    );
}

/// Not on Windows, which removes no directory in which files are open.
#[cfg(unix)]
#[test]
fn removed_directory_causes_no_hang_and_no_new_store() {
    let test = TestStore::new();
    let leads = create(&test.store, 3);
    // Retry: the index sync may create a file in the directory during the removal.
    support::wait_until("removing the store", || {
        std::fs::remove_dir_all(test.path()).is_ok()
    });
    // Open files stay readable after they are unlinked.
    assert_eq!(
        test.store.get(leads[0].id).unwrap().as_ref(),
        Some(&leads[0])
    );
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let _ = test.store.create(NewLead::new("Joe"));
            let _ = test.store.search(&SearchQuery::new("jane"));
            let _ = test.store.compact();
            done.store(true, Ordering::Relaxed);
        });
    });
    assert!(done.load(Ordering::Relaxed));
    assert_eq!(test.store.reopen().unwrap_err().kind(), ErrorKind::NotFound);
    assert!(
        !test.path().join("leads.redb").exists(),
        "reopen() must not create a new store"
    );
}
