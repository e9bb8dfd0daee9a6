//! The position of a lead in a sort order: its values for the sort keys, and its row as the
//! tie-break.

use std::cmp::Ordering;

use crate::error::{Error, Result};
use crate::lead::{Violation, ViolationCode};
use crate::query::sort::Sort;
use crate::row::{Direction, Row};
use crate::schema::keys::{self, BitmapId, Collection};
use crate::schema::{Catalogue, FieldDef, SortKey, SortOrder};
use crate::storage::StoredLead;
use crate::storage::key::split_row;

/// The position of a lead in a sort order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    /// The lead's value for each sort key, or `None` if the lead has no value. Each value is given
    /// as bytes that sort as the value does: an index key without the row, or the key of a bitmap.
    pub(crate) values: Vec<Option<Vec<u8>>>,
    pub(crate) row: Row,
    /// True if the lead was created out of order, so that its row does not determine its position
    /// by `created_at`.
    pub(crate) out_of_order: bool,
}

impl Position {
    pub(crate) fn of(
        catalogue: &Catalogue,
        stored: &StoredLead,
        row: Row,
        sort: &[Sort],
    ) -> Result<Self> {
        let values = sort
            .iter()
            .map(|sort| sort_value(catalogue, stored, sort.key()))
            .collect::<Result<_>>()?;
        Ok(Self {
            values,
            row,
            out_of_order: stored.out_of_order,
        })
    }

    pub(crate) fn after(&self) -> After<'_> {
        After {
            values: &self.values,
            row: self.row,
            out_of_order: self.out_of_order,
        }
    }

    /// Compares this position with `other` by `sort`, and then by row in the direction of `tie`.
    pub(crate) fn compare(&self, other: After<'_>, sort: &[Sort], tie: Direction) -> Ordering {
        let by_keys =
            sort.iter()
                .zip(self.values.iter().zip(other.values))
                .map(|(sort, (a, b))| match (a, b) {
                    (Some(a), Some(b)) => directed(a.cmp(b), sort.direction()),
                    // Leads without a value come last in both directions.
                    (a, b) => b.is_some().cmp(&a.is_some()),
                });
        by_keys
            .fold(Ordering::Equal, Ordering::then)
            .then(directed(self.row.cmp(&other.row), tie))
    }
}

/// The position after which a page starts, reduced to the sort keys that are still to be compared.
#[derive(Clone, Copy)]
pub(crate) struct After<'p> {
    values: &'p [Option<Vec<u8>>],
    pub(crate) row: Row,
    pub(crate) out_of_order: bool,
}

impl<'p> After<'p> {
    /// Returns the value for the first sort key, and the position for the remaining sort keys.
    pub(crate) fn split(self) -> (Option<&'p [u8]>, Self) {
        match self.values.split_first() {
            Some((first, values)) => (first.as_deref(), Self { values, ..self }),
            None => (None, self),
        }
    }
}

pub(crate) fn directed(ordering: Ordering, direction: Direction) -> Ordering {
    match direction {
        Direction::Ascending => ordering,
        Direction::Descending => ordering.reverse(),
    }
}

/// Returns the field of a sort key, and the stored structure that provides its order.
///
/// # Errors
///
/// `Invalid` if the catalogue has no field that provides this sort key.
pub(crate) fn sort_order(catalogue: &Catalogue, key: SortKey) -> Result<(&FieldDef, SortOrder)> {
    catalogue.sort(key).ok_or_else(|| {
        Error::invalid(vec![Violation::new(
            "sort",
            ViolationCode::NotAllowed,
            format!("leads cannot be sorted by {key}"),
        )])
    })
}

/// Returns a lead's value for a sort key, in bytes that sort as the value does.
fn sort_value(catalogue: &Catalogue, stored: &StoredLead, key: SortKey) -> Result<Option<Vec<u8>>> {
    let (field, order) = sort_order(catalogue, key)?;
    Ok(match order {
        SortOrder::Keys { index, .. } => match keys::index_key(index, field, stored, Row(0)) {
            Some(key) => Some(split_row(&key)?.0.to_vec()),
            None => None,
        },
        SortOrder::Bitmaps(bitmaps) => field
            .text(&stored.lead)
            .map(|text| BitmapId::Value(bitmaps, Some(text)).key(Collection::of(stored))),
    })
}
