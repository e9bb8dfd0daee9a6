//! The store's files and the directory that holds them.
//!
//! `directory` is the interface to a directory, which `real` and `simulated` implement; `location`
//! says where a store lives. `store_files` creates, opens and replaces the files crash-safely.
//! `checksummed` is the block file under the tables, with its `superblock`; `cow` is a
//! copy-on-write view of it.

pub(crate) mod checksummed;
pub(crate) mod cow;
pub(crate) mod directory;
#[cfg(test)]
pub(crate) mod failing;
pub(crate) mod layout;
pub(crate) mod location;
pub(crate) mod real;
#[cfg(feature = "unstable-testing")]
pub(crate) mod simulated;
pub(crate) mod superblock;
