//! Finds the leads that the sweep purges, and decides when it may run.

use chrono::{DateTime, Utc};

use crate::error::Result;
use crate::row::{Direction, Row};
use crate::schema::StoreState;
use crate::schema::keys;
use crate::storage::Visit;
use crate::storage::key;

/// Returns up to `limit` rows that have expired from the trash at `now`, earliest expiry first.
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
