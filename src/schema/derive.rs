//! What is derived from a lead: every id, sorted key and bitmap that it is in.

use crate::lead::Lead;
use crate::row::Row;
use crate::schema::entries::Entries;
use crate::storage::Stored;
use crate::storage::key::{self, OrderedKey, Posting, ValueField};

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
    matches!(
        sort_key,
        OrderedKey::CreatedAt | OrderedKey::UpdatedAt | OrderedKey::Name
    )
}

/// All that is derived from the lead in a row.
pub(crate) fn entries(row: Row, stored: &Stored) -> Entries {
    let lead = &stored.lead;
    let mut entries = Entries::default();
    entries.ids.push(key::id(lead.id));
    entries
        .ids
        .extend(lead.external_id.as_deref().map(key::external_id));
    match stored.trash {
        Some(stamp) => {
            entries.keys.push(key::deleted_at(stamp.deleted_at, row));
            entries.keys.push(key::expires_at(stamp.expires_at, row));
            entries.postings.push(Posting::Trash.key());
        }
        None => add_live(&mut entries, lead, row, stored.late),
    }
    entries
}

fn add_live(entries: &mut Entries, lead: &Lead, row: Row, late: bool) {
    entries.postings.push(Posting::Live.key());
    if late {
        entries.postings.push(Posting::Late.key());
    }
    entries.deal_value = lead
        .deal_value
        .map(|value| u64::from_be_bytes(key::deal_value(value)));
    for sort_key in ORDERED_KEYS {
        if let Some(key) = key::ordered(sort_key, lead, row) {
            entries.keys.push(key);
            if !always_has(sort_key) {
                entries.postings.push(Posting::Has(sort_key).key());
            }
        }
    }
    let values = [
        (ValueField::Status, Some(lead.status.as_str())),
        (ValueField::Source, lead.source.as_deref()),
        (ValueField::OwnerId, lead.owner_id.as_deref()),
    ];
    let tags = lead
        .tags
        .iter()
        .map(|tag| (ValueField::Tag, Some(tag.as_str())));
    entries.postings.extend(
        values
            .into_iter()
            .chain(tags)
            .map(|(field, value)| Posting::Value(field, value).key()),
    );
}
