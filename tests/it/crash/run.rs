//! The life of a store through several processes, each of which ends by a crash or not, by chance.

use std::time::Duration;

use fastrand::Rng;
use leadstore::testing::{self, Fault, ManualClock, SimulatedDisk};
use leadstore::{Clock, Durability, Error, ErrorKind, LeadStore, OpenOptions, SearchQuery};

use super::operation::Operation;
use super::states::{Contents, States};
use super::upkeep;
use crate::model::Answers;
use crate::support;

/// A cache with so many bytes has room for all that a process of a run writes.
const MANY_FIT: usize = 24 << 20;

/// The life of one store through several processes.
pub struct Run {
    rng: Rng,
    /// What decides, if it is not chance alone.
    choices: Option<std::vec::IntoIter<u8>>,
    pub disk: SimulatedDisk,
    clock: ManualClock,
    cache_bytes: usize,
    /// Whether the store has a search index, for which tantivy takes its time.
    pub is_searched: bool,
    /// How many operations a process does at most, and about how many of the disk those take.
    longest: (usize, u64),
    durability: Durability,
    states: States,
    is_closed: bool,
    pub crashes: u64,
    pub operations: u64,
    pub history: History,
}

/// What happened, printed when the run fails.
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

/// How a process ends.
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
            .choice([0, 64 << 10, 256 << 10, MANY_FIT, MANY_FIT])
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
        history.note(format!(
            "cache {cache_bytes}, {durability:?}, searched: {is_searched}"
        ));
        Self {
            rng,
            choices: None,
            disk,
            clock: ManualClock::at(support::day(2026, 3, 1)),
            cache_bytes,
            is_searched,
            longest: (80, 300),
            durability,
            states: States::new(durability == Durability::EveryCommit),
            is_closed: false,
            crashes: 0,
            operations: 0,
            history,
        }
    }

    /// The same, but its processes work for long before anything goes wrong.
    pub fn long(mut self) -> Self {
        self.longest = (1_500, 5_000);
        self
    }

    /// The same, but what comes next is decided by these bytes.
    pub fn by(mut self, choices: &[u8]) -> Self {
        self.choices = Some(Vec::from(choices).into_iter());
        self
    }

    pub fn go(mut self) -> Self {
        for _ in 0..self.rng.u32(1..8) {
            self.plan_a_fault();
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
        let store = self.open().expect("nothing goes wrong any more");
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

    /// Whether there is something left to happen.
    fn goes_on(&mut self) -> bool {
        let Some(choices) = &mut self.choices else {
            return true;
        };
        let (Some(high), Some(low)) = (choices.next(), choices.next()) else {
            return false;
        };
        self.rng.seed(u64::from(u16::from_be_bytes([high, low])));
        true
    }

    fn plan_a_fault(&mut self) {
        self.goes_on();
        // Often while the store is opened, which takes a few operations.
        let after = match self.rng.u32(0..4) {
            0 if self.rng.u64(0..self.longest.1) < 300 => self.rng.u64(0..12),
            1 if self.rng.u64(0..self.longest.1) < 300 => self.rng.u64(0..60),
            _ => self.rng.u64(0..self.longest.1),
        };
        let fault = match self.rng.u32(0..10) {
            0 => Fault::Error,
            1 => Fault::Full,
            2 => Fault::Broken,
            3 => Fault::ReadError,
            _ => Fault::Stop,
        };
        self.history
            .note(format!("{fault:?} after {after} operations of the disk"));
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

    /// Opens the store, unless the disk is in the way.
    fn open(&mut self) -> Option<LeadStore> {
        match testing::open_on(self.options(), &self.disk) {
            Ok(store) => (self.mend(&store) && self.recognise(&store)).then_some(store),
            Err(error) => {
                self.failed("opening", &error);
                None
            }
        }
    }

    /// Works long enough, or until something fails of which the store does not recover.
    fn work(&mut self, store: &LeadStore) {
        for _ in 0..self.rng.usize(0..self.longest.0) {
            if !self.goes_on() {
                return;
            }
            self.pass_time();
            let many_fit = self.cache_bytes == MANY_FIT;
            let operation = Operation::random(&mut self.rng, self.states.newest(), many_fit);
            self.history.note(format!("{operation:?}"));
            self.operations += 1;
            if let Err(error) = operation.run(store, &self.disk, &mut self.states, self.clock.now())
            {
                self.failed("that", &error);
                self.read_after_failure(store);
                // A store that could not be reopened is closed, and to close it again does nothing.
                self.is_closed = matches!(operation, Operation::Reopen | Operation::Repair(..));
                // What only reads the store and fails leaves it as it is, where the disk does.
                let is_read_only = matches!(operation, Operation::Check | Operation::BackUp(_));
                if !(is_read_only && self.rng.bool() || self.is_revived(store)) {
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
        self.disk.clear_fault();
        self.history
            .note("the disk works again, and the store is reopened".to_owned());
        store.reopen().expect("nothing goes wrong any more");
        self.is_closed = false;
        assert!(self.mend(store), "nothing goes wrong any more");
        self.recognise(store);
        self.plan_a_fault();
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

    /// A failure must come from the disk, and say so.
    fn failed(&mut self, what: &str, error: &Error) {
        self.history.note(format!("{what} failed: {error}"));
        assert!(
            self.disk.has_failed(),
            "the disk is fine, and {what} failed: {error}"
        );
        assert_eq!(error.kind(), ErrorKind::Io, "{error}");
    }

    /// Whatever is answered is true.
    fn read_after_failure(&mut self, store: &LeadStore) {
        let Some(id) = self
            .states
            .newest()
            .any_id(&mut self.rng)
            .filter(|_| !self.states.is_spoilt)
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

    /// Repairs what a process before left wrong; `false` if the disk fails meanwhile.
    fn mend(&mut self, store: &LeadStore) -> bool {
        upkeep::mend(store, &mut self.states)
            .map_err(|error| self.failed("repairing", &error))
            .is_ok()
    }

    /// Finds out what the store holds, and checks that it is whole; `false` if the disk fails meanwhile.
    fn recognise(&mut self, store: &LeadStore) -> bool {
        match Contents::read(store) {
            Ok(contents) => self
                .history
                .note(self.states.recognise(&contents, self.clock.now())),
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
                Answers {
                    rng: &mut self.rng,
                    store,
                    oracle: self.states.newest(),
                    now,
                }
                .check_search();
            }
            Err(error) => {
                self.history.note(format!("searching failed: {error}"));
                assert!(
                    self.disk.has_failed(),
                    "the disk is fine, and searching failed: {error}"
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
        (0..questions).for_each(|_| answers.check_something_stored());
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
    fn note(&mut self, line: String) {
        self.lines.push(line);
    }
}
