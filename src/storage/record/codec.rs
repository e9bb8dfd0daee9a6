//! Encodes and decodes records. A record is one format byte followed by bincode's standard encoding
//! (little-endian, variable-length integers). Decoding rejects a record that exceeds the size limit
//! or has trailing bytes.
//!
//! bincode is unmaintained (RUSTSEC-2025-0141), so its version is pinned. Apart from the `derive`s
//! on the records and the impls in `shared_key`, only this file depends on it. Golden tests next to
//! the records define the bytes that a replacement must produce.

use bincode::config::{Configuration, Limit, LittleEndian, Varint};
use bincode::{BorrowDecode, Encode};
use chrono::{DateTime, Utc};

use crate::error::{Error, ErrorKind};

/// Maximum size in bytes of a decoded record. The largest records are journal entries, whose redo
/// operations are bounded by the overlay's budget of at most 40 MiB.
const LIMIT: usize = 64 << 20;

const CONFIG: Configuration<LittleEndian, Varint, Limit<LIMIT>> =
    bincode::config::standard().with_limit::<LIMIT>();

/// An error in encoding or decoding a record.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CodecError {
    #[error("a {record} is empty")]
    Empty { record: &'static str },
    #[error("a {record} has format {found}, expected {expected}")]
    Format {
        record: &'static str,
        found: u8,
        expected: u8,
    },
    #[error("a {record} cannot be decoded")]
    Decode {
        record: &'static str,
        source: bincode::error::DecodeError,
    },
    #[error("a {record} has {excess} trailing bytes")]
    Excess { record: &'static str, excess: usize },
    #[error("a {record} has a timestamp out of range: {micros} microseconds since 1970")]
    Time { record: &'static str, micros: i64 },
    #[error("a {record} cannot be encoded")]
    Encode {
        record: &'static str,
        source: bincode::error::EncodeError,
    },
}

impl From<CodecError> for Error {
    fn from(error: CodecError) -> Self {
        let made = match &error {
            CodecError::Encode { .. } => Self::new(ErrorKind::Invalid, error.to_string()),
            _ => Self::corrupted(format!("the store is corrupted: {error}")),
        };
        made.caused_by(error)
    }
}

/// A kind of record: its name in messages, and its format byte.
#[derive(Clone, Copy)]
pub(crate) struct RecordKind {
    pub(crate) name: &'static str,
    pub(crate) format: u8,
}

/// Converts a record's timestamp from microseconds since 1970. Fails if it is outside the range of
/// `DateTime`: such a timestamp is never written, so the record is corrupted.
pub(crate) fn time(kind: RecordKind, micros: i64) -> Result<DateTime<Utc>, CodecError> {
    DateTime::from_timestamp_micros(micros).ok_or(CodecError::Time {
        record: kind.name,
        micros,
    })
}

pub(crate) fn encode(kind: RecordKind, record: &impl Encode) -> Result<Vec<u8>, CodecError> {
    let mut bytes = Vec::new();
    encode_to(&mut bytes, kind, record)?;
    Ok(bytes)
}

/// Appends an encoded record to `bytes`.
pub(crate) fn encode_to(
    bytes: &mut Vec<u8>,
    kind: RecordKind,
    record: &impl Encode,
) -> Result<(), CodecError> {
    bytes.push(kind.format);
    bincode::encode_into_std_write(record, bytes, CONFIG).map_err(|source| CodecError::Encode {
        record: kind.name,
        source,
    })?;
    Ok(())
}

pub(crate) fn decode<'a, T: BorrowDecode<'a, ()>>(
    kind: RecordKind,
    bytes: &'a [u8],
) -> Result<T, CodecError> {
    let record = kind.name;
    let (&found, body) = bytes.split_first().ok_or(CodecError::Empty { record })?;
    if found != kind.format {
        return Err(CodecError::Format {
            record,
            found,
            expected: kind.format,
        });
    }
    let (value, used) = bincode::borrow_decode_from_slice(body, CONFIG)
        .map_err(|source| CodecError::Decode { record, source })?;
    if used < body.len() {
        return Err(CodecError::Excess {
            record,
            excess: body.len() - used,
        });
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: RecordKind = RecordKind {
        name: "thing",
        format: 7,
    };

    fn decode_error(bytes: &[u8]) -> String {
        let error: crate::error::Error = decode::<(u32, &str)>(KIND, bytes).unwrap_err().into();
        assert_eq!(error.kind(), ErrorKind::Corrupted);
        error.to_string()
    }

    #[test]
    fn malformed_records_are_rejected_with_the_reason() {
        let bytes = encode(KIND, &(5_u32, "text")).unwrap();
        assert_eq!(bytes, b"\x07\x05\x04text");
        assert_eq!(decode::<(u32, &str)>(KIND, &bytes).unwrap(), (5, "text"));
        assert!(decode_error(b"").ends_with("a thing is empty"));
        assert!(decode_error(b"\x08\x05\x04text").ends_with("a thing has format 8, expected 7"));
        assert!(decode_error(b"\x07\x05\x04tex").ends_with("a thing cannot be decoded"));
        assert!(decode_error(b"\x07\x05\x04text and").ends_with("a thing has 4 trailing bytes"));
        assert!(
            decode_error(b"\x07\x05\xfd\xff\xff\xff\xff\xff\xff\xff\xff")
                .ends_with("a thing cannot be decoded")
        );
    }

    #[test]
    fn encoding_failure_is_reported_as_invalid() {
        struct Unwritable;
        impl Encode for Unwritable {
            fn encode<E: bincode::enc::Encoder>(
                &self,
                _: &mut E,
            ) -> Result<(), bincode::error::EncodeError> {
                Err(bincode::error::EncodeError::Other("a reason"))
            }
        }
        let error: crate::error::Error = encode(KIND, &Unwritable).unwrap_err().into();
        assert_eq!(
            (error.kind(), error.to_string().as_str()),
            (ErrorKind::Invalid, "a thing cannot be encoded")
        );
    }
}
