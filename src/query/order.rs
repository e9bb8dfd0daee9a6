//! One page of a set of rows in a wanted order.
//!
//! Three ways lead to it, and the cheapest is taken. Creation order is row order, so a page of it is a `select` on the
//! set. Other sort keys have their order in sorted keys or in the order of their bitmaps, which is walked with a look at the
//! set for each, from the nearer end where one key decides. A small set is fetched and sorted.

use std::cmp::Ordering;

use crate::error::Result;
use crate::query::cost::{self, ScanFrom, SkipCost};
use crate::query::position::{After, Position, directed, sort_order};
use crate::query::sort::Sort;
use crate::row::{Direction, Lookup, Row, RowSet};
use crate::schema::BitmapField;
use crate::schema::SortIndex;
use crate::schema::keys;
use crate::schema::keys::BitmapId;
use crate::schema::{SortKey, SortOrder, StoreState};
use crate::storage::KeyScan;
use crate::storage::Visit;
use crate::storage::key;
use crate::storage::key::KeyRange;

/// Where a page begins.
#[derive(Clone, Copy)]
pub(crate) enum PageStart<'p> {
    /// After so many rows.
    Offset(u64),
    /// After the row that stood or stands there.
    After(&'p Position),
}

/// `limit` rows of `rows` from `start` on, sorted by `sort` and then by creation, in the direction of the first key.
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
        skip,
        limit,
        page: Vec::with_capacity(limit.min(1_001)),
    };
    pager.take(rows, sort, after)?;
    Ok(pager.page)
}

/// `limit` of some rows after the first `offset`, the newest leads first.
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
    // Rows are in creation order but for the late ones: what is older than the end of the page is none of it. Selecting
    // that is quicker than to make a set of all.
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
    tie: Direction,
    /// How many rows to pass before the page begins; 0 where it begins after a position.
    skip: u64,
    limit: usize,
    page: Vec<Row>,
}

impl Pager<'_> {
    fn is_full(&self) -> bool {
        self.page.len() >= self.limit
    }

    fn wanted(&self) -> usize {
        self.limit - self.page.len()
    }

    /// Goes over `rows` in the order of `sort`: passes those before the page, takes those on it. With `after`, the page
    /// begins within `rows`, by those sort keys.
    fn take(&mut self, rows: RowSet, sort: &[Sort], after: Option<After<'_>>) -> Result<()> {
        if self.is_full() {
            return Ok(());
        }
        if after.is_none() && self.skip >= rows.len() {
            self.skip -= rows.len();
            return Ok(());
        }
        let Some((first, rest)) = sort.split_first() else {
            self.take_in_row_order(rows, after);
            return Ok(());
        };
        let by_creation =
            first.key() == SortKey::CreatedAt && first.direction() == self.tie && rest.is_empty();
        let begins_in_order = after.is_none_or(|after| !after.out_of_order);
        if by_creation && begins_in_order && rows.is_disjoint(&self.out_of_order) {
            self.take_in_row_order(rows, after);
            return Ok(());
        }
        match sort_order(self.state.catalogue, first.key())?.1 {
            SortOrder::Keys { index, mandatory } => {
                self.take_by_keys(rows, SortedBy { index, mandatory }, sort, after)
            }
            SortOrder::Bitmaps(field) if !cost::are_few(rows.len()) => {
                self.take_by_values(&rows, field, sort, after)
            }
            SortOrder::Bitmaps(_) | SortOrder::Trash => self.take_by_fetching(&rows, sort, after),
        }
    }

    fn take_in_row_order(&mut self, mut rows: RowSet, after: Option<After<'_>>) {
        if let Some(After { row, .. }) = after {
            match self.tie {
                Direction::Ascending => rows.remove_range(..=row.0),
                Direction::Descending => rows.remove_range(row.0..),
            };
        }
        let page = rows.page(self.tie, self.skip, self.wanted());
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
        positions.sort_unstable_by(|a, b| a.compare(b.after(), sort, self.tie));
        let page = positions.iter().filter(|position| {
            after.is_none_or(|after| position.compare(after, sort, self.tie) == Ordering::Greater)
        });
        let skip = usize::try_from(self.skip).unwrap_or(usize::MAX);
        let wanted = self.wanted();
        self.page
            .extend(page.skip(skip).take(wanted).map(|position| position.row));
        self.skip = 0;
        Ok(())
    }

    /// Walks the bitmaps of a field's values in the order of the values.
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
        let (state, direction) = (self.state, first.direction());
        let begins = after.map(After::split);
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
        let without_value = rows.and(&state.rows(&BitmapId::Value(field, None))?);
        self.take(without_value, rest, after_among_those_without_value(begins))
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
        match begins {
            // All that have a value come before.
            Some((None, _)) => {}
            None if self.skip >= with_value.len() => self.skip -= with_value.len(),
            _ => self.take_with_value(&with_value, sorted_by, sort, after)?,
        }
        self.take(without_value, rest, after_among_those_without_value(begins))
    }

    /// The page, or its beginning, among `rows`, all of which have a value for the first sort key.
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
        let (count, direction) = (rows.len(), first.direction());
        let wanted = (self.wanted() as u64).min(count.saturating_sub(self.skip));
        let passing = if rest.is_empty() && direction == self.tie {
            SkipCost::OneByOne
        } else {
            SkipCost::InGroups
        };
        let seen = match (passing, after) {
            (SkipCost::OneByOne, None) => ScanFrom::to(count, self.skip, wanted).skip + wanted,
            _ => self.skip + wanted,
        };
        let all_keys = u64::from(self.state.meta.next_row);
        let passed = cost::keys_passed(all_keys, count, seen);
        if cost::fetching_pays(count, passed, passing) {
            return self.take_by_fetching(rows, sort, after);
        }
        if passing == SkipCost::InGroups {
            return self.take_groups(&lookup(rows, passed), sorted_by, sort, after);
        }
        let mut range = keys::sort_range(sorted_by.index);
        if let Some((Some(value), After { row, .. })) = after.map(After::split) {
            range = range.beyond(value, row, direction);
        }
        let is_all = !cost::are_few(self.skip)
            && count == self.state.rows(&sorted_by.rows_with_value())?.len();
        let keys = SortedKeys {
            range,
            count: all_keys,
            covers_exactly: is_all,
        };
        let page = page_of_keys(self.state, &keys, rows, direction, self.skip, wanted)?;
        self.page.extend(page);
        self.skip = 0;
        Ok(())
    }

    /// Walks the keys of a sort key, and orders those of one value by the rest of the keys.
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
        let (state, direction) = (self.state, first.direction());
        let begins = after.map(After::split);
        let mut range = keys::sort_range(sorted_by.index);
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

/// A sort order that is kept in sorted keys.
#[derive(Clone, Copy)]
struct SortedBy {
    index: SortIndex,
    /// Set if every lead has a value.
    mandatory: bool,
}

impl SortedBy {
    /// Returns the bitmap of the leads that have a value.
    fn rows_with_value(self) -> BitmapId<'static> {
        if self.mandatory {
            BitmapId::Live
        } else {
            BitmapId::Has(self.index)
        }
    }
}

/// Where the page begins among the rows without a value for a sort key, if it begins there.
fn after_among_those_without_value<'p>(
    begins: Option<(Option<&'p [u8]>, After<'p>)>,
) -> Option<After<'p>> {
    begins
        .filter(|(value, _)| value.is_none())
        .map(|(_, after)| after)
}

/// The sorted keys that a page is taken from.
pub(crate) struct SortedKeys {
    pub(crate) range: KeyRange,
    /// About how many there are.
    pub(crate) count: u64,
    /// Whether each is of a row that is wanted, which saves a look at those before the page.
    pub(crate) covers_exactly: bool,
}

/// A page of `rows` in the order of their keys, walked from the nearer end. With an offset, each must have a key.
pub(crate) fn page_of_keys(
    state: StoreState<'_>,
    keys: &SortedKeys,
    rows: &RowSet,
    direction: Direction,
    offset: u64,
    limit: u64,
) -> Result<Vec<Row>> {
    let wanted = limit.min(rows.len().saturating_sub(offset));
    if wanted == 0 {
        return Ok(Vec::new());
    }
    let end = ScanFrom::to(rows.len(), offset, wanted);
    let passed = cost::keys_passed(keys.count, rows.len(), end.skip + wanted);
    let among = if keys.covers_exactly {
        None
    } else {
        Some(lookup(rows, passed))
    };
    let direction = direction.reversed_if(end.is_last);
    let scan = KeyScan {
        range: &keys.range,
        direction,
        among: among.as_ref(),
        skip: end.skip,
    };
    let mut page = Vec::new();
    state.scan_keys_with(&scan, |key| {
        let (_, row) = key::split_row(key)?;
        // Where all are said to be wanted, one that a faulty program left must still not be shown.
        if !rows.contains(row) {
            return Ok(Visit::Continue(()));
        }
        page.push(row);
        Ok(if page.len() as u64 == wanted {
            Visit::Break(())
        } else {
            Visit::Continue(())
        })
    })?;
    if end.is_last {
        page.reverse();
    }
    Ok(page)
}

/// `rows` in the form in which those of so many keys are best looked for.
fn lookup(rows: &RowSet, keys: u64) -> Lookup {
    rows.lookup(usize::try_from(keys).unwrap_or(usize::MAX))
}

/// A page of `rows` by fetching every lead and sorting them.
pub(crate) fn page_by_fetching(
    state: StoreState<'_>,
    rows: &RowSet,
    sort: &[Sort],
    tie: Direction,
    offset: u64,
    limit: usize,
) -> Result<Vec<Row>> {
    let mut pager = Pager {
        state,
        out_of_order: RowSet::default(),
        tie,
        skip: offset,
        limit,
        page: Vec::new(),
    };
    pager.take_by_fetching(rows, sort, None)?;
    Ok(pager.page)
}

fn positions(state: StoreState<'_>, rows: &RowSet, sort: &[Sort]) -> Result<Vec<Position>> {
    rows.iter()
        .map(|row| Position::of(state.catalogue, &state.lead_at(row)?, row, sort))
        .collect()
}
