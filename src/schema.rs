//! The one write path. Every write, whatever it is called, comes here as a lead before and after it; this turns the
//! pair into the record, its ids, every sorted key, every bitmap, the column of deal values and
//! the change log. It decides nothing about leads.

mod derive;
pub(crate) mod entries;
mod verify;

pub(crate) use derive::{derive_index_entries, is_mandatory};
pub(crate) use verify::{check, readable};

use crate::error::Result;
use crate::row::Row;
use crate::storage::{ChangeKind, LoggedChange, StoredLead, WriteTxn};

/// A lead before and after a write. Absent before: it is created; absent after: it is gone for good.
pub(crate) struct LeadChange<'a> {
    pub(crate) kind: ChangeKind,
    pub(crate) row: Row,
    pub(crate) before: Option<&'a StoredLead>,
    pub(crate) after: Option<&'a StoredLead>,
}

/// Writes everything that follows from a change. It fails before it writes anything if the lead is too large.
pub(crate) fn apply(txn: &mut WriteTxn<'_>, change: &LeadChange<'_>) -> Result<()> {
    let &LeadChange {
        kind,
        row,
        before,
        after,
    } = change;
    let Some(subject) = after.or(before) else {
        return Ok(());
    };
    match after {
        Some(after) => txn.put_lead(row, after)?,
        None => txn.remove_lead(row)?,
    }
    let old = before
        .map(|stored| derive_index_entries(row, stored))
        .unwrap_or_default();
    let new = after
        .map(|stored| derive_index_entries(row, stored))
        .unwrap_or_default();
    for id in old.ids.iter().filter(|id| !new.ids.contains(id)) {
        txn.set_id(id, None)?;
    }
    for id in new.ids.iter().filter(|id| !old.ids.contains(id)) {
        txn.set_id(id, Some(row))?;
    }
    for key in old.keys.iter().filter(|key| !new.keys.contains(key)) {
        txn.set_key(key, false)?;
    }
    for key in new.keys.iter().filter(|key| !old.keys.contains(key)) {
        txn.set_key(key, true)?;
    }
    for bitmap in old
        .bitmaps
        .iter()
        .filter(|bitmap| !new.bitmaps.contains(bitmap))
    {
        txn.set_row(bitmap, row, false)?;
    }
    for bitmap in new
        .bitmaps
        .iter()
        .filter(|bitmap| !old.bitmaps.contains(bitmap))
    {
        txn.set_row(bitmap, row, true)?;
    }
    if old.deal_value != new.deal_value {
        txn.set_deal_value(row, new.deal_value)?;
    }
    txn.note_created_at(subject.lead.created_at);
    txn.log(LoggedChange {
        kind,
        row,
        id: subject.lead.id,
        version: subject.lead.version,
    })
}
