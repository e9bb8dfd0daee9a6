//! What is wrong with an input, field by field.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One rule that an input breaks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Violation {
    /// Where: `email`, `tags[3]`, `custom_fields.industry`, `per_page`.
    pub field: String,
    /// Which rule, for programs.
    pub code: ViolationCode,
    /// Which rule, for people.
    pub message: String,
}

/// Which kind of rule an input breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ViolationCode {
    /// A value that must be there is missing or blank.
    Required,
    /// It has more characters, bytes or elements than allowed.
    TooLong,
    /// It holds a character that is not allowed.
    InvalidCharacter,
    /// It has not the form of what it should be, such as an e-mail address.
    InvalidFormat,
    /// A number is too small, too large or too fine.
    OutOfRange,
    /// A value that must be unique comes twice.
    Duplicate,
    /// It is not among the values that are allowed, or may not be named here.
    NotAllowed,
    /// A JSON value of another type than is wanted.
    InvalidType,
    /// There is no field or parameter of this name.
    Unknown,
}

impl Violation {
    pub(crate) fn new(
        field: impl Into<String>,
        code: ViolationCode,
        message: impl Into<String>,
    ) -> Self {
        Self {
            field: field.into(),
            code,
            message: message.into(),
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}
