//! Records to bytes and back. A record is one format byte and bincode's standard encoding (little-endian, variable
//! integers); what is longer than a record can be, or goes on after it, is refused.
//!
//! bincode is pinned and unmaintained (RUSTSEC-2025-0141): this file is all that depends on it, besides the `derive`s
//! on the records, and golden vectors beside those hold the bytes fast for whatever replaces it.

use bincode::config::{Configuration, Limit, LittleEndian, Varint};
use bincode::{BorrowDecode, Encode};
use chrono::{DateTime, Utc};

use crate::error::ErrorKind;

/// No record is longer than this. The largest are lead records, whose limit is far lower.
const LIMIT: usize = 64 << 20;

const CONFIG: Configuration<LittleEndian, Varint, Limit<LIMIT>> =
    bincode::config::standard().with_limit::<LIMIT>();

/// Why bytes are not the record that they should be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CodecError {
    #[error("a {record} is empty")]
    Empty { record: &'static str },
    #[error("a {record} has the format {found}, not {expected}")]
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
    #[error("a {record} goes on for {excess} bytes after its end")]
    Excess { record: &'static str, excess: usize },
    #[error("a {record} has a time, {micros} microseconds from 1970, that is in no calendar")]
    Time { record: &'static str, micros: i64 },
    #[error("a {record} cannot be encoded")]
    Encode {
        record: &'static str,
        source: bincode::error::EncodeError,
    },
}

impl From<CodecError> for crate::Error {
    fn from(error: CodecError) -> Self {
        let made = match &error {
            CodecError::Encode { .. } => Self::new(ErrorKind::Invalid, error.to_string()),
            _ => Self::corrupted(format!("the store's file is damaged: {error}")),
        };
        made.caused_by(error)
    }
}

/// A kind of record: its name for messages, and its format byte.
#[derive(Clone, Copy)]
pub(crate) struct RecordKind {
    pub(crate) name: &'static str,
    pub(crate) format: u8,
}

/// The time that a record has, in microseconds from 1970. None is written that `DateTime` could not hold.
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

/// Appends a record to `bytes`.
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

    fn refused(bytes: &[u8]) -> String {
        let error: crate::error::Error = decode::<(u32, &str)>(KIND, bytes).unwrap_err().into();
        assert_eq!(error.kind(), ErrorKind::Corrupted);
        error.to_string()
    }

    #[test]
    fn what_is_not_the_record_that_it_should_be_is_refused_with_the_reason() {
        let bytes = encode(KIND, &(5_u32, "text")).unwrap();
        assert_eq!(bytes, b"\x07\x05\x04text");
        assert_eq!(decode::<(u32, &str)>(KIND, &bytes).unwrap(), (5, "text"));
        assert!(refused(b"").ends_with("a thing is empty"));
        assert!(refused(b"\x08\x05\x04text").ends_with("a thing has the format 8, not 7"));
        assert!(refused(b"\x07\x05\x04tex").ends_with("a thing cannot be decoded"));
        assert!(
            refused(b"\x07\x05\x04text and").ends_with("a thing goes on for 4 bytes after its end")
        );
        assert!(
            refused(b"\x07\x05\xfd\xff\xff\xff\xff\xff\xff\xff\xff")
                .ends_with("a thing cannot be decoded")
        );
    }

    #[test]
    fn what_cannot_be_encoded_is_the_fault_of_who_gave_it() {
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
