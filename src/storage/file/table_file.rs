//! The file under the tables: sealed blocks, which detect corruption on read. redb trusts the pages
//! that it reads: a corrupted page can make it return wrong values, panic or abort.
//!
//! ```text
//! 0                                      preface, see `seal`
//! 512, 5,120                             block 0, two copies: see `superblock`
//! 9,728 + (block - 1) * (seal + 4,096)   seal; then the data, 4,096 bytes
//! ```
//!
//! A power cut can tear a block, but hardly ever a block in use: redb writes pages that nothing
//! refers to yet, syncs, and only then refers to them from its header, block 0. Where redb does not
//! sync in between, it detects torn pages by its own checksums when the file is opened: see
//! [`ignoring_seals`](TableFile::ignoring_seals).

use std::collections::BTreeSet;
use std::io;
use std::ops::Bound;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use redb::{BackendError, StorageBackend};

use crate::error::Result;
use crate::storage::file::seal::{DATA, PREFACE, Seal, corrupted};
use crate::storage::file::superblock::{COPY, Superblock};
use crate::storage::redb_error::redb_error;
use crate::sync::lock;

/// Offset of block 1 in bytes.
pub(crate) const FIRST_BLOCK: usize = PREFACE + 2 * COPY;

/// A file of sealed blocks on top of a plain file. Clones share the same file.
#[derive(Clone, Debug)]
pub(crate) struct TableFile {
    blocks: Arc<BlockFile>,
    corruption: CorruptionSlot,
}

#[derive(Debug)]
struct BlockFile {
    inner: Box<dyn StorageBackend>,
    seal: Seal,
    superblock: Mutex<Superblock>,
    /// True while blocks with a wrong seal are returned as they are.
    ignores_seals: AtomicBool,
    /// Numbers of the blocks that were returned with a wrong seal.
    unverified: Mutex<BTreeSet<u64>>,
    /// Number of syncs after which a sync fails.
    syncs_left: AtomicU64,
    /// True if nothing may be written, not even when the file is closed.
    is_read_only: bool,
}

/// The first corruption that was found in a file, if any. redb reports it once and then refuses all
/// further operations.
pub(crate) type CorruptionSlot = Arc<OnceLock<String>>;

impl TableFile {
    /// Creates the file in `inner`, which must be empty.
    pub(crate) fn create(inner: Box<dyn StorageBackend>) -> io::Result<Self> {
        let seal = Seal::new();
        inner.set_len(FIRST_BLOCK as u64)?;
        inner.write(0, &seal.preface())?;
        Ok(Self::of(inner, seal, Superblock::blank(), false))
    }

    /// Opens an existing file for reading and writing.
    pub(crate) fn open(inner: Box<dyn StorageBackend>) -> io::Result<Self> {
        Self::open_as(inner, false)
    }

    /// Opens an existing file for reading only.
    pub(crate) fn open_read_only(inner: Box<dyn StorageBackend>) -> io::Result<Self> {
        Self::open_as(inner, true)
    }

    fn open_as(inner: Box<dyn StorageBackend>, is_read_only: bool) -> io::Result<Self> {
        if inner.len()? < FIRST_BLOCK as u64 {
            return Err(corrupted("the file is too short"));
        }
        let mut preface = [0; PREFACE];
        inner.read(0, &mut preface)?;
        let seal = Seal::of_preface(&preface)?;
        let superblock = Superblock::read(&*inner, &seal)?;
        Ok(Self::of(inner, seal, superblock, is_read_only))
    }

    fn of(
        inner: Box<dyn StorageBackend>,
        seal: Seal,
        superblock: Superblock,
        is_read_only: bool,
    ) -> Self {
        let blocks = Arc::new(BlockFile {
            inner,
            seal,
            superblock: Mutex::new(superblock),
            ignores_seals: AtomicBool::new(false),
            unverified: Mutex::default(),
            syncs_left: AtomicU64::new(u64::MAX),
            is_read_only,
        });
        Self {
            blocks,
            corruption: CorruptionSlot::default(),
        }
    }

    /// Runs `work`. Meanwhile, reads return blocks even if their seal is wrong, so `work` must
    /// detect corruption by other means. Once `work` writes or succeeds, each block that it read
    /// with a wrong seal is given a valid one. Such a block may be harmless: if it is torn only
    /// in the unused part of a page, which redb's own checksums do not cover, redb accepts it.
    pub(crate) fn ignoring_seals<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        self.blocks.ignores_seals.store(true, Ordering::Relaxed);
        let done = work();
        self.blocks.ignores_seals.store(false, Ordering::Relaxed);
        let done = done.inspect_err(|_| lock(&self.blocks.unverified).clear())?;
        self.reseal_unverified()
            .map_err(redb::Error::Io)
            .map_err(redb_error)?;
        Ok(done)
    }

    /// Runs `work`, which fails once it has synced more than `limit` times. redb may repeat a step
    /// for ever if a faulty program wrote to the file.
    pub(crate) fn limiting_syncs<T>(&self, limit: u64, work: impl FnOnce() -> T) -> T {
        self.blocks.syncs_left.store(limit, Ordering::Relaxed);
        let done = work();
        self.blocks.syncs_left.store(u64::MAX, Ordering::Relaxed);
        done
    }

    /// Writes a valid seal for each block that was returned with a wrong one, and syncs. This
    /// is done before anything else is written: once redb's header on disk says that the file is
    /// repaired, later opens no longer ignore seals.
    fn reseal_unverified(&self) -> io::Result<()> {
        let unverified = std::mem::take(&mut *lock(&self.blocks.unverified));
        if unverified.is_empty() {
            return Ok(());
        }
        unverified
            .into_iter()
            .try_for_each(|block| self.reseal(block))?;
        self.sync_data()
    }

    fn reseal(&self, block: u64) -> io::Result<()> {
        let BlockFile { inner, seal, .. } = &*self.blocks;
        let mut sealed = vec![0; seal.block_len()];
        inner.read(block_offset(seal, block)?, &mut sealed)?;
        seal.seal(block, &mut sealed);
        inner.write(block_offset(seal, block)?, &sealed)
    }

    pub(crate) fn corruption(&self) -> CorruptionSlot {
        Arc::clone(&self.corruption)
    }

    /// Returns a handle to the same file for another reader, with a corruption slot of its own.
    pub(crate) fn with_own_corruption_slot(&self) -> Self {
        Self {
            blocks: Arc::clone(&self.blocks),
            corruption: CorruptionSlot::default(),
        }
    }

    /// Returns true if both copies of block 0 are identical, as `close` leaves them.
    pub(crate) fn was_closed(&self) -> bool {
        self.superblock().copies_match()
    }

    fn superblock(&self) -> MutexGuard<'_, Superblock> {
        lock(&self.blocks.superblock)
    }

    /// Reads `count` blocks from `first` on, with their seals. Fails if a seal is wrong,
    /// unless seals are ignored. Block 0 must not be among the blocks.
    fn read_blocks(&self, first: u64, count: usize) -> io::Result<Vec<u8>> {
        let BlockFile { inner, seal, .. } = &*self.blocks;
        let mut sealed = vec![0; count * seal.block_len()];
        inner.read(block_offset(seal, first)?, &mut sealed)?;
        for (block, sealed) in (first..).zip(sealed.chunks_exact(seal.block_len())) {
            if seal.verify(block, sealed) {
                continue;
            }
            if !self.blocks.ignores_seals.load(Ordering::Relaxed) {
                let what = format!("checksum mismatch in block {block}");
                return Err(corrupted(self.corruption.get_or_init(|| what)));
            }
            lock(&self.blocks.unverified).insert(block);
        }
        Ok(sealed)
    }
}

impl StorageBackend for TableFile {
    fn len(&self) -> io::Result<u64> {
        let length = self.blocks.inner.len()?.saturating_sub(FIRST_BLOCK as u64);
        let blocks = length / self.blocks.seal.block_len() as u64;
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
        let seal = &self.blocks.seal;
        let sealed = self.read_blocks(first, count)?;
        for sealed in sealed.chunks_exact(seal.block_len()) {
            let data = sealed.get(seal.len() + skip..).unwrap_or_default();
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
        self.reseal_unverified()?;
        let BlockFile { inner, seal, .. } = &*self.blocks;
        inner.set_len(block_offset(seal, len / DATA as u64)?)
    }

    fn sync_data(&self) -> io::Result<()> {
        let one_less = |left: u64| left.checked_sub(1);
        let syncs_left = &self.blocks.syncs_left;
        syncs_left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less)
            .map_err(|_| corrupted("redb's list of free pages is wrong"))?;
        // Locked during the sync, so that a concurrent write is not recorded as synced.
        let mut superblock = self.superblock();
        self.blocks.inner.sync_data()?;
        superblock.synced();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.reseal_unverified()?;
        let (first, count, skip) = blocks(offset, data.len());
        if first == 0 {
            let (own, rest) = data.split_at(data.len().min(DATA - skip));
            self.superblock()
                .write(&*self.blocks.inner, &self.blocks.seal, skip, own)?;
            return if rest.is_empty() {
                Ok(())
            } else {
                self.write(DATA as u64, rest)
            };
        }
        let BlockFile { inner, seal, .. } = &*self.blocks;
        let mut sealed = if skip == 0 && data.len() == count * DATA {
            vec![0; count * seal.block_len()]
        } else {
            self.read_blocks(first, count)?
        };
        let (mut rest, mut skip) = (data, skip);
        for (block, sealed) in (first..).zip(sealed.chunks_exact_mut(seal.block_len())) {
            let target = sealed.get_mut(seal.len() + skip..).unwrap_or_default();
            let (new, after) = rest.split_at(rest.len().min(target.len()));
            target
                .get_mut(..new.len())
                .unwrap_or_default()
                .copy_from_slice(new);
            seal.seal(block, sealed);
            (rest, skip) = (after, 0);
        }
        inner.write(block_offset(seal, first)?, &sealed)
    }

    fn close(&self) -> io::Result<()> {
        if self.blocks.is_read_only {
            return self.blocks.inner.close();
        }
        let completed = self
            .superblock()
            .complete(&*self.blocks.inner, &self.blocks.seal);
        self.blocks.inner.close().and(completed)
    }

    fn try_lock_range(
        &self,
        start: Bound<u64>,
        end: Bound<u64>,
    ) -> std::result::Result<bool, BackendError> {
        self.blocks.inner.try_lock_range(start, end)
    }

    fn try_lock_shared_range(
        &self,
        start: Bound<u64>,
        end: Bound<u64>,
    ) -> std::result::Result<bool, BackendError> {
        self.blocks.inner.try_lock_shared_range(start, end)
    }

    fn lock_range(
        &self,
        start: Bound<u64>,
        end: Bound<u64>,
    ) -> std::result::Result<(), BackendError> {
        self.blocks.inner.lock_range(start, end)
    }

    fn lock_shared_range(
        &self,
        start: Bound<u64>,
        end: Bound<u64>,
    ) -> std::result::Result<(), BackendError> {
        self.blocks.inner.lock_shared_range(start, end)
    }

    fn unlock_range(
        &self,
        start: Bound<u64>,
        end: Bound<u64>,
    ) -> std::result::Result<(), BackendError> {
        self.blocks.inner.unlock_range(start, end)
    }

    fn query_lock_range(
        &self,
        start: Bound<u64>,
        end: Bound<u64>,
    ) -> std::result::Result<bool, BackendError> {
        self.blocks.inner.query_lock_range(start, end)
    }
}

/// Returns the offset in bytes of a block in the file. The block must not be block 0, which has two
/// copies.
fn block_offset(seal: &Seal, block: u64) -> io::Result<u64> {
    let position = (block.saturating_sub(1))
        .checked_mul(seal.block_len() as u64)
        .and_then(|position| position.checked_add(FIRST_BLOCK as u64));
    position.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the file is too large"))
}

/// Returns the first block that a byte range touches, the number of blocks that it touches, and the
/// offset of the range in the first block.
fn blocks(offset: u64, length: usize) -> (u64, usize, usize) {
    let skip = (offset % DATA as u64) as usize;
    (offset / DATA as u64, (skip + length).div_ceil(DATA), skip)
}

#[cfg(test)]
mod tests;
