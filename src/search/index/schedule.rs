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
pub(crate) struct Signal {
    waiting_since: Option<Instant>,
    waiting: u64,
    pub(crate) at_once: bool,
    /// Whether the index is to be made anew.
    pub(crate) discard: bool,
    /// Whether all segments are to become one.
    pub(crate) merge: bool,
    pub(crate) stop: bool,
    pub(crate) failure: Option<Failure>,
}

/// Why the last batch failed.
pub(crate) struct Failure {
    pub(crate) cause: String,
    pub(crate) at: Instant,
}

/// When the next batch is to begin.
#[derive(Debug, PartialEq)]
pub(crate) enum Due {
    Now,
    In(Duration),
    WhenTold,
    /// The thread is to end.
    Never,
}

impl Signal {
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

    pub(crate) fn due(&self, now: Instant) -> Due {
        let at = match (&self.failure, self.waiting_since) {
            _ if self.stop => return Due::Never,
            (Some(failure), _) => failure.at + RETRY,
            _ if self.at_once || self.discard || self.waiting >= BATCH => return Due::Now,
            (None, Some(since)) => since + DELAY,
            (None, None) => return Due::WhenTold,
        };
        let rest = at.saturating_duration_since(now);
        if rest.is_zero() {
            Due::Now
        } else {
            Due::In(rest)
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

    fn failed(at: Instant) -> Option<Failure> {
        Some(Failure {
            cause: "a reason".to_owned(),
            at,
        })
    }

    #[test]
    fn a_batch_is_due_when_enough_leads_wait_or_the_first_has_waited_long_enough() {
        let now = Instant::now();
        let mut signal = Signal::default();
        assert_eq!(signal.due(now), Due::WhenTold);
        assert!(signal.changed(1, now), "the first of a batch");
        assert_eq!(signal.due(now), Due::In(DELAY));
        let later = now + DELAY / 4;
        assert!(!signal.changed(BATCH - 2, later));
        assert_eq!(
            signal.due(later),
            Due::In(DELAY - DELAY / 4),
            "of the first"
        );
        assert_eq!(signal.due(now + DELAY), Due::Now);
        assert_eq!(signal.due(now + DELAY * 2), Due::Now);
        assert!(signal.changed(1, later), "enough");
        assert_eq!(signal.due(later), Due::Now);
        assert!(!signal.begin_batch());
        assert_eq!(signal.due(now + DELAY * 2), Due::WhenTold);
        assert!(signal.changed(1, later), "the first of the next one");
        assert_eq!(signal.due(later), Due::In(DELAY));
    }

    #[test]
    fn a_batch_is_due_at_once_where_somebody_waits_for_it() {
        let now = Instant::now();
        for (at_once, discard) in [(true, false), (false, true)] {
            let mut signal = Signal {
                at_once,
                discard,
                ..Signal::default()
            };
            assert_eq!(signal.due(now), Due::Now);
            assert_eq!(signal.begin_batch(), discard);
            assert_eq!(signal.due(now), Due::WhenTold);
        }
    }

    #[test]
    fn after_a_failure_nobody_is_served_sooner_than_the_next_attempt() {
        let now = Instant::now();
        let mut signal = Signal {
            failure: failed(now),
            at_once: true,
            discard: true,
            ..Signal::default()
        };
        signal.changed(BATCH, now);
        assert_eq!(signal.due(now), Due::In(RETRY));
        assert_eq!(signal.due(now + RETRY), Due::Now);
        signal.stop = true;
        assert_eq!(signal.due(now + RETRY), Due::Never);
    }

    #[test]
    fn nobody_waits_for_a_thread_that_has_failed_or_ends() {
        assert!(Signal::default().is_at_work());
        for signal in [
            Signal {
                stop: true,
                ..Signal::default()
            },
            Signal {
                failure: failed(Instant::now()),
                ..Signal::default()
            },
        ] {
            assert!(!signal.is_at_work());
        }
    }
}
