//! An entry of the journal: the encoded changes of one commit.
//!
//! ```text
//!  0  "lead"                          magic number; recovery uses it to find entries after a corrupted one
//!  4  length of the record    u32     numbers are little-endian
//!  8  CRC-32 of the rest      u32
//! 12  store                   u64     first 8 bytes of the secret store id, so that no text can imitate an entry
//! 20  epoch                   u64     must equal the epoch of the file's first entry
//! 28  seq                     u64     number of this commit
//! 36  synced                  u64     every commit up to this one was durable when the entry was written
//! 44  previous commit id      [16]
//! 60  commit id               [16]
//! 76  record                          store metadata record, then the redo operations
//! ```

use std::sync::Arc;

use bincode::{BorrowDecode, Encode};

use crate::error::{Error, ErrorKind, Result};
use crate::storage::record::codec::{self, RecordKind};
use crate::storage::record::meta::{CommitId, Seq, StoreMeta};
use crate::storage::shared_key::SharedKey;

/// A redo operation. It holds the final value of what it changes, so applying it twice is harmless.
#[derive(Clone, Debug, PartialEq, Encode, BorrowDecode)]
pub(crate) enum RedoOp {
    /// Sets or removes the lead record of a row.
    Lead(u32, Option<Arc<[u8]>>),
    /// Sets or removes the row of an id.
    Id(SharedKey, Option<u32>),
    /// Adds or removes an index key.
    Key(SharedKey, bool),
    /// Adds a row to a bitmap or removes it. `chunk` is the key of the row's bitmap chunk.
    Row {
        chunk: SharedKey,
        row: u32,
        present: bool,
    },
    /// Sets or removes the deal value of a row, in ten-thousandths.
    DealValue(u32, Option<u64>),
    /// Sets or removes a record of the change log.
    Log(SharedKey, Option<Arc<[u8]>>),
    /// Sets or removes the record of a credential.
    Credential(SharedKey, Option<Arc<[u8]>>),
}

impl RedoOp {
    /// Returns the approximate number of bytes that the operation takes in memory, which is an
    /// upper bound on its size in the journal.
    pub(crate) fn size(&self) -> usize {
        let value = |value: &Option<Arc<[u8]>>| value.as_ref().map_or(0, |value| value.len());
        let bytes = match self {
            Self::Lead(_, record) => value(record),
            Self::Id(key, _) | Self::Key(key, _) | Self::Row { chunk: key, .. } => key.len(),
            Self::DealValue(..) => 0,
            Self::Log(key, record) | Self::Credential(key, record) => key.len() + value(record),
        };
        size_of::<Self>() + bytes
    }
}

const ENTRY: RecordKind = RecordKind {
    name: "journal entry",
    format: 1,
};
pub(crate) const MAGIC: [u8; 4] = *b"lead";
const HEADER_BYTES: usize = 76;
/// Offset in bytes at which the checksummed part of an entry starts.
const CHECKSUM_START: usize = 12;

#[derive(Encode)]
struct EntryToWrite<'a> {
    meta: Vec<u8>,
    ops: &'a [RedoOp],
}

#[derive(BorrowDecode)]
struct EntryToRead {
    meta: Vec<u8>,
    ops: Vec<RedoOp>,
}

/// Header fields of an entry, which identify its commit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct EntryHeader {
    pub(crate) store: u64,
    pub(crate) epoch: u64,
    pub(crate) seq: Seq,
    pub(crate) synced: Seq,
    pub(crate) previous: CommitId,
    pub(crate) commit_id: CommitId,
}

/// An entry: its header and its encoded record.
#[derive(Clone, Debug)]
pub(crate) struct Entry<'a> {
    pub(crate) header: EntryHeader,
    record: &'a [u8],
}

/// Returns the first 8 bytes of the store id, which every entry carries.
pub(crate) fn store_tag(meta: &StoreMeta) -> u64 {
    meta.store_id
        .0
        .first_chunk()
        .map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

pub(crate) fn encode(
    epoch: u64,
    synced: Seq,
    previous: CommitId,
    meta: &StoreMeta,
    ops: &[RedoOp],
) -> Result<Vec<u8>> {
    let mut bytes = vec![0; HEADER_BYTES];
    codec::encode_to(
        &mut bytes,
        ENTRY,
        &EntryToWrite {
            meta: meta.encode()?,
            ops,
        },
    )?;
    let (store, seq, commit_id) = (store_tag(meta), meta.seq, meta.commit_id);
    EntryHeader {
        store,
        epoch,
        seq,
        synced,
        previous,
        commit_id,
    }
    .fill(&mut bytes)?;
    Ok(bytes)
}

impl EntryHeader {
    /// Fills in the header of `entry`, which already contains the record.
    fn fill(&self, entry: &mut [u8]) -> Result<()> {
        let too_large = || {
            Error::new(
                ErrorKind::Io,
                "the commit is too large for the journal; split it into smaller commits",
            )
        };
        let length =
            u32::try_from(entry.len().saturating_sub(HEADER_BYTES)).map_err(|_| too_large())?;
        let (header, checked) = entry
            .split_at_mut_checked(CHECKSUM_START)
            .ok_or_else(too_large)?;
        let numbers = [self.store, self.epoch, self.seq.0, self.synced.0]
            .map(u64::to_le_bytes)
            .concat();
        let fields = [numbers.as_slice(), &self.previous.0, &self.commit_id.0].concat();
        checked
            .iter_mut()
            .zip(fields)
            .for_each(|(slot, byte)| *slot = byte);
        let start = [
            MAGIC.as_slice(),
            &length.to_le_bytes(),
            &crc32fast::hash(checked).to_le_bytes(),
        ]
        .concat();
        header
            .iter_mut()
            .zip(start)
            .for_each(|(slot, byte)| *slot = byte);
        Ok(())
    }
}

impl<'a> Entry<'a> {
    /// Parses the entry at the start of `bytes`. Returns `None` if there is no intact entry. If
    /// `tag` is given, an entry of another store is rejected by its header before its checksum is
    /// computed.
    pub(crate) fn parse(bytes: &'a [u8], tag: Option<u64>) -> Option<Self> {
        let mut rest = bytes.strip_prefix(&MAGIC)?;
        let length = usize::try_from(u32::from_le_bytes(take(&mut rest)?)).ok()?;
        let crc = u32::from_le_bytes(take(&mut rest)?);
        let checked = rest.get(..(HEADER_BYTES - CHECKSUM_START).checked_add(length)?)?;
        let mut number = || take(&mut rest).map(u64::from_le_bytes);
        let (store, epoch, seq, synced) = (number()?, number()?, Seq(number()?), Seq(number()?));
        if tag.is_some_and(|tag| tag != store) || crc32fast::hash(checked) != crc {
            return None;
        }
        let (previous, commit_id) = (CommitId(take(&mut rest)?), CommitId(take(&mut rest)?));
        let header = EntryHeader {
            store,
            epoch,
            seq,
            synced,
            previous,
            commit_id,
        };
        Some(Self {
            header,
            record: rest.get(..length)?,
        })
    }

    /// Encodes the same entry for another epoch.
    pub(crate) fn encode_for(&self, epoch: u64) -> Result<Vec<u8>> {
        let mut bytes = [[0; HEADER_BYTES].as_slice(), self.record].concat();
        EntryHeader {
            epoch,
            ..self.header
        }
        .fill(&mut bytes)?;
        Ok(bytes)
    }

    pub(crate) fn length(&self) -> usize {
        HEADER_BYTES + self.record.len()
    }

    /// Decodes the store metadata that results from the commit, and the commit's redo operations.
    pub(crate) fn decode(&self) -> Result<(StoreMeta, Vec<RedoOp>)> {
        let read: EntryToRead = codec::decode(ENTRY, self.record)?;
        Ok((StoreMeta::decode(&read.meta)?, read.ops))
    }
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*taken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::record::meta::{StoreId, StoreMeta};

    #[test]
    fn entry_encoding_is_stable() {
        let mut meta = StoreMeta::new();
        meta.seq = Seq(9);
        meta.commit_id = CommitId([5; 16]);
        meta.store_id = StoreId([4; 16]);
        let ops = [
            RedoOp::Lead(1, Some([2, 3].into())),
            RedoOp::Id([4].as_slice().into(), None),
            RedoOp::Key([5].as_slice().into(), true),
            RedoOp::Row {
                chunk: [6].as_slice().into(),
                row: 7,
                present: false,
            },
            RedoOp::DealValue(10, Some(11)),
            RedoOp::Log([8].as_slice().into(), Some([9].into())),
            RedoOp::Credential([12].as_slice().into(), None),
        ];
        let bytes = encode(0x0102, Seq(8), CommitId([3; 16]), &meta, &ops).unwrap();
        let header_bytes = meta.encode().unwrap();
        let mut record = vec![1, header_bytes.len() as u8];
        record.extend(header_bytes);
        record.extend([
            7, 0, 1, 1, 2, 2, 3, 1, 1, 4, 0, 2, 1, 5, 1, 3, 1, 6, 7, 0, 4, 10, 1, 11, 5, 1, 8, 1,
            1, 9, 6, 1, 12, 0,
        ]);
        let mut expected = b"lead".to_vec();
        expected.extend((record.len() as u32).to_le_bytes());
        let mut rest = vec![4; 8];
        rest.extend([
            2, 1, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0,
        ]);
        rest.extend([3; 16]);
        rest.extend([5; 16]);
        rest.extend(record);
        expected.extend(crc32fast::hash(&rest).to_le_bytes());
        expected.extend(rest);
        assert_eq!(bytes, expected);
        let entry = Entry::parse(&bytes, Some(0x0404_0404_0404_0404)).unwrap();
        let (previous, commit_id) = (CommitId([3; 16]), CommitId([5; 16]));
        let header = EntryHeader {
            store: 0x0404_0404_0404_0404,
            epoch: 0x0102,
            seq: Seq(9),
            synced: Seq(8),
            previous,
            commit_id,
        };
        assert_eq!((entry.header, entry.length()), (header, bytes.len()));
        assert!(Entry::parse(&bytes, Some(0)).is_none());
        assert_eq!(entry.decode().unwrap(), (meta, ops.to_vec()));
    }
}
