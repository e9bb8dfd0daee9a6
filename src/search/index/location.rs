//! Location of the index files, and the operations on their directory as a whole.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, Result};
use crate::search::index::directory::{IndexDirectory, OpenIndexFiles};
use crate::search::tantivy_error::tantivy_error;
#[cfg(feature = "unstable-testing")]
use crate::simulated_disk::SimulatedDisk;
#[cfg(feature = "unstable-testing")]
use crate::storage::SimulatedDirectory;
use crate::storage::{Directory as StorageDirectory, RealDirectory};

/// A directory for an index.
#[derive(Clone, Debug)]
pub(crate) struct IndexLocation {
    place: Place,
    /// Limit of the cache for what is read from the directory, in bytes.
    cache_bytes: usize,
}

#[derive(Clone, Debug)]
enum Place {
    Directory(RealDirectory),
    #[cfg(feature = "unstable-testing")]
    Simulated(SimulatedDirectory),
}

impl fmt::Display for IndexLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Directory(directory) => directory.fmt(f),
            #[cfg(feature = "unstable-testing")]
            Place::Simulated(directory) => directory.fmt(f),
        }
    }
}

impl IndexLocation {
    pub(crate) fn directory(path: &Path, cache_bytes: usize) -> Self {
        Self {
            place: Place::Directory(RealDirectory::at(path)),
            cache_bytes,
        }
    }

    #[cfg(feature = "unstable-testing")]
    pub(crate) fn simulated(disk: SimulatedDisk, cache_bytes: usize) -> Self {
        Self {
            place: Place::Simulated(SimulatedDirectory(disk)),
            cache_bytes,
        }
    }

    /// Opens the directory for tantivy. Also returns the list of the files that tantivy opens.
    pub(crate) fn open(&self) -> (Box<dyn tantivy::Directory>, OpenIndexFiles) {
        match &self.place {
            Place::Directory(directory) => self.open_in(directory),
            #[cfg(feature = "unstable-testing")]
            Place::Simulated(directory) => self.open_in(directory),
        }
    }

    fn open_in(
        &self,
        directory: &impl StorageDirectory,
    ) -> (Box<dyn tantivy::Directory>, OpenIndexFiles) {
        let directory = IndexDirectory::new(directory.clone(), self.cache_bytes);
        let files = directory.open_files();
        (Box::new(directory), files)
    }

    /// Returns the names of all files in the directory, including those that tantivy did not
    /// create. There are none if the directory does not exist.
    pub(crate) fn files(&self) -> Result<Vec<PathBuf>> {
        let names = match self.names() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            names => names.map_err(tantivy_error)?,
        };
        Ok(names.into_iter().map(PathBuf::from).collect())
    }

    fn names(&self) -> io::Result<Vec<String>> {
        match &self.place {
            Place::Directory(directory) => directory.names(),
            #[cfg(feature = "unstable-testing")]
            Place::Simulated(directory) => directory.names(),
        }
    }

    /// Creates the directory, or removes all files in it if it exists.
    pub(crate) fn clear(&self) -> Result<()> {
        let cleared = match &self.place {
            Place::Directory(directory) => clear(directory),
            #[cfg(feature = "unstable-testing")]
            Place::Simulated(directory) => clear(directory),
        };
        cleared.map_err(|error| {
            let message = format!("recreating the search index in {self} failed: {error}");
            Error::new(ErrorKind::Unavailable, message).caused_by(error)
        })
    }
}

fn clear(directory: &impl StorageDirectory) -> io::Result<()> {
    directory.create()?;
    directory
        .names()?
        .iter()
        .try_for_each(|name| directory.remove(name))
}
