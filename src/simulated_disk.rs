//! An in-memory disk that loses data as real disks do. It models only files, their names and syncs.
//! `storage` and `search` each adapt it to their own file interfaces.
//!
//! Written data can be read at once, as through the kernel's page cache, but it is certain to
//! survive a power cut only after a sync. The contents of a file become durable when the file is
//! synced, and its name when its directory is synced. A power cut keeps an arbitrary part of
//! everything else. Each write is kept, lost or torn at the boundaries of 512-byte sectors,
//! independently of earlier and later writes to the same file or to others. Each change to a name
//! or a length is kept or lost.

mod content;
mod file;
mod names;
mod open_file;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use fastrand::Rng;

use crate::sync::lock;

use file::File;
use names::Names;

pub(crate) use open_file::SimulatedFile;

/// A directory of a simulated in-memory disk, on which [`open_on`](crate::testing::open_on) opens a
/// store. Clones refer to the same directory.
///
/// All randomness comes from the seed, so the same operations have the same outcome.
#[derive(Clone)]
pub struct SimulatedDisk {
    disk: Arc<Mutex<Disk>>,
    /// Empty for the root directory.
    directory: Arc<str>,
}

/// A fault to inject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The process or the machine stops during this operation. Any part of the operation may take
    /// effect, and all later operations fail.
    Stop,
    /// This operation fails, once. A failed sync may lose any part of the data that it should have
    /// made durable, and no later sync reports the loss, as on Linux.
    Error,
    /// Files cannot grow from this operation on, until [`SimulatedDisk::clear_fault`] is called.
    Full,
    /// This operation and all later ones fail, reads included, until [`SimulatedDisk::clear_fault`]
    /// is called.
    Broken,
    /// The first read after this operation fails, once.
    ReadError,
}

struct Disk {
    rng: Rng,
    files: BTreeMap<u64, File>,
    names: Names,
    next_id: u64,
    operations: u64,
    /// The fault to inject, with the number of the operation at which it occurs.
    injected: Option<(u64, Fault)>,
    state: DiskState,
    failed_reads: u64,
    /// The directories that a store has locked.
    locked: BTreeSet<Arc<str>>,
    trace: DefaultHasher,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DiskState {
    Working,
    Stopped,
    Full,
    Broken,
    /// The next read fails.
    ReadError,
}

/// The outcome of an operation.
enum Verdict {
    Done,
    /// The operation fails with this error. A part of the operation may have taken effect.
    Fails(io::Error),
}

impl SimulatedDisk {
    /// Creates an empty disk.
    pub fn new(seed: u64) -> Self {
        let disk = Disk {
            rng: Rng::with_seed(seed),
            files: BTreeMap::new(),
            names: Names::default(),
            next_id: 0,
            operations: 0,
            injected: None,
            state: DiskState::Working,
            failed_reads: 0,
            locked: BTreeSet::new(),
            trace: DefaultHasher::new(),
        };
        Self {
            disk: Arc::new(Mutex::new(disk)),
            directory: Arc::from(""),
        }
    }

    /// Returns a subdirectory, which exists as soon as it contains a file.
    pub fn directory(&self, name: &str) -> Self {
        Self {
            disk: Arc::clone(&self.disk),
            directory: self.path(name).into(),
        }
    }

    /// Returns the same directory on `disk`, which was made from this disk.
    fn on(&self, disk: Disk) -> Self {
        Self {
            disk: Arc::new(Mutex::new(disk)),
            directory: Arc::clone(&self.directory),
        }
    }

    fn path(&self, name: &str) -> String {
        if self.directory.is_empty() {
            name.to_owned()
        } else {
            format!("{}/{name}", self.directory)
        }
    }

    /// Returns the number of operations started so far that change or sync something. Operations
    /// that failed because of a fault are included, except those after the disk stopped.
    pub fn operations(&self) -> u64 {
        self.disk().operations
    }

    /// Returns the number of reads that failed because of a fault or because the disk had stopped.
    pub fn failed_reads(&self) -> u64 {
        self.disk().failed_reads
    }

    /// Returns a hash of the operations that [`operations`](Self::operations) counts, without the
    /// written data. Two disks with the same operations have the same hash.
    pub fn trace(&self) -> u64 {
        self.disk().trace.finish()
    }

    /// Injects a fault into a later operation. `after` is the number of operations before that one.
    /// Replaces any fault that was injected earlier.
    pub fn inject(&self, after: u64, fault: Fault) {
        let mut disk = self.disk();
        disk.injected = Some((disk.operations + after, fault));
    }

    /// Returns true if the injected fault has occurred.
    pub fn has_failed(&self) -> bool {
        let disk = self.disk();
        disk.injected.is_some_and(|(at, _)| disk.operations > at)
    }

    /// Returns true if the disk has stopped. It cannot be started again.
    pub fn has_stopped(&self) -> bool {
        self.disk().state == DiskState::Stopped
    }

    /// Makes the disk work again and discards the injected fault. A disk that has stopped stays
    /// stopped.
    pub fn clear_fault(&self) {
        let mut disk = self.disk();
        disk.injected = None;
        if disk.state != DiskState::Stopped {
            disk.state = DiskState::Working;
        }
    }

    /// Removes every file in this directory and its subdirectories. Unlike a real operation, the
    /// removal is durable at once.
    pub fn wipe(&self) {
        self.disk().names.clear(&self.directory);
    }

    /// Stops this disk, and returns the disk as found after a power cut.
    pub fn power_cut(&self) -> Self {
        let mut disk = self.disk();
        disk.state = DiskState::Stopped;
        let mut rng = disk.rng.fork();
        let names = disk.names.after_power_cut(&mut rng);
        let mut files = BTreeMap::new();
        for id in names.ids() {
            if let Some(file) = disk.files.get(&id) {
                files.insert(id, file.after_power_cut(&mut rng));
            }
        }
        self.on(disk.restarted(rng, files, names))
    }

    /// Stops this disk, and returns the disk as the next process finds it after this process was
    /// killed. All written data is preserved, except for data that a failed sync may have lost.
    /// Unsynced data can still be lost in a later power cut.
    pub fn process_killed(&self) -> Self {
        let mut disk = self.disk();
        disk.state = DiskState::Stopped;
        let mut rng = disk.rng.fork();
        let files = disk
            .files
            .iter()
            .map(|(id, file)| (*id, file.after_process_kill(&mut rng)))
            .collect();
        let names = disk.names.clone();
        self.on(disk.restarted(rng, files, names))
    }

    /// Locks the directory for one store. Returns `None` if it is already locked.
    pub(crate) fn lock(&self) -> Option<DiskLock> {
        self.disk()
            .locked
            .insert(Arc::clone(&self.directory))
            .then(|| DiskLock(self.clone()))
    }

    pub(crate) fn exists(&self, name: &str) -> io::Result<bool> {
        let mut disk = self.disk();
        disk.begin_read()?;
        Ok(disk.names.get(&self.path(name)).is_some())
    }

    /// Returns the names of the files in the directory.
    pub(crate) fn list(&self) -> io::Result<Vec<String>> {
        let mut disk = self.disk();
        disk.begin_read()?;
        Ok(disk.names.in_directory(&self.directory))
    }

    /// Opens the file with this name.
    pub(crate) fn open(&self, name: &str) -> io::Result<SimulatedFile> {
        let mut disk = self.disk();
        disk.begin_read()?;
        let id = disk
            .names
            .get(&self.path(name))
            .ok_or(io::ErrorKind::NotFound)?;
        Ok(SimulatedFile::new(self, id))
    }

    /// Creates a file. Its name must not exist yet.
    pub(crate) fn create(&self, name: &str) -> io::Result<SimulatedFile> {
        let name = &*self.path(name);
        let mut disk = self.disk();
        if disk.names.get(name).is_some() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let verdict = disk.begin_operation(("create", name, 0, 0), true);
        let id = disk.next_id;
        if verdict.is_done() || disk.rng.bool() {
            disk.next_id += 1;
            disk.files.insert(id, File::default());
            disk.names.set(name, Some(id));
        }
        verdict.result()?;
        Ok(SimulatedFile::new(self, id))
    }

    pub(crate) fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let (from, to) = (&*self.path(from), &*self.path(to));
        let mut disk = self.disk();
        let id = disk.names.get(from).ok_or(io::ErrorKind::NotFound)?;
        let verdict = disk.begin_operation(("rename", from, 0, 0), false);
        if verdict.is_done() || disk.rng.bool() {
            disk.names.rename(from, to, id);
        }
        verdict.result()
    }

    pub(crate) fn remove(&self, name: &str) -> io::Result<()> {
        let name = &*self.path(name);
        let mut disk = self.disk();
        disk.names.get(name).ok_or(io::ErrorKind::NotFound)?;
        let verdict = disk.begin_operation(("remove", name, 0, 0), false);
        if verdict.is_done() || disk.rng.bool() {
            disk.names.set(name, None);
        }
        verdict.result()
    }

    /// Makes the names of the files in this directory durable.
    pub(crate) fn sync_directory(&self) -> io::Result<()> {
        let mut disk = self.disk();
        let verdict = disk.begin_operation(("sync names", &self.directory, 0, 0), false);
        if verdict.is_done() {
            disk.names.sync(&self.directory);
        }
        verdict.result()
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        // A poisoned lock is ignored: a thread that panics while holding it leaves the model in a
        // state that an interrupted operation could also cause.
        lock(&self.disk)
    }
}

impl fmt::Debug for SimulatedDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let disk = self.disk();
        f.debug_struct("SimulatedDisk")
            .field("operations", &disk.operations)
            .field("state", &disk.state)
            .finish()
    }
}

impl Disk {
    fn restarted(&mut self, rng: Rng, files: BTreeMap<u64, File>, names: Names) -> Self {
        Self {
            rng,
            files,
            names,
            next_id: self.next_id,
            operations: self.operations,
            injected: None,
            state: DiskState::Working,
            failed_reads: self.failed_reads,
            locked: BTreeSet::new(),
            trace: self.trace.clone(),
        }
    }

    /// Counts an operation that changes or syncs something, and returns its outcome.
    fn begin_operation(&mut self, what: (&str, &str, u64, usize), grows: bool) -> Verdict {
        if self.state == DiskState::Stopped {
            return Verdict::Fails(stopped());
        }
        let (what, name, at, length) = what;
        // The names of files in subdirectories are left out, because the search index names its
        // files at random. Files that contain such names have the same length in every run.
        let name = if name.contains('/') { "" } else { name };
        (what, name, at, length).hash(&mut self.trace);
        let number = self.operations;
        self.operations += 1;
        if let Some((_, fault)) = self.injected.filter(|(at, _)| *at == number) {
            self.state = match fault {
                Fault::Stop => DiskState::Stopped,
                Fault::Error => return Verdict::Fails(io::Error::other("an injected error")),
                Fault::Full => DiskState::Full,
                Fault::Broken => DiskState::Broken,
                Fault::ReadError => DiskState::ReadError,
            };
        }
        match self.state {
            DiskState::Working | DiskState::ReadError => Verdict::Done,
            DiskState::Stopped => Verdict::Fails(stopped()),
            DiskState::Full if grows => Verdict::Fails(io::ErrorKind::StorageFull.into()),
            DiskState::Full => Verdict::Done,
            DiskState::Broken => Verdict::Fails(io::Error::other("an injected error")),
        }
    }

    fn begin_read(&mut self) -> io::Result<()> {
        let error = match self.state {
            DiskState::Working | DiskState::Full => return Ok(()),
            DiskState::Stopped => stopped(),
            DiskState::Broken => io::Error::other("an injected error"),
            DiskState::ReadError => {
                self.state = DiskState::Working;
                io::Error::other("an injected error")
            }
        };
        self.failed_reads += 1;
        Err(error)
    }

    fn file(&mut self, id: u64) -> io::Result<&mut File> {
        self.files
            .get_mut(&id)
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Verdict {
    fn is_done(&self) -> bool {
        matches!(self, Self::Done)
    }

    fn result(self) -> io::Result<()> {
        match self {
            Self::Done => Ok(()),
            Self::Fails(error) => Err(error),
        }
    }
}

fn stopped() -> io::Error {
    io::Error::other("the simulated process has stopped")
}

/// The lock on a directory, held by the store that uses it.
pub(crate) struct DiskLock(SimulatedDisk);

impl Drop for DiskLock {
    fn drop(&mut self) {
        self.0.disk().locked.remove(&self.0.directory);
    }
}
