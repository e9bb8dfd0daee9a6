//! The directory of a store on a [`SimulatedDisk`], for tests.

use std::fmt;
use std::io;
use std::sync::Arc;

use redb::StorageBackend;

use crate::error::{Error, ErrorKind, Result};
use crate::simulated_disk::{SimulatedDisk, SimulatedFile};
use crate::storage::file::directory::{Directory, DirectoryLock, FileMode};

/// A directory of a simulated disk.
#[derive(Clone, Debug)]
pub(crate) struct SimulatedDirectory(pub(crate) SimulatedDisk);

impl fmt::Display for SimulatedDirectory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a simulated disk")
    }
}

impl SimulatedDirectory {
    fn open_file(&self, name: &str, mode: FileMode) -> io::Result<SimulatedFile> {
        if mode == FileMode::CreateNew {
            return self.0.create(name);
        }
        match self.0.open(name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => match mode {
                FileMode::CreateIfMissing | FileMode::Truncate => self.0.create(name),
                _ => Err(error),
            },
            Ok(file) if mode == FileMode::Truncate => {
                file.set_len(0)?;
                Ok(file)
            }
            Ok(file) if mode == FileMode::ReadOnly => Ok(file.read_only()),
            opened => opened,
        }
    }
}

impl Directory for SimulatedDirectory {
    fn lock(&self, _create: bool) -> Result<DirectoryLock> {
        match self.0.lock() {
            Some(lock) => Ok(Box::new(lock)),
            None => Err(Error::new(
                ErrorKind::AlreadyOpen,
                "the store on this simulated disk is already open",
            )),
        }
    }

    fn create(&self) -> io::Result<()> {
        Ok(())
    }

    fn subdirectory(&self, name: &str) -> Arc<dyn Directory> {
        Arc::new(Self(self.0.directory(name)))
    }

    fn names(&self) -> io::Result<Vec<String>> {
        self.0.list()
    }

    fn exists(&self, name: &str) -> io::Result<bool> {
        self.0.exists(name)
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        self.0.open(name)?.read_all()
    }

    fn open(&self, name: &str, mode: FileMode) -> io::Result<Box<dyn StorageBackend>> {
        Ok(Box::new(self.open_file(name, mode)?))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.0.remove(name)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.0.rename(from, to)
    }

    fn drop_page_cache(&self, name: &str) -> io::Result<()> {
        let file = self.0.open(name)?;
        file.sync()?;
        file.drop_page_cache()
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_directory()
    }
}

impl StorageBackend for SimulatedFile {
    fn len(&self) -> io::Result<u64> {
        self.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.sync()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.write(offset, data)
    }
}
