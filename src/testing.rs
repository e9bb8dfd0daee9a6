//! Functions and types beyond the API, for tests and fuzz targets. Semantic versioning does not
//! cover them.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::error::Result;
use crate::row::Row;
pub use crate::simulated_disk::{Fault, SimulatedDisk};
use crate::storage::{ChangeKind, LoggedChange};
use crate::sync::lock;
use crate::{Clock, LeadId, LeadStore, OpenOptions};

/// A clock that stands still until it is advanced or set. Clones show the same time.
#[derive(Clone, Debug)]
pub struct ManualClock(Arc<Mutex<(DateTime<Utc>, Duration)>>);

impl ManualClock {
    /// Creates a clock that shows `now`.
    pub fn at(now: DateTime<Utc>) -> Self {
        Self(Arc::new(Mutex::new((now, Duration::ZERO))))
    }

    /// Advances the clock.
    pub fn advance(&self, time: Duration) {
        let mut shown = lock(&self.0);
        shown.0 += TimeDelta::from_std(time).unwrap_or(TimeDelta::MAX);
        shown.1 += time;
    }

    /// Sets the wall-clock time, forward or back, without any time elapsing.
    pub fn set(&self, now: DateTime<Utc>) {
        lock(&self.0).0 = now;
    }
}

impl Clock for ManualClock {
    fn now(&self) -> DateTime<Utc> {
        lock(&self.0).0
    }

    fn elapsed(&self) -> Duration {
        lock(&self.0).1
    }
}

/// Sweeps the trash now, as the store's background thread does periodically. Returns the number of
/// purged leads.
///
/// # Errors
///
/// Only store errors, see [`LeadStore::get`].
pub fn sweep(store: &LeadStore) -> Result<u64> {
    store.sweep()
}

/// Returns the words of a text in order, in the form in which search compares them.
pub fn words(text: &str) -> Vec<String> {
    crate::analyzer::words(text)
        .into_iter()
        .map(|word| word.text)
        .collect()
}

/// Returns `options`, changed so that the store has no search index and searches return
/// `Unavailable`. A comparison with a searchable store shows the cost of search.
pub fn without_search(options: OpenOptions) -> OpenOptions {
    options.without_search()
}

/// Returns `options`, changed so that the store has no background threads. Checkpoints, sweeps,
/// delayed syncs and indexing only happen in a call, on the caller's thread. Without a search
/// index, the same calls then lead to the same disk operations. A search updates the index if
/// necessary.
pub fn without_threads(options: OpenOptions) -> OpenOptions {
    options.without_threads()
}

/// Opens the store on a simulated disk, and creates it if it does not exist.
///
/// # Errors
///
/// The errors of [`OpenOptions::open`].
pub fn open_on(options: OpenOptions, disk: &SimulatedDisk) -> Result<LeadStore> {
    options.open_on(disk.clone())
}

/// Backs up the store to a simulated disk, as [`LeadStore::backup_to`] does to a directory.
///
/// # Errors
///
/// The errors of [`LeadStore::backup_to`].
pub fn back_up_on(store: &LeadStore, disk: &SimulatedDisk) -> Result<()> {
    store.back_up_on(disk)
}

/// Runs a checkpoint, as the store's background thread does periodically: the commits that are only
/// in the journal are written to the tables.
///
/// # Errors
///
/// Only store errors, see [`LeadStore::get`].
pub fn checkpoint(store: &LeadStore) -> Result<()> {
    store.checkpoint_while(|| {})
}

/// Runs a checkpoint and calls `meanwhile` twice: after the checkpoint has started, and after the
/// tables are written but before the journal is updated. If there is nothing to write to the
/// tables, `meanwhile` is not called. It may write to the store, but must not fill the overlay: the
/// next write would then wait for this checkpoint to finish.
///
/// # Errors
///
/// Only store errors, see [`LeadStore::get`].
pub fn checkpoint_while(store: &LeadStore, meanwhile: impl FnMut()) -> Result<()> {
    store.checkpoint_while(meanwhile)
}

/// Sets the format number in the file of a closed store, or removes the number if `format` is
/// `None`.
///
/// # Errors
///
/// The errors of opening the file.
pub fn set_format(directory: impl AsRef<std::path::Path>, format: Option<u32>) -> Result<()> {
    crate::storage::set_format(directory.as_ref(), format)
}

/// A kind of corruption in the stored data of a lead, see [`corrupt`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Corruption {
    /// Its id is not in the table of ids.
    IdMissing,
    /// Its id refers to a row without a lead.
    IdAstray,
    /// Its id refers to the row before its own.
    IdOfAnother,
    /// The nth of its index keys is missing.
    KeyMissing(usize),
    /// An extra index key refers to a row without a lead.
    KeyTooMany,
    /// Its row is missing from the nth of its bitmaps.
    RowMissing(usize),
    /// The nth of its bitmaps has an extra row without a lead.
    RowTooMany(usize),
    /// The column has a wrong deal value for its row.
    DealValue,
    /// Its record is gone, but everything derived from it remains.
    Lead,
    /// Its record has a `created_at` an hour before the one in its index keys, and an `updated_at`
    /// a second before that `created_at`.
    Times,
    /// The change log refers to a row without a lead.
    LogRow,
}

/// Corrupts the stored data of a lead, as a faulty program would.
///
/// # Errors
///
/// [`NotFound`](crate::ErrorKind::NotFound) if there is no such lead, and the errors of a write.
pub fn corrupt(store: &LeadStore, id: LeadId, what: Corruption) -> Result<()> {
    store.transaction(|transaction| {
        transaction.corrupt(id, |txn, row, stored| {
            let entries = crate::schema::derive_index_entries(
                &crate::schema::Catalogue::builtin(),
                row,
                stored,
            );
            let nowhere = Row(row.0 | 0x0010_0000);
            let nth = |all: &[Vec<u8>], n: usize| {
                all.get(n % all.len().max(1)).cloned().unwrap_or_default()
            };
            match what {
                Corruption::IdMissing => txn.set_id(&nth(&entries.ids, 0), None),
                Corruption::IdAstray => txn.set_id(&nth(&entries.ids, 0), Some(nowhere)),
                Corruption::IdOfAnother => {
                    txn.set_id(&nth(&entries.ids, 0), Some(Row(row.0.saturating_sub(1))))
                }
                Corruption::KeyMissing(n) => txn.set_key(&nth(&entries.keys, n), false),
                Corruption::KeyTooMany => {
                    let mut key = nth(&entries.keys, 0);
                    key.truncate(key.len().saturating_sub(4));
                    key.extend(nowhere.0.to_be_bytes());
                    txn.set_key(&key, true)
                }
                Corruption::RowMissing(n) => txn.set_row(&nth(&entries.bitmaps, n), row, false),
                Corruption::RowTooMany(n) => txn.set_row(&nth(&entries.bitmaps, n), nowhere, true),
                Corruption::DealValue => txn.set_deal_value(row, Some(1)),
                Corruption::Lead => txn.remove_lead(row),
                Corruption::Times => {
                    let mut stored = stored.clone();
                    stored.lead.created_at -= TimeDelta::hours(1);
                    stored.lead.updated_at = stored.lead.created_at - TimeDelta::seconds(1);
                    txn.put_lead(row, &stored)
                }
                Corruption::LogRow => {
                    let version = stored.lead.version;
                    // A log record alone does not count as a change to commit.
                    txn.put_lead(row, stored)?;
                    txn.log(LoggedChange {
                        kind: ChangeKind::Updated,
                        row: nowhere,
                        id,
                        version,
                    })
                }
            }
        })
    })
}

/// Brings the search index of a store without background threads up to date.
///
/// # Errors
///
/// [`Unavailable`](crate::ErrorKind::Unavailable) if indexing fails.
pub fn index(store: &LeadStore) -> Result<()> {
    store.index()
}

/// Decodes arbitrary bytes in every format that a store reads from its files. No input may cause a
/// panic.
///
/// # Errors
///
/// A description of the decoded value that does not round-trip.
pub fn read_in_every_way(bytes: &[u8]) -> std::result::Result<(), String> {
    crate::storage::read_in_every_way(bytes)
}

/// Compares two texts by their encodings in keys: first by the folded texts, then by the texts
/// themselves.
pub fn compare_as_keys(a: &str, b: &str) -> std::cmp::Ordering {
    let key = |text| {
        crate::schema::keys::BitmapId::Value(crate::schema::BitmapField::TAG, Some(text))
            .key(crate::schema::keys::Collection::Live)
    };
    key(a).cmp(&key(b))
}

/// Returns the folded text that index keys and search use.
pub fn folded(text: &str) -> String {
    crate::analyzer::fold(text)
}

/// The layout of the store's file.
pub mod layout {
    use crate::storage::Seal;

    /// Offset in bytes of block 1, the first after the two copies of block 0.
    pub const FIRST_BLOCK: usize = crate::storage::FIRST_BLOCK;
    /// Length of a block in bytes, including its checksum.
    pub const BLOCK: usize = 4_100;

    /// Computes the checksum of the block that starts at offset `at`, and writes it into the block.
    /// `file` holds the bytes of the whole store file.
    pub fn write_checksum(file: &mut [u8], at: usize) {
        let number = 1 + (at.saturating_sub(FIRST_BLOCK)) / BLOCK;
        let seal = Seal::of_preface(file);
        if let (Ok(seal), Some(block)) = (seal, file.get_mut(at..at + BLOCK)) {
            seal.seal(number as u64, block);
        }
    }
}
