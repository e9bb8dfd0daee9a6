//! The files of a store, created, opened and replaced so that a power cut leaves no half-created
//! store file.

use std::io;

use redb::StorageBackend;

use crate::error::{Error, Result};
use crate::storage::file::directory::{Directory, FileMode, failure};
use crate::storage::file::table_file::TableFile;
use crate::storage::redb_error::redb_error;

pub(crate) const STORE_FILE: &str = "leads.redb";
const NEW_FILE: &str = "leads.redb.new";
const JOURNAL_FILES: [&str; 2] = ["leads.journal.0", "leads.journal.1"];

/// Offset in bytes of the flags in redb's file format v3 (redb 2.6 and later), directly after the
/// magic number.
const FLAGS_OFFSET: u64 = 9;
/// The flag that redb sets when it opens a file, and clears when it closes the file.
const RECOVERY_REQUIRED: u8 = 2;

/// Returns whether the store file exists. An I/O error must not be treated as `false`, or `open`
/// would overwrite an existing store.
pub(crate) fn exists(directory: &dyn Directory) -> Result<bool> {
    directory.exists(STORE_FILE).map_err(|error| {
        failure(
            format_args!("looking for {STORE_FILE} in {directory}"),
            error,
        )
    })
}

/// Creates the store file with `fill`, under a temporary name until it is complete: a power cut
/// while redb creates a file can leave a file that redb cannot open.
pub(crate) fn create_atomically(
    directory: &dyn Directory,
    fill: impl FnOnce(TableFile) -> Result<()>,
) -> Result<()> {
    write_temp_file(directory, fill)?;
    install_new_file(directory)
}

/// Writes a complete file with `fill` under a temporary name next to the store file, and syncs it.
pub(crate) fn write_temp_file(
    directory: &dyn Directory,
    fill: impl FnOnce(TableFile) -> Result<()>,
) -> Result<()> {
    let failed = |error| failure(format_args!("creating {STORE_FILE} in {directory}"), error);
    // A file left by an interrupted creation is overwritten. The directory lock keeps other
    // processes out.
    fill(
        directory
            .open(NEW_FILE, FileMode::Truncate)
            .and_then(TableFile::create)
            .map_err(failed)?,
    )?;
    directory
        .open(NEW_FILE, FileMode::ReadWrite)
        .and_then(|file| file.sync_data())
        .map_err(failed)
}

/// Removes the temporary file that an interrupted creation or repair has left, if any.
pub(crate) fn remove_temp_file(directory: &dyn Directory) -> Result<()> {
    let failed = |error| failure(format_args!("removing {NEW_FILE} in {directory}"), error);
    if directory.exists(NEW_FILE).map_err(failed)? {
        directory.remove(NEW_FILE).map_err(failed)
    } else {
        Ok(())
    }
}

/// Renames the temporary file to the store file and makes the rename durable.
pub(crate) fn install_new_file(directory: &dyn Directory) -> Result<()> {
    let failed = |error| {
        failure(
            format_args!("renaming {NEW_FILE} to {STORE_FILE} in {directory}"),
            error,
        )
    };
    directory.rename(NEW_FILE, STORE_FILE).map_err(failed)?;
    directory.sync().map_err(failed)
}

/// Opens the store file, which must exist.
pub(crate) fn open_store(directory: &dyn Directory, mode: FileMode) -> Result<TableFile> {
    let failed = |error| failure(format_args!("opening {STORE_FILE} in {directory}"), error);
    let file = directory.open(STORE_FILE, mode).map_err(failed)?;
    let opened = match mode {
        FileMode::ReadOnly => TableFile::open_read_only(file),
        _ => TableFile::open(file),
    };
    let file = opened.map_err(redb::Error::Io).map_err(redb_error)?;
    // redb would create a new database in an empty file.
    if file.len().map_err(failed)? == 0 {
        return Err(Error::corrupted(
            "leads.redb is corrupted or not a store: the file is empty",
        ));
    }
    Ok(file)
}

/// Opens the store file for writing. A file that was not closed is read from disk again, because
/// after a failed sync the page cache may hold pages that never reach the disk. redb would build on
/// these pages, and the next power cut would lose them.
pub(crate) fn open_store_for_writing(directory: &dyn Directory) -> Result<TableFile> {
    let file = open_store(directory, FileMode::ReadWrite)?;
    let mut flags = [0];
    let failed = |error| failure(format_args!("rereading {STORE_FILE} in {directory}"), error);
    file.read(FLAGS_OFFSET, &mut flags).map_err(failed)?;
    // `was_closed` compares the copies of block 0. If they differ although the flag is clear,
    // closing was interrupted at its last step, so the file is read again.
    if flags[0] & RECOVERY_REQUIRED == 0 && file.was_closed() {
        return Ok(file);
    }
    drop(file);
    directory.drop_page_cache(STORE_FILE).map_err(failed)?;
    open_store(directory, FileMode::ReadWrite)
}

/// Opens the journal files, and creates missing ones. Once this returns, synced writes to them
/// survive a power cut.
pub(crate) fn open_journal(directory: &dyn Directory) -> Result<[Box<dyn StorageBackend>; 2]> {
    let [first, second]: [Result<_>; 2] = JOURNAL_FILES.map(|name| {
        let failed = |error| failure(format_args!("opening {name} in {directory}"), error);
        directory
            .open(name, FileMode::CreateIfMissing)
            .map_err(failed)
    });
    let files = [first?, second?];
    // A power cut loses a file whose name is not durable. Even the name of an existing file may not
    // be durable: the process that created or renamed the file may have been killed before it
    // synced the directory.
    directory
        .sync()
        .map_err(|error| failure(format_args!("syncing {directory}"), error))?;
    Ok(files)
}

/// Reads the journal files. A missing file reads as empty.
pub(crate) fn read_journal(directory: &dyn Directory) -> Result<[Vec<u8>; 2]> {
    let [first, second]: [Result<_>; 2] = JOURNAL_FILES.map(|name| match directory.read(name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        read => read.map_err(|error| failure(format_args!("reading {name} in {directory}"), error)),
    });
    Ok([first?, second?])
}

#[cfg(test)]
mod tests {
    use redb::Builder;

    use super::*;
    use crate::storage::file::location::SharedMemory;

    #[test]
    fn recovery_flag_is_set_until_the_file_is_closed() {
        let file = SharedMemory::default();
        let is_left_open = || {
            let mut flags = [0];
            file.read(FLAGS_OFFSET, &mut flags).unwrap();
            flags[0] & RECOVERY_REQUIRED != 0
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
    fn temp_file_of_an_interrupted_creation_is_removed() {
        let path = tempfile::tempdir().unwrap();
        let directory = crate::storage::file::real::RealDirectory::at(path.path());
        remove_temp_file(&directory).unwrap();
        std::fs::write(path.path().join(NEW_FILE), "a part").unwrap();
        remove_temp_file(&directory).unwrap();
        assert_eq!(std::fs::read_dir(path.path()).unwrap().count(), 0);
    }
}
