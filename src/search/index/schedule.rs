//! What the follower is told, and what that makes due.

use std::time::{Duration, Instant};

/// The follower indexes when so many leads wait for it, …
const BATCH: u64 = 2_000;
/// … or the first of them has waited so long.
const DELAY: Duration = Duration::from_secs(1);
/// How long it waits after a failure before it tries again.
const RETRY: Duration = Duration::from_secs(5);

/// All that the follower goes by.
#[derive(Default)]
pub(crate) struct SyncSchedule {
    waiting_since: Option<Instant>,
    waiting: u64,
    pub(crate) at_once: bool,
    /// Whether the index is to be made anew.
    pub(crate) discard: bool,
    /// Whether all segments are to become one.
    pub(crate) merge: bool,
    pub(crate) stop: bool,
    pub(crate) failure: Option<SyncFailure>,
}

/// Why the last batch failed.
pub(crate) struct SyncFailure {
    pub(crate) cause: String,
    pub(crate) at: Instant,
}

/// When the next batch is to begin.
#[derive(Debug, PartialEq)]
pub(crate) enum NextRun {
    Now,
    In(Duration),
    WhenNotified,
    /// The thread is to end.
    Never,
}

impl SyncSchedule {
    /// Notes that so many leads more wait to be indexed; whether the thread has to hear of it.
    pub(crate) fn changed(&mut self, leads: u64, now: Instant) -> bool {
        let is_first = self.waiting == 0;
        self.waiting += leads;
        self.waiting_since.get_or_insert(now);
        is_first || self.waiting >= BATCH
    }

    /// Notes that a batch begins, with all that waits; whether the index is to be made anew for it.
    pub(crate) fn begin_batch(&mut self) -> bool {
        (self.waiting, self.waiting_since, self.at_once) = (0, None, false);
        std::mem::take(&mut self.discard)
    }

    pub(crate) fn next_run(&self, now: Instant) -> NextRun {
        let at = match (&self.failure, self.waiting_since) {
            _ if self.stop => return NextRun::Never,
            (Some(failure), _) => failure.at + RETRY,
            _ if self.at_once || self.discard || self.waiting >= BATCH => return NextRun::Now,
            (None, Some(since)) => since + DELAY,
            (None, None) => return NextRun::WhenNotified,
        };
        let rest = at.saturating_duration_since(now);
        if rest.is_zero() {
            NextRun::Now
        } else {
            NextRun::In(rest)
        }
    }

    /// Whether it makes sense to wait for the thread.
    pub(crate) fn is_at_work(&self) -> bool {
        !self.stop && self.failure.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(at: Instant) -> Option<SyncFailure> {
        Some(SyncFailure {
            cause: "a reason".to_owned(),
            at,
        })
    }

    #[test]
    fn a_batch_is_due_when_enough_leads_wait_or_the_first_has_waited_long_enough() {
        let now = Instant::now();
        let mut schedule = SyncSchedule::default();
        assert_eq!(schedule.next_run(now), NextRun::WhenNotified);
        assert!(schedule.changed(1, now), "the first of a batch");
        assert_eq!(schedule.next_run(now), NextRun::In(DELAY));
        let later = now + DELAY / 4;
        assert!(!schedule.changed(BATCH - 2, later));
        assert_eq!(
            schedule.next_run(later),
            NextRun::In(DELAY - DELAY / 4),
            "of the first"
        );
        assert_eq!(schedule.next_run(now + DELAY), NextRun::Now);
        assert_eq!(schedule.next_run(now + DELAY * 2), NextRun::Now);
        assert!(schedule.changed(1, later), "enough");
        assert_eq!(schedule.next_run(later), NextRun::Now);
        assert!(!schedule.begin_batch());
        assert_eq!(schedule.next_run(now + DELAY * 2), NextRun::WhenNotified);
        assert!(schedule.changed(1, later), "the first of the next one");
        assert_eq!(schedule.next_run(later), NextRun::In(DELAY));
    }

    #[test]
    fn a_batch_is_due_at_once_where_somebody_waits_for_it() {
        let now = Instant::now();
        for (at_once, discard) in [(true, false), (false, true)] {
            let mut schedule = SyncSchedule {
                at_once,
                discard,
                ..SyncSchedule::default()
            };
            assert_eq!(schedule.next_run(now), NextRun::Now);
            assert_eq!(schedule.begin_batch(), discard);
            assert_eq!(schedule.next_run(now), NextRun::WhenNotified);
        }
    }

    #[test]
    fn after_a_failure_nobody_is_served_sooner_than_the_next_attempt() {
        let now = Instant::now();
        let mut schedule = SyncSchedule {
            failure: failed(now),
            at_once: true,
            discard: true,
            ..SyncSchedule::default()
        };
        schedule.changed(BATCH, now);
        assert_eq!(schedule.next_run(now), NextRun::In(RETRY));
        assert_eq!(schedule.next_run(now + RETRY), NextRun::Now);
        schedule.stop = true;
        assert_eq!(schedule.next_run(now + RETRY), NextRun::Never);
    }

    #[test]
    fn nobody_waits_for_a_thread_that_has_failed_or_ends() {
        assert!(SyncSchedule::default().is_at_work());
        for schedule in [
            SyncSchedule {
                stop: true,
                ..SyncSchedule::default()
            },
            SyncSchedule {
                failure: failed(Instant::now()),
                ..SyncSchedule::default()
            },
        ] {
            assert!(!schedule.is_at_work());
        }
    }
}
