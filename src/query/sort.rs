//! The sort order of a query: its sort keys, each with a direction.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};
use crate::lead::{Violation, ViolationCode, Violations};
use crate::row::Direction;
use crate::schema::SortKey;

/// A sort key with its direction.
///
/// Leads without a value for the key come last in both directions.
///
/// ```
/// use leadstore::{Sort, SortKey};
///
/// assert_eq!("-deal_value".parse::<Sort>()?, Sort::desc(SortKey::DealValue));
/// assert_eq!(Sort::asc(SortKey::Name).to_string(), "name");
/// # Ok::<(), leadstore::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Sort {
    key: SortKey,
    descending: bool,
}

impl Sort {
    /// Sorts by `key` in ascending order.
    pub const fn asc(key: SortKey) -> Self {
        Self {
            key,
            descending: false,
        }
    }

    /// Sorts by `key` in descending order.
    pub const fn desc(key: SortKey) -> Self {
        Self {
            key,
            descending: true,
        }
    }

    /// Returns the sort key.
    pub const fn key(self) -> SortKey {
        self.key
    }

    /// Returns true if the order is descending.
    pub const fn is_descending(self) -> bool {
        self.descending
    }

    pub(crate) fn direction(self) -> Direction {
        Direction::Ascending.reversed_if(self.descending)
    }
}

impl fmt::Display for Sort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}{}",
            if self.descending { "-" } else { "" },
            self.key.as_str()
        )
    }
}

/// Returns the error for a name that no sort key has. The message lists the valid names, followed
/// by the text `prefix`, which describes the characters that may precede a name.
fn unknown_sort_key(prefix: &str) -> Error {
    let names: Vec<&str> = SortKey::ALL.iter().map(|key| key.as_str()).collect();
    let message = format!("must be one of {}{prefix}", names.join(", "));
    Error::invalid(vec![Violation::new(
        "sort",
        ViolationCode::NotAllowed,
        message,
    )])
}

impl FromStr for SortKey {
    type Err = Error;

    /// Parses the name of a key, such as `created_at`.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) for any other name.
    fn from_str(text: &str) -> Result<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|key| key.as_str() == text)
            .ok_or_else(|| unknown_sort_key(""))
    }
}

impl FromStr for Sort {
    type Err = Error;

    /// Parses the name of a key, with a `-` prefix for descending order.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) for any other name.
    fn from_str(text: &str) -> Result<Self> {
        let (name, descending) = match text.strip_prefix('-') {
            Some(name) => (name, true),
            None => (text, false),
        };
        SortKey::ALL
            .iter()
            .copied()
            .find(|key| key.as_str() == name)
            .map(|key| Self { key, descending })
            .ok_or_else(|| unknown_sort_key(", optionally prefixed with - for descending order"))
    }
}

/// Maximum number of sort keys in a query.
const MAX_KEYS: usize = 3;

/// Adds the violations of a query's sort keys. The query is over the trash if `in_trash` is true,
/// and over live leads otherwise.
pub(crate) fn check(sort: &[Sort], in_trash: bool, violations: &mut Violations) {
    if sort.len() > MAX_KEYS {
        violations.add(
            "sort",
            ViolationCode::TooLong,
            format!("must have at most {MAX_KEYS} keys"),
        );
    }
    for (index, Sort { key, .. }) in sort.iter().enumerate() {
        if sort.iter().take(index).any(|earlier| earlier.key == *key) {
            violations.add(
                "sort",
                ViolationCode::Duplicate,
                format!("must not contain {} twice", key.as_str()),
            );
        }
        if *key == SortKey::DeletedAt && !in_trash {
            violations.add(
                "sort",
                ViolationCode::NotAllowed,
                "deleted_at is only valid for the trash",
            );
        }
    }
}
