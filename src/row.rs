//! Row numbers and sets of rows. Every lead has a dense row number, assigned in creation order and
//! valid for as long as the lead is in the store. Lists, searches and counts are operations on sets
//! of rows.

mod portable;

use std::ops::RangeBounds;
use std::sync::Arc;

pub(crate) use portable::chunk_length;
use roaring::RoaringBitmap;

/// The row number of a lead: its position in creation order. Row numbers are never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Row(pub(crate) u32);

/// Minimum number of lookups for which expanding a set to a plain bit array pays off.
const BIT_ARRAY_LOOKUPS_MIN: usize = 10_000;

/// The direction of a scan.
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

/// A set of rows. Cloning is cheap: the bitmap is shared until one of the copies changes.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct RowSet(Arc<RoaringBitmap>);

impl RowSet {
    pub(crate) fn shared(rows: Arc<RoaringBitmap>) -> Self {
        Self(rows)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the row number after the last row, or 0 if the set is empty.
    pub(crate) fn end(&self) -> usize {
        self.0
            .max()
            .map_or(0, |row| (row as usize).saturating_add(1))
    }

    pub(crate) fn is_disjoint(&self, other: &Self) -> bool {
        self.0.is_disjoint(&other.0)
    }

    /// Returns the rows that are in both sets.
    pub(crate) fn and(&self, other: &Self) -> Self {
        Self::from(&*self.0 & &*other.0)
    }

    /// Returns the rows from `first` up to but excluding `end`, or all rows from `first` if `end`
    /// is `None`. Copies only the containers in that range.
    pub(crate) fn between(&self, first: Row, end: Option<Row>) -> Self {
        let (Some(least), Some(greatest)) = (self.0.min(), self.0.max()) else {
            return Self::default();
        };
        let reaches_end = end.is_none_or(|end| greatest < end.0);
        if first.0 <= least && reaches_end {
            return self.clone();
        }
        // The bitmap of a range takes memory for every 65,536 rows, so a range that reaches past
        // the last row of the set is cut off at that row.
        let mut range = RoaringBitmap::new();
        match end.filter(|_| !reaches_end) {
            Some(end) => range.insert_range(first.0..end.0),
            None => range.insert_range(first.0..=greatest),
        };
        Self::from(&*self.0 & &range)
    }

    /// Returns the rows that are not in `other`.
    pub(crate) fn minus(&self, other: &Self) -> Self {
        if self.is_disjoint(other) {
            self.clone()
        } else {
            Self::from(&*self.0 - &*other.0)
        }
    }

    /// Adds all rows of `other`.
    pub(crate) fn add_all(&mut self, other: &Self) {
        if self.is_empty() {
            *self = other.clone();
        } else if !other.is_empty() {
            *self.change() |= &*other.0;
        }
    }

    pub(crate) fn remove(&mut self, row: Row) {
        self.change().remove(row.0);
    }

    pub(crate) fn remove_range(&mut self, rows: impl RangeBounds<u32>) {
        self.change().remove_range(rows);
    }

    /// Converts the set to an iterator over its rows in ascending order.
    pub(crate) fn into_rows(self) -> roaring::bitmap::IntoIter {
        Arc::unwrap_or_clone(self.0).into_iter()
    }

    fn change(&mut self) -> &mut RoaringBitmap {
        Arc::make_mut(&mut self.0)
    }

    pub(crate) fn len(&self) -> u64 {
        self.0.len()
    }

    pub(crate) fn contains(&self, row: Row) -> bool {
        self.0.contains(row.0)
    }

    pub(crate) fn insert(&mut self, row: Row) {
        self.change().insert(row.0);
    }

    /// Iterates over the rows in ascending order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Row> + '_ {
        self.0.iter().map(Row)
    }

    /// Calls `visit` with the rows in ascending order, 64 at a time for dense containers.
    ///
    /// It serializes the set and reads the 64-bit words that the [portable
    /// format](https://github.com/RoaringBitmap/RoaringFormatSpec) uses for dense containers. This
    /// takes a third of the time of iterating row by row. Returns `None` if the set cannot be
    /// serialized.
    pub(crate) fn for_each_part(&self, mut visit: impl FnMut(Part)) -> Option<()> {
        let mut bytes = Vec::with_capacity(self.0.serialized_size());
        self.0.serialize_into(&mut bytes).ok()?;
        portable::for_each_part(&bytes, &mut visit)
    }

    /// Expands the set to an array with one bit per row. A lookup in the array costs a fifth of a
    /// lookup in the set. Returns `None` if the set cannot be serialized.
    pub(crate) fn to_bits(&self) -> Option<RowBits> {
        let mut words = vec![0; self.end().div_ceil(64)];
        self.for_each_part(|part| {
            let (first, word) = match part {
                Part::Row(row) => (row.0, 1 << (row.0 % 64)),
                Part::Word(first, word) => (first.0, word),
            };
            if let Some(slot) = words.get_mut(first as usize / 64) {
                *slot |= word;
            }
        })?;
        Some(RowBits(words))
    }

    /// Returns the set in the form that is fastest for this number of lookups.
    pub(crate) fn lookup(&self, times: usize) -> Lookup {
        let bits = if times >= BIT_ARRAY_LOOKUPS_MIN && !self.is_empty() {
            self.to_bits()
        } else {
            None
        };
        bits.map_or_else(|| Lookup::Set(self.clone()), Lookup::Bits)
    }

    /// Returns up to `limit` rows after skipping `offset` rows, counted from the end where
    /// `direction` starts.
    pub(crate) fn page(&self, direction: Direction, offset: u64, limit: usize) -> Vec<Row> {
        let len = self.len();
        if offset >= len {
            return Vec::new();
        }
        // `select` takes a u32. Every rank below the length of the set fits.
        let select = |rank: u64| {
            u32::try_from(rank)
                .ok()
                .and_then(|rank| self.0.select(rank))
        };
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

/// A part of a set: a single row, or the first of 64 consecutive rows and a word with one bit for
/// each of them.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Part {
    Row(Row),
    Word(Row, u64),
}

/// A set of rows prepared for membership tests, see [`RowSet::lookup`].
pub(crate) enum Lookup {
    Set(RowSet),
    Bits(RowBits),
}

impl Lookup {
    pub(crate) fn contains(&self, row: Row) -> bool {
        match self {
            Self::Set(rows) => rows.contains(row),
            Self::Bits(bits) => bits.contains(row),
        }
    }
}

/// A set of rows as an array with one bit per row.
#[derive(Default)]
pub(crate) struct RowBits(Vec<u64>);

impl RowBits {
    /// Returns the number of rows that this set shares with a set in roaring's portable format, or
    /// `None` if the bytes are malformed.
    pub(crate) fn count_of(&self, portable: &[u8]) -> Option<u64> {
        let mut count = 0;
        portable::for_each_part(portable, &mut |part| {
            count += match part {
                Part::Row(row) => self.contains(row).into(),
                Part::Word(first, word) => u64::from((word & self.word(first)).count_ones()),
            }
        })?;
        Some(count)
    }

    /// Returns the number of `rows` that are in this set.
    pub(crate) fn count_among(&self, rows: &RoaringBitmap) -> u64 {
        rows.iter().filter(|row| self.contains(Row(*row))).count() as u64
    }

    /// Returns the 64 bits of the word that contains row `first`.
    fn word(&self, first: Row) -> u64 {
        self.0
            .get(first.0 as usize / 64)
            .copied()
            .unwrap_or_default()
    }

    pub(crate) fn contains(&self, row: Row) -> bool {
        self.0
            .get(row.0 as usize / 64)
            .is_some_and(|word| word >> (row.0 % 64) & 1 == 1)
    }
}

impl FromIterator<Row> for RowSet {
    fn from_iter<I: IntoIterator<Item = Row>>(rows: I) -> Self {
        Self::from(rows.into_iter().map(|row| row.0).collect::<RoaringBitmap>())
    }
}

impl From<RoaringBitmap> for RowSet {
    fn from(rows: RoaringBitmap) -> Self {
        Self(Arc::new(rows))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn page_matches_a_slice_of_the_sorted_rows(
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

    proptest! {
        /// Spreads a few rows over several chunks, so that the bounds of the range often fall on a
        /// row of the set.
        #[test]
        fn between_returns_exactly_the_rows_in_the_range(
            rows in proptest::collection::btree_set((0_u32..40).prop_map(|n| n * 8_192), 0..40),
            first in (0_u32..42, 0_u32..2).prop_map(|(n, more)| n * 8_192 + more),
            end in proptest::option::of((0_u32..42, 0_u32..2).prop_map(|(n, more)| n * 8_192 + more)),
        ) {
            let set: RowSet = rows.iter().copied().map(Row).collect();
            let expected = rows.into_iter().filter(|row| *row >= first && end.is_none_or(|end| *row < end));
            prop_assert_eq!(set.between(Row(first), end.map(Row)), expected.map(Row).collect());
        }
    }

    #[test]
    fn parts_and_bit_arrays_match_the_set() {
        let dense = || (0..70_000).filter(|row| row % 7 != 0);
        let sets: [Vec<u32>; 6] = [
            vec![],
            vec![0, 63, 64, 65_535, 65_536, u32::MAX - 1],
            dense().collect(),
            (10..400_000).collect(),
            dense().chain(200_000..300_000).chain([1 << 30]).collect(),
            (0..300_000).step_by(100).collect(),
        ];
        for rows in sets {
            for run_optimised in [false, true] {
                let mut set: RoaringBitmap = rows.iter().copied().collect();
                if run_optimised {
                    set.optimize();
                }
                let set = RowSet::from(set);
                let mut seen = Vec::new();
                set.for_each_part(|part| match part {
                    Part::Row(row) => seen.push(row.0),
                    Part::Word(first, word) => {
                        seen.extend(
                            (0..64)
                                .filter(|bit| word >> bit & 1 == 1)
                                .map(|bit| first.0 + bit),
                        );
                    }
                })
                .unwrap();
                assert_eq!(seen, rows);
                if set.end() < 1 << 21 {
                    let bits = set.to_bits().unwrap();
                    let mut bytes = Vec::new();
                    let other: RoaringBitmap = (0..500_000).step_by(3).collect();
                    other.serialize_into(&mut bytes).unwrap();
                    let common = other.intersection_len(&set.0);
                    assert_eq!(
                        (bits.count_of(&bytes), bits.count_among(&other)),
                        (Some(common), common)
                    );
                    assert!(
                        (0..410_000).all(|row| bits.contains(Row(row)) == set.contains(Row(row)))
                    );
                }
            }
        }
    }
}
