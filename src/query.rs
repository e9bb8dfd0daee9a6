//! Queries over the live leads: filters, sort orders, pages, counts and facets. Works on leads and
//! sets of rows, and leaves the encoding of keys to `schema` and of records to `storage`.

mod cost;
mod cursor;
mod facets;
mod filter;
mod list_query;
mod lookup;
mod order;
mod page;
mod position;
mod select;
mod sort;

pub use crate::schema::SortKey;
pub use cursor::Cursor;
pub use facets::{Facets, StatusFacet, ValueFacet};
pub use filter::Filter;
pub use list_query::ListQuery;
pub use page::Page;
pub use sort::Sort;

pub(crate) use facets::{facets, facets_of};
pub(crate) use list_query::list;
pub(crate) use lookup::{get, get_by_external_id, get_many, stored};
pub(crate) use order::{PageStart, newest_of, page_of_rows};
#[cfg(feature = "http")]
pub(crate) use page::PageBody;
pub(crate) use page::Paging;
pub(crate) use select::select;
pub(crate) use sort::check as check_sort;
