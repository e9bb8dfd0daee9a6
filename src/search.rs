//! Search, the only module that depends on tantivy. Matching reads posting lists, both from the
//! index and from the leads that are not indexed yet, and returns sets of rows. Filters, sorting
//! and pages belong to listing.
//!
//! - `query_text` parses the query, with `typos` for typo tolerance and `phone` for phone numbers.
//!   `field` and `lead_words` define the searched fields and the terms of a lead.
//! - `matcher` finds and ranks rows. It uses the same code for `segment` (the index) and `recent`
//!   (the leads that are not indexed yet), both of which implement `postings`. `terms` looks up the
//!   words of a query, `collect` and `phrase` find documents and adjacent words, `candidates` joins
//!   them, `rank` defines the order of hits and `results` holds the rows that matched.
//! - Every search reads one `StoreView`, a published state of the store (see `store/view`).
//!   `index/sync` is the thread that keeps the index up to date with the store, scheduled by
//!   `index/schedule`. Its `indexer` writes the `index_files`, which are stored at a `location`.
//! - `schema` converts a lead to a document of the index, made of `index_term`s that `pretokenized`
//!   passes to tantivy. `payload` records what an index was built from, and `checksummed_directory`
//!   detects corrupted index files.
//! - `hit` reports the positions in a lead at which the query matches. `check` compares the index
//!   with the leads.

mod execute;
mod hit;
mod index;
mod matching;
mod query;
mod search_view;
mod status;
mod tantivy_error;
mod terms;

pub use hit::{Hit, Match};
pub use query::fuzzy::TypoTolerance;
pub use query::search_query::SearchQuery;
pub use status::{SearchState, SearchStatus};
pub use terms::field::Field;

pub(crate) use execute::{facets, search};
pub(crate) use index::files::IndexStorage;
pub(crate) use index::location::IndexLocation;
pub(crate) use index::sync::{IndexSync, RebuildCallback};
pub(crate) use index::verify::check;
pub(crate) use search_view::{SearchView, ViewCell, index_not_ready};
