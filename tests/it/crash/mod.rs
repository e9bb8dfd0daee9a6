//! Crashes: a store on a simulated disk is stopped or fails at any operation of the disk, over and over, also while it is
//! created and while it is recovered. Then everything that was acknowledged is there, whatever was not is there whole or
//! not at all, and every answer is that of a plain map.

mod company;
mod operation;
mod run;
mod states;
mod upkeep;

use leadstore::testing::{self, Fault, SimulatedDisk};
use leadstore::{LeadPatch, LeadStore, NewLead, SearchQuery};

use crate::support;
use run::Run;

#[test]
fn every_acknowledged_write_survives_crashes_and_faults_at_any_operation_of_the_disk() {
    go_all(200, Run::new);
}

#[test]
fn every_acknowledged_write_survives_crashes_and_faults_after_long_work() {
    go_all(1, |seed| Run::new(seed).long());
}

/// Makes so many runs, times the scale of the tests.
fn go_all(runs: u64, run: impl Fn(u64) -> Run) {
    let seed = support::seed();
    let (mut crashes, mut operations) = (0, 0);
    for seed in (0..runs * support::scale() as u64).map(|run| seed.wrapping_add(run)) {
        let run = run(seed).go();
        crashes += run.crashes;
        operations += run.operations;
    }
    println!("{crashes} crashes, faults and closings, {operations} operations");
    assert!(crashes > 0);
}

#[test]
fn the_same_seed_makes_the_same_run() {
    let seed = support::seed();
    // tantivy's threads come to the disk in an order of their own each time, and so do the files that it removes.
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
fn a_store_whose_creation_was_killed_keeps_what_is_written_once_it_is_there() {
    let seed = support::seed();
    let options = || testing::without_search(testing::without_threads(LeadStore::options()));
    for (seed, at) in (0..40).flat_map(|at| (0..5).map(move |run| (seed.wrapping_add(run), at))) {
        let disk = SimulatedDisk::new(seed);
        disk.inject(at, Fault::Stop);
        let _ = testing::open_on(options(), &disk);
        // The names of the files are there, but not on the disk.
        let disk = disk.process_killed();
        let store = testing::open_on(options(), &disk).unwrap();
        let lead = store.create(NewLead::new("Jane")).unwrap();
        let store = testing::open_on(options(), &disk.power_cut()).unwrap();
        assert_eq!(
            store.get(lead.id).unwrap(),
            Some(lead),
            "seed {seed}, killed at {at}"
        );
    }
}

#[test]
fn what_a_failed_sync_has_lost_is_not_built_upon_once_the_store_is_reopened() {
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
                "seed {seed}, failed at {at}"
            );
        }
    }
}

#[test]
fn an_index_whose_writing_was_cut_off_is_written_again() {
    let mut cut_off = 0;
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
        cut_off += u32::from(testing::index(&store).is_err());
        for disk in [disk.process_killed(), disk.power_cut()] {
            let store = testing::open_on(options(), &disk).unwrap();
            let found = |word: &str| store.search(&SearchQuery::new(word)).unwrap().total;
            assert_eq!((found("jane "), found("joe ")), (4, 1), "cut off at {at}");
            // Closing brings the index up to date.
            store.close().unwrap();
        }
    }
    assert!(cut_off > 10, "{cut_off} times");
}

/// A run in which every second byte and its neighbour decide what happens next, for a fuzzer to find out what they mean.
#[allow(dead_code, reason = "called by the fuzz target")]
pub fn run_by(choices: &[u8]) {
    let (first, rest) = choices.split_at(choices.len().min(2));
    let seed = first
        .iter()
        .fold(0, |seed, byte| seed << 8 | u64::from(*byte));
    Run::new(seed).by(rest).go();
}
