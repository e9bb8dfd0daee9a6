//! What tests and fuzz targets need beyond the API. Outside of semantic versioning.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::error::Result;
use crate::row::Row;
pub use crate::simulated_disk::{Fault, SimulatedDisk};
use crate::storage::{ChangeKind, LoggedChange};
use crate::sync::lock;
use crate::{Clock, LeadId, LeadStore, OpenOptions};

/// A clock that stands until it is set. Clones show the same time.
#[derive(Clone, Debug)]
pub struct ManualClock(Arc<Mutex<(DateTime<Utc>, Duration)>>);

impl ManualClock {
    /// A clock that shows `now`.
    pub fn at(now: DateTime<Utc>) -> Self {
        Self(Arc::new(Mutex::new((now, Duration::ZERO))))
    }

    /// Lets time pass.
    pub fn advance(&self, time: Duration) {
        let mut shown = lock(&self.0);
        shown.0 += TimeDelta::from_std(time).unwrap_or(TimeDelta::MAX);
        shown.1 += time;
    }

    /// Sets the time of day, forward or back, while no time passes.
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

/// Sweeps the trash now, as the store's own thread does from time to time, and tells how many leads were purged.
///
/// # Errors
///
/// Only those of the store itself.
pub fn sweep(store: &LeadStore) -> Result<u64> {
    store.sweep()
}

/// The words of a text as search compares them, in order.
pub fn words(text: &str) -> Vec<String> {
    crate::analyzer::words(text)
        .into_iter()
        .map(|word| word.text)
        .collect()
}

/// The same options for a store that indexes nothing, whose searches are `Unavailable`: beside it one sees what search
/// costs.
pub fn without_search(options: OpenOptions) -> OpenOptions {
    options.without_search()
}

/// The same options for a store without threads of its own: nothing is checkpointed, swept, made durable in time or
/// indexed but by a call (a search indexes if it has to), on the caller's thread, so that the same calls meet the same
/// operations of the disk.
pub fn without_threads(options: OpenOptions) -> OpenOptions {
    options.without_threads()
}

/// Opens the store on a simulated disk, which is made if there is none.
///
/// # Errors
///
/// Those of [`OpenOptions::open`].
pub fn open_on(options: OpenOptions, disk: &SimulatedDisk) -> Result<LeadStore> {
    options.open_on(disk.clone())
}

/// Makes a copy of the store on a simulated disk, as [`LeadStore::backup_to`] does in a directory.
///
/// # Errors
///
/// Those of [`LeadStore::backup_to`].
pub fn back_up_on(store: &LeadStore, disk: &SimulatedDisk) -> Result<()> {
    store.back_up_on(disk)
}

/// Brings what only the journal has into the store's tables, as the store's own thread does from time to time.
///
/// # Errors
///
/// Only those of the store itself.
pub fn checkpoint(store: &LeadStore) -> Result<()> {
    store.checkpoint_while(|| {})
}

/// The same, and calls `meanwhile` twice: when the checkpoint has begun, and when the tables are written but the journal
/// has not been told. It may write as long as it does not fill the store's memory, for which the checkpoint would have to
/// end first.
///
/// # Errors
///
/// Only those of the store itself.
pub fn checkpoint_while(store: &LeadStore, meanwhile: impl FnMut()) -> Result<()> {
    store.checkpoint_while(meanwhile)
}

/// Has the file of a closed store say that it has another format, or none.
///
/// # Errors
///
/// Those of opening the file.
pub fn set_format(directory: impl AsRef<std::path::Path>, format: Option<u32>) -> Result<()> {
    crate::storage::set_format(directory.as_ref(), format)
}

/// What of a lead is made wrong, see [`corrupt`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Corruption {
    /// Its id leads nowhere.
    IdMissing,
    /// Its id leads to a row of no lead.
    IdAstray,
    /// Its id leads to the row before its own.
    IdOfAnother,
    /// The nth of its sorted keys is missing.
    KeyMissing(usize),
    /// A sorted key names a row of no lead.
    KeyTooMany,
    /// It is missing from the nth of its bitmaps.
    RowMissing(usize),
    /// The nth of its bitmaps has a row of no lead.
    RowTooMany(usize),
    /// The column has another deal value.
    DealValue,
    /// It is gone, but nothing that was derived from it.
    Lead,
    /// Its record says that it was created an hour earlier than its keys do, and changed a second before that.
    Times,
    /// The change log names a row of no lead.
    LogRow,
}

/// Makes something wrong of what the store has of a lead, as a faulty program would.
///
/// # Errors
///
/// [`NotFound`](crate::error::ErrorKind::NotFound); those of a write.
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
                    // A record of the log alone is no change to commit.
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

/// Brings the search index of a store without threads up to date.
///
/// # Errors
///
/// [`Unavailable`](crate::error::ErrorKind::Unavailable) if that fails.
pub fn index(store: &LeadStore) -> Result<()> {
    store.index()
}

/// Reads arbitrary bytes as everything that a store reads from its files. No bytes may make it panic.
///
/// # Errors
///
/// What was read, and then written otherwise.
pub fn read_in_every_way(bytes: &[u8]) -> std::result::Result<(), String> {
    crate::storage::read_in_every_way(bytes)
}

/// How two texts compare as sorted keys, in a list sorted by name.
pub fn compare_as_keys(a: &str, b: &str) -> std::cmp::Ordering {
    let key = |text| {
        crate::schema::keys::BitmapId::Value(crate::schema::BitmapField::TAG, Some(text)).key()
    };
    key(a).cmp(&key(b))
}

/// A text as sort keys and search fold it.
pub fn folded(text: &str) -> String {
    crate::analyzer::fold(text)
}
