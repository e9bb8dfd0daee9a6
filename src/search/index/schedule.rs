//! Decides when the next indexing batch is due.

use std::time::{Duration, Instant};

/// Number of waiting leads at which a batch starts at once.
const BATCH_LEADS: u64 = 2_000;
/// Delay from the first waiting lead to the start of a batch, if fewer than `BATCH_LEADS` leads are
/// waiting.
const BATCH_DELAY: Duration = Duration::from_secs(1);
/// Delay before a failed batch is retried.
const RETRY_DELAY: Duration = Duration::from_secs(5);

/// Everything that determines when the next batch starts and what it does.
#[derive(Default)]
pub(crate) struct SyncSchedule {
    waiting_since: Option<Instant>,
    waiting: u64,
    pub(crate) at_once: bool,
    /// True if the index must be rebuilt.
    pub(crate) discard: bool,
    /// True if all segments must be merged into one.
    pub(crate) merge: bool,
    pub(crate) stop: bool,
    pub(crate) failure: Option<SyncFailure>,
}

/// Failure of the last batch.
pub(crate) struct SyncFailure {
    pub(crate) cause: String,
    pub(crate) at: Instant,
}

/// Time at which the next batch is due.
#[derive(Debug, PartialEq)]
pub(crate) enum NextRun {
    Now,
    In(Duration),
    WhenNotified,
    /// The thread should exit.
    Never,
}

impl SyncSchedule {
    /// Adds `leads` to the number of leads that are waiting to be indexed. Returns true if the
    /// thread must be woken.
    pub(crate) fn changed(&mut self, leads: u64, now: Instant) -> bool {
        let is_first = self.waiting == 0;
        self.waiting += leads;
        self.waiting_since.get_or_insert(now);
        is_first || self.waiting >= BATCH_LEADS
    }

    /// Starts a batch that takes all waiting leads. Returns true if the batch must rebuild the
    /// index.
    pub(crate) fn begin_batch(&mut self) -> bool {
        (self.waiting, self.waiting_since, self.at_once) = (0, None, false);
        std::mem::take(&mut self.discard)
    }

    pub(crate) fn next_run(&self, now: Instant) -> NextRun {
        let at = match (&self.failure, self.waiting_since) {
            _ if self.stop => return NextRun::Never,
            (Some(failure), _) => failure.at + RETRY_DELAY,
            _ if self.at_once || self.discard || self.waiting >= BATCH_LEADS => {
                return NextRun::Now;
            }
            (None, Some(since)) => since + BATCH_DELAY,
            (None, None) => return NextRun::WhenNotified,
        };
        let rest = at.saturating_duration_since(now);
        if rest.is_zero() {
            NextRun::Now
        } else {
            NextRun::In(rest)
        }
    }

    /// Returns true if waiting for the thread makes sense: it is not stopping, and its last batch
    /// did not fail.
    pub(crate) fn can_progress(&self) -> bool {
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
    fn batch_is_due_by_size_or_by_age_of_the_first_lead() {
        let now = Instant::now();
        let mut schedule = SyncSchedule::default();
        assert_eq!(schedule.next_run(now), NextRun::WhenNotified);
        assert!(
            schedule.changed(1, now),
            "the first lead of a batch wakes the thread"
        );
        assert_eq!(schedule.next_run(now), NextRun::In(BATCH_DELAY));
        let later = now + BATCH_DELAY / 4;
        assert!(!schedule.changed(BATCH_LEADS - 2, later));
        assert_eq!(
            schedule.next_run(later),
            NextRun::In(BATCH_DELAY - BATCH_DELAY / 4),
            "the delay counts from the first lead"
        );
        assert_eq!(schedule.next_run(now + BATCH_DELAY), NextRun::Now);
        assert_eq!(schedule.next_run(now + BATCH_DELAY * 2), NextRun::Now);
        assert!(schedule.changed(1, later), "a full batch wakes the thread");
        assert_eq!(schedule.next_run(later), NextRun::Now);
        assert!(!schedule.begin_batch());
        assert_eq!(
            schedule.next_run(now + BATCH_DELAY * 2),
            NextRun::WhenNotified
        );
        assert!(
            schedule.changed(1, later),
            "the first lead of the next batch wakes the thread"
        );
        assert_eq!(schedule.next_run(later), NextRun::In(BATCH_DELAY));
    }

    #[test]
    fn waiting_caller_or_rebuild_request_makes_a_batch_due() {
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
    fn failed_batch_is_not_retried_before_the_delay() {
        let now = Instant::now();
        let mut schedule = SyncSchedule {
            failure: failed(now),
            at_once: true,
            discard: true,
            ..SyncSchedule::default()
        };
        schedule.changed(BATCH_LEADS, now);
        assert_eq!(schedule.next_run(now), NextRun::In(RETRY_DELAY));
        assert_eq!(schedule.next_run(now + RETRY_DELAY), NextRun::Now);
        schedule.stop = true;
        assert_eq!(schedule.next_run(now + RETRY_DELAY), NextRun::Never);
    }

    #[test]
    fn callers_do_not_wait_for_a_failed_or_stopping_thread() {
        assert!(SyncSchedule::default().can_progress());
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
            assert!(!schedule.can_progress());
        }
    }
}
