//! What is done with a store's files as a whole, beyond opening and closing them: backups and repairs.

use std::path::Path;
use std::sync::Arc;

use redb::StorageBackend;

use crate::error::{Error, ErrorKind, Result};
use crate::row::Row;
#[cfg(feature = "unstable-testing")]
use crate::simulated_disk::SimulatedDisk;
use crate::storage::database::rebuild;
use crate::storage::database::{Database, OpenFiles, Writable};
use crate::storage::file::checksummed::ChecksummedFile;
use crate::storage::file::directory::{self, Directory};
use crate::storage::file::location::{Location, MemoryFiles, SharedMemory};
use crate::storage::file::real::{LOCK_FILE, RealDirectory};
#[cfg(feature = "unstable-testing")]
use crate::storage::file::simulated::SimulatedDirectory;
use crate::storage::index_entries::IndexEntries;
use crate::storage::read_only;
use crate::storage::record::lead_record::StoredLead;
use crate::storage::redb_error::redb_error;
use crate::storage::state::read_view::ReadView;

/// Makes a store in `path` of everything that the tables of `view` have, over which there must be nothing. If it fails, it
/// leaves nothing there.
pub(crate) fn back_up(view: &ReadView, path: &Path, progress: &mut dyn FnMut(u64)) -> Result<()> {
    let is_new = !path.exists();
    let directory = RealDirectory(path);
    let lock = directory.lock(true)?;
    let written = back_up_in(view, &directory, progress);
    if written.is_err() && is_new {
        let _ = std::fs::remove_file(path.join(LOCK_FILE));
        drop(lock);
        // Only if nobody has put something there meanwhile.
        let _ = std::fs::remove_dir(path);
    }
    written
}

/// The same on a simulated disk.
#[cfg(feature = "unstable-testing")]
pub(crate) fn back_up_on(
    view: &ReadView,
    disk: &SimulatedDisk,
    progress: &mut dyn FnMut(u64),
) -> Result<()> {
    let directory = SimulatedDirectory(disk);
    let _lock = directory.lock(true)?;
    back_up_in(view, &directory, progress)
}

fn back_up_in<D: Directory>(
    view: &ReadView,
    directory: &D,
    progress: &mut dyn FnMut(u64),
) -> Result<()> {
    if directory::exists(directory)?
        || !directory::read_journal(directory)?
            .iter()
            .all(Vec::is_empty)
    {
        let message = format!("there is a store in {directory} already; name another directory");
        return Err(Error::new(ErrorKind::AlreadyExists, message));
    }
    directory::create_atomically(directory, |file| rebuild::copy(view, file, progress)).inspect_err(
        |_| {
            // What cannot be removed is begun anew by the next one.
            let _ = directory::remove_temp_file(directory);
        },
    )
}

impl Database {
    /// Closes the store and puts one in its place that has the same leads and credentials, of which everything else was
    /// made anew by `derive`. After an error the old one is there as it was.
    pub(crate) fn rebuild(
        self,
        location: &Location,
        derive: &dyn Fn(Row, &StoredLead) -> IndexEntries,
        progress: &mut dyn FnMut(u64),
    ) -> Result<()> {
        let view = self.read()?;
        let disk = self.disk_snapshot()?;
        let fill = |file: ChecksummedFile| {
            disk.read(|on_disk| {
                let whole = ReadView {
                    tables: Arc::clone(&on_disk.tables),
                    ..view.clone()
                };
                rebuild::rebuild(&whole, file, derive, progress)
            })
        };
        let put_in_place = match location {
            Location::Directory(path) => write_beside(RealDirectory(path), fill)?,
            #[cfg(feature = "unstable-testing")]
            Location::Simulated(simulated) => write_beside(SimulatedDirectory(simulated), fill)?,
            Location::Memory(memory) => write_in_memory(memory, fill)?,
        };
        drop((disk, view));
        self.close_for(put_in_place)
    }

    /// Closes the store as it is, has `put_in_place` replace its file by one that has all that its journal has as well,
    /// and empties that.
    fn close_for(self, put_in_place: impl FnOnce() -> Result<()>) -> Result<()> {
        let OpenFiles::Writable(writable) = self.files else {
            return Err(read_only());
        };
        let Writable {
            db,
            mut journal,
            _lock,
            ..
        } = *writable;
        if let Ok(db) = Arc::try_unwrap(db) {
            // What it cannot write any more is not needed.
            let _ = db.close();
        }
        put_in_place()?;
        journal.clear()
    }
}

/// Puts a file that was written in place of the store's.
type PutInPlace<'f> = Box<dyn FnOnce() -> Result<()> + 'f>;

/// Has `fill` write a new file beside the store's. If that fails, nothing is left of it.
fn write_beside<'d, D: Directory + 'd>(
    directory: D,
    fill: impl FnOnce(ChecksummedFile) -> Result<()>,
) -> Result<PutInPlace<'d>> {
    directory::write_new(&directory, fill).inspect_err(|_| {
        // The first error is the one to tell of; the next opening tries again.
        let _ = directory::remove_temp_file(&directory);
    })?;
    Ok(Box::new(move || directory::install_new_file(&directory)))
}

/// The same for a store in memory.
fn write_in_memory(
    memory: &MemoryFiles,
    fill: impl FnOnce(ChecksummedFile) -> Result<()>,
) -> Result<PutInPlace<'_>> {
    let new = SharedMemory::default();
    fill(
        ChecksummedFile::create(new.clone())
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
