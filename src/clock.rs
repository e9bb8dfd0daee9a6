//! Where the time comes from. The store asks a [`Clock`], so that an application or a test can put its own in.

mod guard;

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};

/// A source of the time of day and of elapsed time.
///
/// The store truncates [`now`](Self::now) to microseconds. It is called once or more for each write, so it should be
/// cheap.
pub trait Clock: Send + Sync + 'static {
    /// The time of day, which may jump in either direction.
    fn now(&self) -> DateTime<Utc>;

    /// Time that only ever grows, from any starting point. The store compares it with [`now`](Self::now) to tell a
    /// time of day that was set forward from time that passed.
    fn elapsed(&self) -> Duration {
        static START: OnceLock<Instant> = OnceLock::new();
        START.get_or_init(Instant::now).elapsed()
    }
}

pub(crate) use guard::ClockGuard;

/// The operating system's clock, which a store uses unless its options name another.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }
}

/// How far a clock may stand behind the newest lead and be held at that lead's time.
const SLACK: TimeDelta = TimeDelta::minutes(5);

/// `now` in whole microseconds.
pub(crate) fn microseconds(now: DateTime<Utc>) -> DateTime<Utc> {
    from_micros(now.timestamp_micros())
}

/// The time that `micros` since 1970 stand for; a figure outside of what chrono can represent becomes the nearest one
/// it can.
pub(crate) fn from_micros(micros: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(micros).unwrap_or(if micros < 0 {
        DateTime::<Utc>::MIN_UTC
    } else {
        DateTime::<Utc>::MAX_UTC
    })
}

/// `now`, or the time of the newest lead where the clock stands only a little behind it: a clock that is being
/// slewed must not tear creation order and `created_at` apart.
pub(crate) fn held(now: DateTime<Utc>, newest: DateTime<Utc>) -> DateTime<Utc> {
    if now < newest && newest - now <= SLACK {
        newest
    } else {
        now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_slightly_behind_the_newest_lead_is_held_and_one_far_behind_is_not() {
        let newest = from_micros(1_000_000_000_000);
        assert_eq!(held(newest - TimeDelta::minutes(5), newest), newest);
        let far = newest - TimeDelta::minutes(5) - TimeDelta::microseconds(1);
        assert_eq!(held(far, newest), far);
        let ahead = newest + TimeDelta::days(400);
        assert_eq!(held(ahead, newest), ahead);
    }

    #[test]
    fn microseconds_survive_and_finer_fractions_are_cut() {
        let fine = DateTime::from_timestamp(1, 123_456_789).unwrap();
        assert_eq!(microseconds(fine).timestamp_subsec_nanos(), 123_456_000);
        for extreme in [DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC] {
            assert_eq!(microseconds(extreme).timestamp(), extreme.timestamp());
        }
    }
}
