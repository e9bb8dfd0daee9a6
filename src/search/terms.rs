//! Turns the fields of a lead into terms.

pub(crate) mod document;
pub(crate) mod field;
pub(crate) mod index_term;
pub(crate) mod lead_terms;
pub(crate) mod phone;
pub(crate) mod pretokenized;
