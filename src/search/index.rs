//! The search index on disk: its files, the thread that keeps it up to date, and its verification.

pub(crate) mod checksummed_directory;
pub(crate) mod files;
pub(crate) mod location;
pub(crate) mod payload;
pub(crate) mod schedule;
#[cfg(feature = "unstable-testing")]
pub(crate) mod simulated;
pub(crate) mod sync;
pub(crate) mod verify;
pub(crate) mod writer;
