//! A file of checksummed blocks, which detects corruption on read. redb trusts the pages that it
//! reads: a corrupted page can make it return wrong values, panic or abort.
//!
//! ```text
//! 0                            preface: "leadstore sealed", salt[16], CRC-32 of both, zeros up to 512
//! 512, 5,120                   block 0, two copies: see `superblock`
//! 9,728 + (block - 1) * 4,100  CRC-32 of salt, block number as u64 and data; then the data, 4,096 bytes
//! ```
//!
//! Numbers are little-endian. The checksum covers a random salt of the file and the block's number,
//! so a block of another file or another position does not pass as valid.
//!
//! A power cut can tear a block, but hardly ever a block in use: redb writes pages that nothing
//! refers to yet, syncs, and only then refers to them from its header, block 0. Where redb does not
//! sync in between, it detects torn pages by its own checksums when the file is opened: see
//! [`ignoring_checksums`](ChecksummedFile::ignoring_checksums).

use std::collections::BTreeSet;
use std::io;
use std::ops::Bound;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use redb::{BackendError, StorageBackend};

use crate::error::Result;
use crate::storage::file::layout::{
    BLOCK, CHECKSUM, DATA, FIRST_BLOCK, PREFACE, block_offset, checksum, corrupted,
};
use crate::storage::file::superblock::Superblock;
use crate::storage::record::meta::random_bytes;
use crate::storage::redb_error::redb_error;
use crate::sync::lock;

const MAGIC: &[u8; 16] = b"leadstore sealed";

/// A file of checksummed blocks on top of a plain file. Clones share the same file.
#[derive(Clone, Debug)]
pub(crate) struct ChecksummedFile {
    sealed: Arc<BlockFile>,
    corruption: CorruptionSlot,
}

#[derive(Debug)]
struct BlockFile {
    inner: Box<dyn StorageBackend>,
    salt: [u8; 16],
    superblock: Mutex<Superblock>,
    /// True while blocks with a wrong checksum are returned as they are.
    ignores_checksums: AtomicBool,
    /// Numbers of the blocks that were returned with a wrong checksum.
    unverified: Mutex<BTreeSet<u64>>,
    /// True if nothing may be written, not even when the file is closed.
    is_read_only: bool,
}

/// The first corruption that was found in a file, if any. redb reports it once and then refuses all
/// further operations.
pub(crate) type CorruptionSlot = Arc<OnceLock<String>>;

impl ChecksummedFile {
    /// Creates a checksummed file in `inner`, which must be empty.
    pub(crate) fn create(inner: impl StorageBackend) -> io::Result<Self> {
        let salt = random_bytes();
        let superblock = [MAGIC.as_slice(), &salt].concat();
        let mut preface = [
            superblock.as_slice(),
            &crc32fast::hash(&superblock).to_le_bytes(),
        ]
        .concat();
        preface.resize(PREFACE, 0);
        inner.set_len(FIRST_BLOCK as u64)?;
        inner.write(0, &preface)?;
        Ok(Self::of(inner, salt, Superblock::blank(), false))
    }

    /// Opens an existing file for reading and writing.
    pub(crate) fn open(inner: impl StorageBackend) -> io::Result<Self> {
        Self::open_as(inner, false)
    }

    /// Opens an existing file for reading only.
    pub(crate) fn open_read_only(inner: impl StorageBackend) -> io::Result<Self> {
        Self::open_as(inner, true)
    }

    fn open_as(inner: impl StorageBackend, is_read_only: bool) -> io::Result<Self> {
        if inner.len()? < FIRST_BLOCK as u64 {
            return Err(corrupted("the file is too short"));
        }
        let mut preface = [0; PREFACE];
        inner.read(0, &mut preface)?;
        let parts = preface.split_first_chunk::<16>().and_then(|(magic, rest)| {
            let (salt, rest) = rest.split_first_chunk::<16>()?;
            Some((magic, salt, rest.first_chunk::<4>()?))
        });
        let (magic, salt, sum) = parts
            .filter(|(magic, ..)| *magic == MAGIC)
            .ok_or_else(|| corrupted("bad magic number"))?;
        if crc32fast::hash(&[magic.as_slice(), salt].concat()) != u32::from_le_bytes(*sum) {
            return Err(corrupted("checksum mismatch in the preface"));
        }
        let superblock = Superblock::read(&inner, salt)?;
        Ok(Self::of(inner, *salt, superblock, is_read_only))
    }

    fn of(
        inner: impl StorageBackend,
        salt: [u8; 16],
        superblock: Superblock,
        is_read_only: bool,
    ) -> Self {
        let (inner, superblock) = (Box::new(inner), Mutex::new(superblock));
        let (ignores_checksums, unverified) = (AtomicBool::new(false), Mutex::default());
        let sealed = Arc::new(BlockFile {
            inner,
            salt,
            superblock,
            ignores_checksums,
            unverified,
            is_read_only,
        });
        Self {
            sealed,
            corruption: CorruptionSlot::default(),
        }
    }

    /// Runs `work`. Meanwhile, reads return blocks even if their checksum is wrong, so `work` must
    /// detect corruption by other means. Once `work` writes or succeeds, each block that it read
    /// with a wrong checksum is given a valid one. Such a block may be harmless: if it is torn only
    /// in the unused part of a page, which redb's own checksums do not cover, redb accepts it.
    pub(crate) fn ignoring_checksums<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        self.sealed.ignores_checksums.store(true, Ordering::Relaxed);
        let done = work();
        self.sealed
            .ignores_checksums
            .store(false, Ordering::Relaxed);
        let done = done.inspect_err(|_| lock(&self.sealed.unverified).clear())?;
        self.rechecksum_unverified()
            .map_err(redb::Error::Io)
            .map_err(redb_error)?;
        Ok(done)
    }

    /// Writes a valid checksum for each block that was returned with a wrong one, and syncs. This
    /// is done before anything else is written: once redb's header on disk says that the file is
    /// repaired, later opens no longer ignore checksums.
    fn rechecksum_unverified(&self) -> io::Result<()> {
        let unverified = std::mem::take(&mut *lock(&self.sealed.unverified));
        if unverified.is_empty() {
            return Ok(());
        }
        unverified
            .into_iter()
            .try_for_each(|block| self.rewrite_checksum(block))?;
        self.sync_data()
    }

    fn rewrite_checksum(&self, block: u64) -> io::Result<()> {
        let mut sealed = vec![0; BLOCK];
        self.sealed.inner.read(block_offset(block)?, &mut sealed)?;
        let (stored, data) = sealed.split_at_mut(CHECKSUM);
        stored.copy_from_slice(&checksum(&self.sealed.salt, block, data));
        self.sealed.inner.write(block_offset(block)?, &sealed)
    }

    pub(crate) fn corruption(&self) -> CorruptionSlot {
        Arc::clone(&self.corruption)
    }

    /// Returns a handle to the same file for another reader, with a corruption slot of its own.
    pub(crate) fn with_own_corruption_slot(&self) -> Self {
        Self {
            sealed: Arc::clone(&self.sealed),
            corruption: CorruptionSlot::default(),
        }
    }

    /// Returns true if both copies of block 0 are identical, as `close` leaves them.
    pub(crate) fn was_closed(&self) -> bool {
        self.superblock().copies_match()
    }

    fn superblock(&self) -> MutexGuard<'_, Superblock> {
        lock(&self.sealed.superblock)
    }

    /// Reads `count` blocks from `first` on, with their checksums. Fails if a checksum is wrong,
    /// unless checksums are ignored. Block 0 must not be among the blocks.
    fn read_blocks(&self, first: u64, count: usize) -> io::Result<Vec<u8>> {
        let mut sealed = vec![0; count * BLOCK];
        self.sealed.inner.read(block_offset(first)?, &mut sealed)?;
        for (block, sealed) in (first..).zip(sealed.chunks_exact(BLOCK)) {
            let (stored, data) = sealed.split_at(CHECKSUM);
            if stored == checksum(&self.sealed.salt, block, data) {
                continue;
            }
            if !self.sealed.ignores_checksums.load(Ordering::Relaxed) {
                let what = format!("checksum mismatch in block {block}");
                return Err(corrupted(self.corruption.get_or_init(|| what)));
            }
            lock(&self.sealed.unverified).insert(block);
        }
        Ok(sealed)
    }
}

impl StorageBackend for ChecksummedFile {
    fn len(&self) -> io::Result<u64> {
        let blocks = self.sealed.inner.len()?.saturating_sub(FIRST_BLOCK as u64) / BLOCK as u64;
        let superblock = u64::from(!self.superblock().is_blank());
        Ok(if blocks == 0 { superblock } else { blocks + 1 } * DATA as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let (first, count, skip) = blocks(offset, out.len());
        if first == 0 {
            let superblock = self.superblock();
            let data = superblock.data().get(skip..).unwrap_or_default();
            let (target, rest) = out.split_at_mut(out.len().min(data.len()));
            target.copy_from_slice(data.get(..target.len()).unwrap_or_default());
            drop(superblock);
            return if rest.is_empty() {
                Ok(())
            } else {
                self.read(DATA as u64, rest)
            };
        }
        let (mut rest, mut skip) = (out, skip);
        for sealed in self.read_blocks(first, count)?.chunks_exact(BLOCK) {
            let data = sealed.get(CHECKSUM + skip..).unwrap_or_default();
            let (target, after) = rest.split_at_mut(rest.len().min(data.len()));
            target.copy_from_slice(data.get(..target.len()).unwrap_or_default());
            (rest, skip) = (after, 0);
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        if !len.is_multiple_of(DATA as u64) || len == 0 {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "the file length must be a positive multiple of the block size",
            ));
        }
        self.rechecksum_unverified()?;
        self.sealed.inner.set_len(block_offset(len / DATA as u64)?)
    }

    fn sync_data(&self) -> io::Result<()> {
        // Locked during the sync, so that a concurrent write is not recorded as synced.
        let mut superblock = self.superblock();
        self.sealed.inner.sync_data()?;
        superblock.synced();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.rechecksum_unverified()?;
        let (first, count, skip) = blocks(offset, data.len());
        if first == 0 {
            let (own, rest) = data.split_at(data.len().min(DATA - skip));
            self.superblock()
                .write(&*self.sealed.inner, &self.sealed.salt, skip, own)?;
            return if rest.is_empty() {
                Ok(())
            } else {
                self.write(DATA as u64, rest)
            };
        }
        let mut sealed = if skip == 0 && data.len() == count * DATA {
            vec![0; count * BLOCK]
        } else {
            self.read_blocks(first, count)?
        };
        let (mut rest, mut skip) = (data, skip);
        for (block, sealed) in (first..).zip(sealed.chunks_exact_mut(BLOCK)) {
            let (position, data) = sealed.split_at_mut(CHECKSUM);
            let target = data.get_mut(skip..).unwrap_or_default();
            let (new, after) = rest.split_at(rest.len().min(target.len()));
            target
                .get_mut(..new.len())
                .unwrap_or_default()
                .copy_from_slice(new);
            position.copy_from_slice(&checksum(&self.sealed.salt, block, data));
            (rest, skip) = (after, 0);
        }
        self.sealed.inner.write(block_offset(first)?, &sealed)
    }

    fn close(&self) -> io::Result<()> {
        if self.sealed.is_read_only {
            return self.sealed.inner.close();
        }
        let completed = self
            .superblock()
            .complete(&*self.sealed.inner, &self.sealed.salt);
        self.sealed.inner.close().and(completed)
    }

    fn try_lock_range(
        &self,
        start: Bound<u64>,
        end: Bound<u64>,
    ) -> std::result::Result<bool, BackendError> {
        self.sealed.inner.try_lock_range(start, end)
    }

    fn try_lock_shared_range(
        &self,
        start: Bound<u64>,
        end: Bound<u64>,
    ) -> std::result::Result<bool, BackendError> {
        self.sealed.inner.try_lock_shared_range(start, end)
    }

    fn lock_range(
        &self,
        start: Bound<u64>,
        end: Bound<u64>,
    ) -> std::result::Result<(), BackendError> {
        self.sealed.inner.lock_range(start, end)
    }

    fn lock_shared_range(
        &self,
        start: Bound<u64>,
        end: Bound<u64>,
    ) -> std::result::Result<(), BackendError> {
        self.sealed.inner.lock_shared_range(start, end)
    }

    fn unlock_range(
        &self,
        start: Bound<u64>,
        end: Bound<u64>,
    ) -> std::result::Result<(), BackendError> {
        self.sealed.inner.unlock_range(start, end)
    }

    fn query_lock_range(
        &self,
        start: Bound<u64>,
        end: Bound<u64>,
    ) -> std::result::Result<bool, BackendError> {
        self.sealed.inner.query_lock_range(start, end)
    }
}

/// Returns the first block that a byte range touches, the number of blocks that it touches, and the
/// offset of the range in the first block.
fn blocks(offset: u64, length: usize) -> (u64, usize, usize) {
    let skip = (offset % DATA as u64) as usize;
    (offset / DATA as u64, (skip + length).div_ceil(DATA), skip)
}

#[cfg(test)]
mod tests;
