//! The one write path. Every write, whatever it is called, comes here as a lead before and after it; this turns the
//! pair into the record, its ids, every sorted key, every bitmap, the column of deal values and
//! the change log. It decides nothing about leads.

use crate::Result;
use crate::lead::Lead;
use crate::row::Row;
use crate::storage::key::{self, OrderedKey, Posting, ValueField};
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
    let &Change { kind, row, before, after } = change;
    let Some(subject) = after.or(before) else { return Ok(()) };
    match after {
        Some(after) => batch.put_lead(row, after)?,
        None => batch.remove_lead(row)?,
    }
    let old = before.map(|stored| Derived::of(stored, row)).unwrap_or_default();
    let new = after.map(|stored| Derived::of(stored, row)).unwrap_or_default();
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
    for posting in old.postings.iter().filter(|posting| !new.postings.contains(posting)) {
        batch.set_row(posting, row, false)?;
    }
    for posting in new.postings.iter().filter(|posting| !old.postings.contains(posting)) {
        batch.set_row(posting, row, true)?;
    }
    if old.deal_value != new.deal_value {
        batch.set_deal_value(row, new.deal_value)?;
    }
    batch.note_created_at(subject.lead.created_at);
    batch.log(LogChange { kind, row, id: subject.lead.id, version: subject.lead.version })
}

/// Every sort key whose order is kept.
const ORDERED_KEYS: [OrderedKey; 6] = [
    OrderedKey::CreatedAt,
    OrderedKey::UpdatedAt,
    OrderedKey::Name,
    OrderedKey::Company,
    OrderedKey::Email,
    OrderedKey::DealValue,
];

/// Whether every lead has a value for a sort key, so that no bitmap needs to tell which do.
pub(crate) fn always_has(sort_key: OrderedKey) -> bool {
    matches!(sort_key, OrderedKey::CreatedAt | OrderedKey::UpdatedAt | OrderedKey::Name)
}

/// All that is derived from one lead: what is not named here is in no index.
#[derive(Default)]
struct Derived {
    ids: Vec<Vec<u8>>,
    keys: Vec<Vec<u8>>,
    postings: Vec<Vec<u8>>,
    /// In ten-thousandths.
    deal_value: Option<u64>,
}

impl Derived {
    fn of(stored: &Stored, row: Row) -> Self {
        let lead = &stored.lead;
        let mut derived = Self::default();
        derived.ids.push(key::id(lead.id));
        derived.ids.extend(lead.external_id.as_deref().map(key::external_id));
        match stored.trash {
            Some(stamp) => {
                derived.keys.push(key::deleted_at(stamp.deleted_at, row));
                derived.keys.push(key::expires_at(stamp.expires_at, row));
                derived.postings.push(Posting::Trash.key());
            }
            None => derived.add_live(lead, row, stored.late),
        }
        derived
    }

    fn add_live(&mut self, lead: &Lead, row: Row, late: bool) {
        self.postings.push(Posting::Live.key());
        if late {
            self.postings.push(Posting::Late.key());
        }
        self.deal_value = lead.deal_value.map(|value| u64::from_be_bytes(key::deal_value(value)));
        for sort_key in ORDERED_KEYS {
            if let Some(key) = key::ordered(sort_key, lead, row) {
                self.keys.push(key);
                if !always_has(sort_key) {
                    self.postings.push(Posting::Has(sort_key).key());
                }
            }
        }
        let values = [
            (ValueField::Status, Some(lead.status.as_str())),
            (ValueField::Source, lead.source.as_deref()),
            (ValueField::OwnerId, lead.owner_id.as_deref()),
        ];
        let tags = lead.tags.iter().map(|tag| (ValueField::Tag, Some(tag.as_str())));
        self.postings.extend(values.into_iter().chain(tags).map(|(field, value)| Posting::Value(field, value).key()));
    }
}
