//! The directory of a real store: its files are for their owner only, and one process at a time has it.

use std::fmt;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use redb::backends::FileBackend;

use super::directory::{self, Directory, Lock, Opening};
use crate::{Error, ErrorKind, Result};

const LOCK_FILE: &str = "leads.lock";

/// A directory of the file system.
pub(super) struct RealDirectory<'a>(pub(super) &'a Path);

impl fmt::Display for RealDirectory<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.display().fmt(f)
    }
}

impl RealDirectory<'_> {
    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Directory for RealDirectory<'_> {
    type File = FileBackend;

    fn lock(&self, create: bool) -> Result<Lock> {
        let failed = |what: &str, error: io::Error| directory::failure(format_args!("{what} {self}"), error);
        if create && !self.0.is_dir() {
            create_private_directory(self.0).map_err(|error| failed("creating the store's directory", error))?;
        }
        let file = private_file(OpenOptions::new().write(true).create(true), &self.path(LOCK_FILE))
            .map_err(|error| failed("opening the store's lock file in", error))?;
        match file.try_lock() {
            Ok(()) => Ok(Box::new(file)),
            Err(TryLockError::WouldBlock) => Err(Error::new(
                ErrorKind::AlreadyOpen,
                format!("the store in {self} is open already, in this process or another; share its handle by clone()"),
            )),
            Err(TryLockError::Error(error)) => Err(failed("locking the store in", error)),
        }
    }

    fn exists(&self, name: &str) -> io::Result<bool> {
        match std::fs::symlink_metadata(self.path(name)) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        std::fs::read(self.path(name))
    }

    fn open(&self, name: &str, opening: Opening) -> io::Result<FileBackend> {
        let mut options = OpenOptions::new();
        options
            .read(true)
            .write(opening != Opening::ToRead)
            .create(matches!(opening, Opening::OrCreate | Opening::Empty))
            .truncate(opening == Opening::Empty);
        FileBackend::new(private_file(&mut options, &self.path(name))?).map_err(io::Error::other)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        std::fs::rename(self.path(from), self.path(to))
    }

    fn forget_cached(&self, name: &str) -> io::Result<()> {
        let file = OpenOptions::new().write(true).open(self.path(name))?;
        file.sync_data()?;
        // Elsewhere there is no such call, and a sync that fails has kept what it could not write.
        #[cfg(target_os = "linux")]
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed)?;
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        sync_directory(self.0)
    }
}

/// Creates a directory that only its owner may enter, with those above it as usual.
pub(crate) fn create_private_directory(directory: &Path) -> io::Result<()> {
    if let Some(parent) = directory.parent() {
        std::fs::create_dir_all(parent)?;
    }
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match builder.create(directory) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && directory.is_dir() => return Ok(()),
        created => created?,
    }
    match directory.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        Some(parent) => sync_directory(parent),
        None => Ok(()),
    }
}

fn private_file(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options.open(path)
}

/// Makes a rename survive a power cut. Windows has no way to sync a directory, and no need of it on NTFS.
fn sync_directory(directory: &Path) -> io::Result<()> {
    #[cfg(unix)]
    File::open(directory)?.sync_all()?;
    #[cfg(not(unix))]
    let _ = directory;
    Ok(())
}
