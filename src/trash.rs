//! The trash: listing it, and purging what has expired. Moving leads into it and out of it are writes, and live in
//! `store`.

mod sweep;
mod trash_query;

pub use trash_query::TrashQuery;

pub(crate) use sweep::expired_rows;
#[cfg(feature = "http")]
pub(crate) use trash_query::visible_rows_of;
pub(crate) use trash_query::{list_trash, visible_rows};
