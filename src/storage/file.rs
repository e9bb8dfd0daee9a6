//! The store's files and the directory that holds them.
//!
//! `directory` defines the interface to a directory, which `real` and `simulated` implement, and
//! creates, opens and replaces the files crash-safely; `location` says where a store lives.
//! `checksummed` is the block file under the tables, with its `layout` and `superblock`; `cow` is a
//! copy-on-write view of that file.

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
