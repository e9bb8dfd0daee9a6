//! What is wrong with an input, field by field.

use std::fmt;

use serde::Serialize;

/// One rule that an input breaks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
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
    /// It is not among the values that are allowed.
    NotAllowed,
}

impl Violation {
    pub(crate) fn new(field: impl Into<String>, code: ViolationCode, message: impl Into<String>) -> Self {
        Self { field: field.into(), code, message: message.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

/// Collects what is wrong with one input, so that all of it is told at once.
#[derive(Debug, Default)]
pub(crate) struct Violations(Vec<Violation>);

impl Violations {
    pub(crate) fn add(&mut self, field: impl Into<String>, code: ViolationCode, message: impl Into<String>) {
        self.0.push(Violation::new(field, code, message));
    }

    /// Adds what is wrong with a part of the input, under the part's name.
    pub(crate) fn add_under(&mut self, field: &str, part: Self) {
        self.0.extend(part.0.into_iter().map(|violation| Violation { field: field.to_owned(), ..violation }));
    }

    /// `Ok` if nothing was added, and otherwise the error that names it all.
    pub(crate) fn into_result(self) -> crate::Result<()> {
        if self.0.is_empty() { Ok(()) } else { Err(crate::Error::invalid(self.0)) }
    }
}
