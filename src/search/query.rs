//! What a caller asks for: the query's text taken apart, and the rules for typos.

pub(crate) mod fuzzy;
pub(crate) mod query_text;
pub(crate) mod search_query;
