//! Lookups of individual leads by id or external id.

use crate::error::Result;
use crate::lead::{Lead, LeadId};
use crate::row::Row;
use crate::schema::StoreState;
use crate::storage::StoredLead;

/// Returns the live lead with this id.
pub(crate) fn get(state: StoreState<'_>, id: LeadId) -> Result<Option<Lead>> {
    Ok(stored(state, id)?.and_then(|(_, stored)| live(stored)))
}

/// Returns the live leads with these ids, in the order of `ids`. An id without a live lead yields
/// `None`.
pub(crate) fn get_many(state: StoreState<'_>, ids: &[LeadId]) -> Result<Vec<Option<Lead>>> {
    ids.iter().map(|id| get(state, *id)).collect()
}

/// Returns the live lead with this external id.
pub(crate) fn get_by_external_id(state: StoreState<'_>, external_id: &str) -> Result<Option<Lead>> {
    match state.row_by_external_id(external_id)? {
        Some(row) => Ok(live(state.lead_at(row)?)),
        None => Ok(None),
    }
}

/// Returns the stored lead with this id, whether live or in the trash.
pub(crate) fn stored(state: StoreState<'_>, id: LeadId) -> Result<Option<(Row, StoredLead)>> {
    match state.row_by_id(id)? {
        Some(row) => Ok(Some((row, state.lead_at(row)?))),
        None => Ok(None),
    }
}

fn live(stored: StoredLead) -> Option<Lead> {
    stored.trash.is_none().then_some(stored.lead)
}
