//! The time at which a deleted lead expires. From then on, the lead can be neither seen nor
//! restored, even if the sweep has not purged it yet.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::clock;
use crate::error::Result;
use crate::lead::{LeadId, TrashedLead};
use crate::query;
use crate::schema::StoreState;
use crate::storage::{StoredLead, TrashStamp};

/// Returns the stamp of a lead that is deleted at `now` and can be restored for `retention`.
pub(crate) fn stamp(now: DateTime<Utc>, retention: Duration) -> TrashStamp {
    let retention = TimeDelta::from_std(retention).unwrap_or(TimeDelta::MAX);
    let expires_at = now
        .checked_add_signed(retention)
        .unwrap_or(DateTime::<Utc>::MAX_UTC);
    TrashStamp {
        deleted_at: now,
        expires_at: clock::microseconds(expires_at),
    }
}

/// Returns true if a lead with this stamp has expired at `now`. `keys::expired_range` selects the
/// same leads.
pub(crate) fn is_expired(stamp: TrashStamp, now: DateTime<Utc>) -> bool {
    stamp.expires_at <= now
}

/// Returns the lead as the trash shows it, or `None` if it is live or has expired at `now`.
pub(crate) fn visible(stored: StoredLead, now: DateTime<Utc>) -> Option<TrashedLead> {
    let stamp = stored.trash.filter(|stamp| !is_expired(*stamp, now))?;
    Some(TrashedLead {
        lead: stored.lead,
        deleted_at: stamp.deleted_at,
        expires_at: stamp.expires_at,
    })
}

/// Returns the lead with this id from the trash, unless it has expired at `now`.
pub(crate) fn get_trashed(
    state: StoreState<'_>,
    id: LeadId,
    now: DateTime<Utc>,
) -> Result<Option<TrashedLead>> {
    Ok(query::stored(state, id)?.and_then(|(_, stored)| visible(stored, now)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::Row;
    use crate::schema::keys;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn range_of_expired_keys_holds_exactly_the_expired_leads(
            expires_at in -5_i64..5, now in -5_i64..5, row: u32,
        ) {
            let [expires_at, now] = [expires_at, now].map(clock::from_micros);
            let stamp = TrashStamp { deleted_at: expires_at, expires_at };
            let key = keys::expires_at(expires_at, Row(row));
            let range = keys::expired_range(now);
            let in_range = range.from <= key && key < range.to;
            prop_assert_eq!(in_range, is_expired(stamp, now));
        }
    }

    #[test]
    fn retention_beyond_the_calendar_ends_with_the_calendar() {
        let now = clock::from_micros(0);
        let stamp = stamp(now, Duration::MAX);
        assert_eq!(
            stamp.expires_at,
            clock::microseconds(DateTime::<Utc>::MAX_UTC)
        );
        assert!(!is_expired(stamp, now));
    }
}
