//! Crashes: a store on a simulated disk is stopped or fails at any operation of the disk, over and over, also while it is
//! created and while it is recovered. Then everything that was acknowledged is there, whatever was not is there whole or
//! not at all, and every answer is that of a plain map.

mod operation;

use std::time::Duration;

use fastrand::Rng;
use leadstore::testing::{self, Fault, ManualClock, SimulatedDisk};
use leadstore::{Clock, Durability, Error, ErrorKind, Filter, Lead, LeadStore, OpenOptions, TrashQuery};

use crate::model::Answers;
use crate::model::oracle::{ListWanted, Oracle};
use crate::support;
use operation::Operation;

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
    for seed in (0..10).map(|run| seed.wrapping_add(run)) {
        let traces = [(); 2].map(|()| {
            let run = Run::new(seed).go();
            (run.disk.trace(), run.disk.operations(), run.history.lines.clone())
        });
        assert_eq!(traces[0], traces[1], "seed {seed}");
    }
}

/// The life of one store through several processes.
struct Run {
    rng: Rng,
    disk: SimulatedDisk,
    clock: ManualClock,
    cache_bytes: usize,
    durability: Durability,
    /// What the store may hold after a power cut: the state that is durable for certain, then those that were
    /// acknowledged since.
    acknowledged: Vec<Oracle>,
    /// The state after a write of which it is not known whether it was committed.
    unknown: Option<Oracle>,
    /// Whether the power was cut since it was known which of these states the store holds.
    is_power_cut: bool,
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
        let cache_bytes = rng.choice([0, 64 << 10, 256 << 10, 4 << 20]).unwrap();
        let durability =
            if rng.u32(0..3) == 0 { Durability::Within(Duration::from_secs(1)) } else { Durability::EveryCommit };
        let mut history = History { seed, lines: Vec::new() };
        history.note(format!("cache {cache_bytes}, {durability:?}"));
        Self {
            rng,
            disk,
            clock: ManualClock::at(support::day(2026, 3, 1)),
            cache_bytes,
            durability,
            acknowledged: vec![Oracle::default()],
            unknown: None,
            is_power_cut: false,
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
        self.check(&store);
        store.close().unwrap();
        let read_only = self.options().read_only(true);
        let store = testing::open_on(read_only, &self.disk).unwrap();
        assert_eq!(contents(&store).unwrap(), contents_of(self.newest(), self.clock.now()));
        self
    }

    fn plan_a_fault(&mut self) {
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
        testing::without_search(testing::without_threads(options.durability(self.durability)))
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

    /// Works until something fails, or long enough.
    fn work(&mut self, store: &LeadStore) {
        for _ in 0..self.rng.usize(0..80) {
            self.pass_time();
            let operation = Operation::random(&mut self.rng, self.acknowledged.last().unwrap());
            self.history.note(format!("{operation:?}"));
            self.operations += 1;
            let mut after = self.newest().clone();
            match operation.run(store, &mut after, self.clock.now()) {
                Ok(()) => self.acknowledge(&operation, after),
                Err(error) => {
                    self.failed("that", &error);
                    // A store that could not be reopened is closed, and to close it again does nothing.
                    self.is_closed = matches!(operation, Operation::Reopen);
                    if error.outcome_unknown() {
                        self.unknown = Some(after);
                    }
                    self.read_after_failure(store);
                    return;
                }
            }
            if self.rng.u32(0..8) == 0 {
                self.ask_something(store);
            }
        }
    }

    fn pass_time(&mut self) {
        let hours = if self.rng.u32(0..30) == 0 { self.rng.u64(0..240) } else { 0 };
        self.clock.advance(Duration::from_millis(hours * 3_600_000 + self.rng.u64(0..10_000)));
    }

    fn newest(&self) -> &Oracle {
        self.acknowledged.last().unwrap()
    }

    fn acknowledge(&mut self, operation: &Operation, after: Oracle) {
        let makes_durable = match operation {
            Operation::Sync | Operation::Checkpoint | Operation::Compact | Operation::Reopen => true,
            Operation::Sweep => false,
            _ => self.durability == Durability::EveryCommit,
        };
        if makes_durable {
            self.acknowledged.clear();
        }
        self.acknowledged.push(after);
    }

    /// A failure must come from the disk, and say so.
    fn failed(&mut self, what: &str, error: &Error) {
        self.history.note(format!("{what} failed: {error}"));
        assert!(self.disk.has_failed(), "the disk is fine, and {what} failed: {error}");
        assert_eq!(error.kind(), ErrorKind::Io, "{error}");
    }

    /// Whatever is answered is true.
    fn read_after_failure(&mut self, store: &LeadStore) {
        let Some(id) = self.acknowledged.last().unwrap().any_id(&mut self.rng) else { return };
        match store.get(id) {
            Ok(lead) => assert_eq!(lead, self.newest().get(id)),
            Err(error) => assert!(matches!(error.kind(), ErrorKind::Io | ErrorKind::Closed), "{error}"),
        }
    }

    fn ask_something(&mut self, store: &LeadStore) {
        if self.disk.has_failed() {
            return self.read_after_failure(store);
        }
        let now = self.clock.now();
        Answers { rng: &mut self.rng, store, oracle: self.acknowledged.last().unwrap(), now }.check_something_stored();
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
            // What was acknowledged is not lost, but can be by a power cut while it is recovered, or by a sync that
            // failed: what was written before may be gone then.
            End::Killed => {
                self.is_power_cut = self.disk.has_failed();
                self.disk = self.disk.process_killed();
            }
            End::Closed => {
                match store.map(LeadStore::close) {
                    Some(Err(error)) => self.failed("closing", &error),
                    Some(Ok(())) if !self.is_closed => self.forget_older_states(),
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
        self.is_power_cut = true;
    }

    fn forget_older_states(&mut self) {
        self.acknowledged.drain(..self.acknowledged.len() - 1);
    }

    /// Finds out which of the states that are allowed the store holds, and checks that it is whole; `false` if the disk
    /// fails meanwhile.
    fn recognise(&mut self, store: &LeadStore) -> bool {
        let contents = match contents(store) {
            Ok(contents) => contents,
            Err(error) => {
                self.failed("reading", &error);
                return false;
            }
        };
        if !std::mem::take(&mut self.is_power_cut) {
            self.forget_older_states();
        }
        let candidates: Vec<Oracle> = self.acknowledged.drain(..).chain(self.unknown.take()).collect();
        let now = self.clock.now();
        let held = candidates.iter().rposition(|oracle| contents == contents_of(oracle, now));
        let Some(held) = held else {
            panic!(
                "the store holds {}\nwhich is none of the states that are allowed, the newest last:\n{}",
                summary(&contents),
                candidates.iter().map(|oracle| summary(&contents_of(oracle, now))).collect::<Vec<_>>().join("\n"),
            );
        };
        self.history.note(format!("the store holds state {held} of {}", candidates.len()));
        self.acknowledged = vec![candidates.into_iter().nth(held).unwrap()];
        if !self.disk.has_failed() {
            self.check(store);
        }
        true
    }

    fn check(&mut self, store: &LeadStore) {
        let now = self.clock.now();
        let mut answers = Answers { rng: &mut self.rng, store, oracle: self.acknowledged.last().unwrap(), now };
        (0..6).for_each(|_| answers.check_something_stored());
    }
}

impl History {
    fn note(&mut self, line: String) {
        self.lines.push(line);
    }
}

type Contents = (Vec<Lead>, Vec<Lead>);

/// Every lead in the store, and every one in the trash.
fn contents(store: &LeadStore) -> Result<Contents, Error> {
    let leads = store.leads(&Filter::new()).collect::<Result<_, _>>()?;
    let mut trash: Vec<Lead> = Vec::new();
    for page in 1.. {
        let listed = store.list_trash(&TrashQuery::new().per_page(100).page(page))?;
        if listed.items.is_empty() {
            break;
        }
        trash.extend(listed.into_iter().map(|trashed| trashed.lead));
    }
    Ok((leads, trash))
}

fn contents_of(oracle: &Oracle, now: leadstore::chrono::DateTime<leadstore::chrono::Utc>) -> Contents {
    let trash = oracle.list_trash(now, &[], 0, usize::MAX).0;
    (oracle.in_creation_order(&ListWanted::all()), trash.into_iter().map(|(lead, ..)| lead).collect())
}

fn summary((leads, trash): &Contents) -> String {
    let list = |leads: &[Lead]| {
        let lead = |lead: &Lead| format!("{} v{} {}", lead.id, lead.version.get(), lead.name);
        leads.iter().map(lead).collect::<Vec<_>>().join(", ")
    };
    format!("[{}] trash [{}]", list(leads), list(trash))
}
