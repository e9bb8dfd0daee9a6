//! Pages, and the part of a result that they cover.

use serde::ser::{Serialize, SerializeStruct, Serializer};

use crate::lead::{ViolationCode, Violations};
use crate::query::cursor::Cursor;

/// One page of a result, with the exact total.
///
/// It serializes as the response of the Leads API: `{"data": […], "pagination": {…}}`.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Page<T> {
    /// The items of this page. Empty if the page is past the end.
    pub items: Vec<T>,
    /// Number of items in the complete result.
    pub total: u64,
    /// The page number, starting at 1. For a window, the number of the page that would contain its
    /// offset if pages were as long as the window.
    pub page: u64,
    /// Maximum number of items per page.
    pub per_page: u32,
    /// The cursor for the next page of a list, to be passed to
    /// [`ListQuery::after`](super::ListQuery::after). `None` on the last page. Searches and the
    /// trash do not support cursors yet.
    pub next: Option<Cursor>,
}

impl<T> Page<T> {
    /// Returns the number of pages of the complete result.
    pub fn total_pages(&self) -> u64 {
        self.total.div_ceil(u64::from(self.per_page).max(1))
    }

    /// Returns an iterator over the items of this page.
    pub fn iter(&self) -> std::slice::Iter<'_, T> {
        self.items.iter()
    }

    /// Returns the number of items of this page.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Returns true if this page has no items, for example because it is past the end.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    pub(crate) fn new(items: Vec<T>, total: u64, paging: Paging) -> Self {
        Self {
            items,
            total,
            page: paging.page(),
            per_page: paging.limit,
            next: None,
        }
    }
}

impl<T> IntoIterator for Page<T> {
    type Item = T;
    type IntoIter = std::vec::IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        self.items.into_iter()
    }
}

impl<'a, T> IntoIterator for &'a Page<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.items.iter()
    }
}

impl<T: Serialize> Serialize for Page<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let next_cursor = self.next.as_ref().map(Cursor::to_string);
        PageBody {
            page: self,
            next_cursor: next_cursor.as_deref(),
        }
        .serialize(serializer)
    }
}

/// A page together with the text of the cursor for the next page.
pub(crate) struct PageBody<'a, T> {
    pub(crate) page: &'a Page<T>,
    pub(crate) next_cursor: Option<&'a str>,
}

impl<T: Serialize> Serialize for PageBody<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(serde::Serialize)]
        struct Pagination<'a> {
            page: u64,
            per_page: u32,
            total: u64,
            total_pages: u64,
            next_cursor: Option<&'a str>,
        }
        let &Self { page, next_cursor } = self;
        let pagination = Pagination {
            page: page.page,
            per_page: page.per_page,
            total: page.total,
            total_pages: page.total_pages(),
            next_cursor,
        };
        let mut body = serializer.serialize_struct("Page", 2)?;
        body.serialize_field("data", &page.items)?;
        body.serialize_field("pagination", &pagination)?;
        body.end()
    }
}

/// Maximum number of items in a page (`MAX_PER_PAGE`) and in a window (`MAX_WINDOW`).
const MAX_PER_PAGE: u32 = 100;
const MAX_WINDOW: u32 = 1_000;

/// The requested part of a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Paging {
    start: PageAnchor,
    limit: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PageAnchor {
    Page(u64),
    Offset(u64),
}

impl Default for Paging {
    fn default() -> Self {
        Self {
            start: PageAnchor::Page(1),
            limit: 25,
        }
    }
}

impl Paging {
    pub(crate) fn at_page(self, page: u64) -> Self {
        Self {
            start: PageAnchor::Page(page),
            ..self
        }
    }

    pub(crate) fn with_per_page(self, per_page: u32) -> Self {
        Self {
            limit: per_page,
            ..self
        }
    }

    pub(crate) fn window(offset: u64, limit: u32) -> Self {
        Self {
            start: PageAnchor::Offset(offset),
            limit,
        }
    }

    pub(crate) fn check(self, violations: &mut Violations) {
        let (limit_name, most) = match self.start {
            PageAnchor::Page(0) => {
                violations.add("page", ViolationCode::OutOfRange, "must be 1 or more");
                ("per_page", MAX_PER_PAGE)
            }
            PageAnchor::Page(_) => ("per_page", MAX_PER_PAGE),
            PageAnchor::Offset(_) => ("limit", MAX_WINDOW),
        };
        if !(1..=most).contains(&self.limit) {
            violations.add(
                limit_name,
                ViolationCode::OutOfRange,
                format!("must be 1 to {most}"),
            );
        }
    }

    pub(crate) fn offset(self) -> u64 {
        match self.start {
            PageAnchor::Page(page) => page.saturating_sub(1).saturating_mul(self.limit.into()),
            PageAnchor::Offset(offset) => offset,
        }
    }

    pub(crate) fn limit(self) -> usize {
        self.limit as usize
    }

    pub(crate) fn page(self) -> u64 {
        match self.start {
            PageAnchor::Page(page) => page,
            PageAnchor::Offset(offset) => (offset / u64::from(self.limit).max(1)).saturating_add(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn window_reports_the_page_that_contains_its_start() {
        let page = |offset, limit| Paging::window(offset, limit).page();
        assert_eq!(
            [page(0, 10), page(9, 10), page(10, 10), page(25, 10)],
            [1, 1, 2, 3]
        );
        assert_eq!(page(u64::MAX, 1), u64::MAX, "the page number saturates");
        assert_eq!(Paging::default().at_page(7).page(), 7);
    }
}
