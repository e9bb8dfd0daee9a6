//! Keys as bytes: the parts that storage itself reads, and ranges of keys. `schema::keys` defines
//! the rest of each key.

use crate::error::{Error, Result};
use crate::row::{Direction, Row};

/// Length in bytes of the chunk number at the end of a chunk key. The chunk number is the upper 16
/// bits that all rows in the chunk share.
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
    /// Returns the range of all keys that start with `prefix`. The prefix must contain a byte other
    /// than `FF`.
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

    /// Returns the range of the lead records from `first` to `last`, inclusive.
    pub(crate) fn rows(first: Row, last: Row) -> Self {
        Self {
            from: row_bytes(first).to_vec(),
            to: [row_bytes(last).as_slice(), &[0]].concat(),
        }
    }

    /// Narrows the range to the keys after the key of `value` and `row` in `direction`.
    pub(crate) fn beyond(mut self, value: &[u8], row: Row, direction: Direction) -> Self {
        let key = [value, &row_bytes(row)].concat();
        match direction {
            // Appending 00 gives the next key in byte order. A key before the start of the range
            // does not change the range.
            Direction::Ascending => self.from = self.from.max([key.as_slice(), &[0]].concat()),
            Direction::Descending => self.to = self.to.min(key),
        }
        self
    }

    /// Narrows the range so that a scan in `direction` starts with the keys of `value`.
    pub(crate) fn starting_with(mut self, value: &[u8], direction: Direction) -> Self {
        match direction {
            Direction::Ascending => self.from = self.from.max(value.to_vec()),
            Direction::Descending => self.to = self.to.min(Self::prefix(value).to),
        }
        self
    }

    /// Returns the range of all blocks in the column of deal values.
    pub(crate) fn deal_values() -> Self {
        Self::prefix(&[DEAL_VALUES])
    }
}

/// Splits an index key into the bytes before the row (the sort index and the value) and the row.
pub(crate) fn split_row(key: &[u8]) -> Result<(&[u8], Row)> {
    let corrupted = || Error::corrupted("leads.redb is corrupted: an index key has no row");
    let (value, row) = key.split_last_chunk::<ROW_SUFFIX>().ok_or_else(corrupted)?;
    Ok((value, Row(u32::from_be_bytes(*row))))
}

/// Returns the key of the block of deal values that starts with `first_row`.
pub(crate) fn deal_value_block(first_row: u32) -> Vec<u8> {
    [&[DEAL_VALUES], first_row.to_be_bytes().as_slice()].concat()
}

/// Returns the row at the end of a key: the row of a lead, or the first row of a column block.
pub(crate) fn row(key: &[u8]) -> Result<u32> {
    Ok(split_row(key)?.1.0)
}

/// Returns the key of the bitmap chunk that `row` belongs to.
pub(crate) fn chunk_key(bitmap: &[u8], row: Row) -> Vec<u8> {
    [bitmap, &((row.0 >> 16) as u16).to_be_bytes()].concat()
}

/// Returns the chunk number at the end of a chunk key.
pub(crate) fn chunk_number(key: &[u8]) -> Result<u16> {
    let corrupted =
        || Error::corrupted("leads.redb is corrupted: a bitmap key has no chunk number");
    key.last_chunk::<CHUNK_SUFFIX>()
        .map(|number| u16::from_be_bytes(*number))
        .ok_or_else(corrupted)
}

/// Returns a chunk key without the chunk number: the prefix that the keys of all chunks of the
/// bitmap share.
pub(crate) fn split_chunk(key: &[u8]) -> Result<&[u8]> {
    let corrupted =
        || Error::corrupted("leads.redb is corrupted: a bitmap key has no chunk number");
    key.split_last_chunk::<CHUNK_SUFFIX>()
        .map(|(bitmap, _)| bitmap)
        .ok_or_else(corrupted)
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
        fn prefix_range_contains_exactly_the_keys_with_the_prefix(prefix in proptest::collection::vec(0_u8..0xff, 1..4), key: Vec<u8>) {
            let range = KeyRange::prefix(&prefix);
            prop_assert_eq!(range.from <= key && key < range.to, key.starts_with(&prefix));
        }
    }
}
