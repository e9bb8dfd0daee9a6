//! The interface to a directory of files, which a real directory and a simulated one implement.

use std::fmt;
use std::io;
use std::sync::Arc;

use redb::StorageBackend;

use crate::error::{Error, ErrorKind, Result};

/// Operations on a directory that holds files of a store. `Display` names the directory in messages.
pub(crate) trait Directory: fmt::Debug + fmt::Display + Send + Sync {
    /// Locks the directory for this store until the lock is dropped. Creates the directory first if
    /// it is missing and `create` is true.
    fn lock(&self, create: bool) -> Result<DirectoryLock>;

    /// Creates the directory if it is missing.
    fn create(&self) -> io::Result<()>;

    /// Returns a directory in this one, which need not exist.
    fn subdirectory(&self, name: &str) -> Arc<dyn Directory>;

    /// Returns the names of the files in the directory.
    fn names(&self) -> io::Result<Vec<String>>;

    fn exists(&self, name: &str) -> io::Result<bool>;

    fn read(&self, name: &str) -> io::Result<Vec<u8>>;

    fn open(&self, name: &str, mode: FileMode) -> io::Result<Box<dyn StorageBackend>>;

    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file, which must exist.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Writes the cached pages of a file to disk and drops them, so that the file is read from disk
    /// again.
    fn drop_page_cache(&self, name: &str) -> io::Result<()>;

    /// Makes the creation and renaming of files survive a power cut.
    fn sync(&self) -> io::Result<()>;
}

/// Mode in which a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileMode {
    /// Read-only. The file must exist.
    ReadOnly,
    /// Read and write. The file must exist.
    ReadWrite,
    /// Read and write. The file is created if it is missing.
    CreateIfMissing,
    /// Read and write. The file is created, and must not exist.
    CreateNew,
    /// Read and write. The file is created if it is missing, and truncated otherwise.
    Truncate,
}

/// Lock that is held while a store is open for writing. It also covers what redb's own lock does
/// not: the creation of the store file, and the search index next to it.
pub(crate) type DirectoryLock = Box<dyn Send + Sync>;

/// Builds the error of a failed system call. `doing` names the operation.
pub(crate) fn failure(doing: fmt::Arguments<'_>, error: io::Error) -> Error {
    let kind = if error.kind() == io::ErrorKind::NotFound {
        ErrorKind::NotFound
    } else {
        ErrorKind::Io
    };
    Error::new(kind, format!("{doing}: {error}")).caused_by(error)
}
