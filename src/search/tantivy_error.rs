//! Conversion of tantivy's errors to those of the store.

use std::error::Error as _;
use std::io;

use tantivy::TantivyError;
use tantivy::directory::error::{OpenReadError, OpenWriteError};

use crate::error::{Error, ErrorKind};

/// Codes of the operating system's errors for too many open files and for too little memory, which
/// say nothing about a file.
const SHORTAGES: &[i32] = if cfg!(windows) {
    &[4, 8, 14, 1450]
} else {
    &[12, 23, 24]
};

/// Converts a tantivy error. No such error is fatal, because the index is derived and can be
/// rebuilt.
pub(crate) fn tantivy_error(error: impl Into<TantivyError>) -> Error {
    let error = error.into();
    Error::new(
        ErrorKind::Unavailable,
        format!("the search index could not be used: {error}"),
    )
    .caused_by(error)
}

/// Returns true if the error was caused by a shortage of memory or file descriptors, so that the
/// same files may be usable later.
pub(crate) fn is_shortage(error: &Error) -> bool {
    let Some(source) = error.source() else {
        return false;
    };
    let io_error = match source.downcast_ref::<TantivyError>() {
        Some(
            TantivyError::IoError(io_error)
            | TantivyError::OpenReadError(OpenReadError::IoError { io_error, .. })
            | TantivyError::OpenWriteError(OpenWriteError::IoError { io_error, .. }),
        ) => Some(&**io_error),
        Some(_) => None,
        None => source.downcast_ref::<io::Error>(),
    };
    io_error
        .and_then(io::Error::raw_os_error)
        .is_some_and(|code| SHORTAGES.contains(&code))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn only_a_shortage_says_nothing_about_the_files() {
        let too_many_open_files = if cfg!(windows) { 4 } else { 24 };
        for (code, expected) in [(too_many_open_files, true), (5, false)] {
            let io_error = || io::Error::from_raw_os_error(code);
            let path = PathBuf::from("meta.json");
            let read = OpenReadError::wrap_io_error(io_error(), path.clone());
            let write = OpenWriteError::wrap_io_error(io_error(), path);
            let unavailable = Error::new(ErrorKind::Unavailable, "any").caused_by(io_error());
            for error in [
                tantivy_error(read),
                tantivy_error(write),
                tantivy_error(io_error()),
                unavailable,
            ] {
                assert_eq!(is_shortage(&error), expected, "{error}");
            }
        }
        assert!(!is_shortage(&Error::corrupted("any")));
    }
}
