//! Where a lead stands in a sort order: its values for the sort keys, and its row for the tie.

use std::cmp::Ordering;

use crate::error::Result;
use crate::query::sort::{Sort, SortKey};
use crate::row::{Direction, Row};
use crate::storage::StoredLead;
use crate::storage::key::{self, BitmapField, BitmapId, SortIndex};

/// A lead's place in a sort order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    /// For each sort key bytes that sort as the lead's value does, or `None` without a value. They are those of its
    /// sorted key without the row, or of its value's bitmap.
    pub(crate) values: Vec<Option<Vec<u8>>>,
    pub(crate) row: Row,
    /// Whether the lead was created out of order, so that its row does not tell its place among the others by
    /// `created_at`.
    pub(crate) out_of_order: bool,
}

impl Position {
    pub(crate) fn of(stored: &StoredLead, row: Row, sort: &[Sort]) -> Result<Self> {
        let values = sort
            .iter()
            .map(|sort| sort_value(stored, sort.key()))
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

    /// How this compares with `other` in the order of `sort`, and in the direction of `tie` for the rest.
    pub(crate) fn compare(&self, other: After<'_>, sort: &[Sort], tie: Direction) -> Ordering {
        let by_keys =
            sort.iter()
                .zip(self.values.iter().zip(other.values))
                .map(|(sort, (a, b))| match (a, b) {
                    (Some(a), Some(b)) => directed(a.cmp(b), sort.direction()),
                    // Without a value comes last in both directions.
                    (a, b) => b.is_some().cmp(&a.is_some()),
                });
        by_keys
            .fold(Ordering::Equal, Ordering::then)
            .then(directed(self.row.cmp(&other.row), tie))
    }
}

/// What comes after a position, by as many of its values as are still to be compared.
#[derive(Clone, Copy)]
pub(crate) struct After<'p> {
    values: &'p [Option<Vec<u8>>],
    pub(crate) row: Row,
    pub(crate) out_of_order: bool,
}

impl<'p> After<'p> {
    /// The value for the first of the sort keys, and the position by the others.
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

/// Where the order of a sort key is kept.
pub(crate) enum SortSource {
    Keys(SortIndex),
    Bitmaps(BitmapField),
    /// Only with the leads in the trash.
    Trash,
}

impl SortSource {
    pub(crate) fn of(sort_key: SortKey) -> Self {
        match sort_key {
            SortKey::CreatedAt => Self::Keys(SortIndex::CreatedAt),
            SortKey::UpdatedAt => Self::Keys(SortIndex::UpdatedAt),
            SortKey::Name => Self::Keys(SortIndex::Name),
            SortKey::Company => Self::Keys(SortIndex::Company),
            SortKey::Email => Self::Keys(SortIndex::Email),
            SortKey::DealValue => Self::Keys(SortIndex::DealValue),
            SortKey::Status => Self::Bitmaps(BitmapField::Status),
            SortKey::Source => Self::Bitmaps(BitmapField::Source),
            SortKey::OwnerId => Self::Bitmaps(BitmapField::OwnerId),
            SortKey::DeletedAt => Self::Trash,
        }
    }
}

fn sort_value(stored: &StoredLead, sort_key: SortKey) -> Result<Option<Vec<u8>>> {
    let lead = &stored.lead;
    let value = match SortSource::of(sort_key) {
        SortSource::Trash => stored
            .trash
            .map(|stamp| key::time(stamp.deleted_at).to_vec()),
        SortSource::Keys(ordered) => match key::ordered(ordered, lead, Row(0)) {
            Some(key) => Some(key::split_row(&key)?.0.to_vec()),
            None => None,
        },
        SortSource::Bitmaps(field) => {
            let text = match field {
                BitmapField::Status => Some(lead.status.as_str()),
                BitmapField::Source => lead.source.as_deref(),
                BitmapField::OwnerId => lead.owner_id.as_deref(),
                BitmapField::Tag => None,
            };
            text.map(|text| BitmapId::Value(field, Some(text)).key())
        }
    };
    Ok(value)
}
