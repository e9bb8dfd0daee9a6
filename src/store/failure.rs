//! What ends an open store: the first I/O error or corruption, which every later call reports until
//! the store is reopened.

use std::sync::OnceLock;

use crate::error::{Error, ErrorKind, Result};
use crate::storage::CorruptionSlot;

/// Latches the first failure of the store's files. From then on memory and disk may differ, so
/// nothing that either holds may be trusted or written.
pub(crate) struct FailureLatch {
    first: OnceLock<Error>,
    /// Set by the file when a checksum fails. redb reports a failed read once and then only refuses
    /// to continue.
    corruption: CorruptionSlot,
}

impl FailureLatch {
    pub(crate) fn new(corruption: CorruptionSlot) -> Self {
        Self {
            first: OnceLock::new(),
            corruption,
        }
    }

    /// Returns the latched error if the store has failed.
    pub(crate) fn check(&self) -> Result<()> {
        match self.first.get() {
            None => Ok(()),
            Some(failure) => Err(Error::new(
                failure.kind(),
                format!("the store failed earlier ({failure}); call reopen()"),
            )),
        }
    }

    /// Latches an I/O error or corruption and returns it. Reports `Corrupted` if a checksum failure
    /// is why redb gave up.
    pub(crate) fn latch(&self, error: Error) -> Error {
        let error = self.as_corruption(error);
        let is_corruption = error.kind() == ErrorKind::Corrupted && self.corruption.get().is_some();
        if error.kind() == ErrorKind::Io || error.outcome_unknown() || is_corruption {
            self.latch_always(&error);
        }
        error
    }

    /// Latches an error whatever its kind. The first one stays: it is the cause of those that
    /// follow.
    pub(crate) fn latch_always(&self, error: &Error) {
        let _ = self.first.set(error.repeated());
    }

    /// Returns the error as corruption if a checksum failure is why redb gave up.
    pub(crate) fn as_corruption(&self, error: Error) -> Error {
        match self.corruption.get() {
            Some(corruption) if error.kind() == ErrorKind::Io => {
                Error::corrupted(format!("leads.redb is corrupted: {corruption}")).caused_by(error)
            }
            _ => error,
        }
    }
}
