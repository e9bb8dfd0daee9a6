//! Finds and ranks the rows that match a query, in the segments of the index and in memory alike.

pub(crate) mod candidates;
pub(crate) mod collect;
pub(crate) mod doc_set;
pub(crate) mod matcher;
pub(crate) mod phrase;
pub(crate) mod postings;
pub(crate) mod rank;
pub(crate) mod recent;
pub(crate) mod results;
pub(crate) mod segment;
pub(crate) mod term_lookup;
