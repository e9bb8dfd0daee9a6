//! The stored record of a lead. It is separate from [`Lead`], whose fields are the API's, so that
//! each can change independently.

use std::collections::BTreeMap;

use bincode::{BorrowDecode, Encode};
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

use crate::error::{Error, Result};
use crate::lead::{
    CustomNumber, CustomValue, Lead, LeadId, LeadVersion, MAX_ENCODED_BYTES, Violation,
    ViolationCode,
};
use crate::storage::record::codec::{self, RecordKind};

/// A lead as stored, live or in the trash.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct StoredLead {
    pub(crate) lead: Lead,
    /// True if the lead was created with a `created_at` before that of an earlier row.
    pub(crate) out_of_order: bool,
    pub(crate) trash: Option<TrashStamp>,
}

/// The times at which a lead was moved to the trash and at which it expires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TrashStamp {
    pub(crate) deleted_at: DateTime<Utc>,
    pub(crate) expires_at: DateTime<Utc>,
}

impl StoredLead {
    /// Returns an error if the lead exceeds the size limit.
    pub(crate) fn check_size(&self) -> Result<()> {
        encode(self).map(drop)
    }
}

const LEAD: RecordKind = RecordKind {
    name: "lead record",
    format: 2,
};

/// The lead record of file format 3, which has no job title.
const LEAD_1: RecordKind = RecordKind {
    name: "lead record",
    format: 1,
};

#[derive(Encode, BorrowDecode)]
struct LeadRecord<'a> {
    first: FirstLeadRecord<'a>,
    job_title: Option<&'a str>,
}

/// The fields of a record of format 1. A record of format 2 starts with them, encoded as if they
/// were its own fields.
#[derive(Encode, BorrowDecode)]
struct FirstLeadRecord<'a> {
    id: [u8; 16],
    version: u64,
    created_at: i64,
    updated_at: i64,
    out_of_order: bool,
    /// `deleted_at` and `expires_at`.
    trash: Option<(i64, i64)>,
    external_id: Option<&'a str>,
    name: &'a str,
    email: Option<&'a str>,
    phone: Option<&'a str>,
    company: Option<&'a str>,
    status: &'a str,
    source: Option<&'a str>,
    owner_id: Option<&'a str>,
    /// The digits as an integer, and the number of decimal places.
    deal_value: Option<(u64, u8)>,
    tags: Vec<&'a str>,
    custom_fields: Vec<(&'a str, CustomRecord<'a>)>,
}

#[derive(Encode, BorrowDecode)]
enum CustomRecord<'a> {
    Text(&'a str),
    Integer(i64),
    Float(f64),
    Bool(bool),
    List(Vec<ScalarRecord<'a>>),
}

#[derive(Encode, BorrowDecode)]
enum ScalarRecord<'a> {
    Text(&'a str),
    Integer(i64),
    Float(f64),
    Bool(bool),
}

/// Encodes a lead. Returns `Invalid` if it exceeds the size limit.
pub(crate) fn encode(stored: &StoredLead) -> Result<Vec<u8>> {
    let lead = &stored.lead;
    let first = FirstLeadRecord {
        id: lead.id.to_bytes(),
        version: lead.version.get(),
        created_at: lead.created_at.timestamp_micros(),
        updated_at: lead.updated_at.timestamp_micros(),
        out_of_order: stored.out_of_order,
        trash: stored.trash.map(|t| {
            (
                t.deleted_at.timestamp_micros(),
                t.expires_at.timestamp_micros(),
            )
        }),
        external_id: lead.external_id.as_deref(),
        name: &lead.name,
        email: lead.email.as_deref(),
        phone: lead.phone.as_deref(),
        company: lead.company.as_deref(),
        status: &lead.status,
        source: lead.source.as_deref(),
        owner_id: lead.owner_id.as_deref(),
        deal_value: lead
            .deal_value
            .map(|value| (value.mantissa().unsigned_abs() as u64, value.scale() as u8)),
        tags: lead.tags.iter().map(String::as_str).collect(),
        custom_fields: lead
            .custom_fields
            .iter()
            .map(|(name, value)| (name.as_str(), custom_record(value)))
            .collect(),
    };
    let record = LeadRecord {
        first,
        job_title: lead.job_title.as_deref(),
    };
    let bytes = codec::encode(LEAD, &record)?;
    if bytes.len() > MAX_ENCODED_BYTES {
        return Err(Error::invalid(vec![Violation::new(
            "custom_fields",
            ViolationCode::TooLong,
            format!(
                "must be smaller: the lead takes {} bytes in all, and at most {MAX_ENCODED_BYTES} are allowed",
                bytes.len()
            ),
        )]));
    }
    Ok(bytes)
}

pub(crate) fn decode(bytes: &[u8]) -> Result<StoredLead> {
    let LeadRecord {
        first: record,
        job_title,
    } = match bytes.first() {
        Some(&format) if format == LEAD_1.format => LeadRecord {
            first: codec::decode(LEAD_1, bytes)?,
            job_title: None,
        },
        _ => codec::decode(LEAD, bytes)?,
    };
    let owned = |text: Option<&str>| text.map(str::to_owned);
    let deal_value = record
        .deal_value
        .map(|(digits, scale)| Decimal::try_from_i128_with_scale(i128::from(digits), scale.into()))
        .transpose()
        .map_err(|error| {
            Error::corrupted("the store is corrupted: a lead record has an invalid deal value")
                .caused_by(error)
        })?;
    let mut custom_fields = BTreeMap::new();
    for (name, value) in record.custom_fields {
        custom_fields.insert(name.to_owned(), custom_value(value)?);
    }
    Ok(StoredLead {
        lead: Lead {
            id: LeadId::from_bytes(record.id),
            external_id: owned(record.external_id),
            name: record.name.to_owned(),
            email: owned(record.email),
            phone: owned(record.phone),
            company: owned(record.company),
            job_title: owned(job_title),
            status: record.status.to_owned(),
            source: owned(record.source),
            owner_id: owned(record.owner_id),
            deal_value,
            tags: record.tags.into_iter().map(str::to_owned).collect(),
            custom_fields,
            created_at: codec::time(LEAD, record.created_at)?,
            updated_at: codec::time(LEAD, record.updated_at)?,
            version: LeadVersion::new(record.version),
        },
        out_of_order: record.out_of_order,
        trash: record.trash.map(trash_stamp).transpose()?,
    })
}

fn trash_stamp((deleted_at, expires_at): (i64, i64)) -> Result<TrashStamp> {
    Ok(TrashStamp {
        deleted_at: codec::time(LEAD, deleted_at)?,
        expires_at: codec::time(LEAD, expires_at)?,
    })
}

fn custom_record(value: &CustomValue) -> CustomRecord<'_> {
    match value {
        CustomValue::Text(text) => CustomRecord::Text(text),
        CustomValue::Number(CustomNumber::Integer(number)) => CustomRecord::Integer(*number),
        CustomValue::Number(CustomNumber::Float(number)) => CustomRecord::Float(*number),
        CustomValue::Bool(truth) => CustomRecord::Bool(*truth),
        CustomValue::List(elements) => {
            CustomRecord::List(elements.iter().filter_map(scalar_record).collect())
        }
    }
}

/// Converts an element of a list. Returns `None` for a nested list, which validation rejects before
/// the lead is encoded.
fn scalar_record(value: &CustomValue) -> Option<ScalarRecord<'_>> {
    Some(match value {
        CustomValue::Text(text) => ScalarRecord::Text(text),
        CustomValue::Number(CustomNumber::Integer(number)) => ScalarRecord::Integer(*number),
        CustomValue::Number(CustomNumber::Float(number)) => ScalarRecord::Float(*number),
        CustomValue::Bool(truth) => ScalarRecord::Bool(*truth),
        CustomValue::List(_) => return None,
    })
}

fn custom_value(record: CustomRecord<'_>) -> Result<CustomValue> {
    Ok(match record {
        CustomRecord::Text(text) => CustomValue::Text(text.to_owned()),
        CustomRecord::Integer(number) => CustomValue::Number(CustomNumber::Integer(number)),
        CustomRecord::Float(number) => float(number)?,
        CustomRecord::Bool(truth) => CustomValue::Bool(truth),
        CustomRecord::List(elements) => {
            let values = elements.into_iter().map(|element| {
                Ok(match element {
                    ScalarRecord::Text(text) => CustomValue::Text(text.to_owned()),
                    ScalarRecord::Integer(number) => {
                        CustomValue::Number(CustomNumber::Integer(number))
                    }
                    ScalarRecord::Float(number) => float(number)?,
                    ScalarRecord::Bool(truth) => CustomValue::Bool(truth),
                })
            });
            CustomValue::List(values.collect::<Result<_>>()?)
        }
    })
}

/// Converts a number, and reports a non-finite one as corruption: validation rejects non-finite
/// numbers before a lead is stored, and JSON cannot express them.
fn float(number: f64) -> Result<CustomValue> {
    if number.is_finite() {
        Ok(CustomValue::Number(CustomNumber::Float(number)))
    } else {
        Err(Error::corrupted(
            "the store is corrupted: a lead record has a non-finite number",
        ))
    }
}

/// Returns a lead with a text of `bytes` bytes.
#[cfg(test)]
pub(crate) fn with_text(bytes: usize) -> StoredLead {
    let id = LeadId::from_bytes([0; 16]);
    let mut lead = Lead::new(id, "any", DateTime::UNIX_EPOCH);
    let text = CustomValue::Text("x".repeat(bytes));
    lead.custom_fields.insert("text".to_owned(), text);
    StoredLead {
        lead,
        out_of_order: false,
        trash: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::from_micros;
    use proptest::prelude::*;

    fn full() -> StoredLead {
        StoredLead {
            lead: Lead {
                id: "lead_01h455vb4pex5vsknk084sn02q".parse().unwrap(),
                external_id: Some("crm-1".into()),
                name: "Zoë".into(),
                email: Some("z@x.org".into()),
                phone: Some("+1".into()),
                company: Some("X".into()),
                job_title: Some("CTO".into()),
                status: "new".into(),
                source: Some("web".into()),
                owner_id: Some("u1".into()),
                deal_value: Some(Decimal::new(123_456, 4)),
                tags: vec!["a".into(), "b".into()],
                custom_fields: BTreeMap::from([
                    (
                        "list".to_owned(),
                        CustomValue::List(vec!["x".into(), 1_i64.into(), 0.5.into(), true.into()]),
                    ),
                    ("n".to_owned(), (-7_i64).into()),
                ]),
                created_at: from_micros(1_700_000_000_000_000),
                updated_at: from_micros(-1),
                version: LeadVersion::new(300),
            },
            out_of_order: true,
            trash: Some(TrashStamp {
                deleted_at: from_micros(5),
                expires_at: from_micros(70_000),
            }),
        }
    }

    #[test]
    fn lead_record_encoding_is_stable() {
        let hex: String = encode(&full())
            .unwrap()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(hex, GOLDEN);
    }

    const GOLDEN: &str = "0201890a5dac96774bbcceb302099a8057fb2c01fd00803c3048140c000101010afce02202000105\
        63726d2d31045a6fc3ab01077a40782e6f726701022b31010158036e657701037765620102753101\
        fc40e2010004020161016202046c6973740404000178010202000000000000e03f0301016e010d01\
        0343544f";

    /// The same lead in file format 3.
    const GOLDEN_1: &str = "0101890a5dac96774bbcceb302099a8057fb2c01fd00803c3048140c000101010afce02202000105\
        63726d2d31045a6fc3ab01077a40782e6f726701022b31010158036e657701037765620102753101\
        fc40e2010004020161016202046c6973740404000178010202000000000000e03f0301016e010d";

    #[test]
    fn record_of_format_1_is_read_without_a_job_title() {
        let bytes: Vec<u8> = (0..GOLDEN_1.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&GOLDEN_1[at..at + 2], 16).unwrap())
            .collect();
        let mut expected = full();
        expected.lead.job_title = None;
        assert_eq!(decode(&bytes).unwrap(), expected);
    }

    proptest! {
        #[test]
        fn decoding_arbitrary_bytes_never_panics(bytes: Vec<u8>) {
            let _ = decode(&bytes);
        }

        #[test]
        fn decoding_a_record_with_a_changed_byte_never_panics(index in 0_usize..200, byte: u8) {
            let mut bytes = encode(&full()).unwrap();
            let index = index % bytes.len();
            bytes[index] = byte;
            let _ = decode(&bytes);
        }
    }

    #[test]
    fn non_finite_number_is_rejected() {
        for value in [
            CustomValue::from(f64::NAN),
            CustomValue::List(vec![f64::NEG_INFINITY.into()]),
        ] {
            let mut stored = full();
            stored.lead.custom_fields.insert("n".to_owned(), value);
            assert_eq!(
                decode(&encode(&stored).unwrap()).unwrap_err().kind(),
                crate::error::ErrorKind::Corrupted
            );
        }
    }

    #[test]
    fn out_of_range_timestamp_is_rejected() {
        let mut stored = full();
        stored.trash = None;
        let last = DateTime::<Utc>::MAX_UTC.timestamp_micros();
        stored.lead.updated_at = from_micros(last);
        let bytes = encode(&stored).unwrap();
        assert_eq!(decode(&bytes).unwrap(), stored, "the latest valid time");
        let offset = (0..bytes.len())
            .find(|at| bytes[*at..].starts_with(&(last as u64 * 2).to_le_bytes()))
            .unwrap();
        for micros in [last + 1, i64::MAX, i64::MIN] {
            // bincode encodes signed integers in zigzag form: 2n for n >= 0, and -2n - 1 for n < 0.
            let zigzag = (micros << 1 ^ micros >> 63) as u64;
            let mut bytes = bytes.clone();
            bytes[offset..offset + 8].copy_from_slice(&zigzag.to_le_bytes());
            let error = decode(&bytes).unwrap_err();
            assert_eq!(error.kind(), crate::error::ErrorKind::Corrupted);
            assert!(
                error.to_string().contains(&format!(
                    "has a timestamp out of range: {micros} microseconds"
                )),
                "{error}"
            );
        }
    }

    #[test]
    fn lead_round_trips_and_records_of_wrong_length_are_rejected() {
        let stored = full();
        let bytes = encode(&stored).unwrap();
        assert_eq!(decode(&bytes).unwrap(), stored);
        for cut in 0..bytes.len() {
            assert!(decode(&bytes[..cut]).is_err(), "truncated to {cut} bytes");
        }
        let mut longer = bytes.clone();
        longer.push(0);
        assert!(decode(&longer).is_err());
        for other_format in [LEAD_1.format, LEAD.format + 1] {
            let mut bytes = bytes.clone();
            bytes[0] = other_format;
            assert!(decode(&bytes).is_err(), "format {other_format}");
        }
    }
}
