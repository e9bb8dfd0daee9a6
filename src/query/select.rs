//! Evaluates a filter to the set of rows that it selects. Values are looked up in bitmaps, and
//! ranges in sort indexes.

use chrono::{DateTime, Utc};

use crate::error::Result;
use crate::lead::Violations;
use crate::query::filter::{DealValueRange, Filter, TimeRange};
use crate::row::{Direction, Row, RowSet};
use crate::schema::BitmapField;
use crate::schema::SortIndex;
use crate::schema::StoreState;
use crate::schema::keys;
use crate::schema::keys::BitmapId;
use crate::storage::Visit;
use crate::storage::key;

/// Returns the live leads that `filter` selects. Fails with `Invalid` if it names a value that no
/// lead can have.
pub(crate) fn select(state: StoreState<'_>, filter: &Filter) -> Result<RowSet> {
    let mut violations = Violations::default();
    filter.check(state.catalogue, &mut violations);
    violations.into_result()?;
    let mut selection = Selection {
        state,
        matching: Vec::new(),
    };
    for (field, values) in &filter.values {
        selection.add_values(*field, values)?;
    }
    if let Some(DealValueRange { from, to }) = filter.deal_value {
        selection.add_range(
            SortIndex::DEAL_VALUE,
            from.map(u64::to_be_bytes),
            to.map(u64::to_be_bytes),
        )?;
    }
    if let Some(TimeRange { from, to }) = filter.updated {
        selection.add_range(
            SortIndex::UPDATED_AT,
            from.map(keys::time),
            to.map(keys::time),
        )?;
    }
    let rows = match selection.intersection() {
        Some(rows) => rows,
        None => state.rows(&BitmapId::All)?,
    };
    match filter.created {
        Some(range) => created_in(state, &rows, range),
        None => Ok(rows),
    }
}

struct Selection<'r> {
    state: StoreState<'r>,
    /// The rows that each criterion of the filter selects.
    matching: Vec<RowSet>,
}

impl Selection<'_> {
    /// Returns the intersection of all criteria, or `None` if there are none.
    fn intersection(mut self) -> Option<RowSet> {
        // The smallest set comes first: intersecting two large sets first would cost several times
        // as much.
        self.matching.sort_by_key(RowSet::len);
        self.matching
            .into_iter()
            .reduce(|rows, matching| rows.and(&matching))
    }

    /// Adds a criterion: the leads that have any of these values, where `None` stands for leads
    /// without a value.
    fn add_values(&mut self, field: BitmapField, values: &[Option<String>]) -> Result<()> {
        let mut matching = RowSet::default();
        for value in values.iter().map(Option::as_deref) {
            matching.add_all(&self.state.rows(&BitmapId::Value(field, value))?);
        }
        self.matching.push(matching);
        Ok(())
    }

    fn add_range(
        &mut self,
        sort_key: SortIndex,
        from: Option<[u8; 8]>,
        to: Option<[u8; 8]>,
    ) -> Result<()> {
        self.matching
            .push(rows_between(self.state, sort_key, from, to)?);
        Ok(())
    }
}

fn rows_between(
    state: StoreState<'_>,
    sort_key: SortIndex,
    from: Option<[u8; 8]>,
    to: Option<[u8; 8]>,
) -> Result<RowSet> {
    let mut rows = RowSet::default();
    let range = state.sort_range_between(sort_key, from, to);
    state.scan_keys(&range, Direction::Ascending, |key| {
        rows.insert(key::split_row(key)?.1);
        Ok(Visit::Continue(()))
    })?;
    Ok(rows)
}

/// Returns the leads of `rows` that were created in `range`.
///
/// Rows are in creation order, so `created_at` increases with the row number except for leads
/// created out of order. If `rows` contains none of these, the time range is a row range, whose two
/// ends are looked up in the sort index.
fn created_in(state: StoreState<'_>, rows: &RowSet, range: TimeRange) -> Result<RowSet> {
    let out_of_order = state.rows(&BitmapId::OutOfOrder)?;
    if rows.is_disjoint(&out_of_order) {
        let first_from = |time: Option<DateTime<Utc>>| {
            time.map(|time| first_row_from(state, &out_of_order, time))
                .transpose()
        };
        let first = match first_from(range.from)? {
            Some(Some(first)) => first,
            Some(None) => return Ok(RowSet::default()),
            None => Row(0),
        };
        return Ok(rows.between(first, first_from(range.to)?.flatten()));
    }
    let matching = rows_between(
        state,
        SortIndex::CREATED_AT,
        range.from.map(keys::time),
        range.to.map(keys::time),
    )?;
    Ok(rows.and(&matching))
}

/// Returns the first row whose lead was created at or after `time`, ignoring leads created out of
/// order.
fn first_row_from(
    state: StoreState<'_>,
    out_of_order: &RowSet,
    time: DateTime<Utc>,
) -> Result<Option<Row>> {
    let mut first = None;
    let range = state.sort_range_between(SortIndex::CREATED_AT, Some(keys::time(time)), None);
    state.scan_keys(&range, Direction::Ascending, |key| {
        let (_, row) = key::split_row(key)?;
        if out_of_order.contains(row) {
            return Ok(Visit::Continue(()));
        }
        first = Some(row);
        Ok(Visit::Break(()))
    })?;
    Ok(first)
}
