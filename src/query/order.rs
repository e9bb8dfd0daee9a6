//! Sorting: finds one page of a set of rows in a given sort order.
//!
//! There are three access paths. If the set contains no leads created out of order, creation order
//! is row order, and a page in creation order is read from the set itself. For any other page, the
//! cost model picks the cheaper of the other two paths. One fetches and sorts the leads of the set.
//! The other scans a sort index, or the bitmaps of a field, in order, and skips rows that are not
//! in the set. If a single sort key decides the order, the scan of its sort index starts at the
//! cursor or, without a cursor, at the end nearer to the page.

use std::cmp::Ordering;

use crate::error::Result;
use crate::query::cost::{self, ScanFrom, ScanMode};
use crate::query::position::{After, Position, directed, sort_order};
use crate::query::sort::Sort;
use crate::row::{Direction, Lookup, Row, RowSet};
use crate::schema::BitmapField;
use crate::schema::SortIndex;
use crate::schema::keys::BitmapId;
use crate::schema::{SortKey, SortOrder, StoreState};
use crate::storage::KeyScan;
use crate::storage::Visit;
use crate::storage::key;

/// The start of a page.
#[derive(Clone, Copy)]
pub(crate) enum PageStart<'p> {
    /// After this number of rows.
    Offset(u64),
    /// After the row at this position, even if its lead has changed or is gone.
    After(&'p Position),
}

/// Sorts `rows` by `sort`, and returns up to `limit` of them from `start` on. The tie-break is
/// creation order in the direction of the first key.
pub(crate) fn page_of_rows(
    state: StoreState<'_>,
    rows: RowSet,
    sort: &[Sort],
    start: PageStart<'_>,
    limit: usize,
) -> Result<Vec<Row>> {
    let tie = sort
        .first()
        .map_or(Direction::Descending, |first| first.direction());
    let out_of_order = state.rows(&BitmapId::OutOfOrder)?;
    let (skip, after) = match start {
        PageStart::Offset(offset) => (offset, None),
        PageStart::After(position) => (0, Some(position.after())),
    };
    let mut pager = Pager {
        state,
        out_of_order,
        tie,
        is_reversed: false,
        skip,
        limit,
        page: Vec::with_capacity(limit.min(1_001)),
    };
    pager.take(rows, sort, after)?;
    Ok(pager.page)
}

/// Sorts `rows` with the newest leads first, and returns up to `limit` of them after skipping the
/// first `offset`.
pub(crate) fn newest_of(
    state: StoreState<'_>,
    mut rows: Vec<Row>,
    offset: u64,
    limit: usize,
) -> Result<Vec<Row>> {
    let newest_first = |a: &Row, b: &Row| b.cmp(a);
    let skip = usize::try_from(offset)
        .unwrap_or(usize::MAX)
        .min(rows.len());
    let end = skip.saturating_add(limit).min(rows.len());
    let out_of_order = state.rows(&BitmapId::OutOfOrder)?.lookup(rows.len());
    let among_late: Vec<Row> = rows
        .iter()
        .copied()
        .filter(|row| out_of_order.contains(*row))
        .collect();
    if !among_late.is_empty() {
        rows.retain(|row| !out_of_order.contains(*row));
    }
    // For the remaining rows, row order is creation order, so only the `end` rows with the highest
    // numbers can be on the page. Selecting these rows is faster than building a set of all rows.
    if end < rows.len() {
        rows.select_nth_unstable_by(end, newest_first);
        rows.truncate(end);
    }
    if !among_late.is_empty() {
        let rows = rows.into_iter().chain(among_late).collect();
        return page_of_rows(
            state,
            rows,
            &[Sort::desc(SortKey::CreatedAt)],
            PageStart::Offset(offset),
            limit,
        );
    }
    if skip > 0 && skip < end {
        rows.select_nth_unstable_by(skip, newest_first);
    }
    rows.drain(..skip);
    rows.sort_unstable_by(newest_first);
    Ok(rows)
}

struct Pager<'r> {
    state: StoreState<'r>,
    out_of_order: RowSet,
    /// Direction of the tie-break.
    tie: Direction,
    /// True if rows are visited in the reverse of the sort order, see
    /// [`visit_from_nearer_end`](Self::visit_from_nearer_end).
    is_reversed: bool,
    /// Number of rows to skip before the page. 0 if the page starts after a position.
    skip: u64,
    limit: usize,
    page: Vec<Row>,
}

impl Pager<'_> {
    fn is_full(&self) -> bool {
        self.page.len() >= self.limit
    }

    fn needed(&self) -> usize {
        self.limit - self.page.len()
    }

    /// Returns the direction in which the rows are visited by a sort key.
    fn direction(&self, sort: Sort) -> Direction {
        sort.direction().reversed_if(self.is_reversed)
    }

    /// Returns true if none of the next `rows` rows is on the page: it is full, or starts after
    /// them. In the latter case, skips them.
    fn skip_unless_on_page(&mut self, rows: u64, after: Option<After<'_>>) -> bool {
        if self.is_full() {
            return true;
        }
        let is_before = after.is_none() && self.skip >= rows;
        if is_before {
            self.skip -= rows;
        }
        is_before
    }

    /// Visits `rows` rows with `visit`, which adds those on the page, from the end of these rows
    /// that is nearer to the page: either in the sort order or in its reverse. A page after a
    /// position is always visited in the sort order.
    fn visit_from_nearer_end(
        &mut self,
        rows: u64,
        after: Option<After<'_>>,
        visit: impl FnOnce(&mut Self) -> Result<()>,
    ) -> Result<()> {
        let limit = rows.saturating_sub(self.skip).min(self.needed() as u64);
        let end = ScanFrom::to(rows, self.skip, limit);
        if after.is_some() || !end.is_last {
            return visit(self);
        }
        let mut reversed = Self {
            state: self.state,
            out_of_order: self.out_of_order.clone(),
            tie: self.tie.reversed_if(true),
            is_reversed: !self.is_reversed,
            skip: end.skip,
            limit: limit as usize,
            page: Vec::new(),
        };
        visit(&mut reversed)?;
        self.page.extend(reversed.page.into_iter().rev());
        self.skip = 0;
        Ok(())
    }

    /// Visits `rows` in the order of `sort`: skips the rows before the page, and adds the rows on
    /// the page. If `after` is given, the page starts after that position within `rows`.
    fn take(&mut self, rows: RowSet, sort: &[Sort], after: Option<After<'_>>) -> Result<()> {
        if self.skip_unless_on_page(rows.len(), after) {
            return Ok(());
        }
        let Some((first, rest)) = sort.split_first() else {
            self.take_in_row_order(rows, after);
            return Ok(());
        };
        let by_creation = first.key() == SortKey::CreatedAt
            && self.direction(*first) == self.tie
            && rest.is_empty();
        let begins_in_order = after.is_none_or(|after| !after.out_of_order);
        if by_creation && begins_in_order && rows.is_disjoint(&self.out_of_order) {
            self.take_in_row_order(rows, after);
            return Ok(());
        }
        let order = sort_order(self.state.catalogue, first.key())?.1;
        self.visit_from_nearer_end(rows.len(), after, |pager| match order {
            SortOrder::Keys { index, mandatory } => {
                pager.take_by_keys(rows, SortedBy { index, mandatory }, sort, after)
            }
            SortOrder::Bitmaps(field) if !cost::are_few(rows.len()) => {
                pager.take_by_values(&rows, field, sort, after)
            }
            SortOrder::Bitmaps(_) => pager.take_by_fetching(&rows, sort, after),
        })
    }

    fn take_in_row_order(&mut self, mut rows: RowSet, after: Option<After<'_>>) {
        if let Some(After { row, .. }) = after {
            match self.tie {
                Direction::Ascending => rows.remove_range(..=row.0),
                Direction::Descending => rows.remove_range(row.0..),
            };
        }
        let page = rows.page(self.tie, self.skip, self.needed());
        self.page.extend(page);
        self.skip = 0;
    }

    fn take_by_fetching(
        &mut self,
        rows: &RowSet,
        sort: &[Sort],
        after: Option<After<'_>>,
    ) -> Result<()> {
        let mut positions = positions(self.state, rows, sort)?;
        let tie = self.tie.reversed_if(self.is_reversed);
        positions.sort_unstable_by(|a, b| a.compare(b.after(), sort, tie));
        if self.is_reversed {
            positions.reverse();
        }
        let page = positions.iter().filter(|position| {
            after.is_none_or(|after| position.compare(after, sort, tie) == Ordering::Greater)
        });
        let skip = usize::try_from(self.skip).unwrap_or(usize::MAX);
        let needed = self.needed();
        self.page
            .extend(page.skip(skip).take(needed).map(|position| position.row));
        self.skip = 0;
        Ok(())
    }

    /// Scans the bitmaps of a field in the order of its values.
    fn take_by_values(
        &mut self,
        rows: &RowSet,
        field: BitmapField,
        sort: &[Sort],
        after: Option<After<'_>>,
    ) -> Result<()> {
        let Some((first, rest)) = sort.split_first() else {
            return Ok(());
        };
        let (state, direction) = (self.state, self.direction(*first));
        let begins = after.map(After::split);
        let without_value = BitmapId::Value(field, None);
        if self.is_reversed {
            self.take(rows.and(&state.rows(&without_value)?), rest, None)?;
        }
        if !matches!(begins, Some((None, _))) {
            state.each_value(field, direction, |value, value_rows| {
                let after = match begins {
                    Some((Some(begin), after)) => match directed(value.cmp(begin), direction) {
                        Ordering::Less => return Ok(Visit::Continue(())),
                        Ordering::Equal => Some(after),
                        Ordering::Greater => None,
                    },
                    _ => None,
                };
                self.take(rows.and(&value_rows), rest, after)?;
                Ok(if self.is_full() {
                    Visit::Break(())
                } else {
                    Visit::Continue(())
                })
            })?;
        }
        if self.is_reversed {
            return Ok(());
        }
        let after = after_in_rows_without_value(begins);
        self.take(rows.and(&state.rows(&without_value)?), rest, after)
    }

    fn take_by_keys(
        &mut self,
        rows: RowSet,
        sorted_by: SortedBy,
        sort: &[Sort],
        after: Option<After<'_>>,
    ) -> Result<()> {
        let Some((_, rest)) = sort.split_first() else {
            return Ok(());
        };
        let (with_value, without_value) = if sorted_by.mandatory {
            (rows, RowSet::default())
        } else {
            let having = self.state.rows(&BitmapId::Has(sorted_by.index))?;
            (rows.and(&having), rows.minus(&having))
        };
        let begins = after.map(After::split);
        let take_with_value = |pager: &mut Self| {
            if pager.skip_unless_on_page(with_value.len(), after) {
                return Ok(());
            }
            pager.visit_from_nearer_end(with_value.len(), after, |pager| {
                pager.take_with_value(&with_value, sorted_by, sort, after)
            })
        };
        if self.is_reversed {
            self.take(without_value, rest, None)?;
            return take_with_value(self);
        }
        // If the page starts among the rows without a value, every row with a value is before it.
        if !matches!(begins, Some((None, _))) {
            take_with_value(self)?;
        }
        self.take(without_value, rest, after_in_rows_without_value(begins))
    }

    /// Adds the rows of the page that are in `rows`. Every row in `rows` has a value for the first
    /// sort key.
    fn take_with_value(
        &mut self,
        rows: &RowSet,
        sorted_by: SortedBy,
        sort: &[Sort],
        after: Option<After<'_>>,
    ) -> Result<()> {
        let Some((first, rest)) = sort.split_first() else {
            return Ok(());
        };
        let (count, direction) = (rows.len(), self.direction(*first));
        let needed = (self.needed() as u64).min(count.saturating_sub(self.skip));
        let mode = if rest.is_empty() && direction == self.tie {
            ScanMode::KeyByKey
        } else {
            ScanMode::Grouped
        };
        let all_keys = self.state.keys_max()?;
        let scanned = cost::keys_scanned(all_keys, count, self.skip + needed);
        if cost::fetching_is_cheaper(count, scanned, mode) {
            return self.take_by_fetching(rows, sort, after);
        }
        if mode == ScanMode::Grouped {
            return self.take_groups(&lookup(rows, scanned), sorted_by, sort, after);
        }
        let mut range = self.state.sort_range(sorted_by.index);
        if let Some((Some(value), After { row, .. })) = after.map(After::split) {
            range = range.beyond(value, row, direction);
        }
        // If every key belongs to one of the rows, keys before the page need no lookup in the set.
        let is_all = !cost::are_few(self.skip)
            && count == self.state.rows(&sorted_by.rows_with_value())?.len();
        let among = (!is_all).then(|| lookup(rows, scanned));
        let scan = KeyScan {
            range: &range,
            direction,
            among: among.as_ref(),
            skip: self.skip,
        };
        self.take_keys(rows, &scan)
    }

    /// Scans index keys for the rest of the page. The keys to skip are counted, not visited.
    fn take_keys(&mut self, rows: &RowSet, scan: &KeyScan<'_>) -> Result<()> {
        self.state.scan_keys_with(scan, |key| {
            let (_, row) = key::split_row(key)?;
            // The row is tested even if every key should belong to a selected row: a faulty program
            // may have left a stale key, whose row must not be returned.
            if rows.contains(row) {
                self.page.push(row);
            }
            Ok(if self.is_full() {
                Visit::Break(())
            } else {
                Visit::Continue(())
            })
        })?;
        self.skip = 0;
        Ok(())
    }

    /// Scans a sort index and sorts the rows of each value by the remaining sort keys.
    fn take_groups(
        &mut self,
        rows: &Lookup,
        sorted_by: SortedBy,
        sort: &[Sort],
        after: Option<After<'_>>,
    ) -> Result<()> {
        let Some((first, rest)) = sort.split_first() else {
            return Ok(());
        };
        let (state, direction) = (self.state, self.direction(*first));
        let begins = after.map(After::split);
        let mut range = state.sort_range(sorted_by.index);
        if let Some((Some(value), _)) = begins {
            range = range.starting_with(value, direction);
        }
        let after_in = |value: &[u8]| {
            begins
                .filter(|(begin, _)| *begin == Some(value))
                .map(|(_, after)| after)
        };
        let mut value_of_group = Vec::new();
        let mut group = RowSet::default();
        let scan = KeyScan {
            range: &range,
            direction,
            among: Some(rows),
            skip: 0,
        };
        state.scan_keys_with(&scan, |key| {
            let (value, row) = key::split_row(key)?;
            if value != value_of_group {
                self.take(std::mem::take(&mut group), rest, after_in(&value_of_group))?;
                if self.is_full() {
                    return Ok(Visit::Break(()));
                }
                value_of_group.clear();
                value_of_group.extend_from_slice(value);
            }
            group.insert(row);
            Ok(Visit::Continue(()))
        })?;
        self.take(group, rest, after_in(&value_of_group))
    }
}

/// A sort order that is kept in a sort index.
#[derive(Clone, Copy)]
struct SortedBy {
    index: SortIndex,
    /// True if every lead has a value.
    mandatory: bool,
}

impl SortedBy {
    /// Returns the bitmap of the leads that have a value.
    fn rows_with_value(self) -> BitmapId<'static> {
        if self.mandatory {
            BitmapId::All
        } else {
            BitmapId::Has(self.index)
        }
    }
}

/// If the page starts among the rows without a value for the sort key, returns the position after
/// which it starts. Otherwise returns `None`.
fn after_in_rows_without_value<'p>(
    begins: Option<(Option<&'p [u8]>, After<'p>)>,
) -> Option<After<'p>> {
    begins
        .filter(|(value, _)| value.is_none())
        .map(|(_, after)| after)
}

/// Returns `rows` in the form that is fastest for this number of lookups.
fn lookup(rows: &RowSet, keys: u64) -> Lookup {
    rows.lookup(usize::try_from(keys).unwrap_or(usize::MAX))
}

fn positions(state: StoreState<'_>, rows: &RowSet, sort: &[Sort]) -> Result<Vec<Position>> {
    rows.iter()
        .map(|row| Position::of(state.catalogue, &state.lead_at(row)?, row, sort))
        .collect()
}
