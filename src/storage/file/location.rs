//! The location of a store's files.

use std::path::Path;
use std::sync::Arc;

use redb::StorageBackend;
use redb::backends::InMemoryBackend;

#[cfg(feature = "unstable-testing")]
use crate::simulated_disk::SimulatedDisk;
use crate::storage::file::directory::Directory;
use crate::storage::file::real::RealDirectory;
#[cfg(feature = "unstable-testing")]
use crate::storage::file::simulated::SimulatedDirectory;

/// Location of a store's files.
#[derive(Clone, Debug)]
pub(crate) enum Location {
    Directory(Arc<dyn Directory>),
    Memory(MemoryFiles),
}

impl Location {
    /// Returns the location of a store in a directory of the file system.
    pub(crate) fn at(path: &Path) -> Self {
        Self::Directory(Arc::new(RealDirectory::at(path)))
    }

    #[cfg(feature = "unstable-testing")]
    pub(crate) fn on(disk: SimulatedDisk) -> Self {
        Self::Directory(Arc::new(SimulatedDirectory(disk)))
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
