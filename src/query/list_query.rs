//! List queries: a filter, a sort order and a page.

use crate::error::Result;
use crate::lead::{Lead, ViolationCode, Violations};
use crate::query::cursor::Cursor;
use crate::query::filter::Filter;
use crate::query::order::{PageStart, page_of_rows};
use crate::query::page::{Page, Paging};
use crate::query::position::Position;
use crate::query::select::select;
use crate::query::sort::{self, Sort};
use crate::schema::StoreState;
use crate::schema::{Catalogue, SortKey};

/// A query for a page of the live leads. By default it returns the first 25 of all leads, newest
/// first.
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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "a query does nothing until it is passed to list"]
pub struct ListQuery {
    filter: Filter,
    sort: Vec<Sort>,
    paging: Paging,
    after: Option<Cursor>,
}

impl ListQuery {
    /// Creates a query for page 1 of all leads, newest first, with 25 leads per page.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the filter that selects the leads.
    pub fn filter(mut self, filter: Filter) -> Self {
        self.filter = filter;
        self
    }

    /// Sets the sort keys, at most three. The default is newest first. The tie-break is creation
    /// order in the direction of the first key.
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

    /// Requests a window of `limit` leads (1 to 1,000) at `offset`, for example for a scrolling
    /// list. It replaces an earlier [`page`](Self::page) and [`per_page`](Self::per_page). A later
    /// `page` replaces the offset, and a later `per_page` the limit.
    pub fn window(mut self, offset: u64, limit: u32) -> Self {
        self.paging = Paging::window(offset, limit);
        self
    }

    /// Requests the page that this cursor leads to. A page number or an offset is then ignored. The
    /// cursor comes from [`Page::next`]. The filter and the sort keys must be those of the query
    /// that returned it.
    pub fn after(mut self, cursor: Cursor) -> Self {
        self.after = Some(cursor);
        self
    }

    /// Returns an error with every violation of the query, if there are any.
    pub(crate) fn check(&self, catalogue: &Catalogue) -> Result<()> {
        let mut violations = Violations::default();
        self.filter.check(catalogue, &mut violations);
        self.paging.check(&mut violations);
        sort::check(&self.sort, false, &mut violations);
        if let Some(cursor) = &self.after {
            let fits = cursor.binding == self.binding()
                && cursor.position.values.len() == self.order().len();
            if !fits {
                let message = "was issued for a different filter or sort order";
                violations.add("cursor", ViolationCode::NotAllowed, message);
            }
        }
        violations.into_result()
    }

    /// Returns the requested sort keys, or the default order.
    fn order(&self) -> &[Sort] {
        const NEWEST_FIRST: &[Sort] = &[Sort::desc(SortKey::CreatedAt)];
        if self.sort.is_empty() {
            NEWEST_FIRST
        } else {
            &self.sort
        }
    }

    /// Returns the checksum that ties a cursor to the filter and the sort order.
    fn binding(&self) -> u32 {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(self.filter.canonical().as_bytes());
        for sort in self.order() {
            hasher.update(sort.to_string().as_bytes());
            hasher.update(b",");
        }
        hasher.finalize()
    }
}

pub(crate) fn list(state: StoreState<'_>, query: &ListQuery) -> Result<Page<Lead>> {
    query.check(state.catalogue)?;
    let rows = select(state, &query.filter)?;
    let total = rows.len();
    let (sort, limit) = (query.order(), query.paging.limit());
    let (start, number) = match &query.after {
        Some(cursor) => (PageStart::After(&cursor.position), cursor.page),
        None => (
            PageStart::Offset(query.paging.offset()),
            query.paging.page(),
        ),
    };
    // One lead more than requested shows whether there is a next page.
    let mut page = page_of_rows(state, rows, sort, start, limit + 1)?;
    let more = page.len() > limit;
    page.truncate(limit);
    let stored = state.leads_at(&page)?;
    let next = match (stored.last(), page.last()) {
        (Some(last), Some(row)) if more => Some(Cursor {
            binding: query.binding(),
            page: number.saturating_add(1),
            position: Position::of(state.catalogue, last, *row, sort)?,
        }),
        _ => None,
    };
    let leads = stored.into_iter().map(|stored| stored.lead).collect();
    Ok(Page {
        page: number,
        next,
        ..Page::new(leads, total, query.paging)
    })
}
