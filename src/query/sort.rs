//! Sort orders.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};
use crate::lead::{Violation, ViolationCode, Violations};
use crate::row::Direction;
use crate::schema::SortKey;

/// One sort key with its direction.
///
/// A lead without a value for the key comes last in both directions.
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
    /// Smallest, earliest or first in the alphabet first.
    pub const fn asc(key: SortKey) -> Self {
        Self {
            key,
            descending: false,
        }
    }

    /// Largest, latest or last in the alphabet first.
    pub const fn desc(key: SortKey) -> Self {
        Self {
            key,
            descending: true,
        }
    }

    /// What is sorted by.
    pub const fn key(self) -> SortKey {
        self.key
    }

    /// Whether the largest comes first.
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

impl FromStr for Sort {
    type Err = Error;

    /// Reads a key's name, after a `-` for descending.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::error::ErrorKind::Invalid) for any other name.
    fn from_str(text: &str) -> Result<Self> {
        let (name, descending) = match text.strip_prefix('-') {
            Some(name) => (name, true),
            None => (text, false),
        };
        match SortKey::ALL
            .iter()
            .copied()
            .find(|key| key.as_str() == name)
        {
            Some(key) => Ok(Self { key, descending }),
            None => {
                let names: Vec<&str> = SortKey::ALL.iter().map(|key| key.as_str()).collect();
                Err(Error::invalid(vec![Violation::new(
                    "sort",
                    ViolationCode::NotAllowed,
                    format!(
                        "must be one of {}, with a - before it for descending",
                        names.join(", ")
                    ),
                )]))
            }
        }
    }
}

/// How many keys a query can sort by.
const MAX_KEYS: usize = 3;

/// Notes what is wrong with the sort keys of a query over live leads or, with `in_trash`, over the trash.
pub(crate) fn check(sort: &[Sort], in_trash: bool, violations: &mut Violations) {
    if sort.len() > MAX_KEYS {
        violations.add(
            "sort",
            ViolationCode::TooLong,
            format!("must be at most {MAX_KEYS} keys"),
        );
    }
    for (index, Sort { key, .. }) in sort.iter().enumerate() {
        if sort.iter().take(index).any(|earlier| earlier.key == *key) {
            violations.add(
                "sort",
                ViolationCode::Duplicate,
                format!("must not name {} twice", key.as_str()),
            );
        }
        if *key == SortKey::DeletedAt && !in_trash {
            violations.add(
                "sort",
                ViolationCode::NotAllowed,
                "deleted_at sorts the trash only",
            );
        }
    }
}
