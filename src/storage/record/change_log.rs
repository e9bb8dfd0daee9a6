//! The change log: the leads that each commit changed. The index sync reads it to bring the search
//! index up to date.
//!
//! A commit with many changes takes several records, so that the size of a record is bounded.

use bincode::{BorrowDecode, Encode};

use crate::error::{Error, Result};
use crate::lead::{LeadId, LeadVersion};
use crate::row::Row;
use crate::storage::record::codec::{self, RecordKind};
use crate::storage::record::meta::{CommitId, Seq};

/// Maximum number of changes in one record.
pub(crate) const CHANGES_PER_RECORD: usize = 4_096;

/// Kind of change to a lead. The numbers are stored on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChangeKind {
    /// Logged once per row, as its first change. The search index relies on that.
    Created = 1,
    Updated = 2,
    Deleted = 3,
    Restored = 4,
    Purged = 5,
}

/// A change of one lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LoggedChange {
    pub(crate) kind: ChangeKind,
    pub(crate) row: Row,
    pub(crate) id: LeadId,
    /// The lead's version after the change.
    pub(crate) version: LeadVersion,
}

const LOG: RecordKind = RecordKind {
    name: "log record",
    format: 1,
};

#[derive(Encode, BorrowDecode)]
struct LogRecord {
    commit_id: [u8; 16],
    /// Kind, row, lead id and version of each change.
    changes: Vec<(u8, u32, [u8; 16], u64)>,
}

pub(crate) fn encode(commit_id: CommitId, changes: &[LoggedChange]) -> Result<Vec<u8>> {
    let changes = changes
        .iter()
        .map(|c| (c.kind as u8, c.row.0, c.id.to_bytes(), c.version.get()))
        .collect();
    Ok(codec::encode(
        LOG,
        &LogRecord {
            commit_id: commit_id.0,
            changes,
        },
    )?)
}

pub(crate) fn decode(bytes: &[u8]) -> Result<(CommitId, Vec<LoggedChange>)> {
    let record: LogRecord = codec::decode(LOG, bytes)?;
    let changes = record.changes.into_iter().map(|(kind, row, id, version)| {
        Ok(LoggedChange {
            kind: kind_of(kind)?,
            row: Row(row),
            id: LeadId::from_bytes(id),
            version: LeadVersion::new(version),
        })
    });
    Ok((CommitId(record.commit_id), changes.collect::<Result<_>>()?))
}

fn kind_of(code: u8) -> Result<ChangeKind> {
    use ChangeKind::{Created, Deleted, Purged, Restored, Updated};
    [Created, Updated, Deleted, Restored, Purged]
        .into_iter()
        .find(|kind| *kind as u8 == code)
        .ok_or_else(|| {
            Error::corrupted(format!(
                "leads.redb is corrupted: a change log record has the unknown change kind {code}"
            ))
        })
}

/// Returns the key of a record: the commit number, then the number of the record within the commit.
pub(crate) fn key(seq: Seq, part: u32) -> [u8; 12] {
    let mut key = [0; 12];
    let (number, rest) = key.split_at_mut(8);
    number.copy_from_slice(&seq.0.to_be_bytes());
    rest.copy_from_slice(&part.to_be_bytes());
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_record_encoding_is_stable() {
        let changes = [
            LoggedChange {
                kind: ChangeKind::Created,
                row: Row(1),
                id: LeadId::from_bytes([7; 16]),
                version: LeadVersion::FIRST,
            },
            LoggedChange {
                kind: ChangeKind::Purged,
                row: Row(300),
                id: LeadId::from_bytes([8; 16]),
                version: LeadVersion::new(4),
            },
        ];
        let bytes = encode(CommitId([9; 16]), &changes).unwrap();
        let mut expected = vec![1];
        expected.extend([9; 16]);
        expected.extend([2, 1, 1]);
        expected.extend([7; 16]);
        expected.extend([1, 5, 251, 44, 1]);
        expected.extend([8; 16]);
        expected.push(4);
        assert_eq!(bytes, expected);
        assert_eq!(
            decode(&bytes).unwrap(),
            (CommitId([9; 16]), changes.to_vec())
        );
    }

    #[test]
    fn unknown_change_kind_is_rejected() {
        let mut bytes = encode(CommitId([0; 16]), &[]).unwrap();
        let last = bytes.len() - 1;
        bytes[last] = 1;
        bytes.extend([6, 0]);
        bytes.extend([0; 17]);
        assert!(decode(&bytes).is_err());
    }

    #[test]
    fn keys_sort_by_commit_and_part() {
        assert!(key(Seq(1), 9) < key(Seq(2), 0));
        assert!(key(Seq(255), 1) < key(Seq(256), 0));
        assert!(key(Seq(3), 1) < key(Seq(3), 256));
    }
}
