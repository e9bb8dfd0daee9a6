//! The store that callers hold: handles, snapshots, transactions, and what runs behind them.
//!
//! `lead_store` is the handle, `reads`, `writes` and `maintenance` its calls. `engine` is an open
//! store: a `core` that all threads share, which `commit` writes through, `checkpointing` moves to
//! the tables and `searching` answers from; `view` is its published state, `failure` what ends it,
//! `background` its threads.

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
