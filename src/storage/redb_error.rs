//! Translates what redb reports, and contains its panics.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::error::{Error, ErrorKind, Result};

/// Runs what reads through redb, which trusts its pages and may stumble over what a faulty program has sealed, or over the
/// end of a file that was cut off.
pub(crate) fn catch_corruption_panic<T>(read: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| {
        Err(Error::corrupted(
            "reading the store panicked, which a damaged file can cause",
        ))
    })
}

/// Translates what redb reports. The message is completed with what was being done where that is known.
pub(crate) fn redb_error(error: impl Into<redb::Error>) -> Error {
    let error = error.into();
    let (kind, message) = match &error {
        redb::Error::Corrupted(what) => (
            ErrorKind::Corrupted,
            format!("the store's file is damaged: {what}"),
        ),
        redb::Error::Io(io) if io.kind() == std::io::ErrorKind::InvalidData => (
            ErrorKind::Corrupted,
            format!("the store's file is damaged or no store: {io}"),
        ),
        redb::Error::Io(io) => (
            ErrorKind::Io,
            format!(
                "reading or writing the store's file failed: {io}; free the cause, then reopen()"
            ),
        ),
        redb::Error::PreviousIo => (
            ErrorKind::Io,
            "an earlier failure made the store's file unusable; reopen() it".to_owned(),
        ),
        redb::Error::DatabaseClosed => return Error::closed(),
        redb::Error::DatabaseAlreadyOpen => (
            ErrorKind::AlreadyOpen,
            "the store is open already, in this process or another; share its handle by clone()"
                .to_owned(),
        ),
        redb::Error::RepairAborted => return not_closed_cleanly(),
        redb::Error::UpgradeRequired(version) => (
            ErrorKind::UnsupportedFormat,
            format!(
                "the store's file has the container format {version}, which this version does not know"
            ),
        ),
        redb::Error::LockPoisoned(_) | redb::Error::TransactionPoisoned => (
            ErrorKind::Io,
            "an earlier failure left the store's memory in doubt; reopen() it".to_owned(),
        ),
        redb::Error::TransactionInProgress => (
            ErrorKind::Busy,
            "a snapshot of the store is still held; drop it first".to_owned(),
        ),
        redb::Error::TableDoesNotExist(_)
        | redb::Error::TableTypeMismatch { .. }
        | redb::Error::TableIsMultimap(_)
        | redb::Error::TableIsNotMultimap(_)
        | redb::Error::TypeDefinitionChanged { .. } => (
            ErrorKind::Corrupted,
            format!("the store's file lacks what every store has: {error}"),
        ),
        _ => (
            ErrorKind::Io,
            format!("the store's file could not be used: {error}"),
        ),
    };
    Error::new(kind, message).caused_by(error)
}

pub(crate) fn not_closed_cleanly() -> Error {
    Error::new(
        ErrorKind::Unavailable,
        "the store was not closed cleanly, so it cannot be opened for reading only; open it for writing once",
    )
}

#[cfg(test)]
mod tests {
    use std::io::{self, ErrorKind as IoKind};

    use super::*;

    #[test]
    fn what_redb_reports_is_told_with_what_it_is_and_what_helps() {
        let here = std::panic::Location::caller();
        for (reported, kind, words) in [
            (
                redb::Error::Corrupted("page 7".into()),
                ErrorKind::Corrupted,
                "is damaged: page 7",
            ),
            (
                redb::Error::Io(io::Error::new(IoKind::InvalidData, "magic")),
                ErrorKind::Corrupted,
                "or no store: magic",
            ),
            (
                redb::Error::Io(io::Error::other("no space")),
                ErrorKind::Io,
                "failed: no space; free the cause",
            ),
            (
                redb::Error::PreviousIo,
                ErrorKind::Io,
                "an earlier failure made",
            ),
            (redb::Error::DatabaseClosed, ErrorKind::Closed, "closed"),
            (
                redb::Error::DatabaseAlreadyOpen,
                ErrorKind::AlreadyOpen,
                "share its handle by clone()",
            ),
            (
                redb::Error::RepairAborted,
                ErrorKind::Unavailable,
                "open it for writing once",
            ),
            (
                redb::Error::UpgradeRequired(1),
                ErrorKind::UnsupportedFormat,
                "container format 1",
            ),
            (
                redb::Error::LockPoisoned(here),
                ErrorKind::Io,
                "memory in doubt; reopen() it",
            ),
            (
                redb::Error::TransactionPoisoned,
                ErrorKind::Io,
                "memory in doubt; reopen() it",
            ),
            (
                redb::Error::TransactionInProgress,
                ErrorKind::Busy,
                "a snapshot of the store is still held",
            ),
            (
                redb::Error::TableDoesNotExist("leads".into()),
                ErrorKind::Corrupted,
                "lacks what every store has",
            ),
            (
                redb::Error::ValueTooLarge(4),
                ErrorKind::Io,
                "could not be used",
            ),
        ] {
            let reported_as = format!("{reported:?}");
            let told = redb_error(reported);
            assert_eq!(told.kind(), kind, "{reported_as}");
            assert!(told.to_string().contains(words), "{reported_as}: {told}");
        }
    }
}
