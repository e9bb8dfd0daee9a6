//! Search: the only module that names tantivy. Matching reads postings, from the index and from the leads that are not
//! in it yet, and answers with sets of rows; everything else (filters, order, pages) is listing.
//!
//! - `query_text` is what a person typed, taken apart; `field` and `lead_words` are what of a lead it is held against.
//! - `matcher` finds rows, the same way in `segment` (the index) and in `recent` (the leads since).
//! - `view` is one published state of the store; `follower` keeps the index after it, in `index_files`.
//! - `schema` makes a lead a document of the index, whose words `word_lines` hands over; `payload` says what an index
//!   was made from, `sealed_directory` notices damage to its files.
//! - `hit` says where in a lead the query was found.

mod field;
mod follower;
mod hit;
mod index_files;
mod lead_words;
mod matcher;
mod payload;
mod query_text;
mod recent;
mod schema;
mod sealed_directory;
mod search_query;
mod segment;
mod status;
mod view;
mod word_lines;

pub use field::Field;
pub use hit::{Hit, Match};
pub use search_query::SearchQuery;
pub use status::{SearchState, SearchStatus};

pub(crate) use follower::Follower;
pub(crate) use index_files::IndexHome;
pub(crate) use search_query::search;
pub(crate) use view::{Published, View, index_is_built};

use crate::{Error, ErrorKind};

/// Translates what tantivy reports. None of it is fatal: the index is derived and can be made again.
fn fault(error: impl Into<tantivy::TantivyError>) -> Error {
    let error = error.into();
    Error::new(ErrorKind::Unavailable, format!("the search index could not be used: {error}")).caused_by(error)
}
