//! The directory of a store on a real file system. On Unix, the files created in it are accessible
//! only to their owner. The directory can be locked by one open store at a time.

use std::fmt;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::StorageBackend;
use redb::backends::FileBackend;

use crate::error::{Error, ErrorKind, Result};
use crate::storage::file::directory::{self, Directory, DirectoryLock, FileMode};

pub(crate) const LOCK_FILE: &str = "leads.lock";

/// A directory of the file system.
#[derive(Clone, Debug)]
pub(crate) struct RealDirectory(pub(crate) PathBuf);

impl fmt::Display for RealDirectory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.display().fmt(f)
    }
}

impl RealDirectory {
    pub(crate) fn at(path: &Path) -> Self {
        Self(path.to_owned())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Directory for RealDirectory {
    fn lock(&self, create: bool) -> Result<DirectoryLock> {
        let failed =
            |what: &str, error: io::Error| directory::failure(format_args!("{what} {self}"), error);
        if create && !self.0.is_dir() {
            create_private_directory(&self.0)
                .map_err(|error| failed("creating the store directory", error))?;
        }
        let file = private_file(
            OpenOptions::new().write(true).create(true),
            &self.path(LOCK_FILE),
        )
        .map_err(|error| failed("opening the lock file of the store in", error))?;
        match file.try_lock() {
            Ok(()) => Ok(Box::new(file)),
            Err(TryLockError::WouldBlock) => Err(Error::new(
                ErrorKind::AlreadyOpen,
                format!(
                    "the store in {self} is already open, in this process or another; share its handle with clone()"
                ),
            )),
            Err(TryLockError::Error(error)) => Err(failed("locking the store in", error)),
        }
    }

    fn create(&self) -> io::Result<()> {
        create_private_directory(&self.0)
    }

    fn subdirectory(&self, name: &str) -> Arc<dyn Directory> {
        Arc::new(Self(self.path(name)))
    }

    fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.0)? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                names.extend(entry.file_name().into_string());
            }
        }
        Ok(names)
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

    fn open(&self, name: &str, mode: FileMode) -> io::Result<Box<dyn StorageBackend>> {
        let mut options = OpenOptions::new();
        options
            .read(true)
            .write(mode != FileMode::ReadOnly)
            .create(matches!(
                mode,
                FileMode::CreateIfMissing | FileMode::Truncate
            ))
            .create_new(mode == FileMode::CreateNew)
            .truncate(mode == FileMode::Truncate);
        let file = private_file(&mut options, &self.path(name))?;
        Ok(Box::new(FileBackend::new(file).map_err(io::Error::other)?))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        std::fs::remove_file(self.path(name))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        std::fs::rename(self.path(from), self.path(to))
    }

    fn drop_page_cache(&self, name: &str) -> io::Result<()> {
        let file = OpenOptions::new().write(true).open(self.path(name))?;
        file.sync_data()?;
        drop_clean_pages(&file, name);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        // The parent is synced too: it stores the directory's own name, and the process that
        // created the directory may have been killed before it synced the parent. An error is
        // ignored, because this process may lack the permission to open the parent.
        if let Some(parent) = parent(&self.0) {
            let _ = sync_directory(parent);
        }
        sync_directory(&self.0)
    }
}

/// Creates a directory that only its owner can enter. Missing parents are created with default
/// permissions.
pub(crate) fn create_private_directory(directory: &Path) -> io::Result<()> {
    create_directory(directory, 0o700)
}

fn create_directory(directory: &Path, mode: u32) -> io::Result<()> {
    let Some(parent) = parent(directory) else {
        return Ok(());
    };
    if !parent.is_dir() {
        create_directory(parent, 0o777)?;
    }
    match directory_builder(mode).create(directory) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && directory.is_dir() => Ok(()),
        created => created.and_then(|()| sync_directory(parent)),
    }
}

#[cfg(unix)]
fn directory_builder(mode: u32) -> DirBuilder {
    let mut builder = DirBuilder::new();
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, mode);
    builder
}

#[cfg(not(unix))]
fn directory_builder(_mode: u32) -> DirBuilder {
    DirBuilder::new()
}

/// Returns the parent directory, or `None` for the root.
fn parent(directory: &Path) -> Option<&Path> {
    let parent = directory.parent()?;
    Some(if parent.as_os_str().is_empty() {
        Path::new(".")
    } else {
        parent
    })
}

fn private_file(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options.open(path)
}

/// Drops the cached pages of a synced file. On Linux and Android, a failed sync can leave pages in
/// the cache that were marked as clean but never written. A file system that cannot drop pages is
/// reported in the log; the store can still be used.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn drop_clean_pages(file: &File, name: &str) {
    if let Err(error) = rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed) {
        log::warn!("the cached pages of {name} could not be dropped: {error}");
    }
}

/// Does nothing: on this platform, the cache need not or cannot be dropped.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn drop_clean_pages(_file: &File, _name: &str) {}

/// Makes new and changed names in a directory survive a power cut. Does nothing on Windows, where
/// NTFS keeps a journal of such changes.
fn sync_directory(directory: &Path) -> io::Result<()> {
    #[cfg(unix)]
    File::open(directory)?.sync_all()?;
    #[cfg(not(unix))]
    let _ = directory;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_directory_except_the_root_has_a_parent() {
        assert_eq!(parent(Path::new("store")), Some(Path::new(".")));
        assert_eq!(parent(Path::new("a/store")), Some(Path::new("a")));
        assert_eq!(parent(Path::new("/")), None);
    }

    #[cfg(unix)]
    #[test]
    fn missing_parents_are_created_and_only_the_leaf_is_private() {
        use std::os::unix::fs::PermissionsExt;
        let temp_dir = tempfile::tempdir().unwrap();
        let directory = temp_dir.path().join("a/b/store");
        create_private_directory(&directory).unwrap();
        create_private_directory(&directory).unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&directory), 0o700);
        assert_ne!(mode(&temp_dir.path().join("a/b")), 0o700);
    }

    #[test]
    fn inaccessible_path_is_an_error_and_not_absent() {
        let temp_dir = tempfile::tempdir().unwrap();
        let directory = RealDirectory::at(temp_dir.path());
        assert!(!directory.exists("file").unwrap());
        std::fs::write(temp_dir.path().join("file"), "text").unwrap();
        assert!(directory.exists("file").unwrap());
        assert_eq!(directory.read("file").unwrap(), b"text");
        let in_a_file = temp_dir.path().join("file");
        // Windows reports that the path does not exist.
        #[cfg(unix)]
        assert!(RealDirectory::at(&in_a_file).exists("file").is_err());
        let error = create_private_directory(&in_a_file).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert!(create_private_directory(&in_a_file.join("store")).is_err());
        directory.remove("file").unwrap();
        assert!(!in_a_file.exists());
        assert_eq!(
            RealDirectory::at(Path::new("a/store")).to_string(),
            "a/store"
        );
    }
}
