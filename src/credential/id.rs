//! Ids of credentials.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::Error;
use crate::lead::{Violation, ViolationCode};
use crate::type_id;

/// The id of a credential: 128 random bits, formatted as a
/// [TypeID](https://github.com/jetify-com/typeid) with the prefix `cred`. It is not secret.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CredentialId(u128);

const PREFIX: &str = "cred_";

impl CredentialId {
    pub(crate) const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(bytes))
    }

    pub(crate) const fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    /// Parses `text`, which must be `prefix` followed by an id.
    pub(crate) fn parse_after(prefix: &str, text: &str) -> Option<Self> {
        type_id::parse(prefix, text).map(Self)
    }

    /// Returns `prefix` followed by the id.
    pub(crate) fn format_after(self, prefix: &str) -> String {
        type_id::format(prefix, self.0)
    }
}

impl fmt::Display for CredentialId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.format_after(PREFIX))
    }
}

impl fmt::Debug for CredentialId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for CredentialId {
    type Err = Error;

    /// # Errors
    ///
    /// [`Invalid`](crate::error::ErrorKind::Invalid) if the text is not an id.
    fn from_str(text: &str) -> Result<Self, Error> {
        let message = "must be cred_ followed by 26 characters from 0-9 and a-z except i, l, o and u, the first from 0 to 7";
        Self::parse_after(PREFIX, text).ok_or_else(|| {
            Error::invalid(vec![Violation::new(
                "id",
                ViolationCode::InvalidFormat,
                message,
            )])
        })
    }
}

impl<'de> Deserialize<'de> for CredentialId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl Serialize for CredentialId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
