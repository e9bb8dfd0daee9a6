//! Random operations on a store and on an oracle, which is a plain map. Every answer of the store
//! must match that of the oracle.

mod answers;
pub mod oracle;
pub mod values;

use std::time::Duration;

use fastrand::Rng;
use leadstore::chrono::{TimeDelta, Utc};
use leadstore::{
    Error, ErrorKind, Filter, Lead, LeadId, LeadPatch, LeadVersion, ListQuery, NewLead,
};

use crate::support::{self, TestStore};
pub use answers::Answers;
use oracle::{ListRequest, Oracle};
use values::Fields;

/// The way in which the clock moves between operations.
#[derive(Clone, Copy, PartialEq)]
enum ClockMode {
    Forward,
    Random,
}

#[test]
fn answers_match_a_plain_map() {
    run(
        TestStore::new(),
        ClockMode::Forward,
        7_000 * support::scale(),
    );
}

#[test]
fn answers_match_a_plain_map_during_checkpoints() {
    run(
        TestStore::with_cache_bytes(512 << 10),
        ClockMode::Forward,
        2_000 * support::scale(),
    );
}

#[test]
fn answers_match_a_plain_map_with_random_creation_times() {
    run(
        TestStore::new(),
        ClockMode::Random,
        2_000 * support::scale(),
    );
}

fn run(test: TestStore, time: ClockMode, operations: usize) {
    let mut driver = Driver {
        rng: Rng::with_seed(support::seed()),
        test,
        oracle: Oracle::default(),
        time,
        latest: support::day(2026, 3, 1),
    };
    for step in 0..operations {
        driver.step();
        driver.answers().check_random_answer();
        if step % 1_000 == 999 || step + 1 == operations {
            driver.answers().check_everything();
        }
    }
    assert!(
        driver.oracle.live().count() > 20,
        "the run had too few leads"
    );
}

struct Driver {
    rng: Rng,
    test: TestStore,
    oracle: Oracle,
    time: ClockMode,
    /// The latest of the times that the clock showed just before its jumps.
    latest: leadstore::chrono::DateTime<Utc>,
}

impl Driver {
    fn step(&mut self) {
        self.pass_time();
        // If there are more than 250 leads, fewer are created, so that their number levels off.
        let is_full = self.oracle.live().count() > 250;
        match self.rng.u32(0..100) {
            0..30 if !is_full => self.create(),
            0..55 => self.update(),
            55..70 => self.delete(),
            70..80 => self.restore(),
            80..84 => self.purge(),
            84 => self.empty_trash(),
            85..90 => self.run_transaction(),
            90 => self.sweep(),
            91 if self.rng.u32(0..4) == 0 => self.test.reopen(),
            92 if self.rng.u32(0..8) == 0 => self.test.store.reopen().unwrap(),
            93 if self.rng.u32(0..8) == 0 => self.test.store.compact().unwrap(),
            _ => self.create(),
        }
    }

    fn pass_time(&mut self) {
        let millis = match self.rng.u32(0..50) {
            0 => 3_600_000 * 24 * self.rng.u64(1..9),
            1..5 => 3_600_000 * self.rng.u64(1..12),
            5..25 => 0,
            _ => self.rng.u64(1..5_000),
        };
        self.test.clock.advance(Duration::from_millis(millis));
        match self.time {
            ClockMode::Forward if self.rng.u32(0..200) == 0 => {
                let seconds = self.rng.i64(1..400);
                self.jump(-seconds);
            }
            ClockMode::Random if self.rng.u32(0..3) > 0 => {
                let hours = self.rng.i64(-20..20);
                self.jump(hours * 3_600);
            }
            _ => {}
        }
    }

    fn jump(&mut self, seconds: i64) {
        let now = self.now();
        self.latest = self.latest.max(now);
        let then = now + TimeDelta::seconds(seconds);
        // An expired lead may have been swept, and then it does not come back when the clock is set
        // back. The oracle does not model that.
        if !self.oracle.expires_between(then, self.latest) {
            self.test.clock.set(then);
        }
    }

    fn now(&self) -> leadstore::chrono::DateTime<Utc> {
        use leadstore::Clock;
        self.test.clock.now()
    }

    fn create(&mut self) {
        let (new, fields, id) = self.new_lead();
        let created = self.test.store.create(new);
        let expected = self.oracle.create(
            self.now(),
            fields,
            id,
            created.as_ref().ok().map(|lead| lead.id),
        );
        assert_same(created, expected);
    }

    fn new_lead(&mut self) -> (NewLead, Fields, Option<LeadId>) {
        let fields = Fields::random(&mut self.rng);
        // Sometimes an id that exists, or a new one chosen by the caller.
        let id = match self.rng.u32(0..20) {
            0 => self.oracle.any_id(&mut self.rng),
            1 => Some(LeadId::from_bytes(self.rng.u128(..).to_be_bytes())),
            _ => None,
        };
        let new = fields.new_lead();
        (id.into_iter().fold(new, NewLead::id), fields, id)
    }

    fn update(&mut self) {
        let Some(id) = self.some_id() else { return };
        let (patch, change) = self.patch();
        assert_same(
            self.test.store.update(id, patch),
            self.oracle.update(self.now(), id, &change.0, change.1),
        );
    }

    fn patch(&mut self) -> (LeadPatch, (Fields, Option<LeadVersion>)) {
        let fields = Fields::random(&mut self.rng);
        let version = (self.rng.u32(0..10) == 0).then(|| LeadVersion::new(self.rng.u64(1..4)));
        (
            version
                .into_iter()
                .fold(fields.patch(), LeadPatch::if_version),
            (fields, version),
        )
    }

    fn delete(&mut self) {
        let Some(id) = self.some_id() else { return };
        let deleted = self
            .test
            .store
            .delete(id)
            .map(|trashed| (trashed.lead, trashed.deleted_at, trashed.expires_at));
        assert_same(deleted, self.oracle.delete(self.now(), id));
    }

    fn restore(&mut self) {
        let Some(id) = self.trashed_or_some_id() else {
            return;
        };
        assert_same(
            self.test.store.restore(id),
            self.oracle.restore(self.now(), id),
        );
    }

    fn purge(&mut self) {
        let Some(id) = self.trashed_or_some_id() else {
            return;
        };
        assert_same(self.test.store.purge(id), self.oracle.purge(self.now(), id));
    }

    fn empty_trash(&mut self) {
        let purged = self.test.store.empty_trash().unwrap();
        assert_eq!(purged, self.oracle.empty_trash(self.now()));
    }

    fn sweep(&mut self) {
        // A sweep only frees space and changes no answer, whether or not the clock allows it to
        // run.
        leadstore::testing::sweep(&self.test.store).unwrap();
    }

    /// Runs creates, updates and deletes in one transaction, which is aborted at its end half of
    /// the time.
    fn run_transaction(&mut self) {
        let now = self.now();
        let before = self.oracle.clone();
        let mut planned = Vec::new();
        for _ in 0..self.rng.usize(1..12) {
            let id = self.some_id();
            planned.push((self.rng.u32(0..3), self.new_lead(), self.patch(), id));
        }
        let aborts = self.rng.bool();
        let oracle = &mut self.oracle;
        let outcome = self.test.store.transaction(|t| {
            for (kind, (new, fields, requested_id), (patch, change), id) in planned {
                match (kind, id) {
                    (1, Some(id)) => assert_same(
                        t.update(id, patch),
                        oracle.update(now, id, &change.0, change.1),
                    ),
                    (2, Some(id)) => {
                        let deleted = t
                            .delete(id)
                            .map(|trashed| (trashed.lead, trashed.deleted_at, trashed.expires_at));
                        assert_same(deleted, oracle.delete(now, id));
                    }
                    _ => {
                        let created = t.create(new);
                        let assigned_id = created.as_ref().ok().map(|lead| lead.id);
                        assert_same(
                            created,
                            oracle.create(now, fields, requested_id, assigned_id),
                        );
                    }
                }
            }
            // The transaction sees its own writes.
            let query = ListQuery::new().per_page(100);
            let seen: Vec<Lead> = t.list(&query)?.items;
            assert_eq!(seen, oracle.list(&ListRequest::all(), 0, 100).0);
            assert_eq!(t.count(&Filter::new())?, oracle.live().count() as u64);
            if aborts {
                Err(Error::abort("aborted by the test"))
            } else {
                Ok(())
            }
        });
        if aborts {
            assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Aborted);
            self.oracle = before;
        } else {
            outcome.unwrap();
        }
    }

    fn answers(&mut self) -> Answers<'_> {
        let now = self.now();
        Answers {
            rng: &mut self.rng,
            store: &self.test.store,
            oracle: &self.oracle,
            now,
        }
    }

    /// Returns an id: usually that of a live lead, sometimes that of a lead in the trash or of no
    /// lead.
    fn some_id(&mut self) -> Option<LeadId> {
        match self.rng.u32(0..12) {
            0 => Some(LeadId::from_bytes(self.rng.u128(..).to_be_bytes())),
            1 => self.oracle.any_id(&mut self.rng),
            _ => {
                let live: Vec<LeadId> = self.oracle.live().map(|lead| lead.id).collect();
                (!live.is_empty()).then(|| live[self.rng.usize(..live.len())])
            }
        }
    }

    fn trashed_or_some_id(&mut self) -> Option<LeadId> {
        let trashed = self.oracle.trashed_ids();
        if trashed.is_empty() || self.rng.u32(0..6) == 0 {
            return self.some_id();
        }
        Some(trashed[self.rng.usize(..trashed.len())])
    }
}

/// Asserts that both results are equal values or errors of the same kind.
fn assert_same<T: PartialEq + std::fmt::Debug>(
    actual: Result<T, Error>,
    expected: Result<T, ErrorKind>,
) {
    match (actual, expected) {
        (Ok(actual), Ok(expected)) => assert_eq!(actual, expected),
        (Err(error), Err(kind)) => assert_eq!(error.kind(), kind, "{error}"),
        (actual, expected) => panic!("the store returned {actual:?}, expected {expected:?}"),
    }
}
