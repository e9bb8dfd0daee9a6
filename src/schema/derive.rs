//! What is derived from a lead: every id, sorted key and bitmap that it is in.

use crate::lead::Lead;
use crate::row::Row;
use crate::schema::entries::IndexEntries;
use crate::storage::StoredLead;
use crate::storage::key::{self, BitmapField, BitmapId, SortIndex};

/// Every sort key whose order is kept.
const ORDERED_KEYS: [SortIndex; 6] = [
    SortIndex::CreatedAt,
    SortIndex::UpdatedAt,
    SortIndex::Name,
    SortIndex::Company,
    SortIndex::Email,
    SortIndex::DealValue,
];

/// Whether every lead has a value for a sort key, so that no bitmap needs to tell which do.
pub(crate) fn is_mandatory(sort_key: SortIndex) -> bool {
    matches!(
        sort_key,
        SortIndex::CreatedAt | SortIndex::UpdatedAt | SortIndex::Name
    )
}

/// All that is derived from the lead in a row.
pub(crate) fn derive_index_entries(row: Row, stored: &StoredLead) -> IndexEntries {
    let lead = &stored.lead;
    let mut entries = IndexEntries::default();
    entries.ids.push(key::id(lead.id));
    entries
        .ids
        .extend(lead.external_id.as_deref().map(key::external_id));
    match stored.trash {
        Some(stamp) => {
            entries.keys.push(key::deleted_at(stamp.deleted_at, row));
            entries.keys.push(key::expires_at(stamp.expires_at, row));
            entries.bitmaps.push(BitmapId::Trash.key());
        }
        None => add_live(&mut entries, lead, row, stored.out_of_order),
    }
    entries
}

fn add_live(entries: &mut IndexEntries, lead: &Lead, row: Row, out_of_order: bool) {
    entries.bitmaps.push(BitmapId::Live.key());
    if out_of_order {
        entries.bitmaps.push(BitmapId::OutOfOrder.key());
    }
    entries.deal_value = lead
        .deal_value
        .map(|value| u64::from_be_bytes(key::deal_value(value)));
    for sort_key in ORDERED_KEYS {
        if let Some(key) = key::ordered(sort_key, lead, row) {
            entries.keys.push(key);
            if !is_mandatory(sort_key) {
                entries.bitmaps.push(BitmapId::Has(sort_key).key());
            }
        }
    }
    let values = [
        (BitmapField::Status, Some(lead.status.as_str())),
        (BitmapField::Source, lead.source.as_deref()),
        (BitmapField::OwnerId, lead.owner_id.as_deref()),
    ];
    let tags = lead
        .tags
        .iter()
        .map(|tag| (BitmapField::Tag, Some(tag.as_str())));
    entries.bitmaps.extend(
        values
            .into_iter()
            .chain(tags)
            .map(|(field, value)| BitmapId::Value(field, value).key()),
    );
}
