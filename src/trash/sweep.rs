//! The sweep, which purges expired leads: how often it runs, how many leads it purges at once, and
//! how it finds them. After the clock has jumped ahead, `ClockGuard` limits the sweep to the leads
//! that had expired before the jump, until the clock is trusted again.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::error::Result;
use crate::row::{Direction, Row};
use crate::schema::StoreState;
use crate::schema::keys;
use crate::storage::Visit;
use crate::storage::key;

/// Interval at which the background thread looks for expired leads.
pub(crate) const SWEEP_INTERVAL: Duration = Duration::from_secs(60);

/// Maximum number of expired leads that one transaction of the sweep purges.
pub(crate) const SWEEP_BATCH: usize = 256;

/// Returns the rows of up to `limit` leads in the trash that have expired at `now`, earliest expiry
/// first.
pub(crate) fn expired_rows(
    state: StoreState<'_>,
    now: DateTime<Utc>,
    limit: usize,
) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    state.scan_keys(&keys::expired_range(now), Direction::Ascending, |key| {
        if rows.len() == limit {
            return Ok(Visit::Break(()));
        }
        rows.push(key::split_row(key)?.1);
        Ok(Visit::Continue(()))
    })?;
    Ok(rows)
}
