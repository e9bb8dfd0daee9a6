//! A disk in memory that loses what disks lose. It knows no more than files, names and syncs: `storage` and `search` each
//! put their files on it by an adapter of their own.
//!
//! What is written can be read at once, as through the kernel's cache, but survives a power cut for certain only once it
//! was synced: what is in a file by a sync of the file, its name by a sync of its directory. Of all else the cut keeps any
//! part: each write is kept, lost or torn at sectors of 512 bytes, whatever came before or after it in this file or
//! another; each change of a name or a length is kept or lost.

mod content;
mod file;
mod names;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use fastrand::Rng;

use crate::sync::lock;

use file::File;
use names::Names;

/// A directory of a disk in memory, on which a store can be put by [`open_on`](crate::testing::open_on). Clones are the
/// same one.
///
/// All that is random in it follows from its seed, so the same operations meet the same fate.
#[derive(Clone)]
pub struct SimulatedDisk {
    disk: Arc<Mutex<Disk>>,
    /// Empty for the root.
    directory: Arc<str>,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The process or the machine stops in the middle of this operation: it is done in part, and nothing after it.
    Stop,
    /// This operation fails, once. A sync that fails has lost any part of what it should have made durable, and no later
    /// sync tells of it, as on Linux.
    Error,
    /// From this operation on there is no room for files to grow, until [`SimulatedDisk::clear_fault`].
    Full,
    /// This operation and all after it fail, reads included, until [`SimulatedDisk::clear_fault`].
    Broken,
    /// The next read from this operation on fails, once.
    ReadError,
}

struct Disk {
    rng: Rng,
    files: BTreeMap<u64, File>,
    names: Names,
    next_id: u64,
    operations: u64,
    /// What happens at the operation with this number.
    planned: Option<(u64, Fault)>,
    state: DiskState,
    failed_reads: u64,
    /// The directories that are in use.
    locked: BTreeSet<Arc<str>>,
    trace: DefaultHasher,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DiskState {
    Working,
    Stopped,
    Full,
    Broken,
    /// One read will fail.
    ReadError,
}

/// What becomes of one operation.
enum Verdict {
    Done,
    /// It fails with this error, after a part of it was done.
    Fails(io::Error),
}

impl SimulatedDisk {
    /// An empty disk.
    pub fn new(seed: u64) -> Self {
        let disk = Disk {
            rng: Rng::with_seed(seed),
            files: BTreeMap::new(),
            names: Names::default(),
            next_id: 0,
            operations: 0,
            planned: None,
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

    /// A directory in this one, which is there as soon as a file is in it.
    pub fn directory(&self, name: &str) -> Self {
        Self {
            disk: Arc::clone(&self.disk),
            directory: self.path(name).into(),
        }
    }

    /// The same directory of a disk that was made of this one.
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

    /// How many operations there were that change or sync something; those that failed count as well.
    pub fn operations(&self) -> u64 {
        self.disk().operations
    }

    /// How many reads have failed.
    pub fn failed_reads(&self) -> u64 {
        self.disk().failed_reads
    }

    /// A number that tells whether two disks have seen the same operations, what was written left aside.
    pub fn trace(&self) -> u64 {
        self.disk().trace.finish()
    }

    /// Has something go wrong after so many more operations, in place of what was planned before.
    pub fn inject(&self, after: u64, fault: Fault) {
        let mut disk = self.disk();
        disk.planned = Some((disk.operations + after, fault));
    }

    /// Whether what was planned has happened.
    pub fn has_failed(&self) -> bool {
        let disk = self.disk();
        disk.planned.is_some_and(|(at, _)| disk.operations > at)
    }

    /// Whether it has stopped for good.
    pub fn has_stopped(&self) -> bool {
        self.disk().state == DiskState::Stopped
    }

    /// Makes the disk work as it should again, and forgets what was planned.
    pub fn clear_fault(&self) {
        let mut disk = self.disk();
        disk.planned = None;
        if disk.state != DiskState::Stopped {
            disk.state = DiskState::Working;
        }
    }

    /// Takes every file of this directory away, once and for all, which no operation does.
    pub fn wipe(&self) {
        self.disk().names.clear(&self.directory);
    }

    /// The disk as it is found after a power cut. This one stops.
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

    /// The disk as the next process finds it after this one was killed: nothing that was written is lost, but what was
    /// not synced still can be. This one stops.
    pub fn process_killed(&self) -> Self {
        let mut disk = self.disk();
        disk.state = DiskState::Stopped;
        let mut rng = disk.rng.fork();
        let files = disk
            .files
            .iter()
            .map(|(id, file)| (*id, file.reread(&mut rng)))
            .collect();
        let names = disk.names.clone();
        self.on(disk.restarted(rng, files, names))
    }

    /// Marks the directory as used by one store; `None` if it is.
    pub(crate) fn lock(&self) -> Option<DiskLock> {
        self.disk()
            .locked
            .insert(Arc::clone(&self.directory))
            .then(|| DiskLock(self.clone()))
    }

    pub(crate) fn exists(&self, name: &str) -> io::Result<bool> {
        let mut disk = self.disk();
        disk.reading()?;
        Ok(disk.names.get(&self.path(name)).is_some())
    }

    /// The names of the files.
    pub(crate) fn list(&self) -> io::Result<Vec<String>> {
        let mut disk = self.disk();
        disk.reading()?;
        Ok(disk.names.in_directory(&self.directory))
    }

    /// The file of this name.
    pub(crate) fn open(&self, name: &str) -> io::Result<SimulatedFile> {
        let mut disk = self.disk();
        disk.reading()?;
        let id = disk
            .names
            .get(&self.path(name))
            .ok_or(io::ErrorKind::NotFound)?;
        Ok(SimulatedFile {
            disk: self.clone(),
            id,
        })
    }

    /// A new file of this name, which must be free.
    pub(crate) fn create(&self, name: &str) -> io::Result<SimulatedFile> {
        let name = &*self.path(name);
        let mut disk = self.disk();
        if disk.names.get(name).is_some() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let verdict = disk.changing(("create", name, 0, 0), true);
        let id = disk.next_id;
        if verdict.is_done() || disk.rng.bool() {
            disk.next_id += 1;
            disk.files.insert(id, File::default());
            disk.names.set(name, Some(id));
        }
        verdict.result()?;
        Ok(SimulatedFile {
            disk: self.clone(),
            id,
        })
    }

    pub(crate) fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let (from, to) = (&*self.path(from), &*self.path(to));
        let mut disk = self.disk();
        let id = disk.names.get(from).ok_or(io::ErrorKind::NotFound)?;
        let verdict = disk.changing(("rename", from, 0, 0), false);
        if verdict.is_done() || disk.rng.bool() {
            disk.names.rename(from, to, id);
        }
        verdict.result()
    }

    pub(crate) fn remove(&self, name: &str) -> io::Result<()> {
        let name = &*self.path(name);
        let mut disk = self.disk();
        disk.names.get(name).ok_or(io::ErrorKind::NotFound)?;
        let verdict = disk.changing(("remove", name, 0, 0), false);
        if verdict.is_done() || disk.rng.bool() {
            disk.names.set(name, None);
        }
        verdict.result()
    }

    /// Makes the names of the files durable.
    pub(crate) fn sync_directory(&self) -> io::Result<()> {
        let mut disk = self.disk();
        let verdict = disk.changing(("sync names", &self.directory, 0, 0), false);
        if verdict.is_done() {
            disk.names.sync(&self.directory);
        }
        verdict.result()
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        // A panic elsewhere leaves the model as whole as an operation that was cut off.
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
            planned: None,
            state: DiskState::Working,
            failed_reads: self.failed_reads,
            locked: BTreeSet::new(),
            trace: self.trace.clone(),
        }
    }

    /// Counts an operation that changes or syncs something, and tells what becomes of it.
    fn changing(&mut self, what: (&str, &str, u64, usize), grows: bool) -> Verdict {
        if self.state == DiskState::Stopped {
            return Verdict::Fails(stopped());
        }
        let (what, name, at, length) = what;
        // Those of an index are random, and what is in them has the length of that.
        let name = if name.contains('/') { "" } else { name };
        (what, name, at, length).hash(&mut self.trace);
        let number = self.operations;
        self.operations += 1;
        if let Some((_, fault)) = self.planned.filter(|(at, _)| *at == number) {
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

    fn reading(&mut self) -> io::Result<()> {
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

/// Held by the store that uses the directory.
pub(crate) struct DiskLock(SimulatedDisk);

impl Drop for DiskLock {
    fn drop(&mut self) {
        self.0.disk().locked.remove(&self.0.directory);
    }
}

/// An open file.
#[derive(Clone, Debug)]
pub(crate) struct SimulatedFile {
    disk: SimulatedDisk,
    id: u64,
}

impl SimulatedFile {
    pub(crate) fn len(&self) -> io::Result<u64> {
        let mut disk = self.disk.disk();
        disk.reading()?;
        Ok(disk.file(self.id)?.len())
    }

    pub(crate) fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let mut disk = self.disk.disk();
        disk.reading()?;
        disk.file(self.id)?.read(offset, out)
    }

    pub(crate) fn read_all(&self) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(self.len()?).map_err(io::Error::other)?];
        self.read(0, &mut bytes)?;
        Ok(bytes)
    }

    pub(crate) fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut disk = self.disk.disk();
        let grows = offset + data.len() as u64 > disk.file(self.id)?.len();
        let verdict = disk.changing(("write", "", offset, data.len()), grows);
        let written = match &verdict {
            Verdict::Done => data.len(),
            // Of a write that stops or fails, the beginning may be done.
            Verdict::Fails(_) => disk.rng.usize(..=data.len()),
        };
        disk.file(self.id)?
            .write(offset, data.get(..written).unwrap_or_default());
        verdict.result()
    }

    pub(crate) fn set_len(&self, length: u64) -> io::Result<()> {
        let mut disk = self.disk.disk();
        let grows = length > disk.file(self.id)?.len();
        let verdict = disk.changing(("length", "", length, 0), grows);
        if verdict.is_done() || disk.rng.bool() {
            disk.file(self.id)?.set_len(length);
        }
        verdict.result()
    }

    /// Has the file read as it is on the disk, but for what was written since the last sync.
    pub(crate) fn drop_page_cache(&self) -> io::Result<()> {
        let mut disk = self.disk.disk();
        disk.reading()?;
        disk.file(self.id)?.drop_page_cache();
        Ok(())
    }

    pub(crate) fn sync(&self) -> io::Result<()> {
        let mut disk = self.disk.disk();
        match disk.changing(("sync", "", 0, 0), false) {
            Verdict::Done => disk.file(self.id)?.sync(),
            Verdict::Fails(error) => {
                // When all stops, the power cut that follows decides.
                if disk.state != DiskState::Stopped {
                    let mut rng = disk.rng.fork();
                    disk.file(self.id)?.fail_to_sync(&mut rng);
                }
                return Err(error);
            }
        }
        Ok(())
    }
}
