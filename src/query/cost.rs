//! The cost model that picks the cheapest access path to a page. All access paths return the same
//! page.

/// Cost of fetching, decoding and sorting one lead (`FETCH_COST`) and of scanning past one key
/// (`SCAN_COST`), in the same unit. The measured times were about 2.2 microseconds and 4 to 9
/// nanoseconds.
const FETCH_COST: u64 = 256;
const SCAN_COST: u64 = 1;
/// Cost of scanning past one key in a grouped scan, in the unit of `SCAN_COST`. The value is that
/// of a scan in which few of the leads are selected.
const GROUPED_SCAN_COST: u64 = 2;
/// Maximum number of rows for which fetching and sorting the leads is cheaper even than reading the
/// bitmaps of a field with few values.
const FEW_ROWS_MAX: u64 = 64;

/// The way in which a sort index is scanned.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum ScanMode {
    KeyByKey,
    /// The rows of each value are collected, and sorted by the remaining sort keys and the
    /// tie-break.
    Grouped,
}

/// Returns true if there are so few rows to return or to skip that handling them one by one is
/// cheaper than reading more bitmaps.
pub(crate) fn are_few(rows: u64) -> bool {
    rows <= FEW_ROWS_MAX
}

/// Estimates how many of `keys` keys are scanned to find `seen` of `rows` rows, if the rows are
/// spread evenly over the keys.
pub(crate) fn keys_scanned(keys: u64, rows: u64, seen: u64) -> u64 {
    keys.saturating_mul(seen) / rows.max(1)
}

/// Returns true if fetching and sorting `rows` leads costs no more than scanning `keys` keys.
pub(crate) fn fetching_is_cheaper(rows: u64, keys: u64, mode: ScanMode) -> bool {
    let key = match mode {
        ScanMode::KeyByKey => SCAN_COST,
        ScanMode::Grouped => GROUPED_SCAN_COST,
    };
    rows.saturating_mul(FETCH_COST) <= keys.saturating_mul(key)
}

/// The end of the sort order that a scan for a page starts from. It is the end with fewer rows
/// between it and the page.
#[derive(Debug, PartialEq)]
pub(crate) struct ScanFrom {
    pub(crate) is_last: bool,
    /// Number of rows between this end and the page.
    pub(crate) skip: u64,
}

impl ScanFrom {
    /// Picks the end for a page of `wanted` rows that follows `offset` other rows. There are `rows`
    /// rows in total.
    pub(crate) fn to(rows: u64, offset: u64, wanted: u64) -> Self {
        let behind = rows.saturating_sub(offset).saturating_sub(wanted);
        let is_last = behind < offset;
        Self {
            is_last,
            skip: if is_last { behind } else { offset },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scanned_keys_are_proportional_to_rows_seen() {
        assert_eq!(keys_scanned(1_000, 100, 7), 70);
        assert_eq!(
            keys_scanned(1_000, 0, 7),
            7_000,
            "an empty set counts as one row"
        );
        assert_eq!(
            keys_scanned(u64::MAX, 2, 3),
            u64::MAX / 2,
            "the product saturates"
        );
    }

    #[test]
    fn fetching_is_chosen_up_to_the_cost_of_the_scan() {
        let most = |keys, mode| {
            (0..=1_000)
                .rev()
                .find(|rows| fetching_is_cheaper(*rows, keys, mode))
        };
        assert_eq!(most(FETCH_COST * 10, ScanMode::KeyByKey), Some(10));
        assert_eq!(most(FETCH_COST * 10 - 1, ScanMode::KeyByKey), Some(9));
        assert_eq!(most(FETCH_COST * 10, ScanMode::Grouped), Some(20));
        assert!(
            !fetching_is_cheaper(u64::MAX, u64::MAX - 1, ScanMode::KeyByKey),
            "the product saturates"
        );
        assert!(are_few(FEW_ROWS_MAX) && !are_few(FEW_ROWS_MAX + 1));
    }

    #[test]
    fn page_is_scanned_from_the_nearer_end() {
        let first = |skip| ScanFrom {
            is_last: false,
            skip,
        };
        let last = |skip| ScanFrom {
            is_last: true,
            skip,
        };
        assert_eq!(ScanFrom::to(100, 0, 10), first(0));
        assert_eq!(ScanFrom::to(100, 40, 10), first(40));
        assert_eq!(
            ScanFrom::to(100, 45, 10),
            first(45),
            "both ends are equally near"
        );
        assert_eq!(ScanFrom::to(100, 46, 10), last(44));
        assert_eq!(ScanFrom::to(100, 90, 10), last(0));
        assert_eq!(ScanFrom::to(10, 0, 10), first(0));
    }
}
