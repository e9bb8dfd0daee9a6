//! Backup of a store, and the replacement of its file by a rebuilt one, for repairs and migrations.

use std::path::Path;
use std::sync::Arc;

use redb::StorageBackend;

use crate::error::{Error, ErrorKind, Result};
use crate::row::Row;
#[cfg(feature = "unstable-testing")]
use crate::simulated_disk::SimulatedDisk;
use crate::storage::database::rebuild;
use crate::storage::database::{Database, OpenFiles, Writable};
use crate::storage::file::directory::Directory;
use crate::storage::file::location::{Location, MemoryFiles, SharedMemory};
use crate::storage::file::real::{LOCK_FILE, RealDirectory};
#[cfg(feature = "unstable-testing")]
use crate::storage::file::simulated::SimulatedDirectory;
use crate::storage::file::store_files;
use crate::storage::file::table_file::TableFile;
use crate::storage::index_entries::IndexEntries;
use crate::storage::read_only;
use crate::storage::record::lead_record::StoredLead;
use crate::storage::redb_error::redb_error;
use crate::storage::state::read_view::ReadView;

/// Creates a store in `path` with a copy of the tables of `view`, whose overlay must be empty. If
/// writing the copy fails, removes the copy, and also `path` if this call created it. New parent
/// directories remain, and so does the lock file if `path` already existed. If only the final sync
/// of the directory fails, the complete copy remains.
pub(crate) fn back_up(view: &ReadView, path: &Path, progress: &mut dyn FnMut(u64)) -> Result<()> {
    let is_new = !path.exists();
    let directory = RealDirectory::at(path);
    let lock = directory.lock(true)?;
    let written = back_up_in(view, &directory, progress);
    if written.is_err() && is_new {
        let _ = std::fs::remove_file(path.join(LOCK_FILE));
        drop(lock);
        // `remove_dir` keeps the directory if another process has created a file in it meanwhile.
        let _ = std::fs::remove_dir(path);
    }
    written
}

/// Creates a backup on a simulated disk.
#[cfg(feature = "unstable-testing")]
pub(crate) fn back_up_on(
    view: &ReadView,
    disk: &SimulatedDisk,
    progress: &mut dyn FnMut(u64),
) -> Result<()> {
    let directory = SimulatedDirectory(disk.clone());
    let _lock = directory.lock(true)?;
    back_up_in(view, &directory, progress)
}

fn back_up_in(
    view: &ReadView,
    directory: &dyn Directory,
    progress: &mut dyn FnMut(u64),
) -> Result<()> {
    if store_files::exists(directory)?
        || !store_files::read_journal(directory)?
            .iter()
            .all(Vec::is_empty)
    {
        let message = format!("{directory} already contains a store; choose another directory");
        return Err(Error::new(ErrorKind::AlreadyExists, message));
    }
    store_files::create_atomically(directory, |file| rebuild::copy(view, file, progress))
        .inspect_err(|_| {
            // If the file cannot be removed, the next backup overwrites it.
            let _ = store_files::remove_temp_file(directory);
        })
}

impl Database {
    /// Closes the store and replaces its file with one that has the same leads and credentials, and
    /// a new change log. `derive` rebuilds everything that is derived from leads. If writing the
    /// new file fails, the old file stays in place and loses no data. After a later error, either
    /// the old or the new file is in place, and it is complete.
    pub(crate) fn rebuild(
        self,
        location: &Location,
        derive: &dyn Fn(Row, &StoredLead) -> IndexEntries,
        progress: &mut dyn FnMut(u64),
    ) -> Result<()> {
        let view = self.read()?;
        let disk = self.disk_snapshot()?;
        let fill = |file: TableFile| {
            disk.read(|on_disk| {
                let whole = ReadView {
                    tables: Arc::clone(&on_disk.tables),
                    ..view.clone()
                };
                rebuild::rebuild(&whole, file, derive, progress)
            })
        };
        let install = match location {
            Location::Directory(directory) => write_new_file(&**directory, fill)?,
            Location::Memory(memory) => write_in_memory(memory, fill)?,
        };
        drop((disk, view));
        self.close_and_replace(install)
    }

    /// Closes the store without a checkpoint, calls `install` to replace its file with one that
    /// also contains the journal's commits, and empties the journal.
    fn close_and_replace(self, install: impl FnOnce() -> Result<()>) -> Result<()> {
        let OpenFiles::Writable(writable) = self.files else {
            return Err(read_only());
        };
        let Writable {
            db,
            mut journal,
            _lock,
            ..
        } = *writable;
        // Windows does not replace a file that is open.
        drop((self.view, self.file));
        if let Ok(db) = Arc::try_unwrap(db) {
            // The file is about to be replaced, so a failure to write to it does not matter.
            let _ = db.close();
        }
        install()?;
        journal.clear()
    }
}

/// A closure that installs the new file in place of the store file.
type InstallFile<'f> = Box<dyn FnOnce() -> Result<()> + 'f>;

/// Writes a new file with `fill` next to the store file, and returns a closure that installs it. If
/// writing fails, removes the incomplete file.
fn write_new_file(
    directory: &dyn Directory,
    fill: impl FnOnce(TableFile) -> Result<()>,
) -> Result<InstallFile<'_>> {
    store_files::write_temp_file(directory, fill).inspect_err(|_| {
        // The first error is the one to report. If the removal fails, the next open for writing
        // removes the file.
        let _ = store_files::remove_temp_file(directory);
    })?;
    Ok(Box::new(move || store_files::install_new_file(directory)))
}

/// Writes a new file in memory with `fill`, and returns a closure that installs it.
fn write_in_memory(
    memory: &MemoryFiles,
    fill: impl FnOnce(TableFile) -> Result<()>,
) -> Result<InstallFile<'_>> {
    let new = SharedMemory::default();
    fill(
        TableFile::create(Box::new(new.clone()))
            .map_err(redb::Error::Io)
            .map_err(redb_error)?,
    )?;
    Ok(Box::new(move || {
        replace(memory, &new)
            .map_err(redb::Error::Io)
            .map_err(redb_error)
    }))
}

fn replace(memory: &MemoryFiles, new: &SharedMemory) -> std::io::Result<()> {
    let mut bytes = vec![0; usize::try_from(new.len()?).map_err(std::io::Error::other)?];
    new.read(0, &mut bytes)?;
    memory.store.set_len(bytes.len() as u64)?;
    memory.store.write(0, &bytes)
}
