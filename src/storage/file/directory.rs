//! The files of a store and the directory that they lie in, made and opened so that a power cut leaves none of them half
//! made. What the directory is made of is behind [`Directory`]: a real one, or one that tests simulate.

use std::fmt;
use std::io;

use redb::StorageBackend;

use crate::error::{Error, ErrorKind, Result};
use crate::storage::file::checksummed::ChecksummedFile;
use crate::storage::redb_error::redb_error;

pub(crate) const STORE_FILE: &str = "leads.redb";
const NEW_FILE: &str = "leads.redb.new";
const JOURNAL_FILES: [&str; 2] = ["leads.journal.0", "leads.journal.1"];

/// Where redb's file format, whose number 3 stands since redb 2, has the flags of a file, behind its magic number, and the
/// one that stands from opening to closing.
const FLAGS_AT: u64 = 9;
const LEFT_OPEN: u8 = 2;

/// What a store asks of the directory that its files lie in. It displays as where it is.
pub(crate) trait Directory: fmt::Display {
    type File: StorageBackend;

    /// Takes the directory for this store alone, until the lock is dropped, and makes it first if `create` says so.
    fn lock(&self, create: bool) -> Result<DirectoryLock>;

    fn exists(&self, name: &str) -> io::Result<bool>;

    fn read(&self, name: &str) -> io::Result<Vec<u8>>;

    fn open(&self, name: &str, mode: FileMode) -> io::Result<Self::File>;

    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Takes a file away, if it is there.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Writes what is cached of a file to the disk and forgets it, so that it is read from there.
    fn drop_page_cache(&self, name: &str) -> io::Result<()>;

    /// Makes the names of the files, and that they have been made or renamed, survive a power cut.
    fn sync(&self) -> io::Result<()>;
}

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileMode {
    /// For reading only, one that is there.
    ReadOnly,
    /// One that is there.
    ReadWrite,
    /// One that is made if it is missing.
    CreateIfMissing,
    /// An empty one, whatever was there.
    Truncate,
}

/// Held for as long as a store is open for writing. It also covers what redb's own lock does not: the creation of the
/// file, and the search index beside it.
pub(crate) type DirectoryLock = Box<dyn Send + Sync>;

/// Whether there is a store's file. That it cannot be told is an error: taken for a no, it would have a store made over
/// one that is there.
pub(crate) fn exists(directory: &impl Directory) -> Result<bool> {
    directory.exists(STORE_FILE).map_err(|error| {
        failure(
            format_args!("looking for {STORE_FILE} in {directory}"),
            error,
        )
    })
}

/// Makes the store's file with `fill`, under another name until it is whole: a power cut while redb creates a file
/// leaves one that never opens.
pub(crate) fn create_atomically<D: Directory>(
    directory: &D,
    fill: impl FnOnce(ChecksummedFile) -> Result<()>,
) -> Result<()> {
    write_new(directory, fill)?;
    install_new_file(directory)
}

/// Makes a whole file with `fill` beside the one that the store has.
pub(crate) fn write_new<D: Directory>(
    directory: &D,
    fill: impl FnOnce(ChecksummedFile) -> Result<()>,
) -> Result<()> {
    let failed = |error| {
        failure(
            format_args!("creating the store's file in {directory}"),
            error,
        )
    };
    // A file left by a creation that was cut off is begun anew; the directory's lock keeps others out.
    fill(
        directory
            .open(NEW_FILE, FileMode::Truncate)
            .and_then(ChecksummedFile::create)
            .map_err(failed)?,
    )?;
    directory
        .open(NEW_FILE, FileMode::ReadWrite)
        .and_then(|file| file.sync_data())
        .map_err(failed)
}

/// Removes what a creation or a repair that was cut off has left beside the store's file.
pub(crate) fn remove_temp_file(directory: &impl Directory) -> Result<()> {
    let failed = |error| failure(format_args!("removing {NEW_FILE} in {directory}"), error);
    if directory.exists(NEW_FILE).map_err(failed)? {
        directory.remove(NEW_FILE).map_err(failed)
    } else {
        Ok(())
    }
}

/// Has the file that was written beside it take the place of the one that the store has.
pub(crate) fn install_new_file(directory: &impl Directory) -> Result<()> {
    let failed = |error| {
        failure(
            format_args!("putting the store's new file in its place in {directory}"),
            error,
        )
    };
    directory.rename(NEW_FILE, STORE_FILE).map_err(failed)?;
    directory.sync().map_err(failed)
}

/// Opens the store's file, which must be there.
pub(crate) fn open_store<D: Directory>(directory: &D, mode: FileMode) -> Result<ChecksummedFile> {
    let failed = |error| failure(format_args!("opening {STORE_FILE} in {directory}"), error);
    let file = directory.open(STORE_FILE, mode).map_err(failed)?;
    let file = ChecksummedFile::open(file)
        .map_err(redb::Error::Io)
        .map_err(redb_error)?;
    // Of which redb would make a new database.
    if file.len().map_err(failed)? == 0 {
        return Err(Error::corrupted(
            "the store's file is damaged or no store: it is empty",
        ));
    }
    Ok(file)
}

/// Opens the store's file for writing. If it was left without being closed, then as it is on the disk: whatever failed to
/// be synced may still be read, without ever reaching the disk, and pages that redb holds on to would be lost with it at
/// the next power cut.
pub(crate) fn open_store_to_write(directory: &impl Directory) -> Result<ChecksummedFile> {
    let file = open_store(directory, FileMode::ReadWrite)?;
    let mut flags = [0];
    let failed = |error| {
        failure(
            format_args!("reading {STORE_FILE} again in {directory}"),
            error,
        )
    };
    file.read(FLAGS_AT, &mut flags).map_err(failed)?;
    // Where the copies of block 0 differ, it was closed but for the end of that.
    if flags[0] & LEFT_OPEN == 0 && file.was_closed() {
        return Ok(file);
    }
    drop(file);
    directory.drop_page_cache(STORE_FILE).map_err(failed)?;
    open_store(directory, FileMode::ReadWrite)
}

/// Opens the files of the journal, which are made if they are missing. From then on what is written to the store survives.
pub(crate) fn open_journal<D: Directory>(directory: &D) -> Result<[D::File; 2]> {
    let [first, second]: [Result<_>; 2] = JOURNAL_FILES.map(|name| {
        let failed = |error| failure(format_args!("opening {name} in {directory}"), error);
        directory
            .open(name, FileMode::CreateIfMissing)
            .map_err(failed)
    });
    let files = [first?, second?];
    // What is written to a file is lost with its name. One that was there may not be on the disk either: whoever made or
    // renamed it may have been killed before this.
    directory
        .sync()
        .map_err(|error| failure(format_args!("syncing {directory}"), error))?;
    Ok(files)
}

/// The bytes of the journal; none of files that are missing.
pub(crate) fn read_journal(directory: &impl Directory) -> Result<[Vec<u8>; 2]> {
    let [first, second]: [Result<_>; 2] = JOURNAL_FILES.map(|name| match directory.read(name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        read => read.map_err(|error| failure(format_args!("reading {name} in {directory}"), error)),
    });
    Ok([first?, second?])
}

/// What the operating system refused, and while what was done.
pub(crate) fn failure(doing: fmt::Arguments<'_>, error: io::Error) -> Error {
    let kind = if error.kind() == io::ErrorKind::NotFound {
        ErrorKind::NotFound
    } else {
        ErrorKind::Io
    };
    Error::new(kind, format!("{doing}: {error}")).caused_by(error)
}

#[cfg(test)]
mod tests {
    use redb::Builder;

    use super::*;
    use crate::storage::file::location::SharedMemory;

    #[test]
    fn a_file_that_was_left_open_says_so_where_it_is_looked_for() {
        let file = SharedMemory::default();
        let is_left_open = || {
            let mut flags = [0];
            file.read(FLAGS_AT, &mut flags).unwrap();
            flags[0] & LEFT_OPEN != 0
        };
        for _ in 0..2 {
            let db = Builder::new().create_with_backend(file.clone()).unwrap();
            db.begin_write().unwrap().commit().unwrap();
            assert!(is_left_open());
            db.close().unwrap();
            assert!(!is_left_open());
        }
    }

    #[test]
    fn what_a_creation_that_was_cut_off_has_left_is_removed() {
        let path = tempfile::tempdir().unwrap();
        let directory = crate::storage::file::real::RealDirectory(path.path());
        remove_temp_file(&directory).unwrap();
        std::fs::write(path.path().join(NEW_FILE), "a part").unwrap();
        remove_temp_file(&directory).unwrap();
        assert_eq!(std::fs::read_dir(path.path()).unwrap().count(), 0);
    }
}
