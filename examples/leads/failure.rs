//! The error of a command.

use leadstore::{Error, ErrorKind, Violation};

/// An error with the members that the Leads API returns: a code for programs, a message for people,
/// and the violations of the input.
pub struct Failure {
    pub code: &'static str,
    pub message: String,
    pub details: Vec<Violation>,
}

pub type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            details: Vec::new(),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let code = match error.kind() {
            ErrorKind::Invalid => "validation_failed",
            ErrorKind::NotFound => "not_found",
            ErrorKind::InTrash => "in_trash",
            ErrorKind::NotInTrash => "not_in_trash",
            ErrorKind::AlreadyExists => "already_exists",
            ErrorKind::Conflict => "version_conflict",
            ErrorKind::Unavailable | ErrorKind::AlreadyOpen => "unavailable",
            _ => "internal",
        };
        Self {
            code,
            message: error.to_string(),
            details: error.violations().to_vec(),
        }
    }
}
