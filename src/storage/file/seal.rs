//! The seal of a file's blocks, and the preface that says which seal a file has.
//!
//! A file is divided into blocks of 4,096 bytes of data. Each is preceded by its seal, which
//! detects a block that is not what was written there. Today there is one kind of seal, a checksum.
//!
//! ```text
//! 0   magic: "leadstore blocks"
//! 16  salt[16]
//! 32  kind of the seal u16: 1 is a checksum
//! 34  length of a seal in bytes u16
//! 36  zeros
//! 508 CRC-32 of the bytes before
//! ```
//!
//! A checksum is the CRC-32 of the salt, the block's number as u64, and the data. Numbers are
//! little-endian. The salt is random, so a block of another file or another position does not pass
//! as valid.
//!
//! Files made by earlier versions have the magic number "leadstore sealed", no kind and no length:
//! their preface is the magic number, the salt, the CRC-32 of both, and zeros. Their seal is a
//! checksum.

use std::fmt;
use std::io;

use crate::storage::random::random_bytes;

/// Length of the preface in bytes.
pub(crate) const PREFACE: usize = 512;
/// Bytes of data in a block.
pub(crate) const DATA: usize = 4_096;

/// Bytes of the preface that its CRC-32 covers.
const DESCRIPTION: usize = PREFACE - 4;
const MAGIC: &[u8; 16] = b"leadstore blocks";
const OLDER_MAGIC: &[u8; 16] = b"leadstore sealed";
/// Bytes that the CRC-32 of an older preface covers.
const OLDER_DESCRIPTION: usize = 32;
const CHECKSUM_KIND: u16 = 1;
/// Length of a checksum in bytes.
const CHECKSUM: usize = 4;

/// The seal of a file's blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seal {
    salt: [u8; 16],
}

impl Seal {
    /// Returns a seal with a random salt, for a new file.
    pub(crate) fn new() -> Self {
        Self {
            salt: random_bytes(),
        }
    }

    /// Returns the length of a seal in bytes.
    pub(crate) fn len(&self) -> usize {
        CHECKSUM
    }

    /// Returns the length of a block in the file, in bytes: its seal and its data.
    pub(crate) fn block_len(&self) -> usize {
        self.len() + DATA
    }

    /// Returns the first bytes of a file whose blocks have this seal.
    pub(crate) fn preface(&self) -> Vec<u8> {
        let mut preface = [
            MAGIC.as_slice(),
            &self.salt,
            &CHECKSUM_KIND.to_le_bytes(),
            &(CHECKSUM as u16).to_le_bytes(),
        ]
        .concat();
        preface.resize(DESCRIPTION, 0);
        preface.extend(crc32fast::hash(&preface).to_le_bytes());
        preface
    }

    /// Reads the seal from a file's preface.
    pub(crate) fn of_preface(preface: &[u8]) -> io::Result<Self> {
        let too_short = || corrupted("the file is too short");
        let (magic, salt, rest) = preface
            .split_first_chunk::<16>()
            .and_then(|(magic, rest)| {
                let (salt, rest) = rest.split_first_chunk::<16>()?;
                Some((magic, salt, rest))
            })
            .ok_or_else(too_short)?;
        let described = match magic {
            OLDER_MAGIC => OLDER_DESCRIPTION,
            MAGIC => DESCRIPTION,
            _ => return Err(corrupted("bad magic number")),
        };
        let (described, sum) = preface
            .split_at_checked(described)
            .and_then(|(described, rest)| Some((described, rest.first_chunk::<4>()?)))
            .ok_or_else(too_short)?;
        if crc32fast::hash(described) != u32::from_le_bytes(*sum) {
            return Err(corrupted("checksum mismatch in the preface"));
        }
        let of_checksums = [CHECKSUM_KIND, CHECKSUM as u16].map(u16::to_le_bytes);
        if magic == MAGIC && !rest.starts_with(of_checksums.as_flattened()) {
            return Err(io::Error::other(UnknownSeal));
        }
        Ok(Self { salt: *salt })
    }

    /// Fills in the seal of a block: `block` is space for the seal, then the data.
    pub(crate) fn seal(&self, number: u64, block: &mut [u8]) {
        if let Some((seal, data)) = block.split_first_chunk_mut::<CHECKSUM>() {
            *seal = self.checksum(number, data);
        }
    }

    /// Returns true if the seal of a block is intact: `block` is the seal, then the data.
    pub(crate) fn verify(&self, number: u64, block: &[u8]) -> bool {
        block
            .split_first_chunk::<CHECKSUM>()
            .is_some_and(|(seal, data)| *seal == self.checksum(number, data))
    }

    fn checksum(&self, number: u64, data: &[u8]) -> [u8; CHECKSUM] {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&self.salt);
        hasher.update(&number.to_le_bytes());
        hasher.update(data);
        hasher.finalize().to_le_bytes()
    }
}

/// The error for a file with a kind of seal that only a later version of this crate knows.
#[derive(Debug, thiserror::Error)]
#[error("its blocks have a kind of seal that this version of leadstore does not know")]
pub(crate) struct UnknownSeal;

impl UnknownSeal {
    pub(crate) fn is_cause_of(error: &io::Error) -> bool {
        error.get_ref().is_some_and(|cause| cause.is::<Self>())
    }
}

/// Returns an error that `redb_error` converts to a corruption error.
pub(crate) fn corrupted(what: impl fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;
    use crate::storage::redb_error::redb_error;

    #[test]
    fn preface_round_trips_and_corruption_of_it_is_detected() {
        let seal = Seal::new();
        let preface = seal.preface();
        assert_eq!(preface.len(), PREFACE);
        assert_eq!(Seal::of_preface(&preface).unwrap(), seal);
        for byte in 0..PREFACE {
            let mut corrupted = preface.clone();
            corrupted[byte] ^= 1;
            assert!(Seal::of_preface(&corrupted).is_err(), "byte {byte}");
            assert!(Seal::of_preface(&preface[..byte]).is_err(), "{byte} bytes");
        }
    }

    #[test]
    fn preface_of_an_earlier_version_is_read() {
        let mut preface = [OLDER_MAGIC.as_slice(), &[7; 16]].concat();
        preface.extend(crc32fast::hash(&preface).to_le_bytes());
        preface.resize(PREFACE, 0);
        assert_eq!(Seal::of_preface(&preface).unwrap().salt, [7; 16]);
        preface[20] ^= 1;
        assert!(Seal::of_preface(&preface).is_err());
    }

    #[test]
    fn preface_of_an_unknown_seal_is_unsupported_and_not_corrupted() {
        let mut preface = Seal::new().preface();
        preface[32] = 2;
        let sum = crc32fast::hash(&preface[..DESCRIPTION]).to_le_bytes();
        preface[DESCRIPTION..].copy_from_slice(&sum);
        let error = Seal::of_preface(&preface).unwrap_err();
        assert!(UnknownSeal::is_cause_of(&error));
        let error = redb_error(redb::Error::Io(error));
        assert_eq!(error.kind(), ErrorKind::UnsupportedFormat);
    }

    #[test]
    fn seal_detects_other_data_another_number_and_another_file() {
        let seal = Seal::new();
        let mut block = vec![5; seal.block_len()];
        seal.seal(3, &mut block);
        assert!(seal.verify(3, &block));
        assert!(!seal.verify(4, &block));
        assert!(!Seal::new().verify(3, &block));
        block[100] ^= 1;
        assert!(!seal.verify(3, &block));
        assert!(!seal.verify(3, &block[..3]));
    }
}
