//! From a filter to the set of rows that it wants: bitmaps for values, the sorted keys for ranges.

use chrono::{DateTime, Utc};

use crate::error::Result;
use crate::query::filter::{DealValueRange, Filter, TimeRange};
use crate::row::{Direction, Row, RowSet};
use crate::schema::BitmapField;
use crate::schema::SortIndex;
use crate::schema::StoreState;
use crate::schema::keys;
use crate::schema::keys::BitmapId;
use crate::storage::Visit;
use crate::storage::key;

/// The live leads that `filter` wants.
pub(crate) fn select(state: StoreState<'_>, filter: &Filter) -> Result<RowSet> {
    let mut selection = Selection {
        state,
        wanted: Vec::new(),
    };
    for (field, values) in &filter.values {
        selection.keep_values(*field, values)?;
    }
    if let Some(DealValueRange { from, to }) = filter.deal_value {
        selection.keep_range(
            SortIndex::DEAL_VALUE,
            from.map(u64::to_be_bytes),
            to.map(u64::to_be_bytes),
        )?;
    }
    if let Some(TimeRange { from, to }) = filter.updated {
        selection.keep_range(
            SortIndex::UPDATED_AT,
            from.map(keys::time),
            to.map(keys::time),
        )?;
    }
    let rows = match selection.in_all() {
        Some(rows) => rows,
        None => state.rows(&BitmapId::Live)?,
    };
    match filter.created {
        Some(range) => created_in(state, &rows, range),
        None => Ok(rows),
    }
}

struct Selection<'r> {
    state: StoreState<'r>,
    /// The leads that one part of the filter wants, for each part.
    wanted: Vec<RowSet>,
}

impl Selection<'_> {
    /// The leads that all parts want; `None` if there is no part.
    fn in_all(mut self) -> Option<RowSet> {
        // The smallest first: what two large sets have in common is large, too, and costs several times as much to make.
        self.wanted.sort_by_key(RowSet::len);
        self.wanted
            .into_iter()
            .reduce(|rows, wanted| rows.and(&wanted))
    }

    /// Keeps the leads that have any of these values or, with `or_none`, no value.
    fn keep_values(&mut self, field: BitmapField, values: &[Option<String>]) -> Result<()> {
        let mut wanted = RowSet::default();
        for value in values.iter().map(Option::as_deref) {
            wanted.add_all(&self.state.rows(&BitmapId::Value(field, value))?);
        }
        self.wanted.push(wanted);
        Ok(())
    }

    fn keep_range(
        &mut self,
        sort_key: SortIndex,
        from: Option<[u8; 8]>,
        to: Option<[u8; 8]>,
    ) -> Result<()> {
        self.wanted
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
    let range = keys::sort_range_between(sort_key, from, to);
    state.scan_keys(&range, Direction::Ascending, |key| {
        rows.insert(key::split_row(key)?.1);
        Ok(Visit::Continue(()))
    })?;
    Ok(rows)
}

/// The leads of `rows` that were created in `range`.
///
/// Rows are in creation order, and so in the order of `created_at` but for the late ones. Where none of those is
/// wanted, the range of time is a range of rows with one look-up at either end.
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
    let wanted = rows_between(
        state,
        SortIndex::CREATED_AT,
        range.from.map(keys::time),
        range.to.map(keys::time),
    )?;
    Ok(rows.and(&wanted))
}

/// The first row in creation order, late ones aside, whose lead was created at `time` or after.
fn first_row_from(
    state: StoreState<'_>,
    out_of_order: &RowSet,
    time: DateTime<Utc>,
) -> Result<Option<Row>> {
    let mut first = None;
    let range = keys::sort_range_between(SortIndex::CREATED_AT, Some(keys::time(time)), None);
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
