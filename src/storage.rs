//! The storage layer, and the only module that uses redb and bincode. It stores leads with their
//! ids, index keys, bitmaps and deal values, and also the change log and credentials. It updates
//! all of them in one transaction, and does not know what they are used for.
//!
//! A commit is appended to the `journal` and kept in an `overlay` on top of the tables. A
//! `checkpoint` later writes the overlay to the tables. `tables` documents every table and its
//! bytes, and opens the tables; `key` and `record` encode and decode keys and values. `file`
//! creates and opens the files crash-safely, on a real file system, in memory or on a simulated
//! disk. `database` combines all of this into one store: it hands out `ReadView`s and `WriteTxn`s,
//! which are both read through `StateRef`.

mod database;
mod file;
#[cfg(feature = "unstable-testing")]
mod fuzzing;
mod index_entries;
mod journal;
pub(crate) mod key;
mod random;
mod record;
mod redb_error;
mod shared_key;
mod state;
mod tables;

pub(crate) use database::backup::back_up;
#[cfg(feature = "unstable-testing")]
pub(crate) use database::backup::back_up_on;
pub(crate) use database::checkpoint_policy::CheckpointPolicy;
pub(crate) use database::disk_snapshot::DiskSnapshot;
pub(crate) use database::open::OpenMode;
#[cfg(feature = "unstable-testing")]
pub(crate) use database::open::set_format;
pub(crate) use database::write_txn::{ChangedLeads, PreparedCommit, TxnBase, WriteTxn};
pub(crate) use database::{Database, JournalSync, read_only};
pub(crate) use file::directory::{Directory, FileMode};
pub(crate) use file::location::Location;
#[cfg(test)]
pub(crate) use file::real::RealDirectory;
#[cfg(feature = "unstable-testing")]
pub(crate) use file::seal::Seal;
pub(crate) use file::table_file::CorruptionSlot;
#[cfg(feature = "unstable-testing")]
pub(crate) use file::table_file::FIRST_BLOCK;
pub(crate) use file::write_once::{WriteOnceFile, WriteOnceWriter};
#[cfg(feature = "unstable-testing")]
pub(crate) use fuzzing::read_in_every_way;
pub(crate) use index_entries::IndexEntries;
pub(crate) use journal::JournalSyncer;
pub(crate) use record::change_log::{ChangeKind, LoggedChange};
#[cfg(feature = "http")]
pub(crate) use record::credential::StoredCredential;
pub(crate) use record::lead_record::{StoredLead, TrashStamp};
pub(crate) use record::meta::{Seq, StoreMeta};
pub(crate) use redb_error::catch_corruption_panic;
pub(crate) use state::merge::KeyScan;
pub(crate) use state::read_view::ReadView;
pub(crate) use state::state_ref::StateRef;
pub(crate) use tables::column::DealValues;
pub(crate) use tables::scan::Visit;
