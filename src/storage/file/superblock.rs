//! Block 0 of the file, in which redb has its header. It is the one block that is written where it lies while it is in
//! use, so there are two copies of it, of which a power cut can spoil one only: the newest is written over no sooner than
//! it was synced.
//!
//! ```text
//! seal: CRC-32 of salt, generation and data   generation u64   data, 4,096 bytes   zeros up to 4,608
//! ```
//!
//! The copy of the higher generation holds. A file that was closed has the same in both, so that damage to either is
//! harmless.

use std::io;

use redb::StorageBackend;

use crate::storage::file::layout::{CHECKSUM, COPY, DATA, PREFACE, checksum, corrupted};

const GENERATION: usize = 8;

/// Block 0 as it was last written.
#[derive(Debug)]
pub(crate) struct Superblock {
    data: Vec<u8>,
    /// Of the copies, 0 for one that is not there.
    generations: [u64; 2],
    /// Whether the newest copy has been synced, so that it outlives what becomes of the other.
    is_synced: bool,
}

impl Superblock {
    /// That of a file that has none yet.
    pub(crate) fn blank() -> Self {
        Self {
            data: vec![0; DATA],
            generations: [0; 2],
            is_synced: true,
        }
    }

    pub(crate) fn read(file: &impl StorageBackend, salt: &[u8; 16]) -> io::Result<Self> {
        let mut superblock = Self::blank();
        for copy in 0..2 {
            let mut bytes = vec![0; COPY];
            file.read(place(copy), &mut bytes)?;
            let parts = bytes
                .split_first_chunk::<CHECKSUM>()
                .and_then(|(stored, rest)| {
                    let (generation, rest) = rest.split_first_chunk::<GENERATION>()?;
                    Some((stored, u64::from_le_bytes(*generation), rest.get(..DATA)?))
                });
            let Some((stored, generation, data)) = parts else {
                continue;
            };
            if generation == 0 || *stored != checksum(salt, generation, data) {
                continue;
            }
            if generation > superblock.newest_generation() {
                superblock.data = data.to_vec();
            }
            if let Some(place) = superblock.generations.get_mut(copy) {
                *place = generation;
            }
        }
        if superblock.is_blank() {
            Err(corrupted("its block 0 is not what was written"))
        } else {
            Ok(superblock)
        }
    }

    pub(crate) fn is_blank(&self) -> bool {
        self.newest_generation() == 0
    }

    pub(crate) fn is_complete(&self) -> bool {
        let [first, second] = self.generations;
        first == second
    }

    pub(crate) fn data(&self) -> &[u8] {
        &self.data
    }

    /// Puts `new` in from `offset` on.
    pub(crate) fn write(
        &mut self,
        file: &dyn StorageBackend,
        salt: &[u8; 16],
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
        self.write_copy(file, salt, copy, self.newest_generation() + 1)
    }

    /// The file has been synced.
    pub(crate) fn synced(&mut self) {
        self.is_synced = true;
    }

    /// Makes the copies the same, durably.
    pub(crate) fn complete(
        &mut self,
        file: &dyn StorageBackend,
        salt: &[u8; 16],
    ) -> io::Result<()> {
        if self.is_complete() || !self.is_synced {
            return Ok(());
        }
        self.write_copy(file, salt, self.oldest_copy(), self.newest_generation())?;
        file.sync_data()
    }

    fn write_copy(
        &mut self,
        file: &dyn StorageBackend,
        salt: &[u8; 16],
        copy: usize,
        generation: u64,
    ) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(COPY);
        bytes.extend(checksum(salt, generation, &self.data));
        bytes.extend(generation.to_le_bytes());
        bytes.extend(&self.data);
        bytes.resize(COPY, 0);
        // Until it is known to be whole it is none.
        if let Some(place) = self.generations.get_mut(copy) {
            *place = generation;
        }
        file.write(place(copy), &bytes)
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

fn place(copy: usize) -> u64 {
    (PREFACE + copy * COPY) as u64
}
