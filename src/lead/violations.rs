//! Collects the violations of one input, so that all are reported at once.

#[cfg(feature = "http")]
use std::str::FromStr;

#[cfg(feature = "http")]
use crate::error::ErrorKind;
use crate::error::{Error, Result};
use crate::lead::violation::{Violation, ViolationCode};

/// Collects what is wrong with one input, so that all of it is told at once.
#[derive(Debug, Default)]
pub(crate) struct Violations(Vec<Violation>);

/// More is not told: an input can be wrong in as many places as it has bytes.
const VIOLATIONS_MAX: usize = 1_000;

impl Violations {
    pub(crate) fn add(
        &mut self,
        field: impl Into<String>,
        code: ViolationCode,
        message: impl Into<String>,
    ) {
        if self.0.len() < VIOLATIONS_MAX {
            self.0.push(Violation::new(field, code, message));
        }
    }

    /// Adds what is wrong with a part of the input, under the part's name.
    pub(crate) fn add_under(&mut self, field: &str, part: Self) {
        let room = VIOLATIONS_MAX.saturating_sub(self.0.len());
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
                .take(VIOLATIONS_MAX.saturating_sub(self.0.len()))
                .cloned(),
        );
    }

    /// The value of `result`; `None` where its error is about the input and was added.
    #[cfg(feature = "http")]
    pub(crate) fn absorb<T>(&mut self, result: Result<T>) -> Result<Option<T>> {
        match result {
            Err(error) if error.kind() == ErrorKind::Invalid => {
                self.extend(error.violations());
                Ok(None)
            }
            result => result.map(Some),
        }
    }

    /// What `text` stands for; `None` where it stands for nothing, which was added.
    #[cfg(feature = "http")]
    pub(crate) fn parse<T: FromStr<Err = Error>>(&mut self, text: &str) -> Option<T> {
        text.parse()
            .inspect_err(|error: &Error| self.extend(error.violations()))
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
    pub(crate) fn into_result(self) -> Result<()> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(Error::invalid(self.0))
        }
    }
}
