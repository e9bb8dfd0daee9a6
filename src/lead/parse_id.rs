//! Parses ids. It is apart from the type so that errors can name ids.

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
    /// [`Invalid`](crate::error::ErrorKind::Invalid) for anything but `lead_` and 26 lower-case base-32 digits that stand for
    /// 128 bits.
    fn from_str(text: &str) -> Result<Self, Error> {
        type_id::parse(PREFIX, text)
            .map(|bits| Self::from_bytes(bits.to_be_bytes()))
            .ok_or_else(|| {
            Error::invalid(vec![Violation::new(
                "id",
                ViolationCode::InvalidFormat,
                "a lead's id is lead_ and 26 characters of 0-9 and a-z without i, l, o, u, the first of them 0 to 7",
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
