//! Translates what tantivy reports.

use crate::error::{Error, ErrorKind};

/// Translates what tantivy reports. None of it is fatal: the index is derived and can be made again.
pub(crate) fn tantivy_error(error: impl Into<tantivy::TantivyError>) -> Error {
    let error = error.into();
    Error::new(
        ErrorKind::Unavailable,
        format!("the search index could not be used: {error}"),
    )
    .caused_by(error)
}
