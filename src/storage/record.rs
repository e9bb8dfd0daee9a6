//! The records that the tables and the journal hold, as bytes: leads, credentials, the change log
//! and the store's metadata. `codec` encodes and decodes them with bincode, whose traits they
//! derive.

pub(crate) mod change_log;
pub(crate) mod codec;
#[cfg(feature = "http")]
pub(crate) mod credential;
pub(crate) mod lead_record;
pub(crate) mod meta;
