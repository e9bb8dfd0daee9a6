//! The failure latch of an open store. It keeps the first failure of the store's files. Later calls
//! on the store report that failure until the store is reopened.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;

use crate::error::{Error, ErrorKind, Result};
use crate::storage::CorruptionSlot;

/// The latch for the first failure of the store's files. After that failure, memory and disk may
/// differ, so neither can be trusted and nothing may be written.
pub(crate) struct FailureLatch {
    first: OnceLock<Error>,
    /// Set by the file when a checksum fails. The cause is kept here, because redb reports a failed
    /// read only once: all its later calls fail without naming the cause.
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
            Some(failure) => {
                let remedy = match failure.kind() {
                    ErrorKind::Corrupted => "run check(), then repair() or restore a backup",
                    _ => "fix the cause, then call reopen()",
                };
                Err(Error::new(
                    failure.kind(),
                    format!("the store failed earlier ({failure}); {remedy}"),
                ))
            }
        }
    }

    /// Returns the error, and latches it if it is an I/O error, corruption that a checksum
    /// detected, or an error with an unknown outcome. An I/O error after a checksum failure becomes
    /// `Corrupted`.
    pub(crate) fn latch(&self, error: Error) -> Error {
        let error = self.as_corruption(error);
        let is_corruption = error.kind() == ErrorKind::Corrupted && self.corruption.get().is_some();
        if error.kind() == ErrorKind::Io || error.outcome_unknown() || is_corruption {
            self.latch_always(&error);
        }
        error
    }

    /// Runs `work`, which must not call the application's code. Passes its error to
    /// [`latch`](Self::latch). A panic is returned as corruption and always latched: redb trusts
    /// its pages, so a corrupted page can make it panic, and the panic may leave an operation half
    /// done.
    pub(crate) fn guard<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        match catch_unwind(AssertUnwindSafe(work)) {
            Ok(result) => result.map_err(|error| self.latch(error)),
            Err(_) => {
                let error = self.as_corruption(Error::corrupted(
                    "reading or writing the store panicked, which a corrupted file can cause; \
                     run check()",
                ));
                self.latch_always(&error);
                Err(error)
            }
        }
    }

    /// Latches an error of any kind. If an error is already latched, that error stays, because it
    /// is the cause of the later errors.
    pub(crate) fn latch_always(&self, error: &Error) {
        let _ = self.first.set(error.repeated());
    }

    /// Returns the error, converted from `Io` to `Corrupted` if a checksum has failed.
    pub(crate) fn as_corruption(&self, error: Error) -> Error {
        match self.corruption.get() {
            Some(corruption) if error.kind() == ErrorKind::Io => {
                Error::corrupted(format!("leads.redb is corrupted: {corruption}")).caused_by(error)
            }
            _ => error,
        }
    }
}
