//! Status of the search index.

use serde::{Deserialize, Serialize};

use crate::progress::Progress;

/// State of the search index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SearchState {
    /// Searches are served.
    Ready,
    /// The index is being opened, verified or rebuilt, or is catching up with more than 20,000
    /// changed leads. By default searches wait for it. With
    /// [`wait_for_search`](crate::OpenOptions::wait_for_search) off, searches fail with
    /// `Unavailable` while there is no index.
    ///
    /// The progress counts leads; its total is 0 until their number is known.
    Building(Progress),
    /// The index could not be opened or written, for this reason. Indexing is retried, unless the
    /// reason is that the store was opened without search. Until it succeeds, searches fail with
    /// `Unavailable`.
    Failed(String),
    /// The store is closed or has failed.
    Closed,
}

/// Status of the search index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SearchStatus {
    /// Current state of the index.
    pub state: SearchState,
    /// Number of changed leads that are not in the index yet. A lead that changed several times may
    /// be counted several times. If the index is [`Ready`](SearchState::Ready), searches find these
    /// leads nevertheless.
    pub unindexed: u64,
}
