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

/// Collects what is wrong with one input, so that all of it is told at once.
#[derive(Debug, Default)]
pub(crate) struct Violations(Vec<Violation>);

/// More is not told: an input can be wrong in as many places as it has bytes.
const MOST: usize = 1_000;

impl Violations {
    pub(crate) fn add(
        &mut self,
        field: impl Into<String>,
        code: ViolationCode,
        message: impl Into<String>,
    ) {
        if self.0.len() < MOST {
            self.0.push(Violation::new(field, code, message));
        }
    }

    /// Adds what is wrong with a part of the input, under the part's name.
    pub(crate) fn add_under(&mut self, field: &str, part: Self) {
        let room = MOST.saturating_sub(self.0.len());
        let part = part.0.into_iter().take(room);
        self.0.extend(part.map(|violation| Violation {
            field: field.to_owned(),
            ..violation
        }));
    }

    /// Adds what is wrong with another part of the same input.
    #[cfg(feature = "http")]
    pub(crate) fn extend(&mut self, others: &[Violation]) {
        self.0.extend(
            others
                .iter()
                .take(MOST.saturating_sub(self.0.len()))
                .cloned(),
        );
    }

    /// The value of `result`; `None` where its error is about the input and was added.
    #[cfg(feature = "http")]
    pub(crate) fn absorb<T>(
        &mut self,
        result: crate::error::Result<T>,
    ) -> crate::error::Result<Option<T>> {
        match result {
            Err(error) if error.kind() == crate::error::ErrorKind::Invalid => {
                self.extend(error.violations());
                Ok(None)
            }
            result => result.map(Some),
        }
    }

    /// What `text` stands for; `None` where it stands for nothing, which was added.
    #[cfg(feature = "http")]
    pub(crate) fn parse<T: std::str::FromStr<Err = crate::error::Error>>(
        &mut self,
        text: &str,
    ) -> Option<T> {
        text.parse()
            .inspect_err(|error: &crate::error::Error| self.extend(error.violations()))
            .ok()
    }

    #[cfg(feature = "http")]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether something is wrong with this field.
    #[cfg(feature = "http")]
    pub(crate) fn has_error_for(&self, field: &str) -> bool {
        self.0.iter().any(|violation| violation.field == field)
    }

    /// `Ok` if nothing was added, and otherwise the error that names it all.
    pub(crate) fn into_result(self) -> crate::error::Result<()> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(crate::error::Error::invalid(self.0))
        }
    }
}
