//! Distrust of a wall clock that has just jumped ahead. Such a clock may be wrong, and leads that
//! expire because of the jump must not be lost.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::clock::Clock;

/// A wall clock that jumps ahead by more than this is distrusted. Setting it back by more than this
/// ends the distrust, unless it is then still ahead of the expected time by more than this.
const JUMP: TimeDelta = TimeDelta::days(1);
/// How long the store must have been open since a jump, in one session or several, before the time
/// that the clock jumped to is trusted. Setting the clock back by more than
/// [`JUMP`] ends the wait or starts a new one.
const WAIT: Duration = Duration::from_secs(3_600);

/// The state of the guard that a store keeps between sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TrustedTime {
    /// The latest time that is trusted to have been reached.
    pub(crate) until: DateTime<Utc>,
    /// The jump ahead that is not trusted yet.
    pub(crate) jump: Option<ClockJump>,
}

impl TrustedTime {
    /// Trusts that `until` and all earlier times have been reached.
    pub(crate) fn at(until: DateTime<Utc>) -> Self {
        Self { until, jump: None }
    }
}

/// A jump ahead of the wall clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ClockJump {
    /// The time that the clock showed after the jump.
    pub(crate) to: DateTime<Utc>,
    /// The time for which the store has been open since the jump, over all sessions.
    pub(crate) shown_for: Duration,
}

/// The guard that holds back the sweep after the wall clock has jumped ahead. Leads that expire
/// because of the jump are purged only once the store has been open for an hour without the clock
/// being corrected. A user who sets the wrong year and corrects it in time therefore loses no data.
pub(crate) struct ClockGuard {
    trusted: TrustedTime,
    /// The last reading of the wall clock.
    seen: DateTime<Utc>,
    /// The monotonic time of that reading.
    seen_elapsed: Duration,
}

impl ClockGuard {
    /// Continues from the time that was stored with the last commit, or starts from the clock if
    /// there is no commit. How long the store was closed is unknown, so a clock that is more than a
    /// day ahead of the stored time counts as having jumped.
    pub(crate) fn new(remembered: Option<TrustedTime>, clock: &dyn Clock) -> Self {
        let (now, elapsed) = (clock.now(), clock.elapsed());
        let trusted = remembered.unwrap_or(TrustedTime::at(now));
        let mut guard = Self {
            seen: trusted.until,
            seen_elapsed: elapsed,
            trusted,
        };
        guard.read(now, elapsed);
        guard
    }

    /// Reads the clock, and returns the time until which the sweep may purge expired leads.
    pub(crate) fn sweep_until(&mut self, clock: &dyn Clock) -> DateTime<Utc> {
        self.trusted_time(clock).until
    }

    /// Reads the clock, and returns the trusted time to store with a commit.
    pub(crate) fn trusted_time(&mut self, clock: &dyn Clock) -> TrustedTime {
        self.read(clock.now(), clock.elapsed());
        self.trusted
    }

    fn read(&mut self, now: DateTime<Utc>, elapsed: Duration) {
        let passed = elapsed.saturating_sub(self.seen_elapsed);
        (self.trusted.until, self.trusted.jump) = match self.trusted.jump {
            None => self.read_trusted(now, passed),
            // The clock was set back, so the time that it showed before was wrong. The time that it
            // shows now may still be too far ahead.
            Some(jump) if jump.to.signed_duration_since(now) > JUMP => {
                let expected = plus(self.trusted.until, jump.shown_for.saturating_add(passed));
                if now.signed_duration_since(expected) > JUMP {
                    (self.trusted.until, Some(jump_to(now)))
                } else {
                    (now, None)
                }
            }
            Some(ClockJump { to, shown_for }) => {
                let shown_for = shown_for.saturating_add(passed);
                if shown_for < WAIT {
                    (self.trusted.until, Some(ClockJump { to, shown_for }))
                } else if now.signed_duration_since(plus(to, shown_for)) > JUMP {
                    // The clock has jumped again meanwhile, for example while the store was closed.
                    // The first jump is now trusted, but the second one is not.
                    (to, Some(jump_to(now)))
                } else {
                    (now, None)
                }
            }
        };
        (self.seen, self.seen_elapsed) = (now, elapsed);
    }

    fn read_trusted(
        &self,
        now: DateTime<Utc>,
        passed: Duration,
    ) -> (DateTime<Utc>, Option<ClockJump>) {
        let expected = plus(self.seen, passed);
        if now.signed_duration_since(expected) > JUMP {
            (expected, Some(jump_to(now)))
        } else {
            (now, None)
        }
    }
}

fn jump_to(to: DateTime<Utc>) -> ClockJump {
    ClockJump {
        to,
        shown_for: Duration::ZERO,
    }
}

fn plus(time: DateTime<Utc>, passed: Duration) -> DateTime<Utc> {
    let passed = TimeDelta::from_std(passed).unwrap_or(TimeDelta::MAX);
    time.checked_add_signed(passed)
        .unwrap_or(DateTime::<Utc>::MAX_UTC)
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

    fn since(until: DateTime<Utc>) -> Option<TrustedTime> {
        Some(TrustedTime::at(until))
    }

    fn is_trusted(clock_guard: &mut ClockGuard, clock: &TestClock) -> bool {
        clock_guard.sweep_until(clock) == clock.now()
    }

    #[test]
    fn sweep_is_paused_for_an_hour_after_a_jump_ahead() {
        let start = crate::clock::from_micros(1_700_000_000_000_000);
        let clock = TestClock(Mutex::new((start, Duration::from_secs(5))));
        let mut clock_guard = ClockGuard::new(since(start), &clock);
        assert!(is_trusted(&mut clock_guard, &clock));
        clock.pass(TimeDelta::days(40), Duration::from_secs(40 * 86_400));
        assert!(
            is_trusted(&mut clock_guard, &clock),
            "elapsed time is not a jump"
        );
        clock.pass(TimeDelta::hours(25), Duration::from_secs(1));
        assert!(!is_trusted(&mut clock_guard, &clock));
        clock.pass(TimeDelta::minutes(59), Duration::from_secs(59 * 60));
        assert!(!is_trusted(&mut clock_guard, &clock));
        clock.pass(TimeDelta::minutes(1), Duration::from_secs(60));
        assert!(is_trusted(&mut clock_guard, &clock));
        clock.pass(TimeDelta::hours(23), Duration::from_secs(1));
        assert!(
            is_trusted(&mut clock_guard, &clock),
            "less than a day is not a jump"
        );
    }

    #[test]
    fn setting_the_clock_back_ends_the_wait() {
        let start = crate::clock::from_micros(1_700_000_000_000_000);
        let clock = TestClock(Mutex::new((start, Duration::ZERO)));
        let mut clock_guard = ClockGuard::new(since(start), &clock);
        clock.pass(TimeDelta::days(3_650), Duration::from_secs(1));
        assert!(!is_trusted(&mut clock_guard, &clock));
        clock.pass(TimeDelta::days(-3_650), Duration::from_secs(1));
        assert!(is_trusted(&mut clock_guard, &clock));
    }

    #[test]
    fn opening_a_store_with_an_old_last_commit_pauses_the_sweep() {
        let start = crate::clock::from_micros(1_700_000_000_000_000);
        let clock = TestClock(Mutex::new((
            start + TimeDelta::days(2),
            Duration::from_secs(9),
        )));
        let mut clock_guard = ClockGuard::new(since(start), &clock);
        assert!(!is_trusted(&mut clock_guard, &clock));
        clock.pass(TimeDelta::hours(1), Duration::from_secs(3_600));
        assert!(is_trusted(&mut clock_guard, &clock));
    }

    #[test]
    fn exactly_one_day_is_neither_a_jump_nor_a_correction() {
        let start = crate::clock::from_micros(1_700_000_000_000_000);
        let clock = TestClock(Mutex::new((start, Duration::ZERO)));
        let mut clock_guard = ClockGuard::new(since(start), &clock);
        clock.pass(TimeDelta::days(1), Duration::ZERO);
        assert!(is_trusted(&mut clock_guard, &clock));
        clock.pass(TimeDelta::days(2), Duration::ZERO);
        assert!(!is_trusted(&mut clock_guard, &clock));
        clock.pass(TimeDelta::days(-1), Duration::ZERO);
        assert!(!is_trusted(&mut clock_guard, &clock));
    }

    #[test]
    fn distrusted_time_is_not_remembered_as_reached() {
        let start = crate::clock::from_micros(1_700_000_000_000_000);
        let clock = TestClock(Mutex::new((start, Duration::ZERO)));
        let mut clock_guard = ClockGuard::new(since(start), &clock);
        assert_eq!(clock_guard.trusted_time(&clock).until, start);
        clock.pass(TimeDelta::days(40), Duration::ZERO);
        assert_eq!(clock_guard.trusted_time(&clock).until, start);
        clock.pass(TimeDelta::hours(1), Duration::from_secs(3_600));
        assert_eq!(clock_guard.trusted_time(&clock).until, clock.now());
    }

    #[test]
    fn distrust_adds_up_over_sessions() {
        let start = crate::clock::from_micros(1_700_000_000_000_000);
        let mut remembered = since(start);
        let mut wall = start + TimeDelta::days(40);
        for session in 0..6 {
            let clock = TestClock(Mutex::new((wall, Duration::ZERO)));
            let mut clock_guard = ClockGuard::new(remembered, &clock);
            clock.pass(TimeDelta::minutes(30), Duration::from_secs(1_800));
            let trusted = clock_guard.trusted_time(&clock);
            match session {
                0 => assert_eq!(trusted.until, start),
                // Forty days had passed when the first session began.
                _ => assert!(trusted.until >= start + TimeDelta::days(40), "{session}"),
            }
            remembered = Some(trusted);
            // The store is used once a week, so the clock jumps ahead in each session.
            wall += TimeDelta::days(7);
        }
    }

    #[test]
    fn clock_that_is_corrected_in_two_steps_stays_distrusted_between_them() {
        let start = crate::clock::from_micros(1_700_000_000_000_000);
        let clock = TestClock(Mutex::new((start, Duration::ZERO)));
        let mut clock_guard = ClockGuard::new(since(start), &clock);
        clock.pass(TimeDelta::days(3_650), Duration::from_secs(1));
        assert!(!is_trusted(&mut clock_guard, &clock));
        clock.pass(TimeDelta::days(-2_920), Duration::from_secs(1));
        assert_eq!(
            clock_guard.sweep_until(&clock),
            start + TimeDelta::seconds(1)
        );
        clock.pass(TimeDelta::days(-730), Duration::from_secs(1));
        assert!(is_trusted(&mut clock_guard, &clock));
    }

    #[test]
    fn second_jump_begins_a_wait_of_its_own() {
        let start = crate::clock::from_micros(1_700_000_000_000_000);
        let clock = TestClock(Mutex::new((start, Duration::ZERO)));
        let mut clock_guard = ClockGuard::new(since(start), &clock);
        clock.pass(TimeDelta::days(40), Duration::ZERO);
        let first = clock.now();
        assert_eq!(clock_guard.sweep_until(&clock), start);
        clock.pass(TimeDelta::days(365), Duration::from_secs(1_800));
        assert_eq!(clock_guard.sweep_until(&clock), start);
        clock.pass(TimeDelta::minutes(30), Duration::from_secs(1_800));
        assert_eq!(clock_guard.sweep_until(&clock), first);
        clock.pass(TimeDelta::hours(1), Duration::from_secs(3_600));
        assert!(is_trusted(&mut clock_guard, &clock));
    }
}
