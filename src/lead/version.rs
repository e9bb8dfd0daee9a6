//! The version counter of a lead.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The version of a lead: 1 at creation, incremented by every change. Deleting and restoring count
/// as changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LeadVersion(u64);

impl LeadVersion {
    /// The version of a newly created lead.
    pub const FIRST: Self = Self(1);

    /// Creates a version from its number.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// Returns the number of the version.
    pub const fn get(self) -> u64 {
        self.0
    }

    pub(crate) const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for LeadVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
