//! A tantivy directory that detects corruption. tantivy ends each segment file with a checksum, but
//! not the two JSON files `meta.json` and `.managed.json`. This directory adds a checksum to these
//! JSON files.

use std::io;
use std::path::Path;
use std::sync::Arc;

use tantivy::Directory;
use tantivy::directory::error::{DeleteError, LockError, OpenReadError, OpenWriteError};
use tantivy::directory::{DirectoryLock, FileHandle, Lock, WatchCallback, WatchHandle, WritePtr};

/// A wrapper that adds a checksum to the JSON files of another directory.
#[derive(Clone, Debug)]
pub(crate) struct ChecksummedDirectory {
    inner: Box<dyn Directory>,
    /// If true, no lock files are created.
    read_only: bool,
}

impl ChecksummedDirectory {
    pub(crate) fn new(inner: Box<dyn Directory>, read_only: bool) -> Self {
        Self { inner, read_only }
    }
}

/// Magic number of the footer. The footer is these bytes followed by the CRC-32 of the data before
/// them, little-endian.
const FOOTER_MAGIC: &[u8; 4] = b"LSsl";

fn append_checksum(data: &[u8]) -> Vec<u8> {
    let mut checksummed = data.to_vec();
    checksummed.extend(FOOTER_MAGIC);
    checksummed.extend(crc32fast::hash(data).to_le_bytes());
    checksummed
}

fn strip_checksum(mut checksummed: Vec<u8>) -> io::Result<Vec<u8>> {
    let corrupted = |what| io::Error::new(io::ErrorKind::InvalidData, what);
    let (rest, crc) = checksummed
        .split_last_chunk::<4>()
        .ok_or_else(|| corrupted("the file is truncated"))?;
    let data = rest
        .strip_suffix(FOOTER_MAGIC)
        .ok_or_else(|| corrupted("the checksum footer is missing"))?;
    if crc32fast::hash(data) != u32::from_le_bytes(*crc) {
        return Err(corrupted("checksum mismatch"));
    }
    checksummed.truncate(data.len());
    Ok(checksummed)
}

impl Directory for ChecksummedDirectory {
    fn get_file_handle(&self, path: &Path) -> Result<Arc<dyn FileHandle>, OpenReadError> {
        self.inner.get_file_handle(path)
    }

    fn delete(&self, path: &Path) -> Result<(), DeleteError> {
        self.inner.delete(path)
    }

    fn exists(&self, path: &Path) -> Result<bool, OpenReadError> {
        self.inner.exists(path)
    }

    fn open_write(&self, path: &Path) -> Result<WritePtr, OpenWriteError> {
        self.inner.open_write(path)
    }

    fn atomic_read(&self, path: &Path) -> Result<Vec<u8>, OpenReadError> {
        strip_checksum(self.inner.atomic_read(path)?).map_err(|error| OpenReadError::IoError {
            io_error: Arc::new(error),
            filepath: path.to_path_buf(),
        })
    }

    fn atomic_write(&self, path: &Path, data: &[u8]) -> io::Result<()> {
        self.inner.atomic_write(path, &append_checksum(data))
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.inner.sync_directory()
    }

    fn acquire_lock(&self, lock: &Lock) -> Result<DirectoryLock, LockError> {
        if self.read_only {
            Ok(DirectoryLock::from(Box::new(())))
        } else {
            self.inner.acquire_lock(lock)
        }
    }

    fn watch(&self, callback: WatchCallback) -> tantivy::Result<WatchHandle> {
        self.inner.watch(callback)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bit_flips_and_truncation_are_detected() {
        let checksummed = append_checksum(b"{\"segments\":[]}");
        assert_eq!(
            strip_checksum(checksummed.clone()).unwrap(),
            b"{\"segments\":[]}"
        );
        for bit in 0..checksummed.len() * 8 {
            let mut corrupted = checksummed.clone();
            corrupted[bit / 8] ^= 1 << (bit % 8);
            assert!(strip_checksum(corrupted).is_err(), "bit {bit}");
        }
        for cut in 0..checksummed.len() {
            assert!(
                strip_checksum(checksummed[..cut].to_vec()).is_err(),
                "cut at {cut}"
            );
        }
    }

    #[test]
    fn files_can_be_deleted_and_need_a_checksum_to_be_read() {
        let inner = tantivy::directory::RamDirectory::create();
        let directory = ChecksummedDirectory::new(Box::new(inner.clone()), false);
        let name = Path::new("meta.json");
        assert!(!directory.exists(name).unwrap());
        directory.atomic_write(name, b"{}").unwrap();
        assert!(directory.exists(name).unwrap());
        assert_eq!(directory.atomic_read(name).unwrap(), b"{}");
        directory.delete(name).unwrap();
        assert!(!directory.exists(name).unwrap());
        inner.atomic_write(name, b"{}").unwrap();
        assert!(matches!(
            directory.atomic_read(name),
            Err(OpenReadError::IoError { .. })
        ));
    }
}
