//! Concurrent use of one store handle.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use leadstore::rust_decimal::Decimal;
use leadstore::{
    Durability, ErrorKind, Filter, LeadPatch, LeadStore, ListQuery, NewLead, SearchQuery,
};

use crate::support::{self, TestStore};

/// Each transaction moves an amount between the two leads of a pair, gives both the same new name,
/// and sometimes replaces a third lead. In every committed state, the sum of the deal values and
/// the number of leads are unchanged, and the names of a pair are equal. A state in the middle of a
/// transaction can violate any of these invariants.
#[test]
fn readers_never_see_a_partial_transaction() {
    const PAIRS: usize = 8;
    const AMOUNT: u64 = 1_000;
    let test = TestStore::new();
    let store = &test.store;
    let create = |name: &str, value: u64| {
        store
            .create(NewLead::new(name).deal_value(value).status("paired"))
            .unwrap()
            .id
    };
    let pairs: Vec<_> = (0..PAIRS)
        .map(|_| (create("round0", AMOUNT), create("round0", AMOUNT)))
        .collect();
    store.create(NewLead::new("floating")).unwrap();
    let stop = AtomicBool::new(false);
    let (written, read) = (AtomicU64::new(0), AtomicU64::new(0));
    let seconds = 2 * support::scale().min(30) as u64;
    std::thread::scope(|scope| {
        for writer in 0..2_u64 {
            let (pairs, stop, written) = (&pairs, &stop, &written);
            scope.spawn(move || {
                let mut rng = fastrand::Rng::with_seed(writer);
                while !stop.load(Ordering::Relaxed) {
                    let (from, to) = pairs[rng.usize(..PAIRS)];
                    let round = written.fetch_add(1, Ordering::Relaxed) + 1;
                    store
                        .transaction(|t| {
                            let (a, b) = (t.get(from)?.unwrap(), t.get(to)?.unwrap());
                            let moved = Decimal::from(rng.u64(0..=10)).min(a.deal_value.unwrap());
                            let name = format!("round{round}");
                            t.update(
                                from,
                                LeadPatch::new()
                                    .deal_value(a.deal_value.unwrap() - moved)
                                    .name(&*name),
                            )?;
                            t.update(
                                to,
                                LeadPatch::new()
                                    .deal_value(b.deal_value.unwrap() + moved)
                                    .name(&*name),
                            )?;
                            if rng.bool() {
                                let floating =
                                    t.list(&ListQuery::new().filter(Filter::new().status("new")))?;
                                t.delete(floating.items[0].id)?;
                                t.create(NewLead::new("floating"))?;
                            }
                            Ok(())
                        })
                        .unwrap();
                }
            });
        }
        for reader in 0..4 {
            let (pairs, stop, read) = (&pairs, &stop, &read);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let page = store
                        .list(
                            &ListQuery::new()
                                .filter(Filter::new().status("paired"))
                                .per_page(100),
                        )
                        .unwrap();
                    let sum: Decimal = page.items.iter().filter_map(|lead| lead.deal_value).sum();
                    assert_eq!(
                        (page.total, sum),
                        (2 * PAIRS as u64, Decimal::from(2 * PAIRS as u64 * AMOUNT))
                    );
                    assert_eq!(store.count(&Filter::new().status("new")).unwrap(), 1);
                    let (from, to) = pairs[reader * 2];
                    let both = store.get_many(&[from, to]).unwrap();
                    let name = both[0].as_ref().unwrap().name.clone();
                    assert_eq!(Some(&name), both[1].as_ref().map(|lead| &lead.name));
                    let floating = store.search(&SearchQuery::new("floating ")).unwrap();
                    assert_eq!((floating.total, floating.items.len()), (1, 1));
                    let snapshot = store.snapshot().unwrap();
                    let name = snapshot.get(from).unwrap().unwrap().name;
                    let found = snapshot
                        .search(&SearchQuery::new(format!("{name} ")))
                        .unwrap();
                    assert!(
                        found.total >= 2 && found.items.iter().all(|hit| hit.lead.name == name),
                        "{name}"
                    );
                    read.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let end = Instant::now() + Duration::from_secs(seconds);
        while Instant::now() < end {
            std::thread::sleep(Duration::from_millis(20));
        }
        stop.store(true, Ordering::Relaxed);
    });
    let (written, read) = (written.into_inner(), read.into_inner());
    println!("{written} transactions, {read} read rounds");
    assert!(written > 20 && read > 20);
}

#[test]
fn search_sees_every_acknowledged_write() {
    let test = TestStore::new();
    let store = &test.store;
    std::thread::scope(|scope| {
        for thread in 0..4 {
            scope.spawn(move || {
                for number in 0..60 {
                    let word = format!("word{thread}x{number}");
                    let lead = store.create(NewLead::new(&*word)).unwrap();
                    assert_eq!(
                        store.search(&SearchQuery::new(&*word)).unwrap().items[0]
                            .lead
                            .id,
                        lead.id
                    );
                    store
                        .update(lead.id, LeadPatch::new().name("other"))
                        .unwrap();
                    assert_eq!(
                        store.search(&SearchQuery::new(&*word)).unwrap().total,
                        0,
                        "{word}"
                    );
                    store.delete(lead.id).unwrap();
                }
            });
        }
    });
    assert_eq!(store.search(&SearchQuery::new("other")).unwrap().total, 0);
}

#[test]
fn close_fails_concurrent_operations_with_closed() {
    let test = TestStore::new();
    for number in 0..200 {
        test.store
            .create(NewLead::new(format!("{number}")))
            .unwrap();
    }
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..6)
            .map(|worker| {
                let store = test.store.clone();
                scope.spawn(move || {
                    loop {
                        let done = match worker % 3 {
                            0 => store.create(NewLead::new("n")).map(drop),
                            1 => store
                                .list(&ListQuery::new().sort(["name".parse().unwrap()]))
                                .map(drop),
                            _ => store.search(&SearchQuery::new("1")).map(drop),
                        };
                        if let Err(error) = done {
                            return error.kind();
                        }
                    }
                })
            })
            .collect();
        std::thread::sleep(Duration::from_millis(100));
        test.store.clone().close().unwrap();
        for worker in workers {
            assert_eq!(worker.join().unwrap(), ErrorKind::Closed);
        }
    });
}

#[test]
fn grouped_writers_get_their_own_errors() {
    let test = TestStore::new();
    let store = &test.store;
    let taken = store
        .create(NewLead::new("taken").external_id("taken"))
        .unwrap();
    std::thread::scope(|scope| {
        for thread in 0..8_u32 {
            scope.spawn(move || {
                for round in 0..30 {
                    match (thread + round) % 4 {
                        0 => {
                            let error = store.create(NewLead::new("")).unwrap_err();
                            assert_eq!(error.kind(), ErrorKind::Invalid);
                        }
                        1 => {
                            let error = store
                                .create(NewLead::new("x").external_id("taken"))
                                .unwrap_err();
                            assert_eq!(
                                (error.kind(), error.lead_id()),
                                (ErrorKind::AlreadyExists, Some(taken.id))
                            );
                        }
                        2 => {
                            let outdated = LeadPatch::new()
                                .company("x")
                                .if_version(leadstore::LeadVersion::new(9));
                            assert_eq!(
                                store.update(taken.id, outdated).unwrap_err().kind(),
                                ErrorKind::Conflict
                            );
                        }
                        _ => {
                            let name = format!("t{thread} r{round}");
                            let lead = store.create(NewLead::new(&*name)).unwrap();
                            assert_eq!(store.get(lead.id).unwrap().unwrap().name, name);
                            assert_eq!(store.delete(lead.id).unwrap().lead.id, lead.id);
                            assert_eq!(
                                store.restore(lead.id).unwrap().version,
                                leadstore::LeadVersion::new(3)
                            );
                        }
                    }
                }
            });
        }
    });
    // Of the 240 rounds, 60 create one lead each. With the first lead, that makes 61 leads.
    assert_eq!(store.count(&Filter::new()).unwrap(), 61);
    assert_eq!(store.get(taken.id).unwrap(), Some(taken));
}

#[test]
fn reads_in_a_transaction_do_not_deadlock_with_close() {
    for reopens in [false, true] {
        let test = TestStore::new();
        let store = test.store.clone();
        let (begun, begins) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            let writer = scope.spawn(move || {
                store.transaction(|t| {
                    let lead = t.create(NewLead::new("A"))?;
                    begun.send(()).unwrap();
                    // Give the other thread time to block on this transaction.
                    std::thread::sleep(Duration::from_millis(50));
                    let meanwhile = store.get(lead.id).map_err(|error| error.kind());
                    assert!(
                        matches!(meanwhile, Err(ErrorKind::Closed | ErrorKind::Unavailable)),
                        "{meanwhile:?}"
                    );
                    assert_eq!(store.reopen().unwrap_err().kind(), ErrorKind::Nested);
                    Ok(lead)
                })
            });
            begins.recv().unwrap();
            if reopens {
                test.store.reopen().unwrap()
            } else {
                test.store.clone().close().unwrap()
            }
            let lead = writer.join().unwrap().unwrap();
            test.store.reopen().unwrap();
            assert_eq!(
                test.store.get(lead.id).unwrap(),
                Some(lead),
                "the committed lead is stored"
            );
        });
    }
}

/// A clock that panics once, at the chosen call.
#[derive(Clone)]
struct PanickingClock(std::sync::Arc<AtomicU64>);

impl leadstore::Clock for PanickingClock {
    fn now(&self) -> leadstore::chrono::DateTime<leadstore::chrono::Utc> {
        let armed = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |calls| {
                calls.checked_sub(1)
            });
        assert_ne!(armed, Ok(1), "the clock is broken");
        support::day(2026, 3, 1)
    }
}

#[test]
fn panic_of_the_clock_is_no_failure_of_the_store() {
    let clock = PanickingClock(std::sync::Arc::default());
    let store = LeadStore::options()
        .clock(clock.clone())
        .in_memory()
        .unwrap();
    let lead = store.create(NewLead::new("Jane")).unwrap();
    let panics = |call: &dyn Fn()| {
        clock.0.store(1, Ordering::Relaxed);
        let call = std::panic::AssertUnwindSafe(call);
        std::panic::catch_unwind(call).expect_err("the clock panics");
    };
    panics(&|| drop(store.get_trashed(lead.id)));
    panics(&|| drop(store.snapshot()));
    panics(&|| drop(store.delete(lead.id)));
    panics(&|| drop(store.transaction(|transaction| transaction.delete(lead.id))));
    #[cfg(feature = "http")]
    panics(&|| drop(store.credentials().authenticate("sk_live_x")));
    assert_eq!(store.get(lead.id).unwrap(), Some(lead));
    // A snapshot left behind by the `snapshot` call that panicked would make this call fail.
    store.compact().unwrap();
}

#[test]
fn panic_of_the_leader_fails_its_whole_commit_group() {
    let clock = PanickingClock(std::sync::Arc::default());
    let store = leadstore::LeadStore::options()
        .clock(clock.clone())
        .in_memory()
        .unwrap();
    let outcomes: Vec<_> = std::thread::scope(|scope| {
        let (store, clock) = (&store, &clock);
        let (begun, begins) = std::sync::mpsc::channel();
        let holder = scope.spawn(move || {
            store.transaction(|_| {
                begun.send(()).unwrap();
                // Give the writers time to queue up. The clock then panics at its third call.
                std::thread::sleep(Duration::from_millis(200));
                clock.0.store(3, Ordering::Relaxed);
                Ok(())
            })
        });
        begins.recv().unwrap();
        let writers: Vec<_> = (0..3)
            .map(|n| scope.spawn(move || store.create(NewLead::new(format!("{n}")))))
            .collect();
        let outcomes = writers.into_iter().map(|writer| writer.join()).collect();
        holder.join().unwrap().unwrap();
        outcomes
    });
    assert_eq!(
        outcomes.iter().filter(|outcome| outcome.is_err()).count(),
        1,
        "only the leader panics"
    );
    for outcome in outcomes.into_iter().flatten() {
        assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Aborted);
    }
    assert_eq!(store.count(&Filter::new()).unwrap(), 0);
    store.create(NewLead::new("after")).unwrap();
}

/// The index sync must not need the lock that a transaction holds, whether commits are synced
/// immediately or later.
#[test]
fn search_that_waits_for_the_index_does_not_wait_for_a_transaction() {
    for durability in [
        Durability::EveryCommit,
        Durability::Within(Duration::from_secs(3_600)),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let options = LeadStore::options().durability(durability);
        let store = &options.open(directory.path().join("leads")).unwrap();
        std::thread::scope(|scope| {
            let (begun, begins) = mpsc::channel();
            let load = scope.spawn(move || {
                store.transaction(|transaction| {
                    begun.send(()).unwrap();
                    // So many unindexed leads that a search waits for the index instead of
                    // analyzing them itself.
                    for _ in 0..20_500 {
                        transaction.create(NewLead::new("Jane"))?;
                    }
                    Ok(())
                })
            });
            begins.recv().unwrap();
            // This transaction begins as soon as the leads are published, and holds its lock until
            // the search is done.
            let found = store.transaction(|_| {
                let (found, finds) = mpsc::channel();
                scope.spawn(move || found.send(store.search(&SearchQuery::new("jane"))));
                Ok(finds.recv_timeout(Duration::from_secs(60)))
            });
            let found = found
                .unwrap()
                .expect("the search waits for the transaction");
            assert_eq!(found.unwrap().total, 20_500);
            load.join().unwrap().unwrap();
        });
    }
}
