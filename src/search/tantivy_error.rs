//! Conversion of tantivy's errors to those of the store.

use crate::error::{Error, ErrorKind};

/// Converts a tantivy error. No such error is fatal, because the index is derived and can be
/// rebuilt.
pub(crate) fn tantivy_error(error: impl Into<tantivy::TantivyError>) -> Error {
    let error = error.into();
    Error::new(
        ErrorKind::Unavailable,
        format!("the search index could not be used: {error}"),
    )
    .caused_by(error)
}
