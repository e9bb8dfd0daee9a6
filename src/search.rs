//! Search, the only module that depends on tantivy. Matching reads posting lists, both from the
//! index and from the leads that are not indexed yet, and returns ranked rows. Filters and pages
//! are defined in `crate::query`.
//!
//! - `query/search_query` defines the query that a caller builds, `query_text` parses its text,
//!   and `fuzzy` tolerates typos.
//! - `terms/field` defines the searchable fields, and `lead_terms` the terms of a lead;
//!   `index_term` encodes terms, and `phone` splits phone numbers into terms. `document` turns the
//!   terms into a document of the index, and `pretokenized` passes them to tantivy.
//! - `matching/matcher` finds and ranks rows. It uses the same code for `segment` (the index) and
//!   `recent` (the leads that are not indexed yet), both of which implement `postings`.
//!   `term_lookup` looks up the words of a query, `collect` finds documents, and `phrase` finds
//!   adjacent words. `candidates` joins the documents found for the parts of a query, `rank`
//!   defines the order of hits, and `results` holds the rows that matched.
//! - `index/sync` is the thread that keeps the index up to date with the store, scheduled by
//!   `schedule`. Its `writer` writes the index `files`, which are stored at a `location`. `payload`
//!   records what an index was built from. `directory` gives tantivy files of sealed blocks, which
//!   it reads through a `block_cache`. `verify` compares the index with the leads.
//! - `search_view` is the part of the published view (see `store/engine/view`) that a search reads.
//!   `execute` answers a search, and `hit` reports the positions in a lead at which the query
//!   matches.

mod execute;
mod hit;
mod index;
mod matching;
mod query;
mod search_view;
mod status;
mod tantivy_error;
mod terms;

pub use hit::{FieldMatch, Hit};
pub use query::fuzzy::TypoTolerance;
pub use query::search_query::SearchQuery;
pub use status::{SearchState, SearchStatus};
pub use terms::field::SearchField;

pub(crate) use execute::{facets, search};
pub(crate) use index::files::IndexStorage;
pub(crate) use index::location::IndexLocation;
pub(crate) use index::sync::{IndexSync, RebuildCallback};
pub(crate) use index::verify::check;
pub(crate) use search_view::{SearchView, ViewCell, index_not_ready};
