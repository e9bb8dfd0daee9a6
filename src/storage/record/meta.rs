//! The metadata of a store. The journal holds the metadata after each commit, and the tables hold
//! the metadata as of the last checkpoint.

use bincode::{BorrowDecode, Encode};
use chrono::{DateTime, Utc};

use crate::error::Result;
use crate::storage::record::codec::{self, RecordKind};

/// The number of a commit: one more than the number of the commit before. It does not identify a
/// state by itself: see [`CommitId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Seq(pub(crate) u64);

/// 16 random bytes drawn for each commit. When an older copy of a store is restored and written to,
/// its new commits reuse commit numbers of the abandoned history, but not commit ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct CommitId(pub(crate) [u8; 16]);

/// 16 random bytes drawn when a store is created.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct StoreId(pub(crate) [u8; 16]);

/// Metadata of a store after a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoreMeta {
    pub(crate) store_id: StoreId,
    /// The number of the last commit, or 0 in a new store.
    pub(crate) seq: Seq,
    pub(crate) commit_id: CommitId,
    /// Row of the next new lead.
    pub(crate) next_row: u32,
    /// The latest `created_at` that any lead has ever had.
    pub(crate) newest_created_at: DateTime<Utc>,
    /// Wall-clock time of the last commit at which the clock was trusted. It is used to detect a
    /// clock that has jumped ahead.
    pub(crate) last_commit_at: DateTime<Utc>,
    /// The lowest commit number that the change log may still contain.
    pub(crate) log_start: Seq,
}

const HEADER: RecordKind = RecordKind {
    name: "metadata record",
    format: 1,
};

#[derive(Encode, BorrowDecode)]
struct MetaRecord {
    store_id: [u8; 16],
    seq: u64,
    commit_id: [u8; 16],
    next_row: u32,
    newest_created_at: i64,
    last_commit_at: i64,
    log_start: u64,
}

impl StoreMeta {
    /// Returns the metadata of an empty store.
    pub(crate) fn new() -> Self {
        Self {
            store_id: StoreId(random_bytes()),
            seq: Seq(0),
            commit_id: CommitId(random_bytes()),
            next_row: 0,
            newest_created_at: DateTime::<Utc>::MIN_UTC,
            last_commit_at: DateTime::<Utc>::MIN_UTC,
            log_start: Seq(1),
        }
    }

    pub(crate) fn encode(&self) -> Result<Vec<u8>> {
        let record = MetaRecord {
            store_id: self.store_id.0,
            seq: self.seq.0,
            commit_id: self.commit_id.0,
            next_row: self.next_row,
            newest_created_at: self.newest_created_at.timestamp_micros(),
            last_commit_at: self.last_commit_at.timestamp_micros(),
            log_start: self.log_start.0,
        };
        Ok(codec::encode(HEADER, &record)?)
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self> {
        let record: MetaRecord = codec::decode(HEADER, bytes)?;
        Ok(Self {
            store_id: StoreId(record.store_id),
            seq: Seq(record.seq),
            commit_id: CommitId(record.commit_id),
            next_row: record.next_row,
            newest_created_at: codec::time(HEADER, record.newest_created_at)?,
            last_commit_at: codec::time(HEADER, record.last_commit_at)?,
            log_start: Seq(record.log_start),
        })
    }
}

pub(crate) fn random_bytes() -> [u8; 16] {
    uuid::Uuid::new_v4().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::from_micros;

    #[test]
    fn meta_encoding_is_stable() {
        let meta = StoreMeta {
            store_id: StoreId([1; 16]),
            seq: Seq(300),
            commit_id: CommitId([2; 16]),
            next_row: 70_000,
            newest_created_at: from_micros(1),
            last_commit_at: from_micros(-1),
            log_start: Seq(7),
        };
        let bytes = meta.encode().unwrap();
        let mut expected = vec![1];
        expected.extend([1; 16]);
        expected.extend([251, 44, 1]);
        expected.extend([2; 16]);
        expected.extend([252, 112, 17, 1, 0]);
        expected.extend([2, 1, 7]);
        assert_eq!(bytes, expected);
        assert_eq!(StoreMeta::decode(&bytes).unwrap(), meta);
        assert!(StoreMeta::decode(&bytes[1..]).is_err());
        let new = StoreMeta::new();
        assert_eq!(StoreMeta::decode(&new.encode().unwrap()).unwrap(), new);
    }
}
