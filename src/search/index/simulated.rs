//! An index directory on a [`SimulatedDisk`], the counterpart of tantivy's own directory on a real
//! disk.

use std::borrow::Cow;
use std::collections::HashSet;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};

use tantivy::directory::error::{DeleteError, LockError, OpenReadError, OpenWriteError};
use tantivy::directory::{
    AntiCallToken, Directory, DirectoryLock, FileHandle, Lock, OwnedBytes, TerminatingWrite,
    WatchCallback, WatchHandle, WritePtr,
};

use crate::simulated_disk::{SimulatedDisk, SimulatedFile};
use crate::sync::lock;
use crate::sync::wait;

#[derive(Clone, Debug)]
pub(crate) struct SimulatedIndex {
    disk: SimulatedDisk,
    locks: Arc<Locks>,
}

/// Locks that are currently held. Like locks on real files, they are released when the process
/// ends.
#[derive(Debug, Default)]
struct Locks {
    held: Mutex<HashSet<PathBuf>>,
    released: Condvar,
}

struct HeldLock {
    locks: Arc<Locks>,
    path: PathBuf,
}

struct Writer {
    file: SimulatedFile,
    at: u64,
}

/// Returns the file name of a path. All files of an index are in one flat directory.
fn name_of(path: &Path) -> Cow<'_, str> {
    path.to_string_lossy()
}

impl SimulatedIndex {
    pub(crate) fn new(disk: SimulatedDisk) -> Self {
        Self {
            disk,
            locks: Arc::default(),
        }
    }

    pub(crate) fn exists(disk: &SimulatedDisk) -> bool {
        disk.list().is_ok_and(|names| !names.is_empty())
    }

    pub(crate) fn files(disk: &SimulatedDisk) -> io::Result<Vec<PathBuf>> {
        Ok(disk.list()?.into_iter().map(PathBuf::from).collect())
    }

    pub(crate) fn remove_all(disk: &SimulatedDisk) -> io::Result<()> {
        disk.list()?.iter().try_for_each(|name| disk.remove(name))
    }
}

impl Directory for SimulatedIndex {
    fn get_file_handle(&self, path: &Path) -> Result<Arc<dyn FileHandle>, OpenReadError> {
        Ok(Arc::new(OwnedBytes::new(self.atomic_read(path)?)))
    }

    fn delete(&self, path: &Path) -> Result<(), DeleteError> {
        self.disk
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
        self.disk
            .exists(&name_of(path))
            .map_err(|error| OpenReadError::wrap_io_error(error, path.to_owned()))
    }

    fn open_write(&self, path: &Path) -> Result<WritePtr, OpenWriteError> {
        let file = self
            .disk
            .create(&name_of(path))
            .map_err(|error| match error.kind() {
                io::ErrorKind::AlreadyExists => OpenWriteError::FileAlreadyExists(path.to_owned()),
                _ => OpenWriteError::wrap_io_error(error, path.to_owned()),
            })?;
        Ok(BufWriter::new(Box::new(Writer { file, at: 0 })))
    }

    fn atomic_read(&self, path: &Path) -> Result<Vec<u8>, OpenReadError> {
        self.disk
            .open(&name_of(path))
            .and_then(|file| file.read_all())
            .map_err(|error| match error.kind() {
                io::ErrorKind::NotFound => OpenReadError::FileDoesNotExist(path.to_owned()),
                _ => OpenReadError::wrap_io_error(error, path.to_owned()),
            })
    }

    fn atomic_write(&self, path: &Path, data: &[u8]) -> io::Result<()> {
        let new = format!("{}.new", name_of(path));
        if self.disk.exists(&new)? {
            self.disk.remove(&new)?;
        }
        let file = self.disk.create(&new)?;
        file.write(0, data)?;
        file.sync()?;
        self.disk.rename(&new, &name_of(path))
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.disk.sync_directory()
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

impl Write for Writer {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.file.write(self.at, data)?;
        self.at += data.len() as u64;
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl TerminatingWrite for Writer {
    fn terminate_ref(&mut self, _: AntiCallToken) -> io::Result<()> {
        self.file.sync()
    }
}
