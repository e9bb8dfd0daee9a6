//! The trash: when its leads expire, how it is listed, and what the sweep purges. Moving a lead
//! into or out of the trash is a write, which `store` implements.

mod expiry;
mod sweep;
mod trash_query;

pub use trash_query::TrashQuery;

pub(crate) use expiry::{get_trashed, is_expired, stamp};
pub(crate) use sweep::{SWEEP_BATCH, SWEEP_INTERVAL, expired_rows};
pub(crate) use trash_query::list_trash;
#[cfg(feature = "http")]
pub(crate) use trash_query::visible_rows_of;
