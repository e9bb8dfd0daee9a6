//! An in-memory file in which one operation fails, for tests.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use redb::StorageBackend;

use crate::storage::file::location::SharedMemory;

/// A file in which one operation fails, once; later operations succeed. Writes, length changes and
/// syncs count as operations.
#[derive(Clone, Debug)]
pub(crate) struct FailingFile {
    file: SharedMemory,
    left: Arc<AtomicI64>,
}

impl FailingFile {
    /// Returns a file in which operation `number` fails, counting from 0. If `number` is negative,
    /// no operation fails until `fail` is called.
    pub(crate) fn at(number: i64, file: SharedMemory) -> Self {
        Self {
            file,
            left: Arc::new(AtomicI64::new(number)),
        }
    }

    /// Makes the next operation fail.
    pub(crate) fn fail(&self) {
        self.left.store(0, Ordering::Relaxed);
    }

    fn count(&self) -> io::Result<()> {
        match self.left.fetch_sub(1, Ordering::Relaxed) {
            0 => Err(io::Error::other("injected")),
            _ => Ok(()),
        }
    }
}

impl StorageBackend for FailingFile {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.count()?;
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.count()?;
        self.file.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.count()?;
        self.file.write(offset, data)
    }
}
