//! The files of the index as tantivy reads and writes them: sealed files of a directory of
//! [`storage`](crate::storage). A file that was truncated or corrupted, or a disk that fails, gives
//! an error. A memory-mapped file would raise a signal instead, which ends the process.

use std::collections::{HashMap, HashSet};
use std::io::{self, BufWriter, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, Weak};

use tantivy::HasLen;
use tantivy::directory::error::{DeleteError, LockError, OpenReadError, OpenWriteError};
use tantivy::directory::{
    AntiCallToken, Directory, DirectoryLock, FileHandle, Lock, OwnedBytes, TerminatingWrite,
    WatchCallback, WatchHandle, WritePtr,
};

use crate::search::index::block_cache::{BlockCache, FileNumber};
use crate::storage::{Directory as StorageDirectory, FileMode, WriteOnceFile, WriteOnceWriter};
use crate::sync::{lock, wait};

/// A directory of index files. Clones share their locks and their cache.
#[derive(Clone, Debug)]
pub(crate) struct IndexDirectory {
    directory: Arc<dyn StorageDirectory>,
    locks: Arc<Locks>,
    open: OpenIndexFiles,
    cache: Arc<BlockCache>,
}

/// Locks that are currently held. They are held in memory, because only one process at a time has
/// the store open for writing.
#[derive(Debug, Default)]
struct Locks {
    held: Mutex<HashSet<PathBuf>>,
    released: Condvar,
}

struct HeldLock {
    locks: Arc<Locks>,
    path: PathBuf,
}

/// The files that are open for reading, by name. Segments that several views of the index have in
/// common share them, so that a view needs a file descriptor only for each file that is new in it.
#[derive(Clone, Debug, Default)]
pub(crate) struct OpenIndexFiles(Arc<Mutex<HashMap<PathBuf, Weak<IndexFile>>>>);

/// A file that is open for reading.
#[derive(Debug)]
struct IndexFile {
    name: String,
    number: FileNumber,
    file: WriteOnceFile,
    /// Bytes of data in the file.
    len: usize,
    cache: Arc<BlockCache>,
}

/// A file that is being written, or `None` once it is finished.
struct IndexWriter(Option<WriteOnceWriter>);

impl IndexDirectory {
    /// Returns the directory, with a cache of at most `cache_bytes` for what is read from it.
    pub(crate) fn new(directory: Arc<dyn StorageDirectory>, cache_bytes: usize) -> Self {
        Self {
            directory,
            locks: Arc::default(),
            open: OpenIndexFiles::default(),
            cache: Arc::new(BlockCache::new(cache_bytes)),
        }
    }

    pub(crate) fn open_files(&self) -> OpenIndexFiles {
        self.open.clone()
    }

    fn open(&self, path: &Path) -> Result<WriteOnceFile, OpenReadError> {
        self.directory
            .open(&name_of(path), FileMode::ReadOnly)
            .and_then(WriteOnceFile::open)
            .map_err(|error| match error.kind() {
                io::ErrorKind::NotFound => OpenReadError::FileDoesNotExist(path.to_owned()),
                _ => OpenReadError::wrap_io_error(error, path.to_owned()),
            })
    }
}

/// Returns the file name of a path. All files of an index are in one flat directory.
fn name_of(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

impl Directory for IndexDirectory {
    fn get_file_handle(&self, path: &Path) -> Result<Arc<dyn FileHandle>, OpenReadError> {
        if let Some(file) = self.open.get(path) {
            return Ok(file);
        }
        let file = self.open(path)?;
        let len = usize::try_from(file.len()).map_err(|_| {
            OpenReadError::wrap_io_error(io::ErrorKind::FileTooLarge.into(), path.to_owned())
        })?;
        let file = IndexFile {
            name: name_of(path),
            number: self.cache.number_of(path),
            file,
            len,
            cache: Arc::clone(&self.cache),
        };
        Ok(self.open.add(path, file))
    }

    fn delete(&self, path: &Path) -> Result<(), DeleteError> {
        self.cache.forget(path);
        self.open.forget(path);
        self.directory
            .remove(&name_of(path))
            .map_err(|error| match error.kind() {
                io::ErrorKind::NotFound => DeleteError::FileDoesNotExist(path.to_owned()),
                _ => DeleteError::IoError {
                    io_error: Arc::new(error),
                    filepath: path.to_owned(),
                },
            })
    }

    fn exists(&self, path: &Path) -> Result<bool, OpenReadError> {
        self.directory
            .exists(&name_of(path))
            .map_err(|error| OpenReadError::wrap_io_error(error, path.to_owned()))
    }

    fn open_write(&self, path: &Path) -> Result<WritePtr, OpenWriteError> {
        let file = self
            .directory
            .open(&name_of(path), FileMode::CreateNew)
            .map_err(|error| match error.kind() {
                io::ErrorKind::AlreadyExists => OpenWriteError::FileAlreadyExists(path.to_owned()),
                _ => OpenWriteError::wrap_io_error(error, path.to_owned()),
            })?;
        let writer = IndexWriter(Some(WriteOnceWriter::new(file)));
        Ok(BufWriter::new(Box::new(writer)))
    }

    fn atomic_read(&self, path: &Path) -> Result<Vec<u8>, OpenReadError> {
        let file = self.open(path)?;
        file.verify()
            .and_then(|()| file.read_blocks(WriteOnceFile::blocks(&(0..file.len()))))
            .map(|data| data.to_vec())
            .map_err(|error| OpenReadError::wrap_io_error(error, path.to_owned()))
    }

    fn atomic_write(&self, path: &Path, data: &[u8]) -> io::Result<()> {
        let name = name_of(path);
        let new = format!("{name}.new");
        let file = self.directory.open(&new, FileMode::Truncate)?;
        let mut writer = WriteOnceWriter::new(file);
        writer.write_all(data)?;
        writer.finish()?;
        self.directory.rename(&new, &name)
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.directory.sync()
    }

    fn acquire_lock(&self, requested: &Lock) -> Result<DirectoryLock, LockError> {
        let mut held = lock(&self.locks.held);
        while !held.insert(requested.filepath.clone()) {
            if !requested.is_blocking {
                return Err(LockError::LockBusy);
            }
            held = wait(&self.locks.released, held);
        }
        let held = HeldLock {
            locks: Arc::clone(&self.locks),
            path: requested.filepath.clone(),
        };
        Ok(DirectoryLock::from(Box::new(held)))
    }

    fn watch(&self, _callback: WatchCallback) -> tantivy::Result<WatchHandle> {
        // Index readers are reloaded explicitly, so nothing needs to be watched.
        Ok(WatchHandle::empty())
    }
}

impl Drop for HeldLock {
    fn drop(&mut self) {
        lock(&self.locks.held).remove(&self.path);
        self.locks.released.notify_all();
    }
}

impl OpenIndexFiles {
    fn get(&self, path: &Path) -> Option<Arc<IndexFile>> {
        lock(&self.0).get(path)?.upgrade()
    }

    fn add(&self, path: &Path, file: IndexFile) -> Arc<IndexFile> {
        let file = Arc::new(file);
        let mut open = lock(&self.0);
        open.retain(|_, file| file.strong_count() > 0);
        open.insert(path.to_owned(), Arc::downgrade(&file));
        file
    }

    /// Forgets a file that is being deleted. Who has it open can still read it.
    fn forget(&self, path: &Path) {
        lock(&self.0).remove(path);
    }

    /// Verifies all files that are open, and returns those that could not be read, with the reason.
    pub(crate) fn verify(&self) -> Vec<(String, io::Error)> {
        // The files are verified without the lock, so that others can be opened meanwhile.
        let open: Vec<_> = lock(&self.0).values().filter_map(Weak::upgrade).collect();
        open.iter()
            .filter_map(|file| Some((file.name.clone(), file.file.verify().err()?)))
            .collect()
    }
}

impl HasLen for IndexFile {
    fn len(&self) -> usize {
        self.len
    }
}

impl FileHandle for IndexFile {
    fn read_bytes(&self, range: Range<usize>) -> io::Result<OwnedBytes> {
        if range.start > range.end || range.end > self.len() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if range.is_empty() {
            return Ok(OwnedBytes::empty());
        }
        let range = range.start as u64..range.end as u64;
        let blocks = WriteOnceFile::blocks(&range);
        let start = (range.start - WriteOnceFile::start_of_block(blocks.start)) as usize;
        let length = (range.end - range.start) as usize;
        let data = self
            .cache
            .get_or_read(self.number, blocks.clone(), || {
                self.file.read_blocks(blocks)
            })
            .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", self.name)))?;
        Ok(OwnedBytes::new(data).slice(start..start + length))
    }
}

impl Write for IndexWriter {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.0.as_mut().ok_or_else(finished)?.write(data)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl TerminatingWrite for IndexWriter {
    fn terminate_ref(&mut self, _: AntiCallToken) -> io::Result<()> {
        self.0.take().ok_or_else(finished)?.finish()
    }
}

fn finished() -> io::Error {
    io::Error::other("the file has been finished")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::RealDirectory;

    #[test]
    fn file_that_is_open_is_shared_until_it_is_deleted() {
        let temp = tempfile::tempdir().unwrap();
        let directory = IndexDirectory::new(Arc::new(RealDirectory::at(temp.path())), 1 << 20);
        let path = Path::new("a");
        let mut file = directory.open_write(path).unwrap();
        file.write_all(b"one").unwrap();
        file.terminate().unwrap();
        let one = directory.get_file_handle(path).unwrap();
        let again = directory.get_file_handle(path).unwrap();
        assert!(Arc::ptr_eq(&one, &again));
        directory.delete(path).unwrap();
        assert!(directory.open_files().get(path).is_none());
        assert_eq!(&*one.read_bytes(0..3).unwrap(), b"one");
    }
}
