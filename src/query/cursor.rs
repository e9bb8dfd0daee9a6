//! Cursors: the position at which a list continues, encoded as text.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::{Error, Result};
use crate::lead::{Violation, ViolationCode};
use crate::query::position::Position;
use crate::row::Row;

/// The position at which a list continues after a page. [`Page::next`](super::Page::next) returns
/// it, and [`ListQuery::after`](super::ListQuery::after) takes it.
///
/// With cursors, a page costs about the same at any depth. A lead that does not change in the
/// meantime is neither skipped nor repeated, whatever changes around it. A cursor is valid only for
/// the filter and the sort order of its query. It is printed, parsed and serialized as an opaque,
/// URL-safe text. It contains a lead's values for the sort keys, so it is as confidential as the
/// lead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// Checksum of the filter and the sort order.
    pub(crate) binding: u32,
    /// Number of the page that the cursor leads to.
    pub(crate) page: u64,
    pub(crate) position: Position,
}

/// Version of the encoding, which is stored as the first byte. After it come `binding` as u32,
/// `page` as u64, the row as u32, and a byte that is 1 for a lead created out of order and 0
/// otherwise. Then comes the lead's value for each sort key: the byte 0 if the lead has no value,
/// and otherwise the byte 1, the value's length in bytes as u32, and its bytes. The last four bytes
/// are the CRC-32 of everything before them. Numbers are little-endian.
const VERSION: u8 = 1;

impl Cursor {
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        bytes.extend(self.binding.to_le_bytes());
        bytes.extend(self.page.to_le_bytes());
        bytes.extend(self.position.row.0.to_le_bytes());
        bytes.push(self.position.out_of_order.into());
        for value in &self.position.values {
            match value {
                None => bytes.push(0),
                Some(value) => {
                    bytes.push(1);
                    // The length fits, because an encoded lead is at most 1 MiB.
                    bytes.extend(u32::try_from(value.len()).unwrap_or(u32::MAX).to_le_bytes());
                    bytes.extend(value);
                }
            }
        }
        bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
        bytes
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (body, crc) = bytes.split_last_chunk::<4>()?;
        if crc32fast::hash(body) != u32::from_le_bytes(*crc) {
            return None;
        }
        let mut rest = body.strip_prefix(&[VERSION])?;
        let binding = u32::from_le_bytes(take(&mut rest)?);
        let page = u64::from_le_bytes(take(&mut rest)?);
        let row = Row(u32::from_le_bytes(take(&mut rest)?));
        let out_of_order = match take(&mut rest)? {
            [0] => false,
            [1] => true,
            _ => return None,
        };
        let mut values = Vec::new();
        while !rest.is_empty() {
            values.push(match take::<1>(&mut rest)? {
                [0] => None,
                [1] => {
                    let length = usize::try_from(u32::from_le_bytes(take(&mut rest)?)).ok()?;
                    let (value, after) = rest.split_at_checked(length)?;
                    rest = after;
                    Some(value.to_vec())
                }
                _ => return None,
            });
        }
        Some(Self {
            binding,
            page,
            position: Position {
                values,
                row,
                out_of_order,
            },
        })
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.to_bytes()))
    }
}

impl FromStr for Cursor {
    type Err = Error;

    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) unless the text is an intact cursor in the current
    /// version of the encoding.
    fn from_str(text: &str) -> Result<Self> {
        URL_SAFE_NO_PAD
            .decode(text)
            .ok()
            .and_then(|bytes| Self::from_bytes(&bytes))
            .ok_or_else(|| {
                Error::invalid(vec![Violation::new(
                    "cursor",
                    ViolationCode::InvalidFormat,
                    "must be a cursor that a list returned",
                )])
            })
    }
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*taken)
}

impl Serialize for Cursor {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Cursor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn cursors_round_trip_through_text(binding: u32, page: u64, row: u32, out_of_order: bool, values: Vec<Option<Vec<u8>>>) {
            let cursor = Cursor { binding, page, position: Position { values, row: Row(row), out_of_order } };
            prop_assert_eq!(cursor.to_string().parse::<Cursor>().unwrap(), cursor);
        }

        #[test]
        fn arbitrary_text_is_rejected_without_a_panic(text: String, bytes: Vec<u8>) {
            prop_assert!(text.parse::<Cursor>().is_err());
            prop_assert!(URL_SAFE_NO_PAD.encode(bytes).parse::<Cursor>().is_err());
        }
    }

    #[test]
    fn modified_cursor_is_rejected() {
        let cursor = Cursor {
            binding: 1,
            page: 2,
            position: Position {
                values: vec![None, Some(vec![7])],
                row: Row(3),
                out_of_order: false,
            },
        };
        let text = cursor.to_string();
        for index in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[index] = if changed[index] == b'A' { b'B' } else { b'A' };
            // A change to the last character is detected even in its unused bits, which must be
            // zero.
            assert!(
                String::from_utf8(changed)
                    .unwrap()
                    .parse::<Cursor>()
                    .is_err(),
                "at {index}"
            );
        }
    }
}
