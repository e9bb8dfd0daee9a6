//! Crashes while several threads write, in common commits, and others read. What happens is not the same with each run of
//! a seed, but what must hold is: of each thread every write that it saw acknowledged is there, the one that failed whole
//! or not at all, and none without those before it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use fastrand::Rng;
use leadstore::testing::{self, Fault, SimulatedDisk};
use leadstore::{
    Durability, Error, ErrorKind, Filter, LeadId, LeadPatch, LeadStore, NewLead, OpenOptions,
    SearchQuery,
};

use crate::support;

const WRITERS: usize = 4;
const READERS: usize = 2;
/// The most that a thread writes in one process.
const MOST_WRITES: u64 = 60;

#[test]
fn no_thread_loses_an_acknowledged_write_where_several_write_when_the_disk_fails_or_stops() {
    let seed = support::seed();
    let (mut writes, mut failed) = (0, 0);
    for seed in (0..30 * support::scale() as u64).map(|run| seed.wrapping_add(run)) {
        let _told = Told(seed);
        let company = Company::new(seed).go();
        writes += company.writes;
        failed += company.failed;
    }
    println!("{writes} writes, of which {failed} failed");
    assert!(
        writes > 100 && failed > 10,
        "{writes} writes, of which {failed} failed"
    );
}

/// Tells the seed of a run that fails.
struct Told(u64);

impl Drop for Told {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!(
                "repeat with LEADSTORE_TEST_SEED={}, perhaps several times",
                self.0
            );
        }
    }
}

/// The life of one store through several processes of several threads.
struct Company {
    rng: Rng,
    disk: SimulatedDisk,
    options: OpenOptions,
    every_commit: bool,
    is_searched: bool,
    writers: Vec<Writer>,
    writes: u64,
    failed: u64,
}

impl Company {
    fn new(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let disk = SimulatedDisk::new(rng.u64(..));
        let every_commit = rng.u32(0..3) > 0;
        let durability = if every_commit {
            Durability::EveryCommit
        } else {
            Durability::Within(Duration::from_millis(2))
        };
        let cache_bytes = rng.choice([0, 256 << 10, 8 << 20]).unwrap();
        let options = LeadStore::options()
            .cache_bytes(cache_bytes)
            .durability(durability);
        let is_searched = rng.u32(0..4) == 0;
        let options = if is_searched {
            options
        } else {
            testing::without_search(options)
        };
        let writers = (0..WRITERS)
            .map(|number| Writer::new(number, rng.fork()))
            .collect();
        Self {
            rng,
            disk,
            options,
            every_commit,
            is_searched,
            writers,
            writes: 0,
            failed: 0,
        }
    }

    fn go(mut self) -> Self {
        for _ in 0..self.rng.u32(1..5) {
            self.process();
            // A sync that failed loses what a power cut would.
            let mut may_lose = self.disk.has_failed() && !self.disk.has_stopped();
            if self.rng.bool() {
                self.disk = self.disk.process_killed();
            } else {
                (self.disk, may_lose) = (self.disk.power_cut(), true);
            }
            if may_lose && !self.every_commit {
                self.writers
                    .iter_mut()
                    .for_each(|writer| writer.may_lose = true);
            }
        }
        let store = testing::open_on(self.options.clone(), &self.disk).unwrap();
        self.recognise(&store).unwrap();
        let report = store.check(|_, _| ()).unwrap();
        assert!(report.is_ok(), "{:?}", report.problems);
        if self.is_searched {
            let leads: usize = self
                .writers
                .iter()
                .map(|writer| writer.newest().len())
                .sum();
            assert_eq!(
                store.search(&SearchQuery::new("jane ")).unwrap().total,
                leads as u64
            );
        }
        store.close().unwrap();
        self
    }

    /// One process, in which a store that has failed may be reopened.
    fn process(&mut self) {
        self.plan_a_fault();
        let store = match testing::open_on(self.options.clone(), &self.disk) {
            Ok(store) => store,
            Err(error) => return expect_failed(&self.disk, &error),
        };
        match self.recognise(&store) {
            Ok(()) => self.work(&store),
            Err(error) => expect_failed(&self.disk, &error),
        }
        if self.disk.has_failed() && !self.disk.has_stopped() && self.rng.bool() {
            self.disk.clear_fault();
            store.reopen().unwrap();
            self.recognise(&store).unwrap();
            self.plan_a_fault();
            self.work(&store);
        }
    }

    fn plan_a_fault(&mut self) {
        let most = self.rng.choice([30, 300, 900]).unwrap();
        let faults = [Fault::Error, Fault::Full, Fault::Broken, Fault::ReadError];
        let fault = if self.rng.bool() {
            Fault::Stop
        } else {
            self.rng.choice(faults).unwrap()
        };
        self.disk.inject(self.rng.u64(0..most), fault);
    }

    fn recognise(&mut self, store: &LeadStore) -> Result<(), Error> {
        self.writers
            .iter_mut()
            .try_for_each(|writer| writer.recognise(store))
    }

    /// All threads at once, until each writer has written enough or failed.
    fn work(&mut self, store: &LeadStore) {
        let writing = AtomicUsize::new(self.writers.len());
        let (disk, writing, rng) = (&self.disk, &writing, &mut self.rng);
        std::thread::scope(|scope| {
            let writers: Vec<_> = self
                .writers
                .iter_mut()
                .map(|writer| {
                    let most = rng.u64(1..MOST_WRITES);
                    scope.spawn(move || {
                        let _counted = Counted(writing);
                        for writes in 1..=most {
                            if let Err(error) = writer.write(store) {
                                expect_failed(disk, &error);
                                return (writes, 1);
                            }
                        }
                        (most, 0)
                    })
                })
                .collect();
            for _ in 0..READERS {
                scope.spawn(move || {
                    while writing.load(Ordering::Acquire) > 0 {
                        if let Err(error) = read(store) {
                            return expect_failed(disk, &error);
                        }
                    }
                });
            }
            for writer in writers {
                let (writes, failed) = writer.join().unwrap();
                self.writes += writes;
                self.failed += failed;
            }
        });
    }
}

/// One of those that are at work, until it ends or panics.
struct Counted<'a>(&'a AtomicUsize);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Release);
    }
}

/// A failure must come from the disk, and say so.
fn expect_failed(disk: &SimulatedDisk, error: &Error) {
    assert!(disk.has_failed(), "the disk is fine: {error}");
    assert_eq!(error.kind(), ErrorKind::Io, "{error}");
}

/// What holds in every state: pairs are written together, and what is counted is there.
fn read(store: &LeadStore) -> Result<(), Error> {
    let snapshot = store.snapshot()?;
    assert_eq!(
        snapshot.count(&Filter::new().tag("pair"))? % 2,
        0,
        "half a transaction"
    );
    let leads = snapshot
        .leads(&Filter::new())
        .collect::<Result<Vec<_>, _>>()?;
    assert_eq!(leads.len() as u64, snapshot.count(&Filter::new())?);
    Ok(())
}

/// The name and the version of each lead of one thread.
type Own = BTreeMap<LeadId, (String, u64)>;

/// A thread that writes, with what the store may hold of it.
struct Writer {
    name: String,
    rng: Rng,
    /// What it held for certain once, then the states that were acknowledged since.
    acknowledged: Vec<Own>,
    /// The state after a write of which it is not known whether it was committed.
    unknown: Option<Own>,
    /// Whether the newest of these may be lost.
    may_lose: bool,
}

impl Writer {
    fn new(number: usize, rng: Rng) -> Self {
        Self {
            name: format!("writer{number}"),
            rng,
            acknowledged: vec![Own::new()],
            unknown: None,
            may_lose: false,
        }
    }

    fn newest(&self) -> &Own {
        self.acknowledged.last().unwrap()
    }

    fn write(&mut self, store: &LeadStore) -> Result<(), Error> {
        let mut after = self.newest().clone();
        let alone: Vec<LeadId> = after
            .iter()
            .filter(|(_, (name, _))| name != "Jane Pair")
            .map(|(id, _)| *id)
            .collect();
        let written = match (self.rng.u32(0..10), self.rng.choice(alone)) {
            (0..3, Some(id)) => {
                let name = format!("Jane {}", self.rng.u32(..));
                let lead = after.get_mut(&id).unwrap();
                *lead = (name.clone(), lead.1 + 1);
                store.update(id, LeadPatch::new().name(name)).map(drop)
            }
            (3..5, Some(id)) => {
                after.remove(&id);
                store.delete(id).map(drop)
            }
            (5..7, _) => {
                let pair = [(); 2].map(|()| {
                    self.new_lead("Jane Pair".to_owned(), &mut after)
                        .tags(["pair"])
                });
                store.transaction(|t| {
                    pair.into_iter()
                        .try_for_each(|lead| t.create(lead).map(drop))
                })
            }
            _ => {
                let name = format!("Jane {}", self.rng.u32(..));
                let lead = self.new_lead(name, &mut after);
                store.create(lead).map(drop)
            }
        };
        match &written {
            Ok(()) => self.acknowledged.push(after),
            Err(error) if error.outcome_unknown() => self.unknown = Some(after),
            Err(_) => {}
        }
        written
    }

    fn new_lead(&mut self, name: String, after: &mut Own) -> NewLead {
        let id = LeadId::from_bytes(self.rng.u128(..).to_be_bytes());
        after.insert(id, (name.clone(), 1));
        NewLead::new(name).id(id).owner_id(&*self.name)
    }

    /// Finds out which of the states that are allowed the store holds. It is durable then.
    fn recognise(&mut self, store: &LeadStore) -> Result<(), Error> {
        let mut held = Own::new();
        for lead in store.leads(&Filter::new().owner_id(&*self.name)) {
            let lead = lead?;
            held.insert(lead.id, (lead.name, lead.version.get()));
        }
        let certain = if self.may_lose {
            0
        } else {
            self.acknowledged.len() - 1
        };
        let mut allowed = self.acknowledged[certain..].iter().chain(&self.unknown);
        assert!(
            allowed.any(|state| *state == held),
            "{} has {held:?}, not {:?}",
            self.name,
            self.newest()
        );
        (self.acknowledged, self.unknown, self.may_lose) = (vec![held], None, false);
        Ok(())
    }
}
