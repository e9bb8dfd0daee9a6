//! The files of a store and the directory that they lie in, made and opened so that a power cut leaves none of them half
//! made. What the directory is made of is behind [`Directory`]: a real one, or one that tests simulate.

use std::fmt;
use std::io;

use redb::StorageBackend;

use super::fault;
use super::sealed_file::SealedFile;
use crate::{Error, ErrorKind, Result};

pub(super) const STORE_FILE: &str = "leads.redb";
pub(super) const NEW_FILE: &str = "leads.redb.new";
const JOURNAL_FILES: [&str; 2] = ["leads.journal.0", "leads.journal.1"];

/// What a store asks of the directory that its files lie in. It displays as where it is.
pub(super) trait Directory: fmt::Display {
    type File: StorageBackend;

    /// Takes the directory for this store alone, until the lock is dropped, and makes it first if `create` says so.
    fn lock(&self, create: bool) -> Result<Lock>;

    fn exists(&self, name: &str) -> io::Result<bool>;

    fn read(&self, name: &str) -> io::Result<Vec<u8>>;

    fn open(&self, name: &str, opening: Opening) -> io::Result<Self::File>;

    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Makes the names of the files, and that they have been made or renamed, survive a power cut.
    fn sync(&self) -> io::Result<()>;
}

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opening {
    /// For reading only, one that is there.
    ToRead,
    /// One that is there.
    Existing,
    /// One that is made if it is missing.
    OrCreate,
    /// An empty one, whatever was there.
    Empty,
}

/// Held for as long as a store is open for writing. It also covers what redb's own lock does not: the creation of the
/// file, and the search index beside it.
pub(super) type Lock = Box<dyn Send + Sync>;

/// Whether there is a store's file. That it cannot be told is an error: taken for a no, it would have a store made over
/// one that is there.
pub(super) fn exists(directory: &impl Directory) -> Result<bool> {
    directory
        .exists(STORE_FILE)
        .map_err(|error| failure(format_args!("looking for {STORE_FILE} in {directory}"), error))
}

/// Makes the store's file with `fill`, under another name until it is whole: a power cut while redb creates a file
/// leaves one that never opens.
pub(super) fn create_whole<D: Directory>(directory: &D, fill: impl FnOnce(SealedFile) -> Result<()>) -> Result<()> {
    write_new(directory, fill)?;
    put_new_in_place(directory)
}

/// Makes a whole file with `fill` beside the one that the store has.
pub(super) fn write_new<D: Directory>(directory: &D, fill: impl FnOnce(SealedFile) -> Result<()>) -> Result<()> {
    let failed = |error| failure(format_args!("creating the store's file in {directory}"), error);
    // A file left by a creation that was cut off is begun anew; the directory's lock keeps others out.
    fill(directory.open(NEW_FILE, Opening::Empty).and_then(SealedFile::create).map_err(failed)?)?;
    directory.open(NEW_FILE, Opening::Existing).and_then(|file| file.sync_data()).map_err(failed)
}

/// Has the file that was written beside it take the place of the one that the store has.
pub(super) fn put_new_in_place(directory: &impl Directory) -> Result<()> {
    let failed = |error| failure(format_args!("putting the store's new file in its place in {directory}"), error);
    directory.rename(NEW_FILE, STORE_FILE).map_err(failed)?;
    directory.sync().map_err(failed)
}

/// Opens the store's file, which must be there.
pub(super) fn open_store<D: Directory>(directory: &D, opening: Opening) -> Result<SealedFile> {
    let failed = |error| failure(format_args!("opening {STORE_FILE} in {directory}"), error);
    let file = directory.open(STORE_FILE, opening).map_err(failed)?;
    let file = SealedFile::open(file).map_err(redb::Error::Io).map_err(fault)?;
    // Of which redb would make a new database.
    if file.len().map_err(failed)? == 0 {
        return Err(Error::corrupted("the store's file is damaged or no store: it is empty"));
    }
    Ok(file)
}

/// Opens the files of the journal, which are made if they are missing. From then on what is written to the store survives.
pub(super) fn open_journal<D: Directory>(directory: &D) -> Result<[D::File; 2]> {
    let [first, second]: [Result<_>; 2] = JOURNAL_FILES.map(|name| {
        let failed = |error| failure(format_args!("opening {name} in {directory}"), error);
        directory.open(name, Opening::OrCreate).map_err(failed)
    });
    let files = [first?, second?];
    // What is written to a file is lost with its name. One that was there may not be on the disk either: whoever made or
    // renamed it may have been killed before this.
    directory.sync().map_err(|error| failure(format_args!("syncing {directory}"), error))?;
    Ok(files)
}

/// The bytes of the journal; none of files that are missing.
pub(super) fn read_journal(directory: &impl Directory) -> Result<[Vec<u8>; 2]> {
    let [first, second]: [Result<_>; 2] = JOURNAL_FILES.map(|name| match directory.read(name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        read => read.map_err(|error| failure(format_args!("reading {name} in {directory}"), error)),
    });
    Ok([first?, second?])
}

/// What the operating system refused, and while what was done.
pub(super) fn failure(doing: fmt::Arguments<'_>, error: io::Error) -> Error {
    let kind = if error.kind() == io::ErrorKind::NotFound { ErrorKind::NotFound } else { ErrorKind::Io };
    Error::new(kind, format!("{doing}: {error}")).caused_by(error)
}
