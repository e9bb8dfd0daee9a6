//! What lies on disk: the only module that names redb and bincode. It stores leads under their rows, their ids, sorted
//! keys, row bitmaps, the change log and credentials, all within one transaction, and knows nothing of what they are for.
//!
//! A commit is appended to the `journal` and kept in an `overlay`, which hides what the tables have; a `checkpoint`
//! brings it there. `table` lists every table with its bytes, `key` and `record` write and read them, `tables` opens
//! them. `directory` makes and opens the files safely; `file` is the one of a real disk. `database` is all that as one:
//! it hands out `ReadView`s and `WriteTxn`es, which share the `Reader` trait.

mod database;
mod file;
#[cfg(feature = "unstable-testing")]
mod fuzzing;
mod index_entries;
mod journal;
pub(crate) mod key;
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
pub(crate) use database::write_txn::{PreparedCommit, TxnBase, WriteTxn};
pub(crate) use database::{Database, JournalSync, read_only};
pub(crate) use file::checksummed::CorruptionSlot;
pub(crate) use file::location::Location;
pub(crate) use file::real::create_private_directory;
#[cfg(feature = "unstable-testing")]
pub(crate) use fuzzing::read_in_every_way;
pub(crate) use index_entries::IndexEntries;
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
