//! An open file of a simulated disk.

use std::io;

use crate::simulated_disk::{DiskState, SimulatedDisk, Verdict};

/// An open file. Clones refer to the same file.
#[derive(Clone, Debug)]
pub(crate) struct SimulatedFile {
    disk: SimulatedDisk,
    id: u64,
    /// True if the file was opened for reading only.
    is_read_only: bool,
}

impl SimulatedFile {
    pub(crate) fn new(disk: &SimulatedDisk, id: u64) -> Self {
        Self {
            disk: disk.clone(),
            id,
            is_read_only: false,
        }
    }

    pub(crate) fn len(&self) -> io::Result<u64> {
        let mut disk = self.disk.disk();
        disk.begin_read()?;
        Ok(disk.file(self.id)?.len())
    }

    pub(crate) fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let mut disk = self.disk.disk();
        disk.begin_read()?;
        disk.file(self.id)?.read(offset, out)
    }

    pub(crate) fn read_all(&self) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(self.len()?).map_err(io::Error::other)?];
        self.read(0, &mut bytes)?;
        Ok(bytes)
    }

    /// Returns a read-only handle to the file: changes through it fail.
    pub(crate) fn read_only(self) -> Self {
        Self {
            is_read_only: true,
            ..self
        }
    }

    fn refuse_read_only(&self) -> io::Result<()> {
        if self.is_read_only {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        Ok(())
    }

    pub(crate) fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.refuse_read_only()?;
        let mut disk = self.disk.disk();
        let grows = offset + data.len() as u64 > disk.file(self.id)?.len();
        let verdict = disk.begin_operation(("write", "", offset, data.len()), grows);
        let written = match &verdict {
            Verdict::Done => data.len(),
            // A write that returns an error may have written a prefix of its data.
            Verdict::Fails(_) => disk.rng.usize(..=data.len()),
        };
        disk.file(self.id)?
            .write(offset, data.get(..written).unwrap_or_default());
        verdict.result()
    }

    pub(crate) fn set_len(&self, length: u64) -> io::Result<()> {
        self.refuse_read_only()?;
        let mut disk = self.disk.disk();
        let grows = length > disk.file(self.id)?.len();
        let verdict = disk.begin_operation(("length", "", length, 0), grows);
        if verdict.is_done() || disk.rng.bool() {
            disk.file(self.id)?.set_len(length);
        }
        verdict.result()
    }

    /// Drops the file's page cache, except for unsynced changes. Reads then no longer return data
    /// that a failed sync has lost.
    pub(crate) fn drop_page_cache(&self) -> io::Result<()> {
        let mut disk = self.disk.disk();
        disk.begin_read()?;
        disk.file(self.id)?.drop_page_cache();
        Ok(())
    }

    pub(crate) fn sync(&self) -> io::Result<()> {
        let mut disk = self.disk.disk();
        match disk.begin_operation(("sync", "", 0, 0), false) {
            Verdict::Done => disk.file(self.id)?.sync(),
            Verdict::Fails(error) => {
                // If the disk has stopped, nothing is lost yet: a later power cut decides what is.
                if disk.state != DiskState::Stopped {
                    let mut rng = disk.rng.fork();
                    disk.file(self.id)?.fail_sync(&mut rng);
                }
                return Err(error);
            }
        }
        Ok(())
    }
}
