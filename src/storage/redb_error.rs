//! Converts redb's errors and panics to errors of this crate.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::error::{Error, ErrorKind, Result};
use crate::storage::file::seal::UnknownSeal;

/// Runs `read` and converts a panic into a corruption error. redb trusts its pages, so it can panic
/// on an invalid page that a faulty program wrote with a valid checksum, or when it reads past the
/// end of a truncated file.
pub(crate) fn catch_corruption_panic<T>(read: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| {
        Err(Error::corrupted(
            "reading the store panicked, which a corrupted file can cause",
        ))
    })
}

/// Converts an error of redb. The message names only the cause; callers that know the operation
/// prepend it.
pub(crate) fn redb_error(error: impl Into<redb::Error>) -> Error {
    let error = error.into();
    let (kind, message) = match &error {
        redb::Error::Corrupted(what) => (
            ErrorKind::Corrupted,
            format!("leads.redb is corrupted: {what}"),
        ),
        redb::Error::Io(io) => of_io(io),
        redb::Error::PreviousIo => (
            ErrorKind::Io,
            "leads.redb is unusable after an earlier I/O error; call reopen()".to_owned(),
        ),
        redb::Error::DatabaseClosed => return Error::closed(),
        redb::Error::DatabaseAlreadyOpen => (
            ErrorKind::AlreadyOpen,
            "the store is already open, in this process or another; share its handle with clone()"
                .to_owned(),
        ),
        redb::Error::RepairAborted => return not_closed_cleanly(),
        redb::Error::UpgradeRequired(version) => (
            ErrorKind::UnsupportedFormat,
            format!(
                "leads.redb has the redb file format {version}, which this version of leadstore does not support"
            ),
        ),
        redb::Error::LockPoisoned(_) | redb::Error::TransactionPoisoned => (
            ErrorKind::Io,
            "an earlier failure left the store's in-memory state inconsistent; call reopen()"
                .to_owned(),
        ),
        redb::Error::TransactionInProgress => (
            ErrorKind::Busy,
            "a snapshot of the store is still open; drop it first".to_owned(),
        ),
        redb::Error::TableDoesNotExist(_)
        | redb::Error::TableTypeMismatch { .. }
        | redb::Error::TableIsMultimap(_)
        | redb::Error::TableIsNotMultimap(_)
        | redb::Error::TypeDefinitionChanged { .. } => (
            ErrorKind::Corrupted,
            format!("leads.redb has a missing or mistyped table: {error}"),
        ),
        _ => (
            ErrorKind::Io,
            format!("leads.redb could not be used: {error}"),
        ),
    };
    Error::new(kind, message).caused_by(error)
}

/// Returns the kind and the message for an I/O error.
fn of_io(error: &std::io::Error) -> (ErrorKind, String) {
    if error.kind() == std::io::ErrorKind::InvalidData {
        (
            ErrorKind::Corrupted,
            format!("leads.redb is corrupted or not a store: {error}"),
        )
    } else if UnknownSeal::is_cause_of(error) {
        (
            ErrorKind::UnsupportedFormat,
            format!("leads.redb cannot be opened: {error}"),
        )
    } else {
        (
            ErrorKind::Io,
            format!(
                "reading or writing leads.redb failed: {error}; fix the cause, then call reopen()"
            ),
        )
    }
}

pub(crate) fn not_closed_cleanly() -> Error {
    Error::new(
        ErrorKind::Unavailable,
        "the store was not closed cleanly and needs recovery; open it for writing once, then read-only",
    )
}

#[cfg(test)]
mod tests {
    use std::io::{self, ErrorKind as IoKind};

    use super::*;

    #[test]
    fn redb_errors_map_to_kinds_with_actionable_messages() {
        let here = std::panic::Location::caller();
        for (reported, kind, fragment) in [
            (
                redb::Error::Corrupted("page 7".into()),
                ErrorKind::Corrupted,
                "is corrupted: page 7",
            ),
            (
                redb::Error::Io(io::Error::new(IoKind::InvalidData, "magic")),
                ErrorKind::Corrupted,
                "or not a store: magic",
            ),
            (
                redb::Error::Io(io::Error::other("no space")),
                ErrorKind::Io,
                "failed: no space; fix the cause",
            ),
            (
                redb::Error::PreviousIo,
                ErrorKind::Io,
                "unusable after an earlier I/O error",
            ),
            (redb::Error::DatabaseClosed, ErrorKind::Closed, "closed"),
            (
                redb::Error::DatabaseAlreadyOpen,
                ErrorKind::AlreadyOpen,
                "share its handle with clone()",
            ),
            (
                redb::Error::RepairAborted,
                ErrorKind::Unavailable,
                "open it for writing once",
            ),
            (
                redb::Error::UpgradeRequired(1),
                ErrorKind::UnsupportedFormat,
                "redb file format 1",
            ),
            (
                redb::Error::LockPoisoned(here),
                ErrorKind::Io,
                "state inconsistent; call reopen()",
            ),
            (
                redb::Error::TransactionPoisoned,
                ErrorKind::Io,
                "state inconsistent; call reopen()",
            ),
            (
                redb::Error::TransactionInProgress,
                ErrorKind::Busy,
                "a snapshot of the store is still open",
            ),
            (
                redb::Error::TableDoesNotExist("leads".into()),
                ErrorKind::Corrupted,
                "missing or mistyped table",
            ),
            (
                redb::Error::ValueTooLarge(4),
                ErrorKind::Io,
                "could not be used",
            ),
        ] {
            let reported_as = format!("{reported:?}");
            let converted = redb_error(reported);
            assert_eq!(converted.kind(), kind, "{reported_as}");
            assert!(
                converted.to_string().contains(fragment),
                "{reported_as}: {converted}"
            );
        }
    }
}
