//! Search queries: what a caller can ask for, how the text is parsed, and how typos are tolerated.

pub(crate) mod fuzzy;
pub(crate) mod query_text;
pub(crate) mod search_query;
