//! Which leads the sweep purges, and when it may.

use chrono::{DateTime, Utc};

use crate::error::Result;
use crate::row::{Direction, Row};
use crate::schema::StoreState;
use crate::schema::keys;
use crate::storage::Visit;
use crate::storage::key;

/// At most `limit` leads whose time in the trash is over at `now`, longest over first.
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
