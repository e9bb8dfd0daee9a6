//! Making and opening the files of a store so that neither a power cut nor another process leaves half of one.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use crate::{Error, ErrorKind, Result};

const STORE_FILE: &str = "leads.redb";
const NEW_FILE: &str = "leads.redb.new";
const LOCK_FILE: &str = "leads.lock";
const JOURNAL_FILES: [&str; 2] = ["leads.journal.0", "leads.journal.1"];

pub(super) fn store_file(directory: &Path) -> PathBuf {
    directory.join(STORE_FILE)
}

/// Whether there is a store's file. That it cannot be told is an error: taken for a no, it would have a store made over
/// one that is there.
pub(super) fn exists(directory: &Path) -> Result<bool> {
    let path = store_file(directory);
    match std::fs::symlink_metadata(&path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(failure("looking for", &path, error)),
    }
}

/// Held for as long as a store is open for writing. It also covers what redb's own lock does not: the creation of the
/// file, and the search index beside it.
#[derive(Debug)]
pub(super) struct DirectoryLock {
    _file: File,
}

/// Takes the directory for this process, and makes it first if `create` says so.
pub(super) fn lock(directory: &Path, create: bool) -> Result<DirectoryLock> {
    let failed = |what: &str, error: io::Error| failure(what, directory, error);
    if create && !directory.is_dir() {
        create_private_directory(directory).map_err(|error| failed("creating the store's directory", error))?;
    }
    let path = directory.join(LOCK_FILE);
    let file = private_file(OpenOptions::new().write(true).create(true), &path)
        .map_err(|error| failed("opening the store's lock file in", error))?;
    match file.try_lock() {
        Ok(()) => Ok(DirectoryLock { _file: file }),
        Err(TryLockError::WouldBlock) => Err(Error::new(
            ErrorKind::AlreadyOpen,
            format!(
                "the store in {} is open already, in this process or another; share its handle by clone()",
                directory.display()
            ),
        )),
        Err(TryLockError::Error(error)) => Err(failed("locking the store in", error)),
    }
}

/// Makes the store's file with `fill`, under another name until it is whole: a power cut while redb creates a file
/// leaves one that never opens.
pub(super) fn create_whole(directory: &Path, fill: impl FnOnce(File) -> Result<()>) -> Result<()> {
    let new = directory.join(NEW_FILE);
    let failed = |error| failure("creating the store's file in", directory, error);
    // A file left by a creation that was cut off is begun anew; the directory's lock keeps others out.
    let file =
        private_file(OpenOptions::new().read(true).write(true).create(true).truncate(true), &new).map_err(failed)?;
    let synced = file.try_clone().map_err(failed)?;
    fill(file)?;
    synced.sync_all().map_err(failed)?;
    std::fs::rename(&new, store_file(directory)).map_err(failed)?;
    sync_directory(directory).map_err(failed)
}

/// Opens the files of the journal, which are made if they are missing.
pub(super) fn open_journal(directory: &Path) -> Result<[File; 2]> {
    let [first, second]: [Result<_>; 2] = JOURNAL_FILES.map(|name| {
        let path = directory.join(name);
        let made = !path.exists();
        let file = private_file(OpenOptions::new().read(true).write(true).create(true), &path)
            .map_err(|error| failure("opening", &path, error))?;
        Ok((file, made))
    });
    let ((first, first_made), (second, second_made)) = (first?, second?);
    if first_made || second_made {
        // What is written to a file is lost with its name.
        sync_directory(directory).map_err(|error| failure("syncing", directory, error))?;
    }
    Ok([first, second])
}

/// The bytes of the journal; none of files that are missing.
pub(super) fn read_journal(directory: &Path) -> Result<[Vec<u8>; 2]> {
    let [first, second]: [Result<_>; 2] = JOURNAL_FILES.map(|name| {
        let path = directory.join(name);
        match std::fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            read => read.map_err(|error| failure("reading", &path, error)),
        }
    });
    Ok([first?, second?])
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

/// What the operating system refused, with the path.
pub(super) fn failure(what: &str, path: &Path, error: io::Error) -> Error {
    let kind = if error.kind() == io::ErrorKind::NotFound { ErrorKind::NotFound } else { ErrorKind::Io };
    Error::new(kind, format!("{what} {}: {error}", path.display())).caused_by(error)
}
