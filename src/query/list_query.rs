//! Listing: a filter, an order and a page.

use super::filter::Filter;
use super::order::page_of_rows;
use super::page::{Page, Paging};
use super::select::select;
use super::sort::{self, Sort, SortKey};
use crate::Result;
use crate::lead::{Lead, Violations};
use crate::storage::Reader;

/// Which leads to list, in which order, and which page of them: by default all, newest first, 25 to a page.
///
/// ```
/// use leadstore::{Filter, LeadStore, ListQuery, NewLead, Sort, SortKey};
///
/// let store = LeadStore::in_memory()?;
/// store.create(NewLead::new("Jane Doe"))?;
/// store.create(NewLead::new("Adam Smith").status("lost"))?;
/// let page = store.list(
///     &ListQuery::new().filter(Filter::new().status("new")).sort([Sort::desc(SortKey::CreatedAt)]).per_page(50),
/// )?;
/// assert_eq!((page.total, page.items[0].name.as_str()), (1, "Jane Doe"));
/// # Ok::<(), leadstore::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "a query does nothing until it is passed to list"]
pub struct ListQuery {
    filter: Filter,
    sort: Vec<Sort>,
    paging: Paging,
}

impl ListQuery {
    /// All leads, newest first, page 1 of 25 each.
    pub fn new() -> Self {
        Self::default()
    }

    /// Which leads.
    pub fn filter(mut self, filter: Filter) -> Self {
        self.filter = filter;
        self
    }

    /// By which keys to sort, at most three; none means newest first. Ties fall back on creation order in the
    /// direction of the first key.
    pub fn sort(mut self, sort: impl IntoIterator<Item = Sort>) -> Self {
        self.sort = sort.into_iter().collect();
        self
    }

    /// Which page, from 1. A page past the end is empty.
    pub fn page(mut self, page: u64) -> Self {
        self.paging = self.paging.at_page(page);
        self
    }

    /// How many leads a page has, 1 to 100.
    pub fn per_page(mut self, per_page: u32) -> Self {
        self.paging = self.paging.with_per_page(per_page);
        self
    }

    /// Instead of a page, `limit` leads (1 to 1,000) after the first `offset`: what a scrolled list shows.
    pub fn window(mut self, offset: u64, limit: u32) -> Self {
        self.paging = Paging::window(offset, limit);
        self
    }

    fn check(&self) -> Result<()> {
        let mut violations = Violations::default();
        self.paging.check(&mut violations);
        sort::check(&self.sort, false, &mut violations);
        violations.into_result()
    }
}

pub(crate) fn list(reader: &impl Reader, query: &ListQuery) -> Result<Page<Lead>> {
    query.check()?;
    let newest_first = [Sort::desc(SortKey::CreatedAt)];
    let sort = if query.sort.is_empty() { newest_first.as_slice() } else { &query.sort };
    let rows = select(reader, &query.filter)?;
    let total = rows.len();
    let page = page_of_rows(reader, rows, sort, query.paging.offset(), query.paging.limit())?;
    let leads = page.into_iter().map(|row| Ok(reader.indexed_lead(row)?.lead)).collect::<Result<_>>()?;
    Ok(Page::new(leads, total, query.paging))
}
