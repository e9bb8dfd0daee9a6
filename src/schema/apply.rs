//! The single write path for leads. For every change to a lead, it gets the lead before and after
//! the change, and writes the lead's record, ids, index keys, bitmaps and deal value, and an entry
//! in the change log. This module makes no decisions about leads.

use crate::error::Result;
use crate::row::Row;
use crate::schema::catalogue::Catalogue;
use crate::schema::derive::derive_index_entries;
use crate::storage::{ChangeKind, LoggedChange, StoredLead, WriteTxn};

/// A lead before and after a write. If `before` is `None`, the change creates the lead; if `after`
/// is `None`, the change purges it.
pub(crate) struct LeadChange<'a> {
    pub(crate) kind: ChangeKind,
    pub(crate) row: Row,
    pub(crate) before: Option<&'a StoredLead>,
    pub(crate) after: Option<&'a StoredLead>,
}

/// Writes a change: the lead's record, the index entries that differ, and an entry in the change
/// log.
///
/// # Errors
///
/// `Invalid` if the lead is too large. In that case, nothing has been written.
pub(crate) fn apply(
    txn: &mut WriteTxn<'_>,
    catalogue: &Catalogue,
    change: &LeadChange<'_>,
) -> Result<()> {
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
    let entries = |stored: Option<&StoredLead>| {
        stored
            .map(|stored| derive_index_entries(catalogue, row, stored))
            .unwrap_or_default()
    };
    txn.replace_entries(row, &entries(before), &entries(after))?;
    txn.note_created_at(subject.lead.created_at);
    txn.log(LoggedChange {
        kind,
        row,
        id: subject.lead.id,
        version: subject.lead.version,
    })
}
