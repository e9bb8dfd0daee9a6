//! The location of a store's files.

use std::path::PathBuf;
use std::sync::Arc;

use redb::StorageBackend;
use redb::backends::InMemoryBackend;

#[cfg(feature = "unstable-testing")]
use crate::simulated_disk::SimulatedDisk;

/// Location of a store's files.
#[derive(Clone, Debug)]
pub(crate) enum Location {
    Directory(PathBuf),
    Memory(MemoryFiles),
    #[cfg(feature = "unstable-testing")]
    Simulated(SimulatedDisk),
}

impl Location {
    /// Returns the store's directory, if it is a real one.
    pub(crate) fn path(&self) -> Option<&std::path::Path> {
        match self {
            Self::Directory(path) => Some(path),
            Self::Memory(_) => None,
            #[cfg(feature = "unstable-testing")]
            Self::Simulated(_) => None,
        }
    }

    pub(crate) fn memory() -> Self {
        Self::Memory(MemoryFiles::default())
    }
}

/// The files of a store in memory. They outlive the `Database`, so that the store can be reopened.
#[derive(Clone, Debug, Default)]
pub(crate) struct MemoryFiles {
    pub(crate) store: SharedMemory,
    pub(crate) journal: [SharedMemory; 2],
}

/// A file in memory. Clones share its content.
#[derive(Clone, Debug, Default)]
pub(crate) struct SharedMemory(pub(crate) Arc<InMemoryBackend>);

impl StorageBackend for SharedMemory {
    fn len(&self) -> std::io::Result<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> std::io::Result<()> {
        self.0.read(offset, out)
    }

    fn set_len(&self, len: u64) -> std::io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> std::io::Result<()> {
        self.0.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> std::io::Result<()> {
        self.0.write(offset, data)
    }
}
