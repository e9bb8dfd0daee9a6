//! Random operations on a store and on a plain map beside it. Every answer of the store must be the map's.

mod answers;
pub mod oracle;
pub mod values;

use std::time::Duration;

use fastrand::Rng;
use leadstore::chrono::{TimeDelta, Utc};
use leadstore::{Error, ErrorKind, Filter, Lead, LeadId, LeadPatch, ListQuery, NewLead, Version};

use crate::support::{self, TestStore};
pub use answers::Answers;
use oracle::{ListWanted, Oracle};
use values::Fields;

/// How the clock behaves while leads are created.
#[derive(Clone, Copy, PartialEq)]
enum Time {
    Forward,
    AnyWay,
}

#[test]
fn every_answer_is_that_of_a_plain_map() {
    run(TestStore::new(), Time::Forward, 7_000 * support::scale());
}

#[test]
fn every_answer_is_that_of_a_plain_map_while_checkpoints_go_on() {
    run(
        TestStore::with_cache_bytes(512 << 10),
        Time::Forward,
        2_000 * support::scale(),
    );
}

#[test]
fn every_answer_is_that_of_a_plain_map_when_leads_come_in_random_order_of_creation_time() {
    run(TestStore::new(), Time::AnyWay, 2_000 * support::scale());
}

fn run(test: TestStore, time: Time, operations: usize) {
    let mut driver = Driver {
        rng: Rng::with_seed(support::seed()),
        test,
        oracle: Oracle::default(),
        time,
        latest: support::day(2026, 3, 1),
    };
    for step in 0..operations {
        driver.step();
        driver.answers().check_something();
        if step % 1_000 == 999 || step + 1 == operations {
            driver.answers().check_everything();
        }
    }
    assert!(
        driver.oracle.live().count() > 20,
        "the run must have had leads to work on"
    );
}

struct Driver {
    rng: Rng,
    test: TestStore,
    oracle: Oracle,
    time: Time,
    /// The latest time that the clock has shown before it was set.
    latest: leadstore::chrono::DateTime<Utc>,
}

impl Driver {
    fn step(&mut self) {
        self.pass_time();
        // Fewer creations the more leads there are, so that their number settles.
        let crowded = self.oracle.live().count() > 250;
        match self.rng.u32(0..100) {
            0..30 if !crowded => self.create(),
            0..55 => self.update(),
            55..70 => self.delete(),
            70..80 => self.restore(),
            80..84 => self.purge(),
            84 => self.empty_trash(),
            85..90 => self.several_in_a_transaction(),
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
            Time::Forward if self.rng.u32(0..200) == 0 => {
                let seconds = self.rng.i64(1..400);
                self.jump(-seconds);
            }
            Time::AnyWay if self.rng.u32(0..3) > 0 => {
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
        // What has expired may have been swept, and does not come back when the clock is set back; the map cannot tell.
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
        same(created, expected);
    }

    fn new_lead(&mut self) -> (NewLead, Fields, Option<LeadId>) {
        let fields = Fields::random(&mut self.rng);
        // Now and then an id that exists, or one of the caller's own.
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
        same(
            self.test.store.update(id, patch),
            self.oracle.update(self.now(), id, &change.0, change.1),
        );
    }

    fn patch(&mut self) -> (LeadPatch, (Fields, Option<Version>)) {
        let fields = Fields::random(&mut self.rng);
        let version = (self.rng.u32(0..10) == 0).then(|| Version::new(self.rng.u64(1..4)));
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
        same(deleted, self.oracle.delete(self.now(), id));
    }

    fn restore(&mut self) {
        let Some(id) = self.trashed_or_some_id() else {
            return;
        };
        same(
            self.test.store.restore(id),
            self.oracle.restore(self.now(), id),
        );
    }

    fn purge(&mut self) {
        let Some(id) = self.trashed_or_some_id() else {
            return;
        };
        same(self.test.store.purge(id), self.oracle.purge(self.now(), id));
    }

    fn empty_trash(&mut self) {
        let purged = self.test.store.empty_trash().unwrap();
        assert_eq!(purged, self.oracle.empty_trash(self.now()));
    }

    fn sweep(&mut self) {
        // It shows in nothing but the space it frees, whether or not the clock lets it run.
        leadstore::testing::sweep(&self.test.store).unwrap();
    }

    /// Creations, updates and deletions in one transaction, which half of the time is given up at its end.
    fn several_in_a_transaction(&mut self) {
        let now = self.now();
        let before = self.oracle.clone();
        let mut planned = Vec::new();
        for _ in 0..self.rng.usize(1..12) {
            let id = self.some_id();
            planned.push((self.rng.u32(0..3), self.new_lead(), self.patch(), id));
        }
        let gives_up = self.rng.bool();
        let oracle = &mut self.oracle;
        let outcome = self.test.store.transaction(|t| {
            for (kind, (new, fields, wanted), (patch, change), id) in planned {
                match (kind, id) {
                    (1, Some(id)) => same(
                        t.update(id, patch),
                        oracle.update(now, id, &change.0, change.1),
                    ),
                    (2, Some(id)) => {
                        let deleted = t
                            .delete(id)
                            .map(|trashed| (trashed.lead, trashed.deleted_at, trashed.expires_at));
                        same(deleted, oracle.delete(now, id));
                    }
                    _ => {
                        let created = t.create(new);
                        let made = created.as_ref().ok().map(|lead| lead.id);
                        same(created, oracle.create(now, fields, wanted, made));
                    }
                }
            }
            // The transaction sees what it has written.
            let query = ListQuery::new().per_page(100);
            let seen: Vec<Lead> = t.list(&query)?.items;
            assert_eq!(seen, oracle.list(&ListWanted::all(), 0, 100).0);
            assert_eq!(t.count(&Filter::new())?, oracle.live().count() as u64);
            if gives_up {
                Err(Error::abort("enough"))
            } else {
                Ok(())
            }
        });
        if gives_up {
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

    /// Mostly the id of a live lead, now and then one that is not there or in the trash.
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

/// Equal results, or errors of the same kind.
fn same<T: PartialEq + std::fmt::Debug>(actual: Result<T, Error>, expected: Result<T, ErrorKind>) {
    match (actual, expected) {
        (Ok(actual), Ok(expected)) => assert_eq!(actual, expected),
        (Err(error), Err(kind)) => assert_eq!(error.kind(), kind, "{error}"),
        (actual, expected) => panic!("{actual:?} is not {expected:?}"),
    }
}
