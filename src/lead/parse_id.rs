//! Parses ids. This is a module of its own because `error` uses [`LeadId`] and parsing uses
//! `error`: if `LeadId` and its parser were in one module, that module and `error` would form a
//! cycle.

use std::str::FromStr;

use serde::{Deserialize, Deserializer};

use crate::error::Error;
use crate::lead::id::{LeadId, PREFIX};
use crate::lead::violation::{Violation, ViolationCode};
use crate::type_id;

impl FromStr for LeadId {
    type Err = Error;

    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) unless the text is `lead_` followed by 26 lower-case
    /// base-32 digits that encode 128 bits.
    fn from_str(text: &str) -> Result<Self, Error> {
        type_id::parse(PREFIX, text)
            .map(|bits| Self::from_bytes(bits.to_be_bytes()))
            .ok_or_else(|| {
            Error::invalid(vec![Violation::new(
                "id",
                ViolationCode::InvalidFormat,
                "must be lead_ followed by 26 characters from 0-9 and a-z except i, l, o and u, the first from 0 to 7",
            )])
        })
    }
}

impl<'de> Deserialize<'de> for LeadId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
