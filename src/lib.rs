//! An embedded store for sales leads: a library that does in-process what a CRM's Leads API does
//! over HTTP. It lists, gets, creates, updates, deletes and searches leads, and restores deleted
//! ones from a trash. No server, no async runtime, no network.
//!
//! ```
//! use leadstore::{Filter, LeadPatch, LeadStore, ListQuery, NewLead, SearchQuery};
//!
//! # let directory = tempfile::tempdir().unwrap();
//! # let path = directory.path().join("leads");
//! let store = LeadStore::open(&path)?;
//! let jane = store.create(
//!     NewLead::new("Jane Doe").email("jane@example.com").company("Example Corp").deal_value(25_000),
//! )?;
//!
//! let new = store.list(&ListQuery::new().filter(Filter::new().status("new")))?;
//! assert_eq!((new.total, new.items[0].id), (1, jane.id));
//!
//! store.update(jane.id, LeadPatch::new().status("qualified").deal_value(50_000))?;
//! assert_eq!(store.search(&SearchQuery::new("example.com"))?.total, 1);
//!
//! store.delete(jane.id)?;
//! store.restore(jane.id)?;
//! store.close()?;
//! # Ok::<(), leadstore::Error>(())
//! ```
//!
//! # Guarantees
//!
//! - **Durable writes.** A write that has returned survives a power cut, unless
//!   [`Durability::Within`] is set. Each write is one atomic transaction over the lead, the trash,
//!   the change log and every index except the search index.
//! - **Consistent reads.** Every read sees a single state of the store, and all reads of a
//!   [`Snapshot`] see the same state. Readers and writers do not wait for each other, except during
//!   [`compact`](LeadStore::compact), which blocks both. A writer that is too far ahead of the
//!   search index or of the last checkpoint waits until the index has caught up or the next
//!   checkpoint is written.
//! - **Up-to-date search.** A search sees every write that returned before the search started.
//!   Like every read, it sees a single state of the store.
//! - **Exact totals** at any depth. A page past the end is empty.
//! - **A trash** from which a lead can be restored with its id, fields and `created_at`, until it
//!   expires.
//! - **No silent errors.** Invalid input is rejected with all of its violations, and nothing is
//!   written. A corrupted search index is rebuilt. Corruption in the store's file is detected on
//!   read and reported, never returned as data, within the limits that [`reliability`] states.
//!   [`check`](LeadStore::check) finds all such corruption, [`repair`](LeadStore::repair) rebuilds everything that is derived from the leads, and
//!   [`backup_to`](LeadStore::backup_to) copies a store that is in use.
//!
//! # Getting started
//!
//! [`LeadStore`] has every operation. The inputs are [`NewLead`], [`LeadPatch`], [`Filter`],
//! [`ListQuery`], [`SearchQuery`] and [`TrashQuery`]. The results are [`Lead`], [`TrashedLead`],
//! [`Hit`], [`Page`] and [`Facets`], and a failure is an [`Error`]. [`OpenOptions`] sets the cache
//! size, the retention of the trash, the allowed statuses and more.
//!
//! # Features
//!
//! No feature is on by default. `http` adds `leadstore::http`, the Leads API as a function from
//! HTTP request to response, with credentials. `unstable-testing` adds what tests need and is
//! exempt from semantic versioning.
//!
//! # On disk
//!
//! A store is a directory. Its data is in `leads.redb`, a [redb](https://docs.rs/redb) file, and,
//! while the store is open or after a crash, also in the journal, `leads.journal.0` and
//! `leads.journal.1`. The journal files are empty once the store is closed. `search/` is a
//! [tantivy](https://docs.rs/tantivy) index that is derived from the data and may be deleted at any
//! time. `leads.lock` keeps other processes out. Copying the files of an open store does not give a
//! usable copy: use [`backup_to`](LeadStore::backup_to).
//!
//! # When things go wrong
//!
//! | event | outcome |
//! |---|---|
//! | the power is cut, the process is killed | at the next open every write that returned is there, and the one in flight is there completely or not at all; with [`Durability::Within`] a power cut may lose the newest writes |
//! | the disk is full, or a read, write or sync fails | the call returns [`Io`](ErrorKind::Io), and so do all later calls until [`LeadStore::reopen`], after which every acknowledged write is there; [`Error::outcome_unknown`] reports whether the failed write may be there as well |
//! | the search index cannot be written or is corrupted | the index is rebuilt, and searches wait for it; if it cannot be rebuilt they return [`Unavailable`](ErrorKind::Unavailable), and indexing is retried; everything else works |
//! | the clock jumps | timestamps are what the clock reports, except that a clock up to 5 minutes behind the newest lead is held at that lead's time; after the clock jumps forward by more than a day, the sweep of the trash waits for an hour |
//! | a transaction's closure fails or panics | the transaction is rolled back, and the store continues to work |
//! | another process has the store open | opening returns [`AlreadyOpen`](ErrorKind::AlreadyOpen) |
//! | the file is not writable | opening returns [`Io`](ErrorKind::Io), unless [`OpenOptions::read_only`] is set |
//! | the directory is removed while the store is open | on Unix the open files continue to work without their names until the store is closed, and then are gone; `reopen()` does not create a new store but returns [`NotFound`](ErrorKind::NotFound) |
//!
//! # From async code
//!
//! Calls block: reads for microseconds to milliseconds, writes for as long as the disk takes to
//! sync, and a search may have to wait for the index. In an async program, run them where blocking
//! is allowed:
//!
//! ```text
//! let store = store.clone();
//! let page = tokio::task::spawn_blocking(move || store.list(&ListQuery::new())).await??;
//! ```
#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]
#![deny(missing_docs)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::unreachable
    )
)]
#![warn(missing_debug_implementations)]

/// Compiles and runs the README's example as a doc test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod analyzer;
pub mod check;
mod clock;
#[cfg(feature = "http")]
mod credential;
mod error;
#[cfg(feature = "http")]
pub mod http;
mod lead;
mod progress;
mod query;
/// The guarantees for data, the assumptions that they rest on, and how they are tested.
#[doc = include_str!("reliability.md")]
pub mod reliability {
    #[allow(unused_imports, reason = "named by the page")]
    use crate::{Durability, ErrorKind, LeadStore};
}
mod row;
mod schema;
mod search;
#[cfg(feature = "unstable-testing")]
mod simulated_disk;
mod storage;
mod store;
mod sync;
#[cfg(feature = "unstable-testing")]
pub mod testing;
mod trash;
mod type_id;

pub use chrono;
pub use rust_decimal;

pub use clock::{Clock, SystemClock};
pub use error::{Error, ErrorKind, Result};
pub use lead::{
    CustomNumber, CustomValue, Lead, LeadId, LeadPatch, LeadVersion, NewLead, TrashedLead,
    Violation, ViolationCode,
};
pub use progress::Progress;
pub use query::{Cursor, Facets, Filter, ListQuery, Page, Sort, SortKey, StatusFacet, ValueFacet};
pub use search::{
    FieldMatch, Hit, SearchField, SearchQuery, SearchState, SearchStatus, TypoTolerance,
};
pub use store::{Durability, LeadStore, OpenOptions, Snapshot, Transaction};
pub use trash::TrashQuery;
