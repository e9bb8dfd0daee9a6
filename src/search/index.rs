//! The search index on disk: its files, the thread that keeps it up to date, and its verification.

pub(crate) mod block_cache;
pub(crate) mod directory;
pub(crate) mod files;
pub(crate) mod location;
pub(crate) mod payload;
pub(crate) mod schedule;
pub(crate) mod sync;
pub(crate) mod verify;
pub(crate) mod writer;
