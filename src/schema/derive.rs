//! Derives the entries of a lead in every index.

use crate::row::Row;
use crate::schema::catalogue::Catalogue;
use crate::schema::field::SortOrder;
use crate::schema::keys::{self, BitmapId, Collection};
use crate::storage::{IndexEntries, StoredLead};

/// Returns all index entries of the lead stored at `row`.
pub(crate) fn derive_index_entries(
    catalogue: &Catalogue,
    row: Row,
    stored: &StoredLead,
) -> IndexEntries {
    let (lead, collection) = (&stored.lead, Collection::of(stored));
    let mut entries = IndexEntries::default();
    entries.ids.push(keys::id(lead.id));
    entries
        .ids
        .extend(lead.external_id.as_deref().map(keys::external_id));
    match stored.trash {
        Some(stamp) => entries.keys.push(keys::expires_at(stamp.expires_at, row)),
        // The column serves the facets, which count live leads only.
        None => {
            entries.deal_value = lead
                .deal_value
                .map(|value| u64::from_be_bytes(keys::deal_value(value)));
        }
    }
    let mut add_bitmap = |bitmap: BitmapId<'_>| entries.bitmaps.push(bitmap.key(collection));
    add_bitmap(BitmapId::All);
    if stored.out_of_order {
        add_bitmap(BitmapId::OutOfOrder);
    }
    for field in catalogue.fields() {
        if let Some(SortOrder::Keys { index, mandatory }) = field.sort
            && let Some(key) = keys::index_key(index, field, stored, row)
        {
            entries.keys.push(key);
            if !mandatory {
                add_bitmap(BitmapId::Has(index));
            }
        }
        if let Some(bitmaps) = field.filter {
            field.each_value(lead, |value| add_bitmap(BitmapId::Value(bitmaps, value)));
        }
    }
    entries
}
