//! The time source of the store. All times that the store records or compares with recorded times
//! come from a [`Clock`], and an application or a test can supply its own clock. Only timers and
//! timeouts use [`Instant`] directly.

mod guard;

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};

/// A source of wall-clock time and of monotonic time.
///
/// The store truncates [`now`](Self::now) to microseconds. It calls `now` at least once per write,
/// so `now` should be cheap.
pub trait Clock: Send + Sync + 'static {
    /// Returns the wall-clock time, which may jump forward or back.
    fn now(&self) -> DateTime<Utc>;

    /// Returns monotonic time since an arbitrary starting point. The store compares it with
    /// [`now`](Self::now) to distinguish a wall clock that was set forward from the passage of
    /// time.
    fn elapsed(&self) -> Duration {
        static START: OnceLock<Instant> = OnceLock::new();
        START.get_or_init(Instant::now).elapsed()
    }
}

pub(crate) use guard::{ClockGuard, ClockJump, TrustedTime};

impl<C: Clock + ?Sized> Clock for std::sync::Arc<C> {
    fn now(&self) -> DateTime<Utc> {
        (**self).now()
    }

    fn elapsed(&self) -> Duration {
        (**self).elapsed()
    }
}

/// The operating system's clock. It is the default clock of a store.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }
}

/// How far the clock may lag behind the newest lead. Up to this lag, [`held`] returns the time of
/// that lead.
const SLACK: TimeDelta = TimeDelta::minutes(5);

/// Truncates `now` to microseconds.
pub(crate) fn microseconds(now: DateTime<Utc>) -> DateTime<Utc> {
    from_micros(now.timestamp_micros())
}

/// Converts microseconds since 1970 to a time. A value outside chrono's range saturates at the
/// nearest representable time.
pub(crate) fn from_micros(micros: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(micros).unwrap_or(if micros < 0 {
        DateTime::<Utc>::MIN_UTC
    } else {
        DateTime::<Utc>::MAX_UTC
    })
}

/// Returns the time of the newest lead if `now` is at most [`SLACK`] before it, and `now`
/// otherwise. This keeps `created_at` in creation order when a clock is set back slightly.
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
    fn only_a_small_clock_lag_is_clamped_to_the_newest_lead() {
        let newest = from_micros(1_000_000_000_000);
        assert_eq!(held(newest - TimeDelta::minutes(5), newest), newest);
        let far = newest - TimeDelta::minutes(5) - TimeDelta::microseconds(1);
        assert_eq!(held(far, newest), far);
        let ahead = newest + TimeDelta::days(400);
        assert_eq!(held(ahead, newest), ahead);
    }

    #[test]
    fn times_are_truncated_to_microseconds() {
        let fine = DateTime::from_timestamp(1, 123_456_789).unwrap();
        assert_eq!(microseconds(fine).timestamp_subsec_nanos(), 123_456_000);
        for extreme in [DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC] {
            assert_eq!(microseconds(extreme).timestamp(), extreme.timestamp());
        }
    }
}
