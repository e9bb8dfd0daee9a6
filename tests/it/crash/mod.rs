//! Repeated crashes and faults at any operation of a simulated disk, including while the store is
//! created or recovered. Afterwards every acknowledged write that must be durable is there, every
//! other write is there completely or not at all, and every answer matches that of a plain map.

mod concurrent;
mod operation;
mod run;
mod states;
mod upkeep;

use leadstore::testing::{self, Fault, SimulatedDisk};
use leadstore::{LeadPatch, LeadStore, NewLead, SearchQuery};

use crate::support;
use run::Run;

#[test]
fn acknowledged_writes_survive_faults_at_any_operation() {
    run_all(200, Run::new);
}

#[test]
fn acknowledged_writes_survive_faults_after_long_work() {
    run_all(1, |seed| Run::new(seed).long());
}

/// Executes `runs` runs, multiplied by the test scale. Each run has its own seed.
fn run_all(runs: u64, run: impl Fn(u64) -> Run) {
    let seed = support::seed();
    let (mut crashes, mut operations) = (0, 0);
    for seed in (0..runs * support::scale() as u64).map(|run| seed.wrapping_add(run)) {
        let run = run(seed).go();
        crashes += run.crashes;
        operations += run.operations;
    }
    println!("{crashes} crashes, faults and closes, {operations} operations");
    assert!(crashes > 0);
}

#[test]
fn same_seed_produces_the_same_run() {
    let seed = support::seed();
    // A store with search is not deterministic: the order of disk operations of tantivy's threads
    // varies, and so does the order in which tantivy removes files.
    let seeds = (0..)
        .map(|run| seed.wrapping_add(run))
        .filter(|seed| !Run::new(*seed).is_searched);
    for seed in seeds.take(10) {
        let traces = [(); 2].map(|()| {
            let run = Run::new(seed).go();
            (
                run.disk.trace(),
                run.disk.operations(),
                run.history.lines.clone(),
            )
        });
        assert_eq!(traces[0], traces[1], "seed {seed}");
    }
}

#[test]
fn writes_after_a_killed_creation_survive_a_power_cut() {
    let seed = support::seed();
    let options = || testing::without_search(testing::without_threads(LeadStore::options()));
    for (seed, at) in (0..40).flat_map(|at| (0..5).map(move |run| (seed.wrapping_add(run), at))) {
        let disk = SimulatedDisk::new(seed);
        disk.inject(at, Fault::Stop);
        let _ = testing::open_on(options(), &disk);
        // The file names exist, but are not durable yet.
        let disk = disk.process_killed();
        let store = testing::open_on(options(), &disk).unwrap();
        let lead = store.create(NewLead::new("Jane")).unwrap();
        let store = testing::open_on(options(), &disk.power_cut()).unwrap();
        assert_eq!(
            store.get(lead.id).unwrap(),
            Some(lead),
            "seed {seed}, killed at operation {at}"
        );
    }
}

#[test]
fn reopen_does_not_rely_on_data_lost_by_a_failed_sync() {
    let seed = support::seed();
    let options = || {
        testing::without_search(testing::without_threads(
            LeadStore::options().cache_bytes(0),
        ))
    };
    for (seed, at) in (0..40).flat_map(|at| (0..20).map(move |run| (seed.wrapping_add(run), at))) {
        let disk = SimulatedDisk::new(seed);
        let store = testing::open_on(options(), &disk).unwrap();
        let mut leads = vec![store.create(NewLead::new("Jane")).unwrap()];
        disk.inject(at, Fault::Broken);
        if store.compact().is_ok() {
            continue;
        }
        disk.clear_fault();
        store.reopen().unwrap();
        disk.inject(seed % 40, Fault::Stop);
        leads.extend((0..9).map_while(|_| store.create(NewLead::new("Joe")).ok()));
        let store = testing::open_on(options(), &disk.power_cut()).unwrap();
        for lead in leads {
            assert_eq!(
                store.get(lead.id).unwrap(),
                Some(lead),
                "seed {seed}, fault at operation {at}"
            );
        }
    }
}

#[test]
fn crash_during_indexing_leaves_searches_exact() {
    let mut interrupted = 0;
    for at in 0..80 {
        let disk = SimulatedDisk::new(at);
        let options = || testing::without_threads(LeadStore::options());
        let store = testing::open_on(options(), &disk).unwrap();
        let ids: Vec<_> = (0..5)
            .map(|n| {
                store
                    .create(NewLead::new(format!("Jane no{n}")))
                    .unwrap()
                    .id
            })
            .collect();
        testing::index(&store).unwrap();
        store.update(ids[0], LeadPatch::new().name("Joe")).unwrap();
        disk.inject(at, Fault::Stop);
        interrupted += u32::from(testing::index(&store).is_err());
        for disk in [disk.process_killed(), disk.power_cut()] {
            let store = testing::open_on(options(), &disk).unwrap();
            let found = |word: &str| store.search(&SearchQuery::new(word)).unwrap().total;
            assert_eq!(
                (found("jane "), found("joe ")),
                (4, 1),
                "stopped at operation {at}"
            );
            // Closing brings the index up to date.
            store.close().unwrap();
        }
    }
    assert!(interrupted > 10, "only {interrupted} interruptions");
}

/// Executes a run in which the first two bytes of `choices` are the seed and each further pair of
/// bytes determines what happens next, so that a fuzzer can explore the choices.
#[allow(dead_code, reason = "called by the fuzz target")]
pub fn run_by(choices: &[u8]) {
    let (first, rest) = choices.split_at(choices.len().min(2));
    let seed = first
        .iter()
        .fold(0, |seed, byte| seed << 8 | u64::from(*byte));
    Run::new(seed).by(rest).go();
}
