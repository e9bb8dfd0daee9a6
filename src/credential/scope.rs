//! Scopes of credentials.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::Error;
use crate::lead::{Violation, ViolationCode};

/// A permission of a credential. No scope includes another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Scope {
    /// `leads:read`: list, get and search leads, and list the trash.
    Read,
    /// `leads:write`: create, update and restore leads.
    Write,
    /// `leads:delete`: delete leads and purge them.
    Delete,
}

impl Scope {
    /// All scopes.
    pub const ALL: [Self; 3] = [Self::Read, Self::Write, Self::Delete];

    /// Returns the name of the scope in OAuth 2.0 ([RFC
    /// 6749](https://www.rfc-editor.org/rfc/rfc6749), section 3.3).
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "leads:read",
            Self::Write => "leads:write",
            Self::Delete => "leads:delete",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Scope {
    type Err = Error;

    /// # Errors
    ///
    /// [`Invalid`](crate::error::ErrorKind::Invalid) if the text is not the name of a scope.
    fn from_str(text: &str) -> Result<Self, Error> {
        let message = "must be one of leads:read, leads:write, leads:delete";
        Self::ALL
            .into_iter()
            .find(|scope| scope.as_str() == text)
            .ok_or_else(|| {
                Error::invalid(vec![Violation::new(
                    "scopes",
                    ViolationCode::NotAllowed,
                    message,
                )])
            })
    }
}

impl<'de> Deserialize<'de> for Scope {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl Serialize for Scope {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
