//! Where a lead stands in a sort order: its values for the sort keys, and its row for the tie.

use std::cmp::Ordering;

use crate::error::Result;
use crate::query::sort::{Sort, SortKey};
use crate::row::{Direction, Row};
use crate::storage::Stored;
use crate::storage::key::{self, OrderedKey, Posting, ValueField};

/// A lead's place in a sort order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    /// For each sort key bytes that sort as the lead's value does, or `None` without a value. They are those of its
    /// sorted key without the row, or of its value's bitmap.
    pub(crate) values: Vec<Option<Vec<u8>>>,
    pub(crate) row: Row,
    /// Whether the lead was created out of order, so that its row does not tell its place among the others by
    /// `created_at`.
    pub(crate) late: bool,
}

impl Position {
    pub(crate) fn of(stored: &Stored, row: Row, sort: &[Sort]) -> Result<Self> {
        let values = sort
            .iter()
            .map(|sort| sort_value(stored, sort.key()))
            .collect::<Result<_>>()?;
        Ok(Self {
            values,
            row,
            late: stored.late,
        })
    }

    pub(crate) fn after(&self) -> After<'_> {
        After {
            values: &self.values,
            row: self.row,
            late: self.late,
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
    pub(crate) late: bool,
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
pub(crate) enum Kept {
    Keys(OrderedKey),
    Bitmaps(ValueField),
    /// Only with the leads in the trash.
    Trash,
}

impl Kept {
    pub(crate) fn of(sort_key: SortKey) -> Self {
        match sort_key {
            SortKey::CreatedAt => Self::Keys(OrderedKey::CreatedAt),
            SortKey::UpdatedAt => Self::Keys(OrderedKey::UpdatedAt),
            SortKey::Name => Self::Keys(OrderedKey::Name),
            SortKey::Company => Self::Keys(OrderedKey::Company),
            SortKey::Email => Self::Keys(OrderedKey::Email),
            SortKey::DealValue => Self::Keys(OrderedKey::DealValue),
            SortKey::Status => Self::Bitmaps(ValueField::Status),
            SortKey::Source => Self::Bitmaps(ValueField::Source),
            SortKey::OwnerId => Self::Bitmaps(ValueField::OwnerId),
            SortKey::DeletedAt => Self::Trash,
        }
    }
}

fn sort_value(stored: &Stored, sort_key: SortKey) -> Result<Option<Vec<u8>>> {
    let lead = &stored.lead;
    let value = match Kept::of(sort_key) {
        Kept::Trash => stored
            .trash
            .map(|stamp| key::time(stamp.deleted_at).to_vec()),
        Kept::Keys(ordered) => match key::ordered(ordered, lead, Row(0)) {
            Some(key) => Some(key::split_row(&key)?.0.to_vec()),
            None => None,
        },
        Kept::Bitmaps(field) => {
            let text = match field {
                ValueField::Status => Some(lead.status.as_str()),
                ValueField::Source => lead.source.as_deref(),
                ValueField::OwnerId => lead.owner_id.as_deref(),
                ValueField::Tag => None,
            };
            text.map(|text| Posting::Value(field, Some(text)).key())
        }
    };
    Ok(value)
}
