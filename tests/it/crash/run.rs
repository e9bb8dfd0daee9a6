//! The life of a store across several processes, each of which ends at random in a crash or a
//! close.

use std::time::Duration;

use fastrand::Rng;
use leadstore::testing::{self, Fault, ManualClock, SimulatedDisk};
use leadstore::{Clock, Durability, Error, ErrorKind, LeadStore, OpenOptions, SearchQuery};

use super::operation::Operation;
use super::states::{Contents, States};
use super::upkeep;
use crate::model::Answers;
use crate::support;

/// Size in bytes of a cache that has room for everything that a process of a run writes.
const LARGE_CACHE: usize = 24 << 20;

/// The life of one store across several processes.
pub struct Run {
    rng: Rng,
    /// Bytes that determine the choices of the run. Without them, the choices are random.
    choices: Option<std::vec::IntoIter<u8>>,
    pub disk: SimulatedDisk,
    clock: ManualClock,
    cache_bytes: usize,
    /// True if the store has a search index, which makes a run slower because of tantivy.
    pub is_searched: bool,
    /// Exclusive upper bounds for one process: on the number of its operations, and on the number
    /// of disk operations before its fault.
    process_length: (usize, u64),
    durability: Durability,
    states: States,
    is_closed: bool,
    pub crashes: u64,
    pub operations: u64,
    pub history: History,
}

/// The events of a run, printed when it fails.
pub struct History {
    seed: u64,
    pub lines: Vec<String>,
}

impl Drop for History {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("{}", self.lines.join("\n"));
            println!("repeat with LEADSTORE_TEST_SEED={}", self.seed);
        }
    }
}

/// The way in which a process ends.
#[derive(Debug)]
enum End {
    PowerCut,
    Killed,
    Closed,
}

impl Run {
    pub fn new(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let disk = SimulatedDisk::new(rng.u64(..));
        let cache_bytes = rng
            .choice([0, 64 << 10, 256 << 10, LARGE_CACHE, LARGE_CACHE])
            .unwrap();
        let durability = if rng.u32(0..3) == 0 {
            Durability::Within(Duration::from_secs(1))
        } else {
            Durability::EveryCommit
        };
        let is_searched = rng.u32(0..8) == 0;
        let mut history = History {
            seed,
            lines: Vec::new(),
        };
        history.record(format!(
            "cache {cache_bytes}, {durability:?}, searched: {is_searched}"
        ));
        Self {
            rng,
            choices: None,
            disk,
            clock: ManualClock::at(support::day(2026, 3, 1)),
            cache_bytes,
            is_searched,
            process_length: (80, 300),
            durability,
            states: States::new(durability == Durability::EveryCommit),
            is_closed: false,
            crashes: 0,
            operations: 0,
            history,
        }
    }

    /// Makes the processes work for a long time before a fault occurs.
    pub fn long(mut self) -> Self {
        self.process_length = (1_500, 5_000);
        self
    }

    /// Makes these bytes determine what happens.
    pub fn by(mut self, choices: &[u8]) -> Self {
        self.choices = Some(Vec::from(choices).into_iter());
        self
    }

    pub fn go(mut self) -> Self {
        for _ in 0..self.rng.u32(1..8) {
            self.inject_random_fault();
            let store = self.open();
            if let Some(store) = &store {
                self.work(store);
            }
            self.end(store);
            let options = self.options();
            upkeep::check_backup(
                &self.disk,
                &mut self.states,
                || options.clone(),
                self.clock.now(),
            );
        }
        let store = self.open().expect("the disk no longer fails");
        self.check(&store, 6);
        store.close().unwrap();
        let read_only = self.options().read_only(true);
        let store = testing::open_on(read_only, &self.disk).unwrap();
        assert_eq!(
            Contents::read(&store).unwrap(),
            Contents::of(self.states.newest(), self.clock.now())
        );
        self
    }

    /// Seeds the random choices from the next two bytes, if bytes determine the run. Returns false
    /// if fewer than two are left.
    fn reseed(&mut self) -> bool {
        let Some(choices) = &mut self.choices else {
            return true;
        };
        let (Some(high), Some(low)) = (choices.next(), choices.next()) else {
            return false;
        };
        self.rng.seed(u64::from(u16::from_be_bytes([high, low])));
        true
    }

    fn inject_random_fault(&mut self) {
        self.reseed();
        // Many faults are injected early, because opening the store takes only a few operations.
        let after = match self.rng.u32(0..4) {
            0 if self.rng.u64(0..self.process_length.1) < 300 => self.rng.u64(0..12),
            1 if self.rng.u64(0..self.process_length.1) < 300 => self.rng.u64(0..60),
            _ => self.rng.u64(0..self.process_length.1),
        };
        let fault = match self.rng.u32(0..10) {
            0 => Fault::Error,
            1 => Fault::Full,
            2 => Fault::Broken,
            3 => Fault::ReadError,
            _ => Fault::Stop,
        };
        self.history
            .record(format!("{fault:?} after {after} disk operations"));
        self.disk.inject(after, fault);
    }

    fn options(&self) -> OpenOptions {
        let options = LeadStore::options()
            .clock(self.clock.clone())
            .cache_bytes(self.cache_bytes);
        let options = testing::without_threads(options.durability(self.durability));
        if self.is_searched {
            options
        } else {
            testing::without_search(options)
        }
    }

    /// Opens the store. Returns `None` if the disk fails.
    fn open(&mut self) -> Option<LeadStore> {
        match testing::open_on(self.options(), &self.disk) {
            Ok(store) => {
                (self.repair_if_corrupted(&store) && self.identify_state(&store)).then_some(store)
            }
            Err(error) => {
                self.failed("opening", &error);
                None
            }
        }
    }

    /// Runs a random number of operations. Stops early if one fails and the process does not
    /// continue after it.
    fn work(&mut self, store: &LeadStore) {
        for _ in 0..self.rng.usize(0..self.process_length.0) {
            if !self.reseed() {
                return;
            }
            self.pass_time();
            let cache_is_large = self.cache_bytes == LARGE_CACHE;
            let operation = Operation::random(&mut self.rng, self.states.newest(), cache_is_large);
            self.history.record(format!("{operation:?}"));
            self.operations += 1;
            if let Err(error) = operation.run(store, &self.disk, &mut self.states, self.clock.now())
            {
                self.failed("the operation", &error);
                self.read_after_failure(store);
                // A store that could not be reopened is closed, and closing it again has no effect.
                self.is_closed = matches!(operation, Operation::Reopen | Operation::Repair(..));
                // A failed check or backup has only read the store, so the process may continue
                // without a reopen.
                let is_read_only = matches!(operation, Operation::Check | Operation::BackUp(_));
                if !(is_read_only && self.rng.bool() || self.reopen_after_failure(store)) {
                    return;
                }
            }
            if self.rng.u32(0..8) == 0 {
                self.check_one_answer(store);
            }
        }
    }

    /// Reopens the store after a failure, as an application would. Returns false if it is not
    /// reopened.
    fn reopen_after_failure(&mut self, store: &LeadStore) -> bool {
        if self.disk.has_stopped() || self.rng.bool() {
            return false;
        }
        self.crashes += 1;
        self.disk.clear_fault();
        self.history
            .record("the disk works again, the store is reopened".to_owned());
        store.reopen().expect("the disk no longer fails");
        self.is_closed = false;
        assert!(self.repair_if_corrupted(store), "the disk no longer fails");
        self.identify_state(store);
        self.inject_random_fault();
        true
    }

    fn pass_time(&mut self) {
        let hours = if self.rng.u32(0..30) == 0 {
            self.rng.u64(0..240)
        } else {
            0
        };
        self.clock.advance(Duration::from_millis(
            hours * 3_600_000 + self.rng.u64(0..10_000),
        ));
    }

    /// Records a failure. Asserts that the disk caused it and that it is reported as an I/O error.
    fn failed(&mut self, what: &str, error: &Error) {
        self.history.record(format!("{what} failed: {error}"));
        assert!(
            self.disk.has_failed(),
            "{what} failed without a disk fault: {error}"
        );
        assert_eq!(error.kind(), ErrorKind::Io, "{error}");
    }

    /// Checks that a read after a failure returns the correct lead or an error.
    fn read_after_failure(&mut self, store: &LeadStore) {
        let Some(id) = self
            .states
            .newest()
            .any_id(&mut self.rng)
            .filter(|_| !self.states.may_be_corrupted)
        else {
            return;
        };
        match store.get(id) {
            Ok(lead) => assert_eq!(lead, self.states.newest().get(id)),
            Err(error) => assert!(
                matches!(error.kind(), ErrorKind::Io | ErrorKind::Closed),
                "{error}"
            ),
        }
    }

    fn check_one_answer(&mut self, store: &LeadStore) {
        if self.disk.has_failed() {
            return self.read_after_failure(store);
        }
        self.check(store, 1);
    }

    /// Ends the process and leaves the disk in the state that the next process finds.
    fn end(&mut self, store: Option<LeadStore>) {
        let end = match self.rng.u32(0..10) {
            0..6 => End::PowerCut,
            6..8 => End::Killed,
            _ => End::Closed,
        };
        self.crashes += 1;
        self.history.record(format!("the process ends: {end:?}"));
        match end {
            End::PowerCut => self.cut_the_power(),
            // The kill itself loses no acknowledged write. Writes that were not synced stay
            // unsynced, so a power cut during the recovery can still lose them.
            End::Killed => {
                if self.disk.has_failed() && !self.disk.has_stopped() {
                    // A failed sync can lose whatever a power cut can lose.
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
                // An interrupted close is treated as a power cut. After a complete close, a power
                // cut loses nothing.
                self.cut_the_power();
            }
        }
        self.is_closed = false;
    }

    fn cut_the_power(&mut self) {
        self.disk = self.disk.power_cut();
        self.states.cut_the_power();
    }

    /// Repairs the corruption left by an earlier process. Returns false if the disk fails.
    fn repair_if_corrupted(&mut self, store: &LeadStore) -> bool {
        upkeep::repair_if_corrupted(store, &mut self.states)
            .map_err(|error| self.failed("repairing", &error))
            .is_ok()
    }

    /// Determines the state of the store and checks that it is consistent. Returns false if the
    /// disk fails.
    fn identify_state(&mut self, store: &LeadStore) -> bool {
        match Contents::read(store) {
            Ok(contents) => self
                .history
                .record(self.states.identify_state(&contents, self.clock.now())),
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

    /// Checks a search. The search may first have to write the index, and that fails if the disk
    /// fails.
    fn search(&mut self, store: &LeadStore) {
        match store.search(&SearchQuery::new("jane")) {
            Ok(_) if self.disk.has_failed() => {}
            Ok(_) => {
                let now = self.clock.now();
                Answers {
                    rng: &mut self.rng,
                    store,
                    oracle: self.states.newest(),
                    now,
                }
                .check_search();
            }
            Err(error) => {
                self.history.record(format!("searching failed: {error}"));
                assert!(
                    self.disk.has_failed(),
                    "searching failed without a disk fault: {error}"
                );
                assert!(
                    matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Io),
                    "{error}"
                );
            }
        }
    }

    fn check(&mut self, store: &LeadStore, questions: u32) {
        let now = self.clock.now();
        let mut answers = Answers {
            rng: &mut self.rng,
            store,
            oracle: self.states.newest(),
            now,
        };
        (0..questions).for_each(|_| answers.check_stored_answer());
        if questions > 1
            && self.rng.u32(0..4) == 0
            && let Err(error) = upkeep::check(store, &self.disk)
        {
            self.failed("checking", &error);
        }
        if self.is_searched {
            self.search(store);
        }
    }
}

impl History {
    fn record(&mut self, line: String) {
        self.lines.push(line);
    }
}
