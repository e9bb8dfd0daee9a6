//! One entry of the journal: what one commit changed, in bytes.
//!
//! ```text
//!  0  "lead"                          by which entries are found behind one that is damaged
//!  4  length of the record    u32     numbers are little-endian
//!  8  CRC-32 of the rest      u32
//! 12  use of the file         u64     as in the file's first entry
//! 20  seq                     u64     the number of this commit
//! 28  synced                  u64     every commit up to this one was on disk when this was written
//! 36  previous commit id      [16]
//! 52  record                          header record, then the changes
//! ```

use std::sync::Arc;

use bincode::{BorrowDecode, Encode};

use super::super::codec::{self, RecordKind};
use super::super::header::{CommitId, Header, Seq};
use super::super::shared_key::SharedKey;
use crate::{Error, ErrorKind, Result};

/// One change, as the final value of what it changes, so that to apply it twice does no harm.
#[derive(Clone, Debug, PartialEq, Encode, BorrowDecode)]
pub(in crate::storage) enum Op {
    /// A row's lead record, or none any more.
    Lead(u32, Option<Arc<[u8]>>),
    /// The row of an id, or none any more.
    Id(SharedKey, Option<u32>),
    /// Whether a key is there.
    Key(SharedKey, bool),
    /// Whether a row is in a bitmap, by the key of its chunk.
    Row { chunk: SharedKey, row: u32, present: bool },
    /// A row's deal value in ten-thousandths, or none any more.
    DealValue(u32, Option<u64>),
    /// A record of the change log, or none any more.
    Log(SharedKey, Option<Arc<[u8]>>),
}

const ENTRY: RecordKind = RecordKind { name: "journal entry", format: 1 };
pub(super) const MAGIC: [u8; 4] = *b"lead";
const HEAD: usize = 52;
/// What the checksum covers begins here.
const CHECKED_FROM: usize = 12;

#[derive(Encode)]
struct Written<'a> {
    header: Vec<u8>,
    ops: &'a [Op],
}

#[derive(BorrowDecode)]
struct Read {
    header: Vec<u8>,
    ops: Vec<Op>,
}

/// An entry's head, and where its record lies.
#[derive(Clone, Debug)]
pub(super) struct Entry<'a> {
    pub(super) usage: u64,
    pub(super) seq: Seq,
    pub(super) synced: Seq,
    pub(super) previous: CommitId,
    record: &'a [u8],
}

pub(super) fn encode(usage: u64, synced: Seq, previous: CommitId, header: &Header, ops: &[Op]) -> Result<Vec<u8>> {
    let mut bytes = vec![0; HEAD];
    codec::encode_to(&mut bytes, ENTRY, &Written { header: header.encode()?, ops })?;
    fill_head(&mut bytes, usage, header.seq, synced, previous)?;
    Ok(bytes)
}

/// Fills the head of an entry, before its record.
fn fill_head(entry: &mut [u8], usage: u64, seq: Seq, synced: Seq, previous: CommitId) -> Result<()> {
    let too_large = || Error::new(ErrorKind::Io, "a commit is too large for the journal; commit less at once");
    let length = u32::try_from(entry.len().saturating_sub(HEAD)).map_err(|_| too_large())?;
    let (head, checked) = entry.split_at_mut_checked(CHECKED_FROM).ok_or_else(too_large)?;
    let fields = [&usage.to_le_bytes(), &seq.0.to_le_bytes(), &synced.0.to_le_bytes(), previous.0.as_slice()].concat();
    checked.iter_mut().zip(fields).for_each(|(place, byte)| *place = byte);
    let start = [MAGIC.as_slice(), &length.to_le_bytes(), &crc32fast::hash(checked).to_le_bytes()].concat();
    head.iter_mut().zip(start).for_each(|(place, byte)| *place = byte);
    Ok(())
}

impl<'a> Entry<'a> {
    /// The entry at the start of `bytes`, if there is a whole one.
    pub(super) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let mut rest = bytes.strip_prefix(&MAGIC)?;
        let length = usize::try_from(u32::from_le_bytes(take(&mut rest)?)).ok()?;
        let crc = u32::from_le_bytes(take(&mut rest)?);
        let checked = rest.get(..(HEAD - CHECKED_FROM).checked_add(length)?)?;
        if crc32fast::hash(checked) != crc {
            return None;
        }
        let usage = u64::from_le_bytes(take(&mut rest)?);
        let seq = Seq(u64::from_le_bytes(take(&mut rest)?));
        let synced = Seq(u64::from_le_bytes(take(&mut rest)?));
        let previous = CommitId(take(&mut rest)?);
        Some(Self { usage, seq, synced, previous, record: rest.get(..length)? })
    }

    /// The same entry for another use of a file.
    pub(super) fn encode_for(&self, usage: u64) -> Result<Vec<u8>> {
        let mut bytes = [[0; HEAD].as_slice(), self.record].concat();
        fill_head(&mut bytes, usage, self.seq, self.synced, self.previous)?;
        Ok(bytes)
    }

    pub(super) fn length(&self) -> usize {
        HEAD + self.record.len()
    }

    /// The state after the commit, and what it changed.
    pub(super) fn decode(&self) -> Result<(Header, Vec<Op>)> {
        let read: Read = codec::decode(ENTRY, self.record)?;
        Ok((Header::decode(&read.header)?, read.ops))
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
    use crate::storage::header::Header;

    #[test]
    fn the_bytes_of_an_entry_stay_what_they_are() {
        let mut header = Header::new();
        header.seq = Seq(9);
        let ops = [
            Op::Lead(1, Some([2, 3].into())),
            Op::Id([4].as_slice().into(), None),
            Op::Key([5].as_slice().into(), true),
            Op::Row { chunk: [6].as_slice().into(), row: 7, present: false },
            Op::DealValue(10, Some(11)),
            Op::Log([8].as_slice().into(), Some([9].into())),
        ];
        let bytes = encode(0x0102, Seq(8), CommitId([3; 16]), &header, &ops).unwrap();
        let header_bytes = header.encode().unwrap();
        let mut record = vec![1, header_bytes.len() as u8];
        record.extend(header_bytes);
        record.extend([6, 0, 1, 1, 2, 2, 3, 1, 1, 4, 0, 2, 1, 5, 1, 3, 1, 6, 7, 0, 4, 10, 1, 11, 5, 1, 8, 1, 1, 9]);
        let mut expected = b"lead".to_vec();
        expected.extend((record.len() as u32).to_le_bytes());
        let mut rest = vec![2, 1, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0];
        rest.extend([3; 16]);
        rest.extend(record);
        expected.extend(crc32fast::hash(&rest).to_le_bytes());
        expected.extend(rest);
        assert_eq!(bytes, expected);
        let entry = Entry::parse(&bytes).unwrap();
        assert_eq!((entry.usage, entry.seq, entry.synced, entry.length()), (0x0102, Seq(9), Seq(8), bytes.len()));
        assert_eq!(entry.previous, CommitId([3; 16]));
        assert_eq!(entry.decode().unwrap(), (header, ops.to_vec()));
    }
}
