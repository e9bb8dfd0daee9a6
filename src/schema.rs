//! The meaning of the bytes in the store: the fields of a lead, their keys, and everything that is
//! derived from a lead.
//!
//! `field` lists the fields, and `catalogue` holds that list as part of the store's state. `derive`
//! turns a lead into its index entries, `apply` is the one write path, and `verify` compares the
//! entries with the leads. `migrate` rebuilds a store that an older version wrote, and opens it.
//! `store_state` reads a state by field, and `keys` encodes and decodes the keys.

mod apply;
mod catalogue;
mod derive;
mod field;
pub(crate) mod keys;
mod migrate;
mod store_state;
mod verify;

pub(crate) use apply::{LeadChange, apply};
pub(crate) use catalogue::Catalogue;
pub(crate) use derive::derive_index_entries;
#[cfg(feature = "http")]
pub(crate) use field::FieldSource;
pub use field::SortKey;
pub(crate) use field::{
    BitmapField, FieldDef, SortIndex, SortOrder, TermField, searched_fields, value_filters,
};
pub(crate) use migrate::open_migrated;
pub(crate) use store_state::{CommittedState, StoreState};
pub(crate) use verify::{check, readable};
