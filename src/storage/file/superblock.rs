//! Block 0 of the file (the superblock), which holds redb's header. It is the only block that is
//! overwritten while it is in use, so the file keeps two copies of it. A power cut can corrupt at
//! most one of them: the older copy is overwritten only once the newer one is synced.
//!
//! ```text
//! seal of the data as block number `generation`   generation u64   data, 4,096 bytes   zeros up to 4,608
//! ```
//!
//! The valid copy with the higher generation is current. A closed file has the same data in both
//! copies, so corruption of either one is harmless.

use std::io;

use redb::StorageBackend;

use crate::storage::file::seal::{DATA, PREFACE, Seal, corrupted};

/// Length in bytes of one copy of block 0, rounded up to whole sectors of 512 bytes.
pub(crate) const COPY: usize = 4_608;
const GENERATION: usize = 8;

/// Block 0 as it was last written.
#[derive(Debug)]
pub(crate) struct Superblock {
    data: Vec<u8>,
    /// Generation of each copy, 0 for a copy that is missing or invalid.
    generations: [u64; 2],
    /// True if the newest copy is synced, so that the other copy may be overwritten.
    is_synced: bool,
}

impl Superblock {
    /// Returns the superblock of a new file, in which neither copy has been written yet.
    pub(crate) fn blank() -> Self {
        Self {
            data: vec![0; DATA],
            generations: [0; 2],
            is_synced: true,
        }
    }

    pub(crate) fn read(file: &dyn StorageBackend, seal: &Seal) -> io::Result<Self> {
        let mut superblock = Self::blank();
        for copy in 0..2 {
            let mut bytes = vec![0; COPY];
            file.read(position(copy), &mut bytes)?;
            let (generation, mut sealed) = unpack(seal, bytes);
            if generation == 0 || !seal.verify(generation, &sealed) {
                continue;
            }
            if generation > superblock.newest_generation() {
                superblock.data = sealed.split_off(seal.len());
            }
            if let Some(position) = superblock.generations.get_mut(copy) {
                *position = generation;
            }
        }
        if superblock.is_blank() {
            Err(corrupted("checksum mismatch in both copies of block 0"))
        } else {
            Ok(superblock)
        }
    }

    pub(crate) fn is_blank(&self) -> bool {
        self.newest_generation() == 0
    }

    pub(crate) fn copies_match(&self) -> bool {
        let [first, second] = self.generations;
        first == second
    }

    pub(crate) fn data(&self) -> &[u8] {
        &self.data
    }

    /// Overwrites the data from `offset` on with `new`.
    pub(crate) fn write(
        &mut self,
        file: &dyn StorageBackend,
        seal: &Seal,
        offset: usize,
        new: &[u8],
    ) -> io::Result<()> {
        let mut data = self.data.clone();
        data.get_mut(offset..offset + new.len())
            .unwrap_or_default()
            .copy_from_slice(new);
        let copy = if self.is_synced {
            self.oldest_copy()
        } else {
            self.newest_copy()
        };
        self.is_synced = false;
        self.data = data;
        self.write_copy(file, seal, copy, self.newest_generation() + 1)
    }

    /// Records that the file was synced.
    pub(crate) fn synced(&mut self) {
        self.is_synced = true;
    }

    /// Makes both copies identical and durable. Does nothing while the newest copy is unsynced.
    pub(crate) fn complete(&mut self, file: &dyn StorageBackend, seal: &Seal) -> io::Result<()> {
        if self.copies_match() || !self.is_synced {
            return Ok(());
        }
        self.write_copy(file, seal, self.oldest_copy(), self.newest_generation())?;
        file.sync_data()
    }

    fn write_copy(
        &mut self,
        file: &dyn StorageBackend,
        seal: &Seal,
        copy: usize,
        generation: u64,
    ) -> io::Result<()> {
        let mut bytes = vec![0; seal.len()];
        bytes.extend(&self.data);
        seal.seal(generation, &mut bytes);
        let after_seal = seal.len()..seal.len();
        bytes.splice(after_seal, generation.to_le_bytes());
        bytes.resize(COPY, 0);
        // The generation is set before the write. If a write of new data fails, this copy then
        // counts as the newest and as unsynced, so the next write goes to it and not to the intact
        // copy.
        if let Some(position) = self.generations.get_mut(copy) {
            *position = generation;
        }
        file.write(position(copy), &bytes)
    }

    fn newest_generation(&self) -> u64 {
        let [first, second] = self.generations;
        first.max(second)
    }

    fn newest_copy(&self) -> usize {
        let [first, second] = self.generations;
        usize::from(second > first)
    }

    fn oldest_copy(&self) -> usize {
        1 - self.newest_copy()
    }
}

/// Splits the bytes of a copy into its generation and its sealed data.
fn unpack(seal: &Seal, mut bytes: Vec<u8>) -> (u64, Vec<u8>) {
    bytes.truncate(seal.len() + GENERATION + DATA);
    let generation: Vec<u8> = bytes.drain(seal.len()..seal.len() + GENERATION).collect();
    let generation = generation.first_chunk().copied().unwrap_or_default();
    (u64::from_le_bytes(generation), bytes)
}

fn position(copy: usize) -> u64 {
    (PREFACE + copy * COPY) as u64
}
