//! The parts of a request: the parameters of its URL (`params`, `list_params`, `encrypted_cursor`)
//! and its body (`media_type`, `json`, `lead_body`).

pub(crate) mod encrypted_cursor;
pub(crate) mod json;
pub(crate) mod lead_body;
pub(crate) mod list_params;
pub(crate) mod media_type;
pub(crate) mod params;
