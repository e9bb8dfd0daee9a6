//! How far the search index is.

/// What the search index is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SearchState {
    /// Searches are answered.
    Ready,
    /// The index is opened, verified or rebuilt; searches wait, or are `Unavailable`, as the options say.
    Building {
        /// How many leads are in it already.
        indexed: u64,
        /// How many leads are to be in it.
        total: u64,
    },
    /// The index could not be written, for this reason. It is tried again; until then searches are `Unavailable`.
    Failed(String),
    /// The store was closed, or failed.
    Closed,
}

/// How far the search index is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SearchStatus {
    /// What it is doing.
    pub state: SearchState,
    /// How many changed leads are not in the index yet. Searches find them all the same.
    pub unindexed: u64,
}
