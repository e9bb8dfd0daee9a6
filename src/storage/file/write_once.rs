//! A file of sealed blocks that is written once, from its beginning to its end, and then only read.
//! The files of the search index are such files.
//!
//! ```text
//! 0                          preface, see `seal`
//! 512 + n * (seal + 4,096)   block n: seal; then the data, at most 4,096 bytes
//! ```
//!
//! The last block holds fewer than 4,096 bytes, perhaps none. A file that was truncated between two
//! blocks has no such block, so truncation is always detected.

use std::io::{self, Write};
use std::ops::Range;
use std::sync::Arc;

use redb::StorageBackend;

use crate::storage::file::seal::{DATA, PREFACE, Seal, corrupted};

/// Number of blocks that are read or written at once.
const BATCH: usize = 16;

/// A file that is being written. It must be [`finish`](Self::finish)ed.
pub(crate) struct WriteOnceWriter {
    file: Box<dyn StorageBackend>,
    seal: Seal,
    /// Offset in the file of the next write.
    offset: u64,
    /// Number of the current block.
    block: u64,
    /// Sealed blocks that are not written yet. The last one is the current block, not sealed yet.
    pending: Vec<u8>,
}

impl WriteOnceWriter {
    /// Starts the file in `file`, which must be empty.
    pub(crate) fn new(file: Box<dyn StorageBackend>) -> Self {
        let seal = Seal::new();
        let mut pending = seal.preface();
        pending.resize(PREFACE + seal.len(), 0);
        Self {
            file,
            seal,
            offset: 0,
            block: 0,
            pending,
        }
    }

    /// Writes the last block, syncs the file and closes it.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.begin_block_if_full()?;
        self.seal_block();
        self.write_pending()?;
        self.file.sync_data()
    }

    /// Returns the offset in `pending` of the block that is being filled.
    fn start_of_block(&self) -> usize {
        let before = PREFACE as u64 + self.block * self.seal.block_len() as u64;
        (before - self.offset) as usize
    }

    /// Begins the next block if the current one is full. Nothing changes on an error, so the call
    /// can be repeated.
    fn begin_block_if_full(&mut self) -> io::Result<()> {
        if self.room() > 0 {
            return Ok(());
        }
        self.seal_block();
        if (self.block + 1).is_multiple_of(BATCH as u64) {
            self.write_pending()?;
        }
        self.block += 1;
        self.pending.resize(self.pending.len() + self.seal.len(), 0);
        Ok(())
    }

    /// Returns the number of bytes that the current block can still take.
    fn room(&self) -> usize {
        self.start_of_block() + self.seal.block_len() - self.pending.len()
    }

    fn seal_block(&mut self) {
        let start = self.start_of_block();
        if let Some(block) = self.pending.get_mut(start..) {
            self.seal.seal(self.block, block);
        }
    }

    fn write_pending(&mut self) -> io::Result<()> {
        self.file.write(self.offset, &self.pending)?;
        self.offset += self.pending.len() as u64;
        self.pending.clear();
        Ok(())
    }
}

impl Write for WriteOnceWriter {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.begin_block_if_full()?;
        let (data, _) = data.split_at(data.len().min(self.room()));
        self.pending.extend(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A complete file, open for reading.
#[derive(Debug)]
pub(crate) struct WriteOnceFile {
    file: Box<dyn StorageBackend>,
    seal: Seal,
    /// Bytes of data in the file.
    len: u64,
}

impl WriteOnceFile {
    /// Opens a file that [`WriteOnceWriter`] has finished. Verifies only its preface.
    pub(crate) fn open(file: Box<dyn StorageBackend>) -> io::Result<Self> {
        let sealed = file
            .len()?
            .checked_sub(PREFACE as u64)
            .ok_or_else(|| corrupted("the file is too short"))?;
        let mut preface = [0; PREFACE];
        file.read(0, &mut preface)?;
        let seal = Seal::of_preface(&preface)?;
        let (blocks, rest) = (
            sealed / seal.block_len() as u64,
            sealed % seal.block_len() as u64,
        );
        let rest = rest
            .checked_sub(seal.len() as u64)
            .ok_or_else(|| corrupted("the file is truncated"))?;
        Ok(Self {
            file,
            seal,
            len: blocks * DATA as u64 + rest,
        })
    }

    /// Returns the number of bytes of data.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Returns the numbers of the blocks that hold a range of the data.
    pub(crate) fn blocks(range: &Range<u64>) -> Range<u64> {
        range.start / DATA as u64..range.end.div_ceil(DATA as u64)
    }

    /// Returns the offset in the data of a block.
    pub(crate) fn start_of_block(block: u64) -> u64 {
        block * DATA as u64
    }

    /// Reads and verifies whole blocks, and returns their data. Blocks after the last one are left
    /// out.
    ///
    /// # Errors
    ///
    /// `InvalidData` if a block is corrupted, and what the operating system reports.
    pub(crate) fn read_blocks(&self, blocks: Range<u64>) -> io::Result<Arc<[u8]>> {
        let start = (blocks.start * DATA as u64).min(self.len);
        let end = (blocks.end * DATA as u64).min(self.len);
        let mut data: Arc<[u8]> = std::iter::repeat_n(0, (end - start) as usize).collect();
        let mut buffer = Vec::new();
        let batches = Arc::get_mut(&mut data)
            .unwrap_or_default()
            .chunks_mut(BATCH * DATA);
        for (first, data) in (blocks.start..).step_by(BATCH).zip(batches) {
            self.read_batch(first, data.len().div_ceil(DATA), data, &mut buffer)?;
        }
        Ok(data)
    }

    /// Reads and verifies all blocks.
    ///
    /// # Errors
    ///
    /// Those of [`read_blocks`](Self::read_blocks).
    pub(crate) fn verify(&self) -> io::Result<()> {
        let (mut data, mut buffer) = (vec![0; BATCH * DATA], Vec::new());
        let blocks = self.len / DATA as u64 + 1;
        for first in (0..blocks).step_by(BATCH) {
            let count = (blocks - first).min(BATCH as u64) as usize;
            let length = (self.len - first * DATA as u64).min(data.len() as u64);
            let data = data.get_mut(..length as usize).unwrap_or_default();
            self.read_batch(first, count, data, &mut buffer)?;
        }
        Ok(())
    }

    /// Fills `data` with that of `count` blocks from `first` on.
    fn read_batch(
        &self,
        first: u64,
        count: usize,
        mut data: &mut [u8],
        buffer: &mut Vec<u8>,
    ) -> io::Result<()> {
        buffer.resize(data.len() + count * self.seal.len(), 0);
        let offset = PREFACE as u64 + first * self.seal.block_len() as u64;
        self.file.read(offset, buffer)?;
        for (number, block) in (first..).zip(buffer.chunks(self.seal.block_len())) {
            if !self.seal.verify(number, block) {
                return Err(corrupted(format_args!(
                    "checksum mismatch in block {number}"
                )));
            }
            let sealed = block.get(self.seal.len()..).unwrap_or_default();
            let (target, rest) = data.split_at_mut(sealed.len());
            target.copy_from_slice(sealed);
            data = rest;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::file::failing::FailingFile;
    use crate::storage::file::location::SharedMemory;
    use proptest::prelude::*;

    /// Writes a file in which one operation fails, see `FailingFile`, and repeats a failed write.
    fn written_despite_failure(data: &[u8], failing: i64) -> io::Result<SharedMemory> {
        let memory = SharedMemory::default();
        let seal = Seal::new();
        let blocks = data.len() / DATA;
        let length = PREFACE + (blocks + 1) * seal.len() + data.len();
        // The file in memory cannot grow by a write.
        memory.set_len(length as u64).unwrap();
        let mut writer = WriteOnceWriter::new(Box::new(FailingFile::at(failing, memory.clone())));
        for part in data.chunks(1_000) {
            let mut rest = part;
            while !rest.is_empty() {
                if let Ok(count) = writer.write(rest) {
                    rest = &rest[count..];
                }
            }
        }
        writer.finish()?;
        Ok(memory)
    }

    fn written(data: &[u8]) -> SharedMemory {
        written_despite_failure(data, -1).unwrap()
    }

    fn bytes(length: usize) -> Vec<u8> {
        (0..length).map(|byte| (byte * 7 / 3) as u8).collect()
    }

    /// Lengths next to a multiple of a block or of a batch, where the last block is empty or full.
    fn lengths() -> impl Strategy<Value = usize> {
        let near =
            |unit: usize| (0..4 * unit, 0..3_usize).prop_map(move |(at, by)| at / unit * unit + by);
        prop_oneof![near(DATA), near(BATCH * DATA), 0..3 * DATA]
    }

    proptest! {
        #[test]
        fn reads_match_what_was_written(length in lengths(), from in 0..20_u64, count in 0..20_u64) {
            let data = bytes(length);
            let file = WriteOnceFile::open(Box::new(written(&data))).unwrap();
            prop_assert_eq!(file.len(), length as u64);
            file.verify().unwrap();
            let [start, end] = [from, from + count].map(|block| (block as usize * DATA).min(length));
            prop_assert_eq!(&*file.read_blocks(from..from + count).unwrap(), &data[start..end]);
            let all = WriteOnceFile::blocks(&(0..length as u64));
            prop_assert_eq!(&*file.read_blocks(all).unwrap(), &data);
        }

        #[test]
        fn failed_write_can_be_repeated(length in 0..6 * BATCH * DATA, failing in 0..8_i64) {
            let data = bytes(length);
            let Ok(written) = written_despite_failure(&data, failing) else {
                // The last write or the sync failed.
                return Ok(());
            };
            let file = WriteOnceFile::open(Box::new(written)).unwrap();
            let all = WriteOnceFile::blocks(&(0..length as u64));
            prop_assert_eq!(&*file.read_blocks(all).unwrap(), &data);
        }

        #[test]
        fn truncation_and_bit_flips_are_detected(length in lengths(), at in 0.0..1.0_f64) {
            let memory = written(&bytes(length));
            let end = memory.len().unwrap();
            let at = (end as f64 * at) as u64;
            let mut byte = [0];
            memory.read(at, &mut byte).unwrap();
            memory.write(at, &[byte[0] ^ 4]).unwrap();
            let verified = |memory: &SharedMemory| WriteOnceFile::open(Box::new(memory.clone()))?.verify();
            prop_assert!(verified(&memory).is_err(), "byte {} of {}", at, end);
            memory.write(at, &byte).unwrap();
            memory.set_len(at).unwrap();
            prop_assert!(verified(&memory).is_err(), "truncated to {} of {}", at, end);
        }
    }
}
