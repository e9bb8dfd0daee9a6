//! Integrity checks find corruption, repairs fix it, and backups are consistent.

use std::io::{Seek as _, SeekFrom, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};

use leadstore::check::{Component, Problem, Report};
use leadstore::testing::layout::{BLOCK, FIRST_BLOCK};
use leadstore::testing::{self, Corruption, Fault, SimulatedDisk};
use leadstore::{
    ErrorKind, Filter, LeadId, LeadPatch, LeadStore, ListQuery, NewLead, Progress, SearchQuery,
    Sort, TrashQuery,
};

use crate::support::{StopOnDrop, TestStore, options, wait_until};

fn fill(store: &LeadStore, count: u32) -> Vec<LeadId> {
    let ids: Vec<LeadId> = (0..count)
        .map(|number| {
            let lead = NewLead::new(format!("lead {number}"))
                .external_id(format!("x{number}"))
                .email(format!("lead{number}@example.com"))
                .company(["Example Corp", "Ångström"][number as usize % 2])
                .owner_id("ada")
                .deal_value(number)
                .tags(["a", "b"]);
            store.create(lead).unwrap().id
        })
        .collect();
    store
        .update(ids[1], LeadPatch::new().status("won").clear_email())
        .unwrap();
    store.delete(ids[2]).unwrap();
    ids
}

/// Returns the leads, the trash, several lists, the hits of a search and the facets, as one string.
fn contents(store: &LeadStore) -> String {
    let leads: Vec<_> = store.leads(&Filter::new()).map(Result::unwrap).collect();
    let trash = store.list_trash(&TrashQuery::new()).unwrap().items;
    let sorted = [
        "name",
        "company",
        "-email",
        "deal_value",
        "updated_at",
        "status",
    ]
    .map(|key| {
        let page = store
            .list(
                &ListQuery::new()
                    .sort([key.parse::<Sort>().unwrap()])
                    .per_page(100),
            )
            .unwrap();
        page.items.iter().map(|lead| lead.id).collect::<Vec<_>>()
    });
    let found = store
        .search(&SearchQuery::new("lead").per_page(100))
        .unwrap();
    let facets = store.facets(&Filter::new()).unwrap();
    format!(
        "{leads:?} {trash:?} {sorted:?} {} {:?} {facets:?}",
        found.total, found.items
    )
}

fn check(store: &LeadStore) -> Report {
    store.check(|_| ()).unwrap()
}

#[test]
fn check_of_a_healthy_store_is_clean_and_reports_progress() {
    let test = TestStore::new();
    assert!(check(&test.store).is_ok(), "a new store");
    fill(&test.store, 50);
    let mut seen = Vec::new();
    let report = test
        .store
        .check(|progress| seen.push((progress.done, progress.total)))
        .unwrap();
    assert_eq!((report.problems, report.problem_count), (vec![], 0));
    assert_eq!((report.leads, report.in_trash), (49, 1));
    assert_eq!(seen, (1..=50).map(|done| (done, 50)).collect::<Vec<_>>());
    let snapshot = test.store.snapshot().unwrap();
    assert!(check(&test.store).is_ok(), "while a snapshot is held");
    drop(snapshot);
    test.store.clone().close().unwrap();
    let read_only = options(&test.clock)
        .read_only(true)
        .open(test.path())
        .unwrap();
    assert!(check(&read_only).is_ok(), "opened read-only");
    assert_eq!(
        read_only.repair(|_| ()).unwrap_err().kind(),
        ErrorKind::ReadOnly
    );
    let nested = LeadStore::in_memory().unwrap();
    nested
        .transaction(|_| {
            assert_eq!(nested.check(|_| ()).unwrap_err().kind(), ErrorKind::Nested);
            assert_eq!(nested.repair(|_| ()).unwrap_err().kind(), ErrorKind::Nested);
            let backup = test.directory.path().join("nested");
            assert_eq!(
                nested.backup_to(backup, |_| ()).unwrap_err().kind(),
                ErrorKind::Nested
            );
            Ok(())
        })
        .unwrap();
}

#[test]
fn check_finds_and_repair_fixes_every_kind_of_corruption() {
    const MISSING: (Component, &str) = (Component::SortIndexes, "0005 is missing");
    const ROW_MISSING: (Component, &str) = (Component::Bitmaps, "has 1 missing and 0 extra rows");
    const ROW_TOO_MANY: (Component, &str) = (Component::Bitmaps, "has 0 missing and 1 extra rows");
    const ID_MISSING: (Component, &str) = (Component::Ids, "of row 5 is missing");
    let corruptions = [
        (Corruption::IdMissing, vec![ID_MISSING]),
        // A dangling id may be the only trace of a lost lead, so it is reported under leads.
        (
            Corruption::IdAstray,
            vec![
                (Component::Leads, "refers to row 1048581, which has no lead"),
                ID_MISSING,
            ],
        ),
        (
            Corruption::IdOfAnother,
            vec![
                (
                    Component::Ids,
                    "refers to row 4, whose lead does not have this id",
                ),
                ID_MISSING,
            ],
        ),
        (
            Corruption::KeyTooMany,
            vec![(Component::SortIndexes, "belongs to no lead")],
        ),
        (
            Corruption::DealValue,
            vec![(
                Component::DealValues,
                "the 19 values in the column do not match the 19 deal values of the leads",
            )],
        ),
    ]
    .into_iter()
    .chain((0..6).map(|n| (Corruption::KeyMissing(n), vec![MISSING])))
    .chain((0..9).map(|n| (Corruption::RowMissing(n), vec![ROW_MISSING])))
    .chain((0..9).map(|n| (Corruption::RowTooMany(n), vec![ROW_TOO_MANY])));
    for (corruption, reported) in corruptions {
        for disk in [None, Some(SimulatedDisk::new(1))] {
            let store = match &disk {
                Some(disk) => testing::open_on(LeadStore::options(), disk).unwrap(),
                None => LeadStore::in_memory().unwrap(),
            };
            let ids = fill(&store, 20);
            let expected = contents(&store);
            testing::corrupt(&store, ids[5], corruption).unwrap();
            let report = check(&store);
            // Problems of the search index are ignored here, because they depend on when it was
            // built.
            let problems = report
                .problems
                .iter()
                .filter(|problem| problem.component != Component::SearchIndex);
            assert_eq!(
                problems.clone().count(),
                reported.len(),
                "{corruption:?}: {report:?}"
            );
            for (problem, (part, end)) in problems.zip(&reported) {
                assert!(
                    problem.component == *part && problem.message.ends_with(end),
                    "{corruption:?}: {problem}"
                );
            }
            let snapshot = store.snapshot().unwrap();
            let fixed = store.repair(|_| ()).unwrap();
            assert_eq!(
                (fixed.problems, fixed.leads, fixed.in_trash),
                (vec![], 19, 1),
                "{corruption:?}"
            );
            assert_eq!(snapshot.get(ids[0]).unwrap_err().kind(), ErrorKind::Closed);
            assert_eq!(contents(&store), expected, "{corruption:?}");
            store.create(NewLead::new("after")).unwrap();
            store.reopen().unwrap();
            assert!(check(&store).is_ok(), "{corruption:?}");
            assert_eq!(store.count(&Filter::new()).unwrap(), 20);
        }
    }
}

#[test]
fn lost_lead_is_reported_and_its_index_entries_are_removed() {
    // Without threads, so that the search index does not change between the two checks.
    let store = testing::without_threads(LeadStore::options())
        .in_memory()
        .unwrap();
    let ids = fill(&store, 20);
    testing::corrupt(&store, ids[5], Corruption::Lead).unwrap();
    assert_eq!(store.get(ids[5]).unwrap_err().kind(), ErrorKind::Corrupted);
    let report = check(&store);
    for part in [
        Component::Leads,
        Component::SortIndexes,
        Component::Bitmaps,
        Component::DealValues,
    ] {
        assert!(
            report
                .problems
                .iter()
                .any(|problem| problem.component == part),
            "{part}: {report:?}"
        );
    }
    let fixed = store.repair(|_| ()).unwrap();
    assert!(fixed.is_ok());
    assert_eq!(fixed.repaired, report.problems, "the lost lead is reported");
    assert_eq!(
        (
            store.get(ids[5]).unwrap(),
            store.count(&Filter::new()).unwrap()
        ),
        (None, 18)
    );
}

#[test]
fn contradictory_records_are_reported() {
    let store = LeadStore::in_memory().unwrap();
    let ids = fill(&store, 20);
    testing::corrupt(&store, ids[5], Corruption::LogRow).unwrap();
    let report = check(&store);
    assert_eq!(report.problem_count, 1, "{report:?}");
    assert_eq!(report.problems[0].component, Component::ChangeLog);
    assert!(
        report.problems[0]
            .message
            .ends_with("changed a row that was never allocated"),
        "{report:?}"
    );
    testing::corrupt(&store, ids[5], Corruption::Times).unwrap();
    let report = check(&store);
    for message in [
        "is before that of an earlier row, but it is not marked as out of order",
        "its updated_at is before its created_at",
    ] {
        let reported = |problem: &&Problem| {
            problem.component == Component::Leads && problem.message.contains(message)
        };
        assert_eq!(
            report.problems.iter().filter(reported).count(),
            1,
            "{message}: {report:?}"
        );
    }
}

#[test]
fn corruption_in_an_open_file_is_found_and_derived_data_rebuilt() {
    let mut found = 0;
    let test = TestStore::new();
    fill(&test.store, 300);
    test.store.compact().unwrap();
    let expected = contents(&test.store);
    test.store.clone().close().unwrap();
    let intact = std::fs::read(test.path().join("leads.redb")).unwrap();
    let (mut fixed, mut lost) = (0, 0);
    for block in 1..(intact.len() - FIRST_BLOCK) / BLOCK {
        std::fs::write(test.path().join("leads.redb"), &intact).unwrap();
        let Ok(store) = options(&test.clock).open(test.path()) else {
            panic!("an intact file must open")
        };
        // Corrupt the file while it is open, after redb has already read it.
        assert_eq!(contents(&store), expected);
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .open(test.path().join("leads.redb"))
            .unwrap();
        let offset = FIRST_BLOCK + block * BLOCK + 2_000;
        file.seek(SeekFrom::Start(offset as u64)).unwrap();
        file.write_all(&[0x55; 16]).unwrap();
        drop(file);
        let report = check(&store);
        if report.is_ok() {
            continue;
        }
        found += 1;
        assert_eq!(report.problems[0].component, Component::File, "{report:?}");
        let repaired = store.repair(|_| ());
        let reports_lost_leads = report
            .problems
            .iter()
            .any(|problem| problem.component == Component::Leads);
        assert_eq!(
            reports_lost_leads,
            repaired.is_err(),
            "{report:?}, then {repaired:?}"
        );
        match repaired {
            Ok(report) => {
                assert!(report.is_ok(), "{report:?}");
                assert_eq!(contents(&store), expected);
                fixed += 1;
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Corrupted, "{error}");
                lost += 1;
            }
        }
    }
    println!(
        "{found} corrupted blocks found, {fixed} stores repaired, {lost} stores with lost leads"
    );
    assert!(
        fixed > 5 && lost > 5,
        "{found} found, {fixed} repaired, {lost} with lost leads"
    );
}

#[test]
fn backup_during_writes_is_a_consistent_openable_snapshot() {
    let test = TestStore::new();
    let ids = fill(&test.store, 200);
    #[cfg(feature = "http")]
    let token = test
        .store
        .credentials()
        .create_api_key("kept", leadstore::http::Scope::ALL)
        .unwrap()
        .token;
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // Every commit preserves the sum of the two deal values.
        scope.spawn(|| {
            let mut value = 0_u32;
            while !stop.load(Ordering::Relaxed) {
                value = (value + 1) % 1_000;
                test.store
                    .transaction(|t| {
                        t.update(ids[10], LeadPatch::new().deal_value(value))?;
                        t.update(ids[11], LeadPatch::new().deal_value(1_000 - value))
                    })
                    .unwrap();
                let created = test.store.create(NewLead::new("passing")).unwrap();
                test.store.delete(created.id).unwrap();
                test.store.purge(created.id).unwrap();
            }
        });
        let _ending = StopOnDrop(&stop);
        for run in 0..5 {
            let path = test.directory.path().join(format!("backups/{run}"));
            let mut seen = 0;
            test.store
                .backup_to(&path, |progress| seen = progress.done)
                .unwrap();
            assert!(seen >= 200);
            let copy = options(&test.clock).open(&path).unwrap();
            assert!(check(&copy).is_ok(), "{:?}", check(&copy));
            let value = |id: LeadId| copy.get(id).unwrap().unwrap().deal_value.unwrap();
            assert!(
                [1_000, 21]
                    .map(Into::into)
                    .contains(&(value(ids[10]) + value(ids[11]))),
                "the backup contains half a transaction"
            );
            assert_eq!(copy.search(&SearchQuery::new("lead 17 ")).unwrap().total, 1);
            #[cfg(feature = "http")]
            assert!(copy.credentials().authenticate(&token).unwrap().is_some());
            copy.create(NewLead::new("in the copy")).unwrap();
            copy.close().unwrap();
        }
    });
    assert_eq!(
        test.store.search(&SearchQuery::new("copy")).unwrap().total,
        0
    );
}

#[test]
fn failed_backup_leaves_existing_files_untouched() {
    let test = TestStore::new();
    fill(&test.store, 20);
    let error = test.store.backup_to(test.path(), |_| ()).unwrap_err();
    assert!(
        matches!(
            error.kind(),
            ErrorKind::AlreadyOpen | ErrorKind::AlreadyExists
        ),
        "{error}"
    );
    let path = test.directory.path().join("backup");
    test.store.backup_to(&path, |_| ()).unwrap();
    assert!(path.join("leads.lock").exists());
    let kept = std::fs::read(path.join("leads.redb")).unwrap();
    assert_eq!(
        test.store.backup_to(&path, |_| ()).unwrap_err().kind(),
        ErrorKind::AlreadyExists
    );
    assert_eq!(std::fs::read(path.join("leads.redb")).unwrap(), kept);
    assert!(
        path.join("leads.lock").exists(),
        "what was there before is not removed"
    );
    // A regular file occupies the path of the parent directory.
    let in_the_way = test.directory.path().join("in the way");
    std::fs::write(&in_the_way, "x").unwrap();
    assert!(
        test.store
            .backup_to(in_the_way.join("backup"), |_| ())
            .is_err()
    );
    assert_eq!(std::fs::read(&in_the_way).unwrap(), b"x");
    assert!(check(&test.store).is_ok());
}

#[test]
fn backup_and_repair_report_progress() {
    let test = TestStore::new();
    let ids = fill(&test.store, 20);
    let mut reported = Vec::new();
    test.store
        .backup_to(
            test.directory.path().join("backup"),
            |Progress {
                 done, total: of, ..
             }| { reported.push((done, of)) },
        )
        .unwrap();
    let each: Vec<(u64, u64)> = (1..=20).map(|done| (done, 20)).collect();
    assert_eq!(reported, each);
    testing::corrupt(&test.store, ids[5], Corruption::DealValue).unwrap();
    let mut reported = Vec::new();
    test.store
        .repair(|progress| reported.push((progress.done, progress.total)))
        .unwrap();
    assert_eq!(reported, each.repeat(3), "check, copy, check again");
}

#[test]
fn panic_in_a_progress_callback_surfaces_after_the_work_is_done() {
    let test = TestStore::new();
    let ids = fill(&test.store, 20);
    let enough = |_: Progress| panic!("enough");
    let panics = |work: &dyn Fn()| {
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
        assert_eq!(result.unwrap_err().downcast_ref::<&str>(), Some(&"enough"));
    };
    let backup = test.directory.path().join("backup");
    panics(&|| drop(test.store.backup_to(&backup, enough)));
    assert!(check(&options(&test.clock).open(&backup).unwrap()).is_ok());
    panics(&|| drop(test.store.check(enough)));
    testing::corrupt(&test.store, ids[5], Corruption::DealValue).unwrap();
    panics(&|| drop(test.store.repair(enough)));
    assert!(check(&test.store).is_ok(), "the repair was completed");
}

#[test]
fn check_during_writes_reports_no_problems() {
    // The cache is so small that checkpoints run constantly and large transactions are written
    // straight to the tables.
    let test = TestStore::with_cache_bytes(1 << 17);
    fill(&test.store, 50);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                test.store
                    .transaction(|t| {
                        let created: Vec<_> = (0..60)
                            .map(|n| {
                                t.create(NewLead::new(format!("{n}")).email("a@b.de"))
                                    .unwrap()
                                    .id
                            })
                            .collect();
                        created
                            .into_iter()
                            .try_for_each(|id| t.delete(id).map(drop))
                    })
                    .unwrap();
                test.store.empty_trash().unwrap();
            }
        });
        let _ending = StopOnDrop(&stop);
        for _ in 0..20 {
            let report = check(&test.store);
            assert!(report.is_ok(), "{:?}", report.problems);
        }
    });
}

#[test]
fn search_index_with_wrong_leads_is_reported_and_rebuilt() {
    let test = TestStore::new();
    let ids = fill(&test.store, 30);
    wait_until("indexing", || test.store.search_status().unindexed == 0);
    assert!(check(&test.store).is_ok());
    // Bitmap 0 holds the live leads. A lead whose row is missing there is no longer live, but the
    // search index still contains it.
    testing::corrupt(&test.store, ids[7], Corruption::RowMissing(0)).unwrap();
    // Marks a row without a lead as live.
    testing::corrupt(&test.store, ids[8], Corruption::RowTooMany(0)).unwrap();
    let report = check(&test.store);
    let parts: Vec<Component> = report
        .problems
        .iter()
        .map(|problem| problem.component)
        .collect();
    assert_eq!(parts, [Component::Bitmaps, Component::SearchIndex]);
    assert_eq!(
        report.problems[1].message,
        "1 leads missing, 1 unexpected, 0 duplicated"
    );
    assert!(test.store.repair(|_| ()).unwrap().is_ok());
    wait_until("indexing", || test.store.search_status().unindexed == 0);
    assert!(check(&test.store).is_ok());
    assert_eq!(
        test.store
            .search(&SearchQuery::new("lead 7 "))
            .unwrap()
            .total,
        1
    );
}

#[test]
fn repair_interrupted_at_any_disk_operation_loses_no_lead() {
    let options = || testing::without_threads(LeadStore::options());
    let (mut interrupted, mut at) = (0, 0);
    loop {
        let mut completed = true;
        for fault in [Fault::Stop, Fault::Error, Fault::Broken] {
            let disk = SimulatedDisk::new(at);
            let store = testing::open_on(options(), &disk).unwrap();
            let ids = fill(&store, 20);
            let expected = contents(&store);
            testing::corrupt(&store, ids[5], Corruption::RowMissing(3)).unwrap();
            disk.inject(at, fault);
            if let Err(error) = store.repair(|_| ()) {
                assert_eq!(error.kind(), ErrorKind::Io, "{fault:?} at {at}: {error}");
                (interrupted, completed) = (interrupted + 1, false);
            }
            if disk.has_stopped() {
                completed = false;
            }
            for disk in [disk.process_killed(), disk.power_cut()] {
                let store = testing::open_on(options(), &disk).unwrap();
                assert!(store.repair(|_| ()).unwrap().is_ok(), "{fault:?} at {at}");
                assert_eq!(contents(&store), expected, "{fault:?} at {at}");
                store.close().unwrap();
            }
        }
        if completed && at > 20 {
            break;
        }
        // Try each of the first operations, then increasingly sparse ones.
        at += 1 + at / 10;
    }
    assert!(interrupted > 40, "only {interrupted} interruptions");
}

#[test]
fn backup_interrupted_at_any_disk_operation_is_complete_or_absent() {
    let options = || testing::without_threads(LeadStore::options());
    let store = testing::open_on(options(), &SimulatedDisk::new(0)).unwrap();
    let ids = fill(&store, 20);
    let (mut failed, mut intact) = (0, 0);
    let others = [Fault::Error, Fault::Full, Fault::Broken];
    for (at, fault) in
        (0..60).flat_map(|at| [Fault::Stop, others[at as usize % 3]].map(|fault| (at, fault)))
    {
        let disk = SimulatedDisk::new(at);
        disk.inject(at, fault);
        let expected = contents(&store);
        let made = testing::back_up_on(&store, &disk);
        if let Err(error) = &made {
            assert_eq!(error.kind(), ErrorKind::Io, "{fault:?} at {at}: {error}");
            failed += 1;
        }
        store
            .update(ids[3], LeadPatch::new().deal_value(at))
            .unwrap();
        for disk in [disk.process_killed(), disk.power_cut()] {
            let copy = match testing::open_on(options().read_only(true), &disk) {
                Ok(copy) => copy,
                Err(error) => {
                    assert_eq!(
                        (error.kind(), made.is_err()),
                        (ErrorKind::NotFound, true),
                        "{fault:?} at {at}: {error}"
                    );
                    testing::back_up_on(&store, &disk).unwrap();
                    continue;
                }
            };
            assert_eq!(contents(&copy), expected, "{fault:?} at {at}");
            assert_eq!(
                testing::back_up_on(&store, &disk).unwrap_err().kind(),
                ErrorKind::AlreadyExists
            );
            intact += 1;
        }
    }
    assert!(check(&store).is_ok());
    assert!(
        failed > 40 && intact > 40,
        "{failed} failed, {intact} complete copies"
    );
}

#[test]
fn check_with_a_failed_read_does_not_report_ok() {
    let options = || {
        testing::without_search(testing::without_threads(
            LeadStore::options().cache_bytes(0),
        ))
    };
    let mut failed = 0;
    for at in 0..20 {
        let disk = SimulatedDisk::new(at);
        let store = testing::open_on(options(), &disk).unwrap();
        fill(&store, 5);
        store.close().unwrap();
        let store = testing::open_on(options(), &disk).unwrap();
        disk.inject(at, Fault::ReadError);
        match store.check(|_| ()) {
            Ok(report) => assert!(
                report.is_ok() && disk.failed_reads() == 0,
                "{:?}",
                report.problems
            ),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Io, "{error}"),
        }
        failed += disk.failed_reads();
    }
    assert!(failed > 2, "only {failed} reads failed");
}
