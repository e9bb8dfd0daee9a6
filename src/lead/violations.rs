//! Collects the violations of one input, so that all are reported at once.

#[cfg(feature = "http")]
use std::str::FromStr;

#[cfg(feature = "http")]
use crate::error::ErrorKind;
use crate::error::{Error, Result};
use crate::lead::violation::{Violation, ViolationCode};

/// The violations of one input, collected so that they can be returned as one error.
#[derive(Debug, Default)]
pub(crate) struct Violations(Vec<Violation>);

/// Maximum number of violations collected. Further ones are dropped, because an input can have as
/// many violations as it has bytes.
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

    /// Adds the violations of a part of the input, with `field` as the field of each.
    pub(crate) fn add_under(&mut self, field: &str, part: Self) {
        let room = VIOLATIONS_MAX.saturating_sub(self.0.len());
        let part = part.0.into_iter().take(room);
        self.0.extend(part.map(|violation| Violation {
            field: field.to_owned(),
            ..violation
        }));
    }

    /// Adds the violations of another part of the same input.
    #[cfg(feature = "http")]
    pub(crate) fn extend(&mut self, others: &[Violation]) {
        self.0.extend(
            others
                .iter()
                .take(VIOLATIONS_MAX.saturating_sub(self.0.len()))
                .cloned(),
        );
    }

    /// Returns the value of `result`. If `result` is an [`Invalid`](crate::ErrorKind::Invalid)
    /// error, adds its violations and returns `None`. Other errors are passed on.
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

    /// Parses `text`. If that fails, adds the violations and returns `None`.
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

    /// Returns true if a violation of this field, or of an element of it, was added.
    #[cfg(feature = "http")]
    pub(crate) fn has_error_for(&self, field: &str) -> bool {
        self.0.iter().any(|violation| {
            let rest = violation.field.strip_prefix(field);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('['))
        })
    }

    /// Returns `Ok` if there are no violations, and otherwise one error with all of them.
    pub(crate) fn into_result(self) -> Result<()> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(Error::invalid(self.0))
        }
    }
}
