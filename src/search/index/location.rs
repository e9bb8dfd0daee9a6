//! Location of the index files, and the operations on their directory as a whole.

use std::fmt;
use std::io;
use std::path::PathBuf;

use tantivy::directory::{Directory, MmapDirectory};

use crate::error::{Error, ErrorKind, Result};
#[cfg(feature = "unstable-testing")]
use crate::search::index::simulated::SimulatedIndex;
use crate::search::tantivy_error::tantivy_error;
#[cfg(feature = "unstable-testing")]
use crate::simulated_disk::SimulatedDisk;
use crate::storage::create_private_directory;

/// A directory for an index.
#[derive(Clone, Debug)]
pub(crate) enum IndexLocation {
    Directory(PathBuf),
    #[cfg(feature = "unstable-testing")]
    Simulated(SimulatedDisk),
}

impl fmt::Display for IndexLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(path) => path.display().fmt(f),
            #[cfg(feature = "unstable-testing")]
            Self::Simulated(_) => f.write_str("a simulated disk"),
        }
    }
}

impl IndexLocation {
    pub(crate) fn exists(&self) -> bool {
        match self {
            Self::Directory(path) => path.is_dir(),
            #[cfg(feature = "unstable-testing")]
            Self::Simulated(disk) => SimulatedIndex::exists(disk),
        }
    }

    pub(crate) fn open(&self) -> Result<Box<dyn Directory>> {
        match self {
            Self::Directory(path) => {
                Ok(Box::new(MmapDirectory::open(path).map_err(tantivy_error)?))
            }
            #[cfg(feature = "unstable-testing")]
            Self::Simulated(disk) => Ok(Box::new(SimulatedIndex::new(disk.clone()))),
        }
    }

    /// Returns the names of all files in the directory, including those that tantivy did not
    /// create.
    pub(crate) fn files(&self) -> Result<Vec<PathBuf>> {
        let files = match self {
            Self::Directory(path) => {
                let entries = std::fs::read_dir(path).map_err(tantivy_error)?;
                entries
                    .map(|entry| entry.map(|entry| PathBuf::from(entry.file_name())))
                    .collect::<io::Result<_>>()
            }
            #[cfg(feature = "unstable-testing")]
            Self::Simulated(disk) => SimulatedIndex::files(disk),
        };
        files.map_err(tantivy_error)
    }

    /// Creates the directory, or empties it if it exists.
    pub(crate) fn clear(&self) -> Result<()> {
        let cleared = match self {
            Self::Directory(path) if path.exists() => {
                std::fs::remove_dir_all(path).and_then(|()| create_private_directory(path))
            }
            Self::Directory(path) => create_private_directory(path),
            #[cfg(feature = "unstable-testing")]
            Self::Simulated(disk) => SimulatedIndex::remove_all(disk),
        };
        cleared.map_err(|error| {
            let message = format!("recreating the search index in {self} failed: {error}");
            Error::new(ErrorKind::Unavailable, message).caused_by(error)
        })
    }
}
