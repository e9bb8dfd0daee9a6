//! Keys as bytes: the parts that storage itself reads, and ranges of keys. What the rest of a key means is known to
//! `schema::keys`.

use crate::error::{Error, Result};
use crate::row::{Direction, Row};

/// The rows of one chunk of a bitmap share the upper 16 bits of their numbers.
pub(crate) const CHUNK_SUFFIX: usize = 2;
const ROW_SUFFIX: usize = 4;

const DEAL_VALUES: u8 = 0x01;

/// A half-open range of keys.
#[derive(Clone, Debug)]
pub(crate) struct KeyRange {
    pub(crate) from: Vec<u8>,
    pub(crate) to: Vec<u8>,
}

impl KeyRange {
    /// Every key that begins with `prefix`, which must not be all `FF`.
    pub(crate) fn prefix(prefix: &[u8]) -> Self {
        let mut to = prefix.to_vec();
        while to.last() == Some(&0xff) {
            to.pop();
        }
        if let Some(last) = to.last_mut() {
            *last += 1;
        }
        Self {
            from: prefix.to_vec(),
            to,
        }
    }

    /// The records of the leads from one row to another.
    pub(crate) fn rows(first: Row, last: Row) -> Self {
        Self {
            from: row_bytes(first).to_vec(),
            to: [row_bytes(last).as_slice(), &[0]].concat(),
        }
    }

    /// What of this range comes after the key of `value` and `row` in a direction.
    pub(crate) fn beyond(mut self, value: &[u8], row: Row, direction: Direction) -> Self {
        let key = [value, &row_bytes(row)].concat();
        match direction {
            // The next key in byte order. A value that is none of this range's leaves it as it is.
            Direction::Ascending => self.from = self.from.max([key.as_slice(), &[0]].concat()),
            Direction::Descending => self.to = self.to.min(key),
        }
        self
    }

    /// What of this range begins with the keys of `value` in a direction.
    pub(crate) fn starting_with(mut self, value: &[u8], direction: Direction) -> Self {
        match direction {
            Direction::Ascending => self.from = self.from.max(value.to_vec()),
            Direction::Descending => self.to = self.to.min(Self::prefix(value).to),
        }
        self
    }

    /// Every block of the column of deal values.
    pub(crate) fn deal_values() -> Self {
        Self::prefix(&[DEAL_VALUES])
    }
}

/// The row at the end of a sorted key, and what comes before it: the sort key's tag and value.
pub(crate) fn split_row(key: &[u8]) -> Result<(&[u8], Row)> {
    let damaged = || Error::corrupted("the store's file is damaged: a sorted key has no row");
    let (value, row) = key.split_last_chunk::<ROW_SUFFIX>().ok_or_else(damaged)?;
    Ok((value, Row(u32::from_be_bytes(*row))))
}

/// The key of the block of deal values that begins with a row.
pub(crate) fn deal_value_block(first_row: u32) -> Vec<u8> {
    [&[DEAL_VALUES], first_row.to_be_bytes().as_slice()].concat()
}

/// The row that a key ends with: of a lead, or the first one of a block of a column.
pub(crate) fn row(key: &[u8]) -> Result<u32> {
    Ok(split_row(key)?.1.0)
}

/// The key of the chunk of a bitmap that has a row in it.
pub(crate) fn chunk_key(bitmap: &[u8], row: Row) -> Vec<u8> {
    [bitmap, &((row.0 >> 16) as u16).to_be_bytes()].concat()
}

/// Which chunk of a bitmap a key names.
pub(crate) fn chunk_number(key: &[u8]) -> Result<u16> {
    let damaged = || Error::corrupted("the store's file is damaged: a bitmap has no chunk number");
    key.last_chunk::<CHUNK_SUFFIX>()
        .map(|number| u16::from_be_bytes(*number))
        .ok_or_else(damaged)
}

/// A value's bitmap key without its chunk: equal for the chunks of one value.
pub(crate) fn split_chunk(key: &[u8]) -> Result<&[u8]> {
    let damaged = || Error::corrupted("the store's file is damaged: a bitmap has no chunk number");
    key.split_last_chunk::<CHUNK_SUFFIX>()
        .map(|(bitmap, _)| bitmap)
        .ok_or_else(damaged)
}

pub(crate) fn row_bytes(row: Row) -> [u8; ROW_SUFFIX] {
    row.0.to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_prefix_range_holds_exactly_what_begins_with_it(prefix in proptest::collection::vec(0_u8..0xff, 1..4), key: Vec<u8>) {
            let range = KeyRange::prefix(&prefix);
            prop_assert_eq!(range.from <= key && key < range.to, key.starts_with(&prefix));
        }
    }
}
