//! How text is compared: folded to plain letters, and split into words with their places in the original.
//!
//! The search index, the leads that are not in it yet, queries and sort keys all use this one analyser, so
//! that both sides of every comparison are treated alike. It knows nothing of leads or of any index.

mod fold;
mod words;

pub(crate) use fold::fold;
pub(crate) use words::{Word, words};

/// Changes whenever the same text may give other words or another folded form: indexes made under another
/// figure are rebuilt.
pub(crate) const FINGERPRINT: u32 = 1;
