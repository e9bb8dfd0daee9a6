//! The entries of one lead in the derived tables, as bytes, and the redo operations that replace
//! one set of entries with another.

use crate::row::Row;
use crate::storage::journal::RedoOp;
use crate::storage::key::chunk_key;

/// The entries of a lead in the tables that are derived from leads: ids, keys, bitmaps and columns.
/// They are complete: no index contains the lead under any other key.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct IndexEntries {
    /// The keys of the lead's id and external id.
    pub(crate) ids: Vec<Vec<u8>>,
    /// The lead's index keys.
    pub(crate) keys: Vec<Vec<u8>>,
    /// The keys of the bitmaps that contain the lead's row.
    pub(crate) bitmaps: Vec<Vec<u8>>,
    /// The lead's deal value in ten-thousandths.
    pub(crate) deal_value: Option<u64>,
}

impl IndexEntries {
    /// Returns the operations that replace `before`, the old entries of `row`, with `self`.
    pub(crate) fn replace<'a>(
        &'a self,
        before: &'a Self,
        row: Row,
    ) -> impl Iterator<Item = RedoOp> + 'a {
        let id = |id: &[u8], row: Option<Row>| RedoOp::Id(id.into(), row.map(|row| row.0));
        let key = |key: &[u8], present| RedoOp::Key(key.into(), present);
        let bitmap = move |bitmap: &[u8], present| RedoOp::Row {
            chunk: chunk_key(bitmap, row).as_slice().into(),
            row: row.0,
            present,
        };
        let deal_value = (before.deal_value != self.deal_value)
            .then_some(RedoOp::DealValue(row.0, self.deal_value));
        (missing_from(&self.ids, &before.ids).map(move |gone| id(gone, None)))
            .chain(missing_from(&before.ids, &self.ids).map(move |new| id(new, Some(row))))
            .chain(missing_from(&self.keys, &before.keys).map(move |gone| key(gone, false)))
            .chain(missing_from(&before.keys, &self.keys).map(move |new| key(new, true)))
            .chain(
                missing_from(&self.bitmaps, &before.bitmaps).map(move |gone| bitmap(gone, false)),
            )
            .chain(missing_from(&before.bitmaps, &self.bitmaps).map(move |new| bitmap(new, true)))
            .chain(deal_value)
    }
}

/// Returns the elements of `some` that `others` lacks.
fn missing_from<'a>(others: &'a [Vec<u8>], some: &'a [Vec<u8>]) -> impl Iterator<Item = &'a [u8]> {
    some.iter()
        .filter(move |element| !others.contains(element))
        .map(Vec::as_slice)
}
