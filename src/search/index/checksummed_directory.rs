//! A directory of index files that notices damage. tantivy puts a checksum at the end of each segment file, but none on
//! the two JSON files that name them; this adds one to those.

use std::io;
use std::path::Path;
use std::sync::Arc;

use tantivy::Directory;
use tantivy::directory::error::{DeleteError, LockError, OpenReadError, OpenWriteError};
use tantivy::directory::{DirectoryLock, FileHandle, Lock, WatchCallback, WatchHandle, WritePtr};

/// Wraps another directory.
#[derive(Clone, Debug)]
pub(crate) struct ChecksummedDirectory {
    inner: Box<dyn Directory>,
    /// Then it makes no lock files.
    read_only: bool,
}

impl ChecksummedDirectory {
    pub(crate) fn new(inner: Box<dyn Directory>, read_only: bool) -> Self {
        Self { inner, read_only }
    }
}

/// Ends a sealed file: these bytes, then the CRC-32 of all before them, little-endian.
const SEAL: &[u8; 4] = b"LSsl";

fn seal(data: &[u8]) -> Vec<u8> {
    let mut sealed = data.to_vec();
    sealed.extend(SEAL);
    sealed.extend(crc32fast::hash(data).to_le_bytes());
    sealed
}

fn unseal(mut sealed: Vec<u8>) -> io::Result<Vec<u8>> {
    let damaged = |what| io::Error::new(io::ErrorKind::InvalidData, what);
    let (rest, crc) = sealed
        .split_last_chunk::<4>()
        .ok_or_else(|| damaged("the file is cut short"))?;
    let data = rest
        .strip_suffix(SEAL)
        .ok_or_else(|| damaged("the file has no seal"))?;
    if crc32fast::hash(data) != u32::from_le_bytes(*crc) {
        return Err(damaged("the file does not fit its checksum"));
    }
    sealed.truncate(data.len());
    Ok(sealed)
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
        unseal(self.inner.atomic_read(path)?).map_err(|error| OpenReadError::IoError {
            io_error: Arc::new(error),
            filepath: path.to_path_buf(),
        })
    }

    fn atomic_write(&self, path: &Path, data: &[u8]) -> io::Result<()> {
        self.inner.atomic_write(path, &seal(data))
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
    fn every_flipped_bit_and_every_cut_breaks_the_seal() {
        let sealed = seal(b"{\"segments\":[]}");
        assert_eq!(unseal(sealed.clone()).unwrap(), b"{\"segments\":[]}");
        for bit in 0..sealed.len() * 8 {
            let mut damaged = sealed.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(unseal(damaged).is_err(), "bit {bit}");
        }
        for cut in 0..sealed.len() {
            assert!(unseal(sealed[..cut].to_vec()).is_err(), "cut at {cut}");
        }
    }

    #[test]
    fn a_file_is_there_until_it_is_deleted_and_what_was_not_sealed_is_refused() {
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
