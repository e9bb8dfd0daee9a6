//! The store that callers hold: handles, snapshots and transactions, with the commit pipeline and
//! the threads behind them.
//!
//! `lead_store` defines the handle, and `reads`, `writes` and `maintenance` define its methods.
//! `engine` has the parts of an open store that all threads share. The operations on these parts
//! are in `commit`, `checkpointing` and `searching`. `view` has the published state, `failure` has
//! the latch for the first failure, and `background` has the background threads.

mod background;
mod checkpointing;
mod commit;
mod commit_group;
#[cfg(feature = "http")]
mod credentials;
mod engine;
mod failure;
#[cfg(feature = "http")]
mod http_support;
mod lead_store;
mod maintenance;
mod open;
mod open_store;
mod options;
mod reads;
mod reentrancy;
mod searching;
mod snapshot;
mod transaction;
mod view;
mod writes;

#[cfg(feature = "http")]
pub use credentials::Credentials;
pub use lead_store::LeadStore;
pub use options::{Durability, OpenOptions};
pub use snapshot::Snapshot;
pub use transaction::Transaction;
#[cfg(feature = "http")]
pub use transaction::TransactionCredentials;
