//! Search: the only module that names tantivy. Matching reads postings, from the index and from the leads that are not
//! in it yet, and answers with sets of rows; everything else (filters, order, pages) is listing.
//!
//! - `query_text` is what a person typed, taken apart, with `typos` and `phone` for what is understood of it; `field` and
//!   `lead_words` are what of a lead it is held against.
//! - `matcher` finds rows and ranks them, the same way in `segment` (the index) and in `recent` (the leads since), which it
//!   reads as `postings`: `terms` looks words up, `best_ways` and `runs` find documents and words side by side, `hits` joins
//!   them; `rank` is the order of hits, `ranked` what was found.
//! - `view` is one published state of the store; `follower` is the thread that keeps the index after it, by an `indexer` that
//!   writes `index_files`, which lie in an `index_place`.
//! - `schema` makes a lead a document of the index, of `index_term`s that `word_lines` hands over; `payload` says what an index
//!   was made from, `sealed_directory` notices damage to its files.
//! - `hit` says where in a lead the query was found; `check` compares the index with the leads.

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
pub(crate) use index::sync::{IndexSync, Progress};
pub(crate) use index::verify::check;
pub(crate) use search_view::{SearchView, ViewCell, index_is_built};
