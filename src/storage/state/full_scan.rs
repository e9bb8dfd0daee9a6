//! Full scans over everything in the store, for checks and rebuilds. A value that cannot be decoded
//! is passed to the visitor as an error, so that the scan can continue. Other corruption, such as
//! an unreadable block, ends the scan.

use crate::error::{Error, Result};
use crate::row::{Direction, Row, RowSet, chunk_length};
use crate::storage::key::{self, KeyRange};
use crate::storage::record::change_log::{self, LoggedChange};
#[cfg(feature = "http")]
use crate::storage::record::credential::{self, StoredCredential};
use crate::storage::record::lead_record::{self, StoredLead};
use crate::storage::record::meta::{CommitId, Seq};
use crate::storage::state::merge::{MergedValue, merged};
use crate::storage::state::state_ref::StateRef;
use crate::storage::state::state_ref::decode_row;
use crate::storage::state::state_ref::scan_log;
use crate::storage::tables::bitmap_chunk::decode_chunk;
use crate::storage::tables::scan::Visit;
use crate::storage::tables::scan::Visitor;
use crate::storage::tables::tree::Tree;

/// Scans over all entries of a kind. If individual entries can be corrupted, the visitor gets a
/// `Result` for each entry, so that the scan can continue with the next one.
impl StateRef<'_> {
    /// Calls `visit` with every lead, live or in the trash, in row order.
    pub(crate) fn each_lead(
        self,
        mut visit: impl FnMut(Row, Result<StoredLead>) -> Result<()>,
    ) -> Result<()> {
        let mut changed = self.overlay.leads().iter().peekable();
        let decode = |record: &[u8]| lead_record::decode(record);
        self.tables.scan(
            Tree::Leads,
            &all(),
            Direction::Ascending,
            &mut |key, record| {
                let row = key::row(key)?;
                while let Some((next, changed)) = changed.next_if(|(next, _)| **next < row) {
                    changed
                        .as_deref()
                        .map_or(Ok(()), |record| visit(Row(*next), decode(record)))?;
                }
                match changed.next_if(|(next, _)| **next == row) {
                    Some((_, changed)) => changed
                        .as_deref()
                        .map_or(Ok(()), |record| visit(Row(row), decode(record)))?,
                    None => visit(Row(row), decode(record))?,
                }
                Ok(Visit::Continue(()))
            },
        )?;
        changed.try_for_each(|(row, changed)| {
            changed
                .as_deref()
                .map_or(Ok(()), |record| visit(Row(*row), decode(record)))
        })
    }

    /// Calls `visit` with the key of every id and external id, and with the row stored under that
    /// key. Reads only the tables, not the overlay.
    pub(crate) fn each_stored_id(self, mut visit: impl FnMut(&[u8], Result<Row>)) -> Result<()> {
        self.scan_all(Tree::Ids, &mut |key, row| {
            visit(key, decode_row(row));
            Ok(Visit::Continue(()))
        })
    }

    /// Calls `visit` with every index key.
    pub(crate) fn each_key(self, mut visit: impl FnMut(&[u8])) -> Result<()> {
        self.scan_keys(&all(), Direction::Ascending, |key| {
            visit(key);
            Ok(Visit::Continue(()))
        })
    }

    /// Calls `visit` with every chunk of every bitmap: the bitmap's key, the chunk number and the
    /// rows. Reads only the tables, not the overlay.
    pub(crate) fn each_stored_chunk(
        self,
        mut visit: impl FnMut(&[u8], u16, Result<RowSet>),
    ) -> Result<()> {
        self.scan_all(Tree::Bitmaps, &mut |chunk, bytes| {
            let rows = decode_chunk(bytes).and_then(|rows| {
                let number = u32::from(key::chunk_number(chunk)?);
                // A count reads only the chunk's header, so the header must agree with the rows.
                let is_consistent = chunk_length(bytes) == Some(rows.len())
                    && rows.iter().all(|row| row >> 16 == number);
                if is_consistent {
                    Ok(RowSet::from(rows))
                } else {
                    Err(Error::corrupted(
                        "its header or chunk number does not match its rows",
                    ))
                }
            });
            visit(key::split_chunk(chunk)?, key::chunk_number(chunk)?, rows);
            Ok(Visit::Continue(()))
        })
    }

    /// Calls `visit` with every record of the change log, oldest first. The commit number is `None`
    /// if the key is malformed.
    pub(crate) fn each_log_record(
        self,
        mut visit: impl FnMut(Option<Seq>, Result<(CommitId, Vec<LoggedChange>)>),
    ) -> Result<()> {
        scan_log(self, &all(), |key, record| {
            let seq = key
                .first_chunk::<8>()
                .filter(|_| key.len() == 12)
                .map(|seq| Seq(u64::from_be_bytes(*seq)));
            visit(seq, change_log::decode(record));
            Ok(Visit::Continue(()))
        })
    }

    /// Calls `visit` with the id and record of every credential.
    pub(crate) fn each_credential_record(
        self,
        mut visit: impl FnMut(&[u8], &[u8]) -> Result<()>,
    ) -> Result<()> {
        let scan = |visit: &mut Visitor<'_>| self.scan_all(Tree::Credentials, visit);
        merged(
            self.overlay.credentials(),
            &all(),
            Direction::Ascending,
            scan,
            |id, found| {
                let record = match found {
                    MergedValue::Stored(record) => Some(record),
                    MergedValue::Changed(record) => record.as_deref(),
                };
                record.map_or(Ok(()), |record| visit(id, record))?;
                Ok(Visit::Continue(()))
            },
        )
    }

    /// Calls `visit` with every credential, ordered by id.
    #[cfg(feature = "http")]
    pub(crate) fn each_credential(
        self,
        mut visit: impl FnMut(Result<StoredCredential>) -> Result<()>,
    ) -> Result<()> {
        self.each_credential_record(|_, record| visit(credential::decode(record)))
    }

    pub(crate) fn scan_all(self, tree: Tree, visit: &mut Visitor<'_>) -> Result<()> {
        self.tables.scan(tree, &all(), Direction::Ascending, visit)
    }
}

/// Returns the range of all keys. No key starts with 64 `FF` bytes.
fn all() -> KeyRange {
    KeyRange {
        from: Vec::new(),
        to: vec![0xff; 64],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::database::open::OpenMode;
    use crate::storage::database::{Database, JournalSync};
    use crate::storage::file::location::Location;
    use crate::storage::record::lead_record::with_text;
    use crate::storage::state::read_view::ReadView;

    fn leads(view: &ReadView) -> Vec<(u32, StoredLead)> {
        let mut leads = Vec::new();
        view.state()
            .each_lead(|row, stored| {
                leads.push((row.0, stored?));
                Ok(())
            })
            .unwrap();
        leads
    }

    #[test]
    fn each_lead_merges_tables_and_overlay() {
        let mut db = Database::open(&Location::memory(), 8 << 20, OpenMode::OpenOrCreate).unwrap();
        let write = |db: &mut Database, leads: &[(u32, Option<usize>)]| {
            let base = db.begin().unwrap();
            let mut txn = base.write_txn();
            for (row, bytes) in leads {
                match bytes {
                    Some(bytes) => txn.put_lead(Row(*row), &with_text(*bytes)).unwrap(),
                    None => txn.remove_lead(Row(*row)).unwrap(),
                }
            }
            let finished = txn
                .prepare(
                    crate::clock::TrustedTime::at(crate::clock::from_micros(0)),
                    Seq(0),
                )
                .unwrap();
            db.commit(base, finished, JournalSync::Now).unwrap();
        };
        let expected = |leads: &[(u32, usize)]| {
            leads
                .iter()
                .map(|(row, bytes)| (*row, with_text(*bytes)))
                .collect::<Vec<_>>()
        };

        write(
            &mut db,
            &[(1, Some(1)), (3, Some(3)), (5, Some(5)), (6, Some(6))],
        );
        let view = db.checkpoint_and_read().unwrap();
        assert_eq!(leads(&view), expected(&[(1, 1), (3, 3), (5, 5), (6, 6)]));
        write(
            &mut db,
            &[
                (0, Some(10)),
                (2, None),
                (3, Some(30)),
                (4, Some(40)),
                (5, None),
                (8, Some(80)),
                (9, None),
            ],
        );
        let view = db.read().unwrap();
        assert_eq!(
            leads(&view),
            expected(&[(0, 10), (1, 1), (3, 30), (4, 40), (6, 6), (8, 80)])
        );
        let failed = view.state().each_lead(|row, _| {
            if row.0 < 4 {
                Ok(())
            } else {
                Err(Error::corrupted("a reason"))
            }
        });
        assert!(failed.is_err());
    }
}
