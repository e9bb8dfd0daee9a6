//! The byte layout of a checksummed file.
//!
//! ```text
//! 0                            preface: "leadstore sealed", salt[16], CRC-32 of both, zeros up to 512
//! 512, 5,120                   block 0, twice: see `superblock`
//! 9,728 + (block - 1) * 4,100  checksum: CRC-32 of salt, block as u64 and data; then the data, 4,096 bytes
//! ```
//!
//! Numbers are little-endian. The checksum covers a random salt of the file and the block's number,
//! so a block of another file or another position does not pass as valid.

use std::fmt;
use std::io;

/// Length of the preface in bytes.
pub(crate) const PREFACE: usize = 512;
/// Bytes of data in a block.
pub(crate) const DATA: usize = 4_096;
/// Length of a block's checksum in bytes.
pub(crate) const CHECKSUM: usize = 4;
/// Length in bytes of a block in the file: its checksum and its data.
pub(crate) const BLOCK: usize = CHECKSUM + DATA;
/// Length in bytes of one copy of block 0, rounded up to whole sectors of 512 bytes.
pub(crate) const COPY: usize = 4_608;
/// Offset of block 1 in bytes.
pub(crate) const FIRST_BLOCK: usize = PREFACE + 2 * COPY;

pub(crate) fn checksum(salt: &[u8; 16], block: u64, data: &[u8]) -> [u8; CHECKSUM] {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(salt);
    hasher.update(&block.to_le_bytes());
    hasher.update(data);
    hasher.finalize().to_le_bytes()
}

/// Returns the offset in bytes of a block in the file. The block must not be block 0, which has two
/// copies.
pub(crate) fn block_offset(block: u64) -> io::Result<u64> {
    let position = (block.saturating_sub(1))
        .checked_mul(BLOCK as u64)
        .and_then(|position| position.checked_add(FIRST_BLOCK as u64));
    position.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the file is too large"))
}

/// Returns an error that `redb_error` converts to a corruption error.
pub(crate) fn corrupted(what: impl fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_string())
}
