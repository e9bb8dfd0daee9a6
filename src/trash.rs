//! The trash: listing it and finding the leads that have expired. Moving leads to the trash and out
//! of it are writes, which `store` implements.

mod sweep;
mod trash_query;

pub use trash_query::TrashQuery;

pub(crate) use sweep::expired_rows;
#[cfg(feature = "http")]
pub(crate) use trash_query::visible_rows_of;
pub(crate) use trash_query::{list_trash, visible_rows};
