//! Violations: the rules that an input breaks, by field.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A rule that an input violates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Violation {
    /// The path of the offending value: `email`, `tags[3]`, `custom_fields.industry`, `per_page`.
    pub field: String,
    /// Machine-readable code of the rule.
    pub code: ViolationCode,
    /// Human-readable description of the rule.
    pub message: String,
}

/// The kind of rule that an input violates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ViolationCode {
    /// A required value is missing or blank.
    Required,
    /// The value has too many characters, bytes or elements.
    TooLong,
    /// The value contains a character that is not allowed.
    InvalidCharacter,
    /// The value is malformed, for example an e-mail address without an `@`.
    InvalidFormat,
    /// A number is too small, is too large or has too many decimal places.
    OutOfRange,
    /// A value that must be unique occurs twice.
    Duplicate,
    /// The value is not one of the allowed values, or is not allowed here.
    NotAllowed,
    /// The JSON value has the wrong type.
    InvalidType,
    /// There is no field or parameter with this name.
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
