//! The column of deal values, in blocks of 512 rows, so that sums need not read the leads.
//!
//! A block stores each row's value in seven bytes, little-endian, which is enough for every valid
//! deal value. If all bits are set, the row has no value. A block may end before its 512th row: the
//! rows after its end have no value.

use std::iter::Peekable;

use crate::error::{Error, Result};

/// Number of rows per block. A full block is 3,584 bytes long and so fits in a page of redb, which
/// is 4,096 bytes.
pub(crate) const BLOCK_ROWS: u32 = 512;
const WIDTH: usize = 7;
const NONE: u64 = (1 << (8 * WIDTH)) - 1;

/// The deal values of consecutive rows.
pub(crate) struct DealValues {
    first_row: u32,
    values: Vec<u64>,
}

impl DealValues {
    pub(crate) fn decode(first_row: u32, bytes: &[u8]) -> Result<Self> {
        let (values, rest) = bytes.as_chunks::<WIDTH>();
        if !rest.is_empty() || values.len() > BLOCK_ROWS as usize {
            return Err(Error::corrupted(
                "leads.redb is corrupted: a block of deal values has an invalid length",
            ));
        }
        let value = |index: usize| match bytes
            .get(index * WIDTH..)
            .and_then(|rest| rest.first_chunk())
        {
            // Reads eight bytes at once and masks out the last one.
            Some(eight) => u64::from_le_bytes(*eight) & NONE,
            None => values.last().map_or(NONE, |[a, b, c, d, e, f, g]| {
                u64::from_le_bytes([*a, *b, *c, *d, *e, *f, *g, 0])
            }),
        };
        Ok(Self {
            first_row,
            values: (0..values.len()).map(value).collect(),
        })
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let end = self
            .values
            .iter()
            .rposition(|value| *value != NONE)
            .map_or(0, |last| last + 1);
        let bytes = self
            .values
            .iter()
            .take(end)
            .flat_map(|value| value.to_le_bytes().into_iter().take(WIDTH));
        bytes.collect()
    }

    /// Returns the first row of the block.
    pub(crate) fn first_row(&self) -> u32 {
        self.first_row
    }

    /// Iterates over the values, which are in ten-thousandths, in row order. A row without a value
    /// yields `None`. Rows after the last item have no value either.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Option<u64>> {
        self.values
            .iter()
            .map(|value| Some(*value).filter(|value| *value != NONE))
    }

    pub(crate) fn set(&mut self, row: u32, value: Option<u64>) {
        let index = (row % BLOCK_ROWS) as usize;
        if index >= self.values.len() {
            self.values.resize(index + 1, NONE);
        }
        if let Some(slot) = self.values.get_mut(index) {
            *slot = value.unwrap_or(NONE).min(NONE);
        }
    }

    pub(crate) fn empty(row: u32) -> Self {
        Self {
            first_row: row - row % BLOCK_ROWS,
            values: Vec::new(),
        }
    }

    /// If the tables lack the block that the next change belongs to, builds that block and consumes
    /// all changes to it. `end` is the first row of the next block that the tables have. Returns
    /// `None` if there is no next change, or if its row is at or after `end`.
    pub(crate) fn missing(
        changed: &mut Peekable<impl Iterator<Item = (u32, Option<u64>)>>,
        end: u32,
    ) -> Option<Self> {
        let (row, _) = changed.peek().filter(|(row, _)| *row < end)?;
        let mut block = Self::empty(*row);
        block.patch(changed);
        Some(block)
    }

    pub(crate) fn patch(
        &mut self,
        changed: &mut Peekable<impl Iterator<Item = (u32, Option<u64>)>>,
    ) {
        while let Some((row, value)) =
            changed.next_if(|(row, _)| row - row % BLOCK_ROWS == self.first_row)
        {
            self.set(row, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn deal_values_round_trip_through_a_block(values in proptest::collection::btree_map(0..BLOCK_ROWS, proptest::option::of(0_u64..1_000_000_000_000_000), 0..100)) {
            let mut block = DealValues::empty(5 * BLOCK_ROWS + 3);
            for (row, value) in &values {
                block.set(5 * BLOCK_ROWS + row, *value);
            }
            let back = DealValues::decode(block.first_row, &block.encode()).unwrap();
            prop_assert_eq!(back.first_row(), 5 * BLOCK_ROWS);
            let all = back.iter().chain(std::iter::repeat(None));
            for (row, value) in (0..BLOCK_ROWS).zip(all) {
                prop_assert_eq!(value, values.get(&row).copied().flatten());
            }
        }
    }

    #[test]
    fn deal_value_block_encoding_is_stable() {
        let mut block = DealValues::empty(512);
        block.set(513, Some(0x0102));
        block.set(514, None);
        let bytes = [[0xff; 7], [2, 1, 0, 0, 0, 0, 0]].concat();
        assert_eq!(block.encode(), bytes);
        assert!(DealValues::decode(512, &bytes[1..]).is_err());
        assert!(DealValues::decode(512, &vec![0; 513 * 7]).is_err());
    }
}
