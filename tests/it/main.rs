//! Integration tests, built as one binary with one module per concern.

mod brute_force;
mod crash;
mod create_update;
mod damage;
mod faults;
mod format;
#[cfg(feature = "http")]
mod http;
mod ids;
mod imported;
mod journal;
mod killed;
mod lifecycle;
mod listing;
mod maintenance;
mod model;
mod naughty_strings;
mod ranking;
mod resources;
mod search_index;
mod searching;
mod serde;
mod support;
mod threads;
mod transactions;
mod trash;
