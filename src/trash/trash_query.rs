//! Lists the trash.

use chrono::{DateTime, Utc};

use crate::error::Result;
use crate::lead::{TrashedLead, Violations};
use crate::query::{self, Page, PageStart, Paging, Sort, SortKey, page_of_rows};
use crate::row::{Direction, RowSet};
use crate::schema::keys;
use crate::schema::keys::BitmapId;
use crate::schema::{BitmapField, StoreState};
use crate::storage::Visit;
use crate::trash::expiry::visible;

/// A query for a page of the trash. By default it returns the 25 most recently deleted leads, the
/// most recent first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "a query does nothing until it is passed to list_trash"]
pub struct TrashQuery {
    sort: Vec<Sort>,
    paging: Paging,
    owner_id: Option<String>,
}

impl TrashQuery {
    /// Creates a query for page 1 of the complete trash, with 25 leads per page, the most recently
    /// deleted first.
    pub fn new() -> Self {
        Self::default()
    }

    /// Restricts the list to the leads of one owner.
    pub fn owner_id(mut self, owner_id: impl Into<String>) -> Self {
        self.owner_id = Some(owner_id.into());
        self
    }

    /// Sets the sort keys, at most three, which may include [`SortKey::DeletedAt`]. By default, the
    /// most recently deleted lead comes first.
    pub fn sort(mut self, sort: impl IntoIterator<Item = Sort>) -> Self {
        self.sort = sort.into_iter().collect();
        self
    }

    /// Sets the page number, starting at 1. A page past the end is empty.
    pub fn page(mut self, page: u64) -> Self {
        self.paging = self.paging.at_page(page);
        self
    }

    /// Sets the number of leads per page, 1 to 100.
    pub fn per_page(mut self, per_page: u32) -> Self {
        self.paging = self.paging.with_per_page(per_page);
        self
    }

    /// Checks the query. If it has violations, returns an error that lists all of them.
    pub(crate) fn check(&self) -> Result<()> {
        let mut violations = Violations::default();
        self.paging.check(&mut violations);
        query::check_sort(&self.sort, true, &mut violations);
        violations.into_result()
    }
}

/// Returns a page of the trash at `now`.
pub(crate) fn list_trash(
    state: StoreState<'_>,
    query: &TrashQuery,
    now: DateTime<Utc>,
) -> Result<Page<TrashedLead>> {
    query.check()?;
    let last_deleted_first = [Sort::desc(SortKey::DeletedAt)];
    let sort = if query.sort.is_empty() {
        last_deleted_first.as_slice()
    } else {
        &query.sort
    };
    let rows = match &query.owner_id {
        Some(owner_id) => visible_rows_of(state, now, owner_id)?,
        None => visible_rows(state, now)?,
    };
    let total = rows.len();
    let start = PageStart::Offset(query.paging.offset());
    let page = page_of_rows(state.in_trash(), rows, sort, start, query.paging.limit())?;
    let mut items = Vec::with_capacity(page.len());
    for row in page {
        items.extend(visible(state.lead_at(row)?, now));
    }
    Ok(Page::new(items, total, query.paging))
}

/// Returns the rows in the trash that have not expired at `now`, and so are visible and can be
/// restored.
pub(crate) fn visible_rows(state: StoreState<'_>, now: DateTime<Utc>) -> Result<RowSet> {
    let mut rows = state.in_trash().rows(&BitmapId::All)?;
    state.scan_keys(&keys::expired_range(now), Direction::Ascending, |key| {
        rows.remove(crate::storage::key::split_row(key)?.1);
        Ok(Visit::Continue(()))
    })?;
    Ok(rows)
}

/// Returns the visible rows in the trash that belong to one owner.
pub(crate) fn visible_rows_of(
    state: StoreState<'_>,
    now: DateTime<Utc>,
    owner_id: &str,
) -> Result<RowSet> {
    let owner = BitmapId::Value(BitmapField::OWNER_ID, Some(owner_id));
    Ok(visible_rows(state, now)?.and(&state.in_trash().rows(&owner)?))
}
