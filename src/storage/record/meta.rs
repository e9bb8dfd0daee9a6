//! The metadata of a store. The journal holds the metadata after each commit, and the tables hold
//! the metadata as of the last checkpoint.

use std::time::Duration;

use bincode::{BorrowDecode, Encode};
use chrono::{DateTime, Utc};

use crate::clock::{ClockJump, TrustedTime};
use crate::error::Result;
use crate::storage::random::random_bytes;
use crate::storage::record::codec::{self, CodecError, RecordKind};

/// The number of a commit: one more than the number of the previous commit. It alone does not
/// identify a state: see [`CommitId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Seq(pub(crate) u64);

impl Seq {
    /// Returns the number of the next commit.
    pub(crate) fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

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
    /// The time up to which the clock was trusted at the last commit, and the clock jump
    /// that was not trusted yet, if any.
    pub(crate) trusted_time: TrustedTime,
    /// The lowest commit number that the change log may still contain.
    pub(crate) log_start: Seq,
}

/// The metadata record of format 1, which lacks the clock jump.
const META_1: RecordKind = RecordKind {
    name: "metadata record",
    format: 1,
};

const META: RecordKind = RecordKind {
    format: 2,
    ..META_1
};

#[derive(Encode, BorrowDecode)]
struct MetaRecord {
    store_id: [u8; 16],
    seq: u64,
    commit_id: [u8; 16],
    next_row: u32,
    newest_created_at: i64,
    trusted_until: i64,
    log_start: u64,
}

/// A clock jump: the time that the clock showed after it, in microseconds since 1970, and the
/// number of microseconds for which the store has been open while the clock showed that time or a
/// later one.
type JumpRecord = (i64, u64);

impl StoreMeta {
    /// Returns the metadata of an empty store.
    pub(crate) fn new() -> Self {
        Self {
            store_id: StoreId(random_bytes()),
            seq: Seq(0),
            commit_id: CommitId(random_bytes()),
            next_row: 0,
            newest_created_at: DateTime::<Utc>::MIN_UTC,
            trusted_time: TrustedTime::at(DateTime::<Utc>::MIN_UTC),
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
            trusted_until: self.trusted_time.until.timestamp_micros(),
            log_start: self.log_start.0,
        };
        let jump: Option<JumpRecord> = self.trusted_time.jump.map(|jump| {
            (
                jump.to.timestamp_micros(),
                u64::try_from(jump.shown_for.as_micros()).unwrap_or(u64::MAX),
            )
        });
        Ok(codec::encode(META, &(record, jump))?)
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self> {
        let (record, jump): (MetaRecord, Option<JumpRecord>) = match bytes.first() {
            Some(&format) if format == META_1.format => (codec::decode(META_1, bytes)?, None),
            _ => codec::decode(META, bytes)?,
        };
        let jump = jump
            .map(|(to, shown_for)| {
                let to = codec::time(META, to)?;
                let shown_for = Duration::from_micros(shown_for);
                Ok::<_, CodecError>(ClockJump { to, shown_for })
            })
            .transpose()?;
        Ok(Self {
            store_id: StoreId(record.store_id),
            seq: Seq(record.seq),
            commit_id: CommitId(record.commit_id),
            next_row: record.next_row,
            newest_created_at: codec::time(META, record.newest_created_at)?,
            trusted_time: TrustedTime {
                until: codec::time(META, record.trusted_until)?,
                jump,
            },
            log_start: Seq(record.log_start),
        })
    }
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
            trusted_time: TrustedTime {
                until: from_micros(-1),
                jump: Some(ClockJump {
                    to: from_micros(2),
                    shown_for: Duration::from_micros(9),
                }),
            },
            log_start: Seq(7),
        };
        let bytes = meta.encode().unwrap();
        let mut expected = vec![2];
        expected.extend([1; 16]);
        expected.extend([251, 44, 1]);
        expected.extend([2; 16]);
        expected.extend([252, 112, 17, 1, 0]);
        expected.extend([2, 1, 7]);
        // In format 1 the record ends here.
        let mut format_1 = expected.clone();
        format_1[0] = 1;
        expected.extend([1, 4, 9]);
        assert_eq!(bytes, expected);
        let mut without_jump = meta.clone();
        without_jump.trusted_time.jump = None;
        assert_eq!(StoreMeta::decode(&format_1).unwrap(), without_jump);
        assert_eq!(StoreMeta::decode(&bytes).unwrap(), meta);
        assert!(StoreMeta::decode(&bytes[1..]).is_err());
        let new = StoreMeta::new();
        assert_eq!(StoreMeta::decode(&new.encode().unwrap()).unwrap(), new);
    }
}
