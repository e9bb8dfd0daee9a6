//! Crashes and disk faults while several threads write in group commits and others read. The
//! interleaving differs between runs with the same seed, but the same invariants hold for each
//! writing thread: every acknowledged write that must be durable is there, the write that failed is
//! there completely or not at all, and no write is there without the thread's earlier writes.

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
/// Exclusive upper bound on the number of writes of one thread in one call of `work`.
const WRITES_MAX: u64 = 60;

#[test]
fn concurrent_writers_keep_acknowledged_writes_after_faults() {
    let seed = support::seed();
    let (mut writes, mut failed) = (0, 0);
    for seed in (0..30 * support::scale() as u64).map(|run| seed.wrapping_add(run)) {
        let _print_seed = PrintSeedOnPanic(seed);
        let run = ConcurrentRun::new(seed).go();
        writes += run.writes;
        failed += run.failed;
    }
    println!("{writes} writes, of which {failed} failed");
    assert!(
        writes > 100 && failed > 10,
        "{writes} writes, of which {failed} failed"
    );
}

/// A guard that prints the seed of a run if the run panics.
struct PrintSeedOnPanic(u64);

impl Drop for PrintSeedOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!(
                "repeat with LEADSTORE_TEST_SEED={}, perhaps several times",
                self.0
            );
        }
    }
}

/// The life of one store across several processes with several threads each.
struct ConcurrentRun {
    rng: Rng,
    disk: SimulatedDisk,
    options: OpenOptions,
    every_commit: bool,
    is_searched: bool,
    writers: Vec<Writer>,
    writes: u64,
    failed: u64,
}

impl ConcurrentRun {
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
            // A failed sync can lose whatever a power cut can lose.
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
        self.identify_state(&store).unwrap();
        let report = store.check(|_| ()).unwrap();
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

    /// Runs one process. If the store fails, it may be reopened.
    fn process(&mut self) {
        self.inject_random_fault();
        let store = match testing::open_on(self.options.clone(), &self.disk) {
            Ok(store) => store,
            Err(error) => return assert_disk_failed(&self.disk, &error),
        };
        match self.identify_state(&store) {
            Ok(()) => self.work(&store),
            Err(error) => assert_disk_failed(&self.disk, &error),
        }
        if self.disk.has_failed() && !self.disk.has_stopped() && self.rng.bool() {
            self.disk.clear_fault();
            store.reopen().unwrap();
            self.identify_state(&store).unwrap();
            self.inject_random_fault();
            self.work(&store);
        }
    }

    fn inject_random_fault(&mut self) {
        let limit = self.rng.choice([30, 300, 900]).unwrap();
        let faults = [Fault::Error, Fault::Full, Fault::Broken, Fault::ReadError];
        let fault = if self.rng.bool() {
            Fault::Stop
        } else {
            self.rng.choice(faults).unwrap()
        };
        self.disk.inject(self.rng.u64(0..limit), fault);
    }

    fn identify_state(&mut self, store: &LeadStore) -> Result<(), Error> {
        self.writers
            .iter_mut()
            .try_for_each(|writer| writer.identify_state(store))
    }

    /// Runs all threads until each writer has finished its writes or failed.
    fn work(&mut self, store: &LeadStore) {
        let writing = AtomicUsize::new(self.writers.len());
        let (disk, writing, rng) = (&self.disk, &writing, &mut self.rng);
        std::thread::scope(|scope| {
            let writers: Vec<_> = self
                .writers
                .iter_mut()
                .map(|writer| {
                    let limit = rng.u64(1..WRITES_MAX);
                    scope.spawn(move || {
                        let _decrement = DecrementOnDrop(writing);
                        for writes in 1..=limit {
                            if let Err(error) = writer.write(store) {
                                assert_disk_failed(disk, &error);
                                return (writes, 1);
                            }
                        }
                        (limit, 0)
                    })
                })
                .collect();
            for _ in 0..READERS {
                scope.spawn(move || {
                    while writing.load(Ordering::Acquire) > 0 {
                        if let Err(error) = read(store) {
                            return assert_disk_failed(disk, &error);
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

/// A guard that decrements the number of active writers when it is dropped, even by a panic.
struct DecrementOnDrop<'a>(&'a AtomicUsize);

impl Drop for DecrementOnDrop<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Release);
    }
}

/// Asserts that the disk caused a failure and that it is reported as an I/O error.
fn assert_disk_failed(disk: &SimulatedDisk, error: &Error) {
    assert!(disk.has_failed(), "failed without a disk fault: {error}");
    assert_eq!(error.kind(), ErrorKind::Io, "{error}");
}

/// Checks the invariants of every state: pairs are written atomically, and the count matches the
/// leads.
fn read(store: &LeadStore) -> Result<(), Error> {
    let snapshot = store.snapshot()?;
    assert_eq!(
        snapshot.count(&Filter::new().tag("pair"))? % 2,
        0,
        "half of a transaction is visible"
    );
    let leads = snapshot
        .leads(&Filter::new())
        .collect::<Result<Vec<_>, _>>()?;
    assert_eq!(leads.len() as u64, snapshot.count(&Filter::new())?);
    Ok(())
}

/// Name and version of each lead of one thread.
type OwnLeads = BTreeMap<LeadId, (String, u64)>;

/// A writing thread, and the states that its own leads may have in the store.
struct Writer {
    name: String,
    rng: Rng,
    /// The last state that is known to be durable, then the states acknowledged since.
    acknowledged: Vec<OwnLeads>,
    /// The state after a write whose outcome is unknown.
    unknown: Option<OwnLeads>,
    /// True if all `acknowledged` states but the first may be lost.
    may_lose: bool,
}

impl Writer {
    fn new(number: usize, rng: Rng) -> Self {
        Self {
            name: format!("writer{number}"),
            rng,
            acknowledged: vec![OwnLeads::new()],
            unknown: None,
            may_lose: false,
        }
    }

    fn newest(&self) -> &OwnLeads {
        self.acknowledged.last().unwrap()
    }

    fn write(&mut self, store: &LeadStore) -> Result<(), Error> {
        let mut after = self.newest().clone();
        let unpaired: Vec<LeadId> = after
            .iter()
            .filter(|(_, (name, _))| name != "Jane Pair")
            .map(|(id, _)| *id)
            .collect();
        let written = match (self.rng.u32(0..10), self.rng.choice(unpaired)) {
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

    fn new_lead(&mut self, name: String, after: &mut OwnLeads) -> NewLead {
        let id = LeadId::from_bytes(self.rng.u128(..).to_be_bytes());
        after.insert(id, (name.clone(), 1));
        NewLead::new(name).id(id).owner_id(&*self.name)
    }

    /// Determines which of the allowed states the store contains. That state is durable from now
    /// on.
    fn identify_state(&mut self, store: &LeadStore) -> Result<(), Error> {
        let mut held = OwnLeads::new();
        for lead in store.leads(&Filter::new().owner_id(&*self.name)) {
            let lead = lead?;
            held.insert(lead.id, (lead.name, lead.version.get()));
        }
        let oldest = if self.may_lose {
            0
        } else {
            self.acknowledged.len() - 1
        };
        let mut allowed = self.acknowledged[oldest..].iter().chain(&self.unknown);
        assert!(
            allowed.any(|state| *state == held),
            "{} has {held:?}, which is not an allowed state; the newest is {:?}",
            self.name,
            self.newest()
        );
        (self.acknowledged, self.unknown, self.may_lose) = (vec![held], None, false);
        Ok(())
    }
}
