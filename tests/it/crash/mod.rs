//! Crashes: a store on a simulated disk is stopped or fails at any operation of the disk, over and over, also while it is
//! created and while it is recovered. Then everything that was acknowledged is there, whatever was not is there whole or
//! not at all, and every answer is that of a plain map.

mod operation;
mod states;

use std::time::Duration;

use fastrand::Rng;
use leadstore::testing::{self, Fault, ManualClock, SimulatedDisk};
use leadstore::{Clock, Durability, Error, ErrorKind, LeadPatch, LeadStore, NewLead, OpenOptions, SearchQuery};

use crate::model::Answers;
use crate::support;
use operation::Operation;
use states::{Contents, States};

#[test]
fn every_acknowledged_write_survives_crashes_and_faults_at_any_operation_of_the_disk() {
    let seed = support::seed();
    let mut crashes = 0;
    let mut operations = 0;
    for run in 0..200 * support::scale() as u64 {
        let run = Run::new(seed.wrapping_add(run)).go();
        crashes += run.crashes;
        operations += run.operations;
    }
    println!("{crashes} crashes and faults, {operations} operations");
    assert!(crashes > 0 && operations > 0);
}

#[test]
fn the_same_seed_makes_the_same_run() {
    let seed = support::seed();
    // tantivy removes the files of an index in an order of its own each time, and a power cut may undo any of it.
    let seeds = (0..).map(|run| seed.wrapping_add(run)).filter(|seed| !Run::new(*seed).is_searched);
    for seed in seeds.take(10) {
        let traces = [(); 2].map(|()| {
            let run = Run::new(seed).go();
            (run.disk.trace(), run.disk.operations(), run.history.lines.clone())
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
        disk.plan(at, Fault::Stop);
        let _ = testing::open_on(options(), &disk);
        // The names of the files are there, but not on the disk.
        let disk = disk.process_killed();
        let store = testing::open_on(options(), &disk).unwrap();
        let lead = store.create(NewLead::new("Jane")).unwrap();
        let store = testing::open_on(options(), &disk.power_cut()).unwrap();
        assert_eq!(store.get(lead.id).unwrap(), Some(lead), "seed {seed}, killed at {at}");
    }
}

#[test]
fn what_a_failed_sync_has_lost_is_not_built_upon_once_the_store_is_reopened() {
    let seed = support::seed();
    let options = || testing::without_search(testing::without_threads(LeadStore::options().cache_bytes(0)));
    for (seed, at) in (0..40).flat_map(|at| (0..20).map(move |run| (seed.wrapping_add(run), at))) {
        let disk = SimulatedDisk::new(seed);
        let store = testing::open_on(options(), &disk).unwrap();
        let mut leads = vec![store.create(NewLead::new("Jane")).unwrap()];
        disk.plan(at, Fault::Broken);
        if store.compact().is_ok() {
            continue;
        }
        disk.heal();
        store.reopen().unwrap();
        disk.plan(seed % 40, Fault::Stop);
        leads.extend((0..9).map_while(|_| store.create(NewLead::new("Joe")).ok()));
        let store = testing::open_on(options(), &disk.power_cut()).unwrap();
        for lead in leads {
            assert_eq!(store.get(lead.id).unwrap(), Some(lead), "seed {seed}, failed at {at}");
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
        let ids: Vec<_> = (0..5).map(|n| store.create(NewLead::new(format!("Jane no{n}"))).unwrap().id).collect();
        testing::index(&store).unwrap();
        store.update(ids[0], LeadPatch::new().name("Joe")).unwrap();
        disk.plan(at, Fault::Stop);
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

/// A cache with so many bytes has room for all that a process of a run writes.
const MANY_FIT: usize = 24 << 20;

/// A run in which every second byte and its neighbour decide what happens next, for a fuzzer to find out what they mean.
#[allow(dead_code, reason = "called by the fuzz target")]
pub fn run_by(choices: &[u8]) {
    let (first, rest) = choices.split_at(choices.len().min(2));
    let seed = first.iter().fold(0, |seed, byte| seed << 8 | u64::from(*byte));
    let mut run = Run::new(seed);
    run.choices = Some(Vec::from(rest).into_iter());
    run.go();
}

/// The life of one store through several processes.
struct Run {
    rng: Rng,
    /// What decides, if it is not chance alone.
    choices: Option<std::vec::IntoIter<u8>>,
    disk: SimulatedDisk,
    clock: ManualClock,
    cache_bytes: usize,
    /// Whether the store has a search index, for which tantivy takes its time.
    is_searched: bool,
    durability: Durability,
    states: States,
    is_closed: bool,
    crashes: u64,
    operations: u64,
    history: History,
}

/// What happened, printed when the run fails.
struct History {
    seed: u64,
    lines: Vec<String>,
}

impl Drop for History {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("{}", self.lines.join("\n"));
            println!("repeat with LEADSTORE_TEST_SEED={}", self.seed);
        }
    }
}

/// How a process ends.
#[derive(Debug)]
enum End {
    PowerCut,
    Killed,
    Closed,
}

impl Run {
    fn new(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let disk = SimulatedDisk::new(rng.u64(..));
        let cache_bytes = rng.choice([0, 64 << 10, 256 << 10, MANY_FIT, MANY_FIT]).unwrap();
        let durability =
            if rng.u32(0..3) == 0 { Durability::Within(Duration::from_secs(1)) } else { Durability::EveryCommit };
        let is_searched = rng.u32(0..8) == 0;
        let mut history = History { seed, lines: Vec::new() };
        history.note(format!("cache {cache_bytes}, {durability:?}, searched: {is_searched}"));
        Self {
            rng,
            choices: None,
            disk,
            clock: ManualClock::at(support::day(2026, 3, 1)),
            cache_bytes,
            is_searched,
            durability,
            states: States::new(durability == Durability::EveryCommit),
            is_closed: false,
            crashes: 0,
            operations: 0,
            history,
        }
    }

    fn go(mut self) -> Self {
        for _ in 0..self.rng.u32(1..8) {
            self.plan_a_fault();
            let store = self.open();
            if let Some(store) = &store {
                self.work(store);
            }
            self.end(store);
        }
        let store = self.open().expect("nothing goes wrong any more");
        self.check(&store, 6);
        store.close().unwrap();
        let read_only = self.options().read_only(true);
        let store = testing::open_on(read_only, &self.disk).unwrap();
        assert_eq!(Contents::read(&store).unwrap(), Contents::of(self.states.newest(), self.clock.now()));
        self
    }

    /// Whether there is something left to happen.
    fn goes_on(&mut self) -> bool {
        let Some(choices) = &mut self.choices else { return true };
        let (Some(high), Some(low)) = (choices.next(), choices.next()) else { return false };
        self.rng.seed(u64::from(u16::from_be_bytes([high, low])));
        true
    }

    fn plan_a_fault(&mut self) {
        self.goes_on();
        // Often while the store is opened, which takes a few operations.
        let after = match self.rng.u32(0..4) {
            0 => self.rng.u64(0..12),
            1 => self.rng.u64(0..60),
            _ => self.rng.u64(0..300),
        };
        let fault = match self.rng.u32(0..10) {
            0 => Fault::Error,
            1 => Fault::Full,
            2 => Fault::Broken,
            3 => Fault::ReadError,
            _ => Fault::Stop,
        };
        self.history.note(format!("{fault:?} after {after} operations of the disk"));
        self.disk.plan(after, fault);
    }

    fn options(&self) -> OpenOptions {
        let options = LeadStore::options().clock(self.clock.clone()).cache_bytes(self.cache_bytes);
        let options = testing::without_threads(options.durability(self.durability));
        if self.is_searched { options } else { testing::without_search(options) }
    }

    /// Opens the store, unless the disk is in the way.
    fn open(&mut self) -> Option<LeadStore> {
        match testing::open_on(self.options(), &self.disk) {
            Ok(store) => self.recognise(&store).then_some(store),
            Err(error) => {
                self.failed("opening", &error);
                None
            }
        }
    }

    /// Works long enough, or until something fails of which the store does not recover.
    fn work(&mut self, store: &LeadStore) {
        for _ in 0..self.rng.usize(0..80) {
            if !self.goes_on() {
                return;
            }
            self.pass_time();
            let many_fit = self.cache_bytes == MANY_FIT;
            let operation = Operation::random(&mut self.rng, self.states.newest(), many_fit);
            self.history.note(format!("{operation:?}"));
            self.operations += 1;
            if let Err(error) = operation.run(store, &mut self.states, self.clock.now()) {
                self.failed("that", &error);
                self.read_after_failure(store);
                // A store that could not be reopened is closed, and to close it again does nothing.
                self.is_closed = matches!(operation, Operation::Reopen);
                if !self.is_revived(store) {
                    return;
                }
            }
            if self.rng.u32(0..8) == 0 {
                self.ask_something(store);
            }
        }
    }

    /// Reopens the store after a failure, as an application would; or not.
    fn is_revived(&mut self, store: &LeadStore) -> bool {
        if self.disk.has_stopped() || self.rng.bool() {
            return false;
        }
        self.crashes += 1;
        self.disk.heal();
        self.history.note("the disk works again, and the store is reopened".to_owned());
        store.reopen().expect("nothing goes wrong any more");
        self.is_closed = false;
        self.recognise(store);
        self.plan_a_fault();
        true
    }

    fn pass_time(&mut self) {
        let hours = if self.rng.u32(0..30) == 0 { self.rng.u64(0..240) } else { 0 };
        self.clock.advance(Duration::from_millis(hours * 3_600_000 + self.rng.u64(0..10_000)));
    }

    /// A failure must come from the disk, and say so.
    fn failed(&mut self, what: &str, error: &Error) {
        self.history.note(format!("{what} failed: {error}"));
        assert!(self.disk.has_failed(), "the disk is fine, and {what} failed: {error}");
        assert_eq!(error.kind(), ErrorKind::Io, "{error}");
    }

    /// Whatever is answered is true.
    fn read_after_failure(&mut self, store: &LeadStore) {
        let Some(id) = self.states.newest().any_id(&mut self.rng) else { return };
        match store.get(id) {
            Ok(lead) => assert_eq!(lead, self.states.newest().get(id)),
            Err(error) => assert!(matches!(error.kind(), ErrorKind::Io | ErrorKind::Closed), "{error}"),
        }
    }

    fn ask_something(&mut self, store: &LeadStore) {
        if self.disk.has_failed() {
            return self.read_after_failure(store);
        }
        self.check(store, 1);
    }

    /// Ends the process, and has the next one find the disk as that leaves it.
    fn end(&mut self, store: Option<LeadStore>) {
        let end = match self.rng.u32(0..10) {
            0..6 => End::PowerCut,
            6..8 => End::Killed,
            _ => End::Closed,
        };
        self.crashes += 1;
        self.history.note(format!("the process ends: {end:?}"));
        match end {
            End::PowerCut => self.cut_the_power(),
            // What was acknowledged is not lost, but can be by a power cut while it is recovered.
            End::Killed => {
                if self.disk.has_failed() && !self.disk.has_stopped() {
                    // A sync that failed loses what a power cut would.
                    self.states.cut_the_power();
                }
                self.disk = self.disk.process_killed();
            }
            End::Closed => {
                match store.map(LeadStore::close) {
                    Some(Err(error)) => self.failed("closing", &error),
                    Some(Ok(())) if !self.is_closed => self.states.make_durable(),
                    _ => {}
                }
                // Where closing was cut off, it is the power that was cut.
                self.cut_the_power();
            }
        }
        self.is_closed = false;
    }

    fn cut_the_power(&mut self) {
        self.disk = self.disk.power_cut();
        self.states.cut_the_power();
    }

    /// Finds out what the store holds, and checks that it is whole; `false` if the disk fails meanwhile.
    fn recognise(&mut self, store: &LeadStore) -> bool {
        match Contents::read(store) {
            Ok(contents) => self.history.note(self.states.recognise(&contents, self.clock.now())),
            Err(error) => {
                self.failed("reading", &error);
                return false;
            }
        }
        if !self.disk.has_failed() {
            self.check(store, 6);
        }
        true
    }

    /// A search may have to write the index first, in which the disk may be in the way.
    fn search(&mut self, store: &LeadStore) {
        match store.search(&SearchQuery::new("jane")) {
            Ok(_) if self.disk.has_failed() => {}
            Ok(_) => {
                let now = self.clock.now();
                Answers { rng: &mut self.rng, store, oracle: self.states.newest(), now }.check_search();
            }
            Err(error) => {
                self.history.note(format!("searching failed: {error}"));
                assert!(self.disk.has_failed(), "the disk is fine, and searching failed: {error}");
                assert!(matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Io), "{error}");
            }
        }
    }

    fn check(&mut self, store: &LeadStore, questions: u32) {
        let now = self.clock.now();
        let mut answers = Answers { rng: &mut self.rng, store, oracle: self.states.newest(), now };
        (0..questions).for_each(|_| answers.check_something_stored());
        if questions > 1 && self.rng.u32(0..3) == 0 {
            match store.check(|_, _| ()) {
                Ok(report) => assert!(report.is_sound() || self.disk.has_failed(), "{:?}", report.problems),
                Err(error) => self.failed("checking", &error),
            }
        }
        if self.is_searched {
            self.search(store);
        }
    }
}

impl History {
    fn note(&mut self, line: String) {
        self.lines.push(line);
    }
}
