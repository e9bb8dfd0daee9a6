//! Derives the entries of a lead in every index.

use crate::lead::Lead;
use crate::row::Row;
use crate::schema::catalogue::Catalogue;
use crate::schema::field::SortOrder;
use crate::schema::keys::{self, BitmapId};
use crate::storage::{IndexEntries, StoredLead};

/// Returns all index entries of the lead stored at `row`.
pub(crate) fn derive_index_entries(
    catalogue: &Catalogue,
    row: Row,
    stored: &StoredLead,
) -> IndexEntries {
    let lead = &stored.lead;
    let mut entries = IndexEntries::default();
    entries.ids.push(keys::id(lead.id));
    entries
        .ids
        .extend(lead.external_id.as_deref().map(keys::external_id));
    match stored.trash {
        Some(stamp) => {
            entries.keys.push(keys::deleted_at(stamp.deleted_at, row));
            entries.keys.push(keys::expires_at(stamp.expires_at, row));
            entries.bitmaps.push(BitmapId::Trash.key());
        }
        None => add_live(&mut entries, catalogue, lead, row, stored.out_of_order),
    }
    entries
}

fn add_live(
    entries: &mut IndexEntries,
    catalogue: &Catalogue,
    lead: &Lead,
    row: Row,
    out_of_order: bool,
) {
    entries.bitmaps.push(BitmapId::Live.key());
    if out_of_order {
        entries.bitmaps.push(BitmapId::OutOfOrder.key());
    }
    entries.deal_value = lead
        .deal_value
        .map(|value| u64::from_be_bytes(keys::deal_value(value)));
    for field in catalogue.fields() {
        if let Some(SortOrder::Keys { index, mandatory }) = field.sort
            && let Some(key) = keys::index_key(index, field, lead, row)
        {
            entries.keys.push(key);
            if !mandatory {
                entries.bitmaps.push(BitmapId::Has(index).key());
            }
        }
        if let Some(bitmaps) = field.filter {
            field.each_value(lead, |value| {
                entries.bitmaps.push(BitmapId::Value(bitmaps, value).key());
            });
        }
    }
}
