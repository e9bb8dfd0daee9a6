//! An embedded store for sales leads: a library that does in-process what a CRM's Leads API does over HTTP. List, get,
//! create, update, delete to a trash, restore, search. No server, no async runtime, no network.
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
//! # What it promises
//!
//! - **Durable.** When a write returns, it survives a power cut, unless [`Durability::Within`] says otherwise. One
//!   write is one atomic transaction over the lead, every index, the trash and the change log.
//! - **One point in time.** Every read sees one state of the store; a [`Snapshot`] holds one for as long as you like.
//!   Readers and writers do not wait for each other; only [`compact`](LeadStore::compact) has both wait, and a writer
//!   that is far ahead of the search index, or of the store's file, waits for that.
//! - **Search sees every write** that returned before it started, and nothing else.
//! - **Exact totals** at any depth. A page past the end is empty.
//! - **A trash** from which a lead comes back as it was, until it expires.
//! - **No lie.** Bad input names everything that is wrong with it and writes nothing. A damaged search index is
//!   rebuilt. Damage to the store's file is reported where it is met, and never served; [`check`](LeadStore::check)
//!   finds all of it, [`repair`](LeadStore::repair) mends what can be made anew, and
//!   [`backup_to`](LeadStore::backup_to) copies a store that is in use. See [`reliability`].
//!
//! # Where to begin
//!
//! [`LeadStore`] has every operation. [`NewLead`], [`LeadPatch`], [`Filter`], [`ListQuery`], [`SearchQuery`] and
//! [`TrashQuery`] are what goes in, [`Lead`], [`TrashedLead`], [`Hit`], [`Page`] and [`Facets`] what comes out, and [`Error`] what
//! can go wrong. [`OpenOptions`] sets the cache, the trash's retention, the allowed statuses and more.
//!
//! # Features
//!
//! None is on by default. `http` adds `leadstore::http`, the Leads API as a function from HTTP request to response, with
//! credentials. `unstable-testing` adds what tests need, outside of semantic versioning.
//!
//! # On disk
//!
//! A store is a directory: `leads.redb` is the truth, a [redb](https://docs.rs/redb) file, together with
//! `leads.journal.0` and `leads.journal.1` as long as the store is open; once it is closed those are empty. `search/`
//! is derived, a [tantivy](https://docs.rs/tantivy) index, and may be deleted at any time; `leads.lock` keeps other
//! processes out. A copy of an open store's files is none of it: use [`backup_to`](LeadStore::backup_to).
//!
//! # When things go wrong
//!
//! | what | then |
//! |---|---|
//! | the power is cut, the process is killed | at the next opening every write that returned is there, the one in flight wholly or not at all; with [`Durability::Within`] a power cut may cost the last ones |
//! | the disk is full, or fails to read, write or sync | the call is [`Io`](ErrorKind::Io), and so are all until [`LeadStore::reopen`], after which everything that was acknowledged is there; [`Error::outcome_unknown`] tells of a write that may be there, too |
//! | the search index cannot be written or is damaged | searches are [`Unavailable`](ErrorKind::Unavailable) until it is made anew, which is tried by itself; all else works |
//! | the clock jumps | times are what the clock says; the trash is not swept while it is in doubt |
//! | a transaction's closure fails or panics | nothing of it was written, and the store goes on |
//! | another process has the store open | [`AlreadyOpen`](ErrorKind::AlreadyOpen) |
//! | the file may only be read | [`Io`](ErrorKind::Io), unless it is opened with [`OpenOptions::read_only`] |
//! | the directory is removed while the store is open | on Unix the open files go on without their names until the store is closed, and then are gone; a new store is not made by `reopen()`, which is [`NotFound`](ErrorKind::NotFound) |
//!
//! # From async code
//!
//! Calls block, for microseconds when they read and for as long as the disk takes to sync when they write. In an async
//! program, run them where blocking is allowed:
//!
//! ```text
//! let store = store.clone();
//! let page = tokio::task::spawn_blocking(move || store.list(&ListQuery::new())).await??;
//! ```
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

/// Keeps the README's example true.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod analyzer;
mod check;
mod clock;
#[cfg(feature = "http")]
mod credential;
mod error;
#[cfg(feature = "http")]
pub mod http;
mod lead;
mod query;
/// What is promised about data, on which assumptions, and how that is tested.
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

pub use check::{Component, Problem, Report};
pub use clock::{Clock, SystemClock};
pub use error::{Error, ErrorKind, Result};
pub use lead::{
    CustomValue, Lead, LeadId, LeadPatch, NewLead, Number, TrashedLead, Version, Violation,
    ViolationCode,
};
pub use query::{Cursor, Facets, Filter, ListQuery, Page, Sort, SortKey, StatusFacet, ValueFacet};
pub use search::{Field, Hit, Match, SearchQuery, SearchState, SearchStatus, TypoTolerance};
pub use store::{Durability, LeadStore, OpenOptions, Snapshot, Transaction};
pub use trash::TrashQuery;
