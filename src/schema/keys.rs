//! Encodes the keys of the tables `ids`, `keys` and `bitmaps` so that byte order is the order of
//! the encoded values. `storage::tables` documents the layout.

use std::cmp::Ordering;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

use crate::analyzer::fold;
use crate::error::{Error, Result};
use crate::lead::LeadId;
use crate::row::Row;
use crate::schema::field::{BitmapField, FieldDef, FieldSource, SortIndex};
use crate::storage::StoredLead;
use crate::storage::key::KeyRange;
use crate::storage::key::row_bytes;

const ID: u8 = 0x01;
const EXTERNAL_ID: u8 = 0x02;
const TRASH_KEYS: u8 = 0x20;
const EXPIRES_AT: u8 = 0x21;

/// The byte before the bitmaps of the trash.
const TRASH_BITMAPS: u8 = 0x02;

// The byte after the field in a bitmap key: `SOME` if a value follows, `NONE` for the leads without
// a value.
const SOME: u8 = 0x01;
const NONE: u8 = 0xff;

// The byte after a folded text: how the exact text compares with it.
const BELOW_FOLDED: u8 = 0x01;
const AS_FOLDED: u8 = 0x02;
const ABOVE_FOLDED: u8 = 0x03;

/// The leads that are listed together. Each collection has bitmaps and sort indexes of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Collection {
    Live,
    /// The leads in the trash, expired or not.
    Trash,
}

impl Collection {
    /// Returns the collection that contains a lead.
    pub(crate) fn of(stored: &StoredLead) -> Self {
        match stored.trash {
            Some(_) => Self::Trash,
            None => Self::Live,
        }
    }

    /// Returns the start of the key of a bitmap.
    fn bitmap_key(self) -> Vec<u8> {
        let mut key = Vec::with_capacity(64);
        key.extend((self == Self::Trash).then_some(TRASH_BITMAPS));
        key
    }

    /// Returns the start of an index key.
    fn index_key(self, index: SortIndex) -> Vec<u8> {
        // Most keys fit into this capacity, so the vector need not be reallocated.
        let mut key = Vec::with_capacity(128);
        key.extend((self == Self::Trash).then_some(TRASH_KEYS));
        key.push(index.0);
        key
    }
}

/// Identifies a bitmap of a collection by the leads that it contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BitmapId<'a> {
    /// All leads.
    All,
    /// All leads that were created with a `created_at` before that of an earlier row.
    OutOfOrder,
    /// All leads with this value of the field, or, for `None`, all leads without a value.
    Value(BitmapField, Option<&'a str>),
    /// All leads that have a value in this sort index.
    Has(SortIndex),
}

impl BitmapId<'_> {
    /// Returns the key that the bitmap's chunks share. It is not a prefix of any other bitmap's
    /// key.
    pub(crate) fn key(&self, collection: Collection) -> Vec<u8> {
        let mut key = collection.bitmap_key();
        match *self {
            Self::All => key.push(0x01),
            Self::OutOfOrder => key.push(0x03),
            Self::Value(field, None) => key.extend([field.0, NONE]),
            Self::Value(field, Some(value)) => {
                key.extend([field.0, SOME]);
                push_sorted_text(&mut key, value);
            }
            Self::Has(index) => key.extend([0x08, index.0]),
        }
        key
    }
}

/// Returns the range of all index keys of a sort index.
pub(crate) fn sort_range(collection: Collection, index: SortIndex) -> KeyRange {
    KeyRange::prefix(&collection.index_key(index))
}

/// Returns the range of the keys in a sort index whose values are in `from..to`. If `from` or `to`
/// is `None`, the range has no bound on that side.
pub(crate) fn sort_range_between(
    collection: Collection,
    index: SortIndex,
    from: Option<[u8; 8]>,
    to: Option<[u8; 8]>,
) -> KeyRange {
    let mut range = sort_range(collection, index);
    if let Some(from) = from {
        range.from.extend(from);
    }
    if let Some(to) = to {
        range.to = collection.index_key(index);
        range.to.extend(to);
    }
    range
}

/// Returns the range of all bitmaps of a field except for the bitmap of the leads without a value.
pub(crate) fn value_range(collection: Collection, field: BitmapField) -> KeyRange {
    let mut prefix = collection.bitmap_key();
    prefix.extend([field.0, SOME]);
    KeyRange::prefix(&prefix)
}

/// Returns the range of all bitmaps of a field. The bitmap of the leads without a value comes last.
pub(crate) fn bitmap_range(collection: Collection, field: BitmapField) -> KeyRange {
    let mut prefix = collection.bitmap_key();
    prefix.push(field.0);
    KeyRange::prefix(&prefix)
}

/// Returns the range of the leads in the trash that expire at `end` or before, earliest first.
pub(crate) fn expired_range(end: DateTime<Utc>) -> KeyRange {
    let mut to = vec![EXPIRES_AT];
    to.extend(time(end));
    // Sorts after every row at `end` itself, so that the range includes these rows.
    to.extend([0xff; size_of::<Row>() + 1]);
    KeyRange {
        from: vec![EXPIRES_AT],
        to,
    }
}

/// Returns the index key of a lead in the sort index of `field`, or `None` if the lead has no value
/// for the field.
pub(crate) fn index_key(
    index: SortIndex,
    field: &FieldDef,
    stored: &StoredLead,
    row: Row,
) -> Option<Vec<u8>> {
    let lead = &stored.lead;
    let mut key = Collection::of(stored).index_key(index);
    match field.source {
        FieldSource::DeletedAt => key.extend(time(stored.trash?.deleted_at)),
        FieldSource::CreatedAt => key.extend(time(lead.created_at)),
        FieldSource::UpdatedAt => key.extend(time(lead.updated_at)),
        FieldSource::DealValue => key.extend(deal_value(lead.deal_value?)),
        _ => push_sorted_text(&mut key, field.text(lead)?),
    }
    key.extend(row_bytes(row));
    Some(key)
}

pub(crate) fn id(id: LeadId) -> Vec<u8> {
    let mut key = vec![ID];
    key.extend(id.to_bytes());
    key
}

pub(crate) fn external_id(external_id: &str) -> Vec<u8> {
    let mut key = vec![EXTERNAL_ID];
    key.extend(external_id.bytes());
    key
}

pub(crate) fn expires_at(end: DateTime<Utc>, row: Row) -> Vec<u8> {
    let mut key = vec![EXPIRES_AT];
    key.extend(time(end));
    key.extend(row_bytes(row));
    key
}

/// Returns the value in a bitmap's key, or `None` if the key contains no value.
pub(crate) fn bitmap_value(bitmap: &[u8]) -> Result<Option<String>> {
    let corrupted =
        || Error::corrupted("leads.redb is corrupted: a bitmap key has an invalid value");
    let bitmap = bitmap.strip_prefix(&[TRASH_BITMAPS]).unwrap_or(bitmap);
    let (_, rest) = bitmap.split_first().ok_or_else(corrupted)?;
    let Some(texts) = rest.strip_prefix(&[SOME]) else {
        return Ok(None);
    };
    let (folded, rest) = split_text(texts).ok_or_else(corrupted)?;
    let value = match rest.split_first().ok_or_else(corrupted)? {
        (&AS_FOLDED, _) => folded,
        (_, rest) => split_text(rest).ok_or_else(corrupted)?.0,
    };
    String::from_utf8(value).map(Some).map_err(|_| corrupted())
}

/// Encodes a time in bytes that sort chronologically.
pub(crate) fn time(time: DateTime<Utc>) -> [u8; 8] {
    (time.timestamp_micros() ^ i64::MIN).to_be_bytes()
}

/// Encodes a deal value in bytes that sort numerically. A filter bound that the encoding cannot
/// represent becomes the lowest or highest encoding.
pub(crate) fn deal_value(value: Decimal) -> [u8; 8] {
    let scaled = value
        .checked_mul(Decimal::from(10_000))
        .and_then(|scaled| u64::try_from(scaled.trunc()).ok());
    let beyond = if value.is_sign_negative() {
        0
    } else {
        u64::MAX
    };
    scaled.unwrap_or(beyond).to_be_bytes()
}

/// Appends the folded text, then the exact text, so that keys sort by the folded text first. A text
/// that is its own folded form, as most e-mail addresses are, is stored once.
fn push_sorted_text(key: &mut Vec<u8>, text: &str) {
    let folded = fold(text);
    push_text(key, &folded);
    match text.cmp(&folded) {
        Ordering::Equal => key.push(AS_FOLDED),
        order => {
            key.push(if order == Ordering::Less {
                BELOW_FOLDED
            } else {
                ABOVE_FOLDED
            });
            push_text(key, text);
        }
    }
}

fn push_text(key: &mut Vec<u8>, text: &str) {
    for byte in text.bytes() {
        key.push(byte);
        if byte == 0 {
            key.push(0xff);
        }
    }
    key.extend([0, 1]);
}

/// Decodes the text at the start of `bytes`. Returns it with the rest of `bytes`, or `None` if the
/// text has no end.
fn split_text(bytes: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut text = Vec::new();
    let mut rest = bytes;
    loop {
        let (&byte, after) = rest.split_first()?;
        rest = after;
        if byte != 0 {
            text.push(byte);
            continue;
        }
        let (&mark, after) = rest.split_first()?;
        rest = after;
        match mark {
            0xff => text.push(0),
            _ => return Some((text, rest)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::from_micros;
    use proptest::prelude::*;

    fn text_key(text: &str) -> Vec<u8> {
        let mut key = Vec::new();
        push_sorted_text(&mut key, text);
        key
    }

    proptest! {
        #[test]
        fn text_keys_sort_by_folded_then_exact_text(a: String, b: String, row_a: u32, row_b: u32) {
            let with_row = |text: &str, row: u32| {
                let mut key = text_key(text);
                key.extend(row_bytes(Row(row)));
                key
            };
            let expected = (fold(&a), &a, row_a).cmp(&(fold(&b), &b, row_b));
            prop_assert_eq!(with_row(&a, row_a).cmp(&with_row(&b, row_b)), expected);
        }

        #[test]
        fn text_keys_with_nul_bytes_keep_their_order(a in "[\0-\u{2}a]{0,6}", b in "[\0-\u{2}a]{0,6}") {
            let expected = (fold(&a), &a).cmp(&(fold(&b), &b));
            prop_assert_eq!(text_key(&a).cmp(&text_key(&b)), expected);
            if a != b {
                prop_assert!(!text_key(&a).starts_with(&text_key(&b)));
            }
        }

        #[test]
        fn bitmap_key_round_trips_its_value(value in prop_oneof![any::<String>(), "[\0-\u{2}aA]{0,6}"]) {
            for collection in [Collection::Live, Collection::Trash] {
                let decoded = |value| bitmap_value(&BitmapId::Value(BitmapField::TAG, value).key(collection)).unwrap();
                prop_assert_eq!(decoded(Some(value.as_str())), Some(value.clone()));
                prop_assert_eq!(decoded(None), None);
            }
        }

        #[test]
        fn time_keys_sort_chronologically(a: i64, b: i64) {
            let (a, b) = (from_micros(a), from_micros(b));
            prop_assert_eq!(time(a).cmp(&time(b)), a.cmp(&b));
        }

        #[test]
        fn deal_value_keys_sort_numerically(a in 0_i64..1_000_000_000_000_000, b in 0_i64..1_000_000_000_000_000, s in 0_u32..=4, t in 0_u32..=4) {
            let (a, b) = (Decimal::new(a % 10_i64.pow(11 + s), s), Decimal::new(b % 10_i64.pow(11 + t), t));
            prop_assert_eq!(deal_value(a).cmp(&deal_value(b)), a.cmp(&b));
        }
    }

    #[test]
    fn key_encoding_is_stable() {
        assert_eq!(
            id(LeadId::from_bytes([3; 16])),
            [[1].as_slice(), &[3; 16]].concat()
        );
        assert_eq!(external_id("a-1"), b"\x02a-1");
        assert_eq!(
            BitmapId::Value(BitmapField::SOURCE, Some("Web")).key(Collection::Live),
            b"\x05\x01web\0\x01\x01Web\0\x01"
        );
        assert_eq!(
            BitmapId::Value(BitmapField::SOURCE, Some("web")).key(Collection::Live),
            b"\x05\x01web\0\x01\x02"
        );
        assert_eq!(
            BitmapId::Value(BitmapField::SOURCE, None).key(Collection::Live),
            b"\x05\xff"
        );
        let has_email = BitmapId::Has(SortIndex::EMAIL);
        assert_eq!(has_email.key(Collection::Live), b"\x08\x14");
        assert_eq!(has_email.key(Collection::Trash), b"\x02\x08\x14");
        assert_eq!(
            sort_range(Collection::Trash, SortIndex::DELETED_AT).from,
            b"\x20\x17"
        );
        assert_eq!(
            expires_at(from_micros(1), Row(2)),
            b"\x21\x80\0\0\0\0\0\0\x01\0\0\0\x02"
        );
        assert_eq!(deal_value(Decimal::new(15, 1)), 15_000_u64.to_be_bytes());
        assert_eq!(text_key("É\0"), b"e\0\xff\0\x01\x03\xc3\x89\0\xff\0\x01");
    }

    #[test]
    fn out_of_range_deal_values_saturate() {
        assert_eq!(deal_value(Decimal::MAX), [0xff; 8]);
        assert_eq!(deal_value(Decimal::from(-1)), [0; 8]);
    }
}
