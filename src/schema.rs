//! The one write path. Every write, whatever it is called, comes here as a lead before and after it; this turns the
//! pair into the record, its ids, every sorted key, every bitmap, the column of deal values and
//! the change log. It decides nothing about leads.

mod derive;
pub(crate) mod entries;
mod verify;

pub(crate) use derive::{always_has, entries};
pub(crate) use verify::{check, readable};

use crate::error::Result;
use crate::row::Row;
use crate::storage::{LogChange, LogKind, Stored, WriteBatch};

/// A lead before and after a write. Absent before: it is created; absent after: it is gone for good.
pub(crate) struct Change<'a> {
    pub(crate) kind: LogKind,
    pub(crate) row: Row,
    pub(crate) before: Option<&'a Stored>,
    pub(crate) after: Option<&'a Stored>,
}

/// Writes everything that follows from a change. It fails before it writes anything if the lead is too large.
pub(crate) fn apply(batch: &mut WriteBatch<'_>, change: &Change<'_>) -> Result<()> {
    let &Change {
        kind,
        row,
        before,
        after,
    } = change;
    let Some(subject) = after.or(before) else {
        return Ok(());
    };
    match after {
        Some(after) => batch.put_lead(row, after)?,
        None => batch.remove_lead(row)?,
    }
    let old = before
        .map(|stored| entries(row, stored))
        .unwrap_or_default();
    let new = after.map(|stored| entries(row, stored)).unwrap_or_default();
    for id in old.ids.iter().filter(|id| !new.ids.contains(id)) {
        batch.set_id(id, None)?;
    }
    for id in new.ids.iter().filter(|id| !old.ids.contains(id)) {
        batch.set_id(id, Some(row))?;
    }
    for key in old.keys.iter().filter(|key| !new.keys.contains(key)) {
        batch.set_key(key, false)?;
    }
    for key in new.keys.iter().filter(|key| !old.keys.contains(key)) {
        batch.set_key(key, true)?;
    }
    for posting in old
        .postings
        .iter()
        .filter(|posting| !new.postings.contains(posting))
    {
        batch.set_row(posting, row, false)?;
    }
    for posting in new
        .postings
        .iter()
        .filter(|posting| !old.postings.contains(posting))
    {
        batch.set_row(posting, row, true)?;
    }
    if old.deal_value != new.deal_value {
        batch.set_deal_value(row, new.deal_value)?;
    }
    batch.note_created_at(subject.lead.created_at);
    batch.log(LogChange {
        kind,
        row,
        id: subject.lead.id,
        version: subject.lead.version,
    })
}
