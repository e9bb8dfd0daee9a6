//! The store's files and the directory that holds them.
//!
//! `directory` defines the interface to a directory, which `real` and `simulated` implement;
//! `store_files` creates, opens and replaces the files in it crash-safely, and `location` says where
//! a store lives.
//! All files but the journal consist of sealed blocks: `seal` is the seal and its place in the file.
//! `table_file` is the file under the tables, with its `superblock`; `cow` is a copy-on-write view
//! of it. `write_once` is a file of the search index.

pub(crate) mod cow;
pub(crate) mod directory;
#[cfg(test)]
pub(crate) mod failing;
pub(crate) mod location;
pub(crate) mod real;
pub(crate) mod seal;
#[cfg(feature = "unstable-testing")]
pub(crate) mod simulated;
pub(crate) mod store_files;
pub(crate) mod superblock;
pub(crate) mod table_file;
pub(crate) mod write_once;
