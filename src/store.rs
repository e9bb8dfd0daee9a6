//! The store that callers hold: handles, snapshots and transactions, with the commit pipeline and
//! the threads behind them.
//!
//! `lead_store` defines the handle, which `options` and `open` create; `reads`, `searching`, `writes`
//! and `maintenance` define its methods. `snapshot` and `transaction` are what reads and writes run
//! on. `engine` is what all handles of an open store share.

#[cfg(feature = "http")]
mod credentials;
mod engine;
#[cfg(feature = "http")]
mod http_support;
mod lead_store;
mod maintenance;
mod open;
mod options;
mod reads;
mod searching;
mod snapshot;
mod transaction;
mod writes;

#[cfg(feature = "http")]
pub use credentials::Credentials;
pub use lead_store::LeadStore;
pub use options::{Durability, OpenOptions};
pub use snapshot::Snapshot;
pub use transaction::Transaction;
#[cfg(feature = "http")]
pub use transaction::TransactionCredentials;
