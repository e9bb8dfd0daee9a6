//! Location of the index files, and the operations on their directory as a whole.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::error::{Error, ErrorKind, Result};
use crate::search::index::directory::{IndexDirectory, OpenIndexFiles};
use crate::search::tantivy_error::tantivy_error;
use crate::storage::Directory as StorageDirectory;

/// A directory for an index.
#[derive(Clone, Debug)]
pub(crate) struct IndexLocation {
    directory: Arc<dyn StorageDirectory>,
    cache_bytes: usize,
}

impl fmt::Display for IndexLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.directory.fmt(f)
    }
}

impl IndexLocation {
    /// Returns the location of an index in `directory`, which need not exist. `cache_bytes` limits
    /// the cache for what is read from it.
    pub(crate) fn new(directory: Arc<dyn StorageDirectory>, cache_bytes: usize) -> Self {
        Self {
            directory,
            cache_bytes,
        }
    }

    /// Opens the directory for tantivy. Also returns the list of the files that tantivy opens.
    pub(crate) fn open(&self) -> (Box<dyn tantivy::Directory>, OpenIndexFiles) {
        let directory = IndexDirectory::new(Arc::clone(&self.directory), self.cache_bytes);
        let files = directory.open_files();
        (Box::new(directory), files)
    }

    /// Returns the names of all files in the directory, including those that tantivy did not
    /// create. There are none if the directory does not exist.
    pub(crate) fn files(&self) -> Result<Vec<PathBuf>> {
        let names = match self.directory.names() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            names => names.map_err(tantivy_error)?,
        };
        Ok(names.into_iter().map(PathBuf::from).collect())
    }

    /// Creates the directory, or removes all files in it if it exists.
    pub(crate) fn clear(&self) -> Result<()> {
        let clear = || {
            self.directory.create()?;
            let names = self.directory.names()?;
            names
                .iter()
                .try_for_each(|name| self.directory.remove(name))
        };
        clear().map_err(|error: io::Error| {
            let message = format!("recreating the search index in {self} failed: {error}");
            Error::new(ErrorKind::Unavailable, message).caused_by(error)
        })
    }
}
