//! Row numbers, and sets of them. Every lead has a dense row number, in creation order, for as long as it is in the
//! store; listing, searching and counting are operations on sets of rows.

use roaring::RoaringBitmap;

/// The place of a lead in creation order. A row is never given twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Row(pub(crate) u32);

/// Which end to begin at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Ascending,
    Descending,
}

impl Direction {
    pub(crate) fn reversed_if(self, reverse: bool) -> Self {
        match (self, reverse) {
            (same, false) => same,
            (Self::Ascending, true) => Self::Descending,
            (Self::Descending, true) => Self::Ascending,
        }
    }
}

/// A set of rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct RowSet(pub(crate) RoaringBitmap);

impl RowSet {
    pub(crate) fn len(&self) -> u64 {
        self.0.len()
    }

    pub(crate) fn contains(&self, row: Row) -> bool {
        self.0.contains(row.0)
    }

    pub(crate) fn insert(&mut self, row: Row) {
        self.0.insert(row.0);
    }

    /// The rows in ascending order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Row> + '_ {
        self.0.iter().map(Row)
    }

    /// `limit` rows after the first `offset`, counted from the end that `direction` begins at.
    pub(crate) fn page(&self, direction: Direction, offset: u64, limit: usize) -> Vec<Row> {
        let len = self.len();
        if offset >= len {
            return Vec::new();
        }
        // `select` takes a u32, and a rank below the set's length fits one.
        let select = |rank: u64| u32::try_from(rank).ok().and_then(|rank| self.0.select(rank));
        let mut rows = self.0.iter();
        match direction {
            Direction::Ascending => {
                if let Some(first) = select(offset) {
                    rows.advance_to(first);
                }
                rows.take(limit).map(Row).collect()
            }
            Direction::Descending => {
                if let Some(last) = select(len - 1 - offset) {
                    rows.advance_back_to(last);
                }
                rows.rev().take(limit).map(Row).collect()
            }
        }
    }
}

impl FromIterator<Row> for RowSet {
    fn from_iter<I: IntoIterator<Item = Row>>(rows: I) -> Self {
        Self(rows.into_iter().map(|row| row.0).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_page_is_the_slice_of_the_sorted_rows(
            rows in proptest::collection::btree_set(0_u32..300_000, 0..200),
            offset in 0_u64..250,
            limit in 0_usize..30,
        ) {
            let set: RowSet = rows.iter().copied().map(Row).collect();
            let mut sorted: Vec<Row> = rows.into_iter().map(Row).collect();
            for direction in [Direction::Ascending, Direction::Descending] {
                let expected: Vec<Row> = sorted.iter().copied().skip(offset as usize).take(limit).collect();
                prop_assert_eq!(set.page(direction, offset, limit), expected);
                sorted.reverse();
            }
        }
    }
}
