//! Distrust of a clock that has just jumped.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::clock::Clock;

/// A jump of the time of day by more than this is distrusted …
const JUMP: TimeDelta = TimeDelta::days(1);
/// … for this long.
const WAIT: Duration = Duration::from_secs(3_600);

/// Distrust of a clock that has just jumped ahead: what it calls expired is purged only if it still says so an hour
/// later. Someone who sets the year wrong and corrects it loses nothing.
pub(crate) struct ClockGuard {
    seen: DateTime<Utc>,
    seen_elapsed: Duration,
    /// Elapsed time until which nothing is swept.
    wait_until: Duration,
}

impl ClockGuard {
    /// Begins with the time of the last commit, if there was one: how long ago that really was, nobody knows.
    pub(crate) fn new(last_commit_at: Option<DateTime<Utc>>, clock: &dyn Clock) -> Self {
        let elapsed = clock.elapsed();
        let seen = last_commit_at.unwrap_or_else(|| clock.now());
        let mut clock_guard = Self {
            seen,
            seen_elapsed: elapsed,
            wait_until: elapsed,
        };
        clock_guard.allows_sweep(clock);
        clock_guard
    }

    /// Looks at the clock and tells whether the sweep may run now.
    pub(crate) fn allows_sweep(&mut self, clock: &dyn Clock) -> bool {
        let (now, elapsed) = (clock.now(), clock.elapsed());
        let passed = TimeDelta::from_std(elapsed.saturating_sub(self.seen_elapsed))
            .unwrap_or(TimeDelta::MAX);
        let expected = self
            .seen
            .checked_add_signed(passed)
            .unwrap_or(DateTime::<Utc>::MAX_UTC);
        if now.signed_duration_since(expected) > JUMP {
            self.wait_until = elapsed.saturating_add(WAIT);
        } else if expected.signed_duration_since(now) > JUMP {
            // Set back: whatever was distrusted is gone.
            self.wait_until = elapsed;
        }
        self.seen = now;
        self.seen_elapsed = elapsed;
        elapsed >= self.wait_until
    }

    /// The time to note with a commit: none while the clock is distrusted, so that a restart does not end the wait.
    pub(crate) fn trusted_now(&mut self, clock: &dyn Clock) -> Option<DateTime<Utc>> {
        self.allows_sweep(clock).then_some(self.seen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    struct Set(Mutex<(DateTime<Utc>, Duration)>);

    impl Set {
        fn pass(&self, wall: TimeDelta, elapsed: Duration) {
            let mut time = self.0.lock().unwrap();
            time.0 += wall;
            time.1 += elapsed;
        }
    }

    impl Clock for Set {
        fn now(&self) -> DateTime<Utc> {
            self.0.lock().unwrap().0
        }

        fn elapsed(&self) -> Duration {
            self.0.lock().unwrap().1
        }
    }

    #[test]
    fn nothing_is_swept_within_an_hour_of_a_jump_ahead() {
        let start = crate::clock::from_micros(1_700_000_000_000_000);
        let clock = Set(Mutex::new((start, Duration::from_secs(5))));
        let mut clock_guard = ClockGuard::new(Some(start), &clock);
        assert!(clock_guard.allows_sweep(&clock));
        clock.pass(TimeDelta::days(40), Duration::from_secs(40 * 86_400));
        assert!(
            clock_guard.allows_sweep(&clock),
            "time that really passed is no jump"
        );
        clock.pass(TimeDelta::hours(25), Duration::from_secs(1));
        assert!(!clock_guard.allows_sweep(&clock));
        clock.pass(TimeDelta::minutes(59), Duration::from_secs(59 * 60));
        assert!(!clock_guard.allows_sweep(&clock));
        clock.pass(TimeDelta::minutes(1), Duration::from_secs(60));
        assert!(clock_guard.allows_sweep(&clock));
        clock.pass(TimeDelta::hours(23), Duration::from_secs(1));
        assert!(
            clock_guard.allows_sweep(&clock),
            "less than a day is no jump"
        );
    }

    #[test]
    fn a_clock_that_is_set_right_again_ends_the_wait() {
        let start = crate::clock::from_micros(1_700_000_000_000_000);
        let clock = Set(Mutex::new((start, Duration::ZERO)));
        let mut clock_guard = ClockGuard::new(Some(start), &clock);
        clock.pass(TimeDelta::days(3_650), Duration::from_secs(1));
        assert!(!clock_guard.allows_sweep(&clock));
        clock.pass(TimeDelta::days(-3_650), Duration::from_secs(1));
        assert!(clock_guard.allows_sweep(&clock));
    }

    #[test]
    fn a_store_last_written_long_ago_waits_after_it_is_opened() {
        let start = crate::clock::from_micros(1_700_000_000_000_000);
        let clock = Set(Mutex::new((
            start + TimeDelta::days(2),
            Duration::from_secs(9),
        )));
        let mut clock_guard = ClockGuard::new(Some(start), &clock);
        assert!(!clock_guard.allows_sweep(&clock));
        clock.pass(TimeDelta::hours(1), Duration::from_secs(3_600));
        assert!(clock_guard.allows_sweep(&clock));
    }

    #[test]
    fn a_day_exactly_is_no_jump_ahead_and_no_correction() {
        let start = crate::clock::from_micros(1_700_000_000_000_000);
        let clock = Set(Mutex::new((start, Duration::ZERO)));
        let mut clock_guard = ClockGuard::new(Some(start), &clock);
        clock.pass(TimeDelta::days(1), Duration::ZERO);
        assert!(clock_guard.allows_sweep(&clock));
        clock.pass(TimeDelta::days(2), Duration::ZERO);
        assert!(!clock_guard.allows_sweep(&clock));
        clock.pass(TimeDelta::days(-1), Duration::ZERO);
        assert!(!clock_guard.allows_sweep(&clock));
    }

    #[test]
    fn a_commit_notes_the_time_only_while_the_clock_is_trusted() {
        let start = crate::clock::from_micros(1_700_000_000_000_000);
        let clock = Set(Mutex::new((start, Duration::ZERO)));
        let mut clock_guard = ClockGuard::new(Some(start), &clock);
        assert_eq!(clock_guard.trusted_now(&clock), Some(start));
        clock.pass(TimeDelta::days(40), Duration::ZERO);
        assert_eq!(clock_guard.trusted_now(&clock), None);
        clock.pass(TimeDelta::hours(1), Duration::from_secs(3_600));
        assert_eq!(clock_guard.trusted_now(&clock), Some(clock.now()));
    }
}
