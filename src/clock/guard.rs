//! Distrust of a clock that has just jumped.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::clock::Clock;

/// A wall clock that jumps ahead by more than this is distrusted. Setting it back by more than this
/// ends the wait.
const JUMP: TimeDelta = TimeDelta::days(1);
/// Time for which a clock is distrusted after it has jumped ahead.
const WAIT: Duration = Duration::from_secs(3_600);

/// The guard that pauses the sweep for an hour after the wall clock has jumped ahead. Leads that
/// expired through the jump are purged only if the clock is not corrected within that hour, so a
/// user who sets the wrong year and corrects it in time loses no data.
pub(crate) struct ClockGuard {
    seen: DateTime<Utc>,
    seen_elapsed: Duration,
    /// Monotonic time until which the sweep must not run.
    wait_until: Duration,
}

impl ClockGuard {
    /// Starts from the time of the last commit, if there is one. How much time really passed since
    /// that commit is unknown and is taken to be zero, so if the commit is more than a day old, the
    /// clock counts as having jumped ahead.
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

    /// Reads the clock and returns true if the sweep may run now.
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
            // The clock was set back, so the leads that seemed to have expired have not, and the
            // sweep need not wait.
            self.wait_until = elapsed;
        }
        self.seen = now;
        self.seen_elapsed = elapsed;
        elapsed >= self.wait_until
    }

    /// Returns the time to store with a commit. Returns `None` while the clock is distrusted, so
    /// that a restart does not end the wait.
    pub(crate) fn trusted_now(&mut self, clock: &dyn Clock) -> Option<DateTime<Utc>> {
        self.allows_sweep(clock).then_some(self.seen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    struct TestClock(Mutex<(DateTime<Utc>, Duration)>);

    impl TestClock {
        fn pass(&self, wall: TimeDelta, elapsed: Duration) {
            let mut time = self.0.lock().unwrap();
            time.0 += wall;
            time.1 += elapsed;
        }
    }

    impl Clock for TestClock {
        fn now(&self) -> DateTime<Utc> {
            self.0.lock().unwrap().0
        }

        fn elapsed(&self) -> Duration {
            self.0.lock().unwrap().1
        }
    }

    #[test]
    fn sweep_is_paused_for_an_hour_after_a_jump_ahead() {
        let start = crate::clock::from_micros(1_700_000_000_000_000);
        let clock = TestClock(Mutex::new((start, Duration::from_secs(5))));
        let mut clock_guard = ClockGuard::new(Some(start), &clock);
        assert!(clock_guard.allows_sweep(&clock));
        clock.pass(TimeDelta::days(40), Duration::from_secs(40 * 86_400));
        assert!(
            clock_guard.allows_sweep(&clock),
            "elapsed time is not a jump"
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
            "less than a day is not a jump"
        );
    }

    #[test]
    fn setting_the_clock_back_ends_the_wait() {
        let start = crate::clock::from_micros(1_700_000_000_000_000);
        let clock = TestClock(Mutex::new((start, Duration::ZERO)));
        let mut clock_guard = ClockGuard::new(Some(start), &clock);
        clock.pass(TimeDelta::days(3_650), Duration::from_secs(1));
        assert!(!clock_guard.allows_sweep(&clock));
        clock.pass(TimeDelta::days(-3_650), Duration::from_secs(1));
        assert!(clock_guard.allows_sweep(&clock));
    }

    #[test]
    fn opening_a_store_with_an_old_last_commit_pauses_the_sweep() {
        let start = crate::clock::from_micros(1_700_000_000_000_000);
        let clock = TestClock(Mutex::new((
            start + TimeDelta::days(2),
            Duration::from_secs(9),
        )));
        let mut clock_guard = ClockGuard::new(Some(start), &clock);
        assert!(!clock_guard.allows_sweep(&clock));
        clock.pass(TimeDelta::hours(1), Duration::from_secs(3_600));
        assert!(clock_guard.allows_sweep(&clock));
    }

    #[test]
    fn exactly_one_day_is_neither_a_jump_nor_a_correction() {
        let start = crate::clock::from_micros(1_700_000_000_000_000);
        let clock = TestClock(Mutex::new((start, Duration::ZERO)));
        let mut clock_guard = ClockGuard::new(Some(start), &clock);
        clock.pass(TimeDelta::days(1), Duration::ZERO);
        assert!(clock_guard.allows_sweep(&clock));
        clock.pass(TimeDelta::days(2), Duration::ZERO);
        assert!(!clock_guard.allows_sweep(&clock));
        clock.pass(TimeDelta::days(-1), Duration::ZERO);
        assert!(!clock_guard.allows_sweep(&clock));
    }

    #[test]
    fn commits_store_the_time_only_while_the_clock_is_trusted() {
        let start = crate::clock::from_micros(1_700_000_000_000_000);
        let clock = TestClock(Mutex::new((start, Duration::ZERO)));
        let mut clock_guard = ClockGuard::new(Some(start), &clock);
        assert_eq!(clock_guard.trusted_now(&clock), Some(start));
        clock.pass(TimeDelta::days(40), Duration::ZERO);
        assert_eq!(clock_guard.trusted_now(&clock), None);
        clock.pass(TimeDelta::hours(1), Duration::from_secs(3_600));
        assert_eq!(clock_guard.trusted_now(&clock), Some(clock.now()));
    }
}
