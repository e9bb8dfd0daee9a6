//! The operations of a simulated process on its store, and their effect on the oracle.

use fastrand::Rng;
use leadstore::chrono::{DateTime, Utc};
use leadstore::testing::{self, Corruption, SimulatedDisk};
use leadstore::{Error, ErrorKind, LeadId, LeadStore, Transaction};

use super::states::States;
use super::upkeep;
use crate::model::oracle::Oracle;
use crate::model::values::Fields;

#[derive(Debug)]
pub enum Operation {
    Write(Write),
    /// Several writes in one transaction, which is aborted at its end if the flag is true.
    Transaction(Vec<Write>, bool),
    EmptyTrash,
    Sweep,
    Checkpoint,
    /// A checkpoint with concurrent writes: a batch before the tables are written, and one after. A
    /// batch is followed by a sync if its flag is true.
    CheckpointWhile([(Vec<Write>, bool); 2]),
    Index,
    Sync,
    Compact,
    Reopen,
    Check,
    /// Makes a backup. Removes the previous backup first if the flag is true.
    BackUp(bool),
    /// Corrupts the stored data of a lead and repairs it.
    Repair(LeadId, Corruption),
}

#[derive(Debug)]
pub enum Write {
    Create(LeadId, Box<Fields>),
    Update(LeadId, Box<Fields>),
    Delete(LeadId),
    Restore(LeadId),
    Purge(LeadId),
}

impl Operation {
    /// Returns a random operation. `cache_is_large` is true if the cache is so large that writes
    /// never wait for a checkpoint.
    pub fn random(rng: &mut Rng, oracle: &Oracle, cache_is_large: bool) -> Self {
        match rng.u32(0..100) {
            0..72 => Self::Write(Write::random(rng, oracle)),
            72..84 => {
                let max_writes = if rng.u32(0..4) == 0 { 40 } else { 6 };
                let writes = (0..rng.usize(1..max_writes))
                    .map(|_| Write::random(rng, oracle))
                    .collect();
                Self::Transaction(writes, rng.u32(0..4) == 0)
            }
            84 => Self::EmptyTrash,
            85 => Self::Sweep,
            86..90 if cache_is_large => {
                let writes = |rng: &mut Rng| {
                    (0..rng.usize(0..5))
                        .map(|_| Write::random(rng, oracle))
                        .collect()
                };
                Self::CheckpointWhile([(); 2].map(|()| (writes(rng), rng.bool())))
            }
            86..92 => Self::Checkpoint,
            92..95 => Self::Sync,
            95 => Self::Compact,
            96 => Self::Reopen,
            97 => Self::Index,
            98 => Self::upkeep(rng, oracle),
            _ => Self::Write(Write::create(rng)),
        }
    }

    fn upkeep(rng: &mut Rng, oracle: &Oracle) -> Self {
        match rng.u32(0..5) {
            0..2 => Self::Check,
            2..4 => Self::BackUp(rng.bool()),
            _ => match oracle.live().next() {
                Some(lead) => Self::Repair(lead.id, corruption(rng)),
                None => Self::Check,
            },
        }
    }

    /// Runs the operation on the store and records the states that the store may contain
    /// afterwards. Panics unless the store rejects exactly the writes that the oracle rejects.
    /// Returns any other error of the store.
    pub fn run(
        &self,
        store: &LeadStore,
        disk: &SimulatedDisk,
        states: &mut States,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        match self {
            Self::Write(write) => write.run(store, states, now),
            Self::Transaction(writes, aborts) => {
                let mut after = states.newest().clone();
                let expected: Vec<_> = writes
                    .iter()
                    .map(|write| write.apply(&mut after, now))
                    .collect();
                let outcome = store.transaction(|t| {
                    for (write, expected) in writes.iter().zip(expected) {
                        check_outcome(write, write.execute_in(t), expected)?;
                    }
                    if *aborts {
                        Err(Error::abort("aborted by the test"))
                    } else {
                        Ok(())
                    }
                });
                match outcome {
                    Err(error) if *aborts && error.kind() == ErrorKind::Aborted => Ok(()),
                    outcome => states.record(outcome, after),
                }
            }
            Self::EmptyTrash => {
                let mut after = states.newest().clone();
                let expected = after.empty_trash(now);
                states.record(
                    store
                        .empty_trash()
                        .map(|purged| assert_eq!(purged, expected, "number of purged leads")),
                    after,
                )
            }
            Self::Sweep => testing::sweep(store).map(drop),
            Self::Checkpoint => testing::checkpoint(store).inspect(|()| states.make_durable()),
            Self::CheckpointWhile(writes) => {
                let mut written = Ok(());
                let mut parts = writes.iter();
                let checkpoint = testing::checkpoint_while(store, || {
                    let Some((writes, are_synced)) = parts.next() else {
                        return;
                    };
                    for write in writes {
                        if written.is_ok() {
                            written = write.run(store, states, now);
                        }
                    }
                    if written.is_ok() && *are_synced {
                        written = store.sync().inspect(|()| states.make_durable());
                    }
                });
                written.and(checkpoint)
            }
            // A failure is ignored here: it shows up in the searches that follow.
            Self::Index => testing::index(store).or(Ok(())),
            Self::Sync => store.sync().inspect(|()| states.make_durable()),
            Self::Compact => match store.compact() {
                // The store's file was compacted, but not the search index.
                Err(error) if error.kind() == ErrorKind::Unavailable => {
                    assert!(disk.has_failed(), "{error}");
                    states.make_durable();
                    Ok(())
                }
                compacted => compacted.inspect(|()| states.make_durable()),
            },
            Self::Reopen => store.reopen().inspect(|()| states.make_durable()),
            Self::Check => upkeep::check(store, disk),
            Self::BackUp(replace) => upkeep::back_up(store, disk, states, *replace),
            Self::Repair(id, corruption) => {
                upkeep::repair(store, states, *id, *corruption).inspect(|()| states.make_durable())
            }
        }
    }
}

/// Returns a random kind of corruption that can be repaired.
fn corruption(rng: &mut Rng) -> Corruption {
    let n = rng.usize(0..40);
    match rng.u32(0..7) {
        0 => Corruption::IdMissing,
        1 => Corruption::IdAstray,
        2 => Corruption::KeyMissing(n),
        3 => Corruption::KeyTooMany,
        4 => Corruption::RowMissing(n),
        5 => Corruption::RowTooMany(n),
        _ => Corruption::DealValue,
    }
}

impl Write {
    fn random(rng: &mut Rng, oracle: &Oracle) -> Self {
        let fields = |rng: &mut Rng| Box::new(Fields::random(rng));
        // The more leads there are, the fewer are created, so that their number levels off.
        let Some(id) = oracle
            .any_id(rng)
            .filter(|_| rng.u32(0..60) as usize >= 60 / (1 + oracle.all_ids().len()))
        else {
            return Self::create(rng);
        };
        let is_crowded = oracle.all_ids().len() > 80;
        match rng.u32(0..10) {
            0..2 if is_crowded => Self::Delete(id),
            0..2 => Self::create(rng),
            2..6 => Self::Update(id, fields(rng)),
            6..8 => Self::Delete(id),
            8 => Self::Restore(oracle.trashed_ids().pop().unwrap_or(id)),
            _ => Self::Purge(oracle.trashed_ids().pop().unwrap_or(id)),
        }
    }

    fn create(rng: &mut Rng) -> Self {
        Self::Create(
            LeadId::from_bytes(rng.u128(..).to_be_bytes()),
            Box::new(Fields::random(rng)),
        )
    }

    fn run(&self, store: &LeadStore, states: &mut States, now: DateTime<Utc>) -> Result<(), Error> {
        let mut after = states.newest().clone();
        let expected = self.apply(&mut after, now);
        states.record(check_outcome(self, self.execute(store), expected), after)
    }

    fn apply(&self, oracle: &mut Oracle, now: DateTime<Utc>) -> Result<(), ErrorKind> {
        match self {
            Self::Create(id, fields) => oracle
                .create(now, (**fields).clone(), Some(*id), None)
                .map(drop),
            Self::Update(id, fields) => oracle.update(now, *id, fields, None).map(drop),
            Self::Delete(id) => oracle.delete(now, *id).map(drop),
            Self::Restore(id) => oracle.restore(now, *id).map(drop),
            Self::Purge(id) => oracle.purge(now, *id),
        }
    }

    fn execute(&self, store: &LeadStore) -> Result<(), Error> {
        match self {
            Self::Create(id, fields) => store.create(fields.new_lead().id(*id)).map(drop),
            Self::Update(id, fields) => store.update(*id, fields.patch()).map(drop),
            Self::Delete(id) => store.delete(*id).map(drop),
            Self::Restore(id) => store.restore(*id).map(drop),
            Self::Purge(id) => store.purge(*id),
        }
    }

    fn execute_in(&self, t: &mut Transaction<'_>) -> Result<(), Error> {
        match self {
            Self::Create(id, fields) => t.create(fields.new_lead().id(*id)).map(drop),
            Self::Update(id, fields) => t.update(*id, fields.patch()).map(drop),
            Self::Delete(id) => t.delete(*id).map(drop),
            Self::Restore(id) => t.restore(*id).map(drop),
            Self::Purge(id) => t.purge(*id),
        }
    }
}

/// Returns the error of a write if it is an I/O error. Panics if any other outcome differs from the
/// one that the oracle expects.
fn check_outcome(
    write: &Write,
    actual: Result<(), Error>,
    expected: Result<(), ErrorKind>,
) -> Result<(), Error> {
    match (actual, expected) {
        (Ok(()), Ok(())) => Ok(()),
        (Err(error), Err(kind)) if error.kind() == kind => Ok(()),
        (Err(error), _) if error.kind() == ErrorKind::Io => Err(error),
        (actual, expected) => {
            panic!("{write:?} returned {actual:?}, expected {expected:?}")
        }
    }
}
