//! Listing: a filter, an order and a page.

use crate::error::Result;
use crate::lead::{Lead, ViolationCode, Violations};
use crate::query::cursor::Cursor;
use crate::query::filter::Filter;
use crate::query::order::{PageStart, page_of_rows};
use crate::query::page::{Page, Paging};
use crate::query::position::Position;
use crate::query::select::select;
use crate::query::sort::{self, Sort};
use crate::schema::SortKey;
use crate::schema::StoreState;

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
#[derive(Clone, Debug, Default, PartialEq)]
#[must_use = "a query does nothing until it is passed to list"]
pub struct ListQuery {
    filter: Filter,
    sort: Vec<Sort>,
    paging: Paging,
    after: Option<Cursor>,
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

    /// Instead of [`page`](Self::page) and [`per_page`](Self::per_page), which of them comes last deciding, `limit`
    /// leads (1 to 1,000) after the first `offset`: what a scrolled list shows.
    pub fn window(mut self, offset: u64, limit: u32) -> Self {
        self.paging = Paging::window(offset, limit);
        self
    }

    /// Instead of a page by its number, the one after the page that gave this cursor, see [`Page::next`]. Filter and
    /// sort keys must be those of that page's query.
    pub fn after(mut self, cursor: Cursor) -> Self {
        self.after = Some(cursor);
        self
    }

    /// Everything that is wrong with the query.
    pub(crate) fn check(&self) -> Result<()> {
        let mut violations = Violations::default();
        self.paging.check(&mut violations);
        sort::check(&self.sort, false, &mut violations);
        if let Some(cursor) = &self.after {
            let fits = cursor.binding == self.binding()
                && cursor.position.values.len() == self.order().len();
            if !fits {
                let message = "belongs to a list with another filter or order";
                violations.add("cursor", ViolationCode::NotAllowed, message);
            }
        }
        violations.into_result()
    }

    /// The sort keys that are asked for, or the default.
    fn order(&self) -> &[Sort] {
        const NEWEST_FIRST: &[Sort] = &[Sort::desc(SortKey::CreatedAt)];
        if self.sort.is_empty() {
            NEWEST_FIRST
        } else {
            &self.sort
        }
    }

    /// What ties a cursor to the filter and the order.
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
    query.check()?;
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
    // One more than is wanted tells whether there is a next page.
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
