//! The keys of `ids`, `keys` and `bitmaps`, in bytes whose order is the order of what they mean. `storage::tables` shows
//! their layout.

use std::cmp::Ordering;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

use crate::analyzer::fold;
use crate::error::{Error, Result};
use crate::lead::{Lead, LeadId};
use crate::row::Row;
use crate::schema::field::{BitmapField, FieldDef, FieldSource, SortIndex};
use crate::storage::key::KeyRange;
use crate::storage::key::row_bytes;

const ID: u8 = 0x01;
const EXTERNAL_ID: u8 = 0x02;
const DELETED_AT: u8 = 0x20;
const EXPIRES_AT: u8 = 0x21;

/// Marks the bitmap of a value, or of the leads without one.
const SOME: u8 = 0x01;
const NONE: u8 = 0xff;

/// Says how a text compares with its folded form.
const BELOW_FOLDED: u8 = 0x01;
const AS_FOLDED: u8 = 0x02;
const ABOVE_FOLDED: u8 = 0x03;

/// The name of one bitmap: which leads are in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BitmapId<'a> {
    /// Every lead that is not in the trash.
    Live,
    /// Every lead in the trash, expired or not.
    Trash,
    /// Every live lead that was created with a `created_at` before that of an earlier row.
    OutOfOrder,
    /// Every live lead with this value, or with none.
    Value(BitmapField, Option<&'a str>),
    /// Every live lead that has a value for this sort key.
    Has(SortIndex),
}

impl BitmapId<'_> {
    /// The key that the bitmap's chunks share; no other bitmap's begins with it.
    pub(crate) fn key(&self) -> Vec<u8> {
        match *self {
            Self::Live => vec![0x01],
            Self::Trash => vec![0x02],
            Self::OutOfOrder => vec![0x03],
            Self::Value(field, None) => vec![field.0, NONE],
            Self::Value(field, Some(value)) => {
                let mut key = Vec::with_capacity(64);
                key.extend([field.0, SOME]);
                push_sorted_text(&mut key, value);
                key
            }
            Self::Has(index) => vec![0x08, index.0],
        }
    }
}

/// Returns the range of all keys of a sort order.
pub(crate) fn sort_range(index: SortIndex) -> KeyRange {
    KeyRange::prefix(&[index.0])
}

/// Returns the range of the keys of a sort order from the value `from` on (from its start for `None`) and before the
/// value `to`.
pub(crate) fn sort_range_between(
    index: SortIndex,
    from: Option<[u8; 8]>,
    to: Option<[u8; 8]>,
) -> KeyRange {
    let mut range = sort_range(index);
    if let Some(from) = from {
        range.from.extend(from);
    }
    if let Some(to) = to {
        range.to = vec![index.0];
        range.to.extend(to);
    }
    range
}

/// Returns the range of the bitmaps of a field's values, without the one of leads that have none.
pub(crate) fn value_range(field: BitmapField) -> KeyRange {
    KeyRange::prefix(&[field.0, SOME])
}

/// Returns the range of all bitmaps of a field, the one of leads without a value last.
pub(crate) fn bitmap_range(field: BitmapField) -> KeyRange {
    KeyRange::prefix(&[field.0])
}

/// Returns the range of the leads in the trash in the order of their deletion.
pub(crate) fn deleted_range() -> KeyRange {
    KeyRange::prefix(&[DELETED_AT])
}

/// Returns the range of the leads in the trash that expire at `end` or before, earliest first.
pub(crate) fn expired_range(end: DateTime<Utc>) -> KeyRange {
    let mut to = vec![EXPIRES_AT];
    to.extend(time(end));
    // Includes every row at `end` itself.
    to.extend([0xff; size_of::<Row>() + 1]);
    KeyRange {
        from: vec![EXPIRES_AT],
        to,
    }
}

/// Returns the sorted key of a lead in a field's sort order, or `None` if it has no value for it.
pub(crate) fn sort_key(
    index: SortIndex,
    field: &FieldDef,
    lead: &Lead,
    row: Row,
) -> Option<Vec<u8>> {
    // Most keys fit, so that none is moved while it grows.
    let mut key = Vec::with_capacity(128);
    key.push(index.0);
    match field.source {
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

pub(crate) fn deleted_at(time_of_deletion: DateTime<Utc>, row: Row) -> Vec<u8> {
    trash_key(DELETED_AT, time_of_deletion, row)
}

pub(crate) fn expires_at(end: DateTime<Utc>, row: Row) -> Vec<u8> {
    trash_key(EXPIRES_AT, end, row)
}

fn trash_key(tag: u8, at: DateTime<Utc>, row: Row) -> Vec<u8> {
    let mut key = vec![tag];
    key.extend(time(at));
    key.extend(row_bytes(row));
    key
}

/// The value that a bitmap's key names; `None` for those that have none.
pub(crate) fn bitmap_value(bitmap: &[u8]) -> Result<Option<String>> {
    let damaged = || Error::corrupted("the store's file is damaged: a bitmap's key has no value");
    let (_, rest) = bitmap.split_first().ok_or_else(damaged)?;
    let Some(texts) = rest.strip_prefix(&[SOME]) else {
        return Ok(None);
    };
    let (folded, rest) = split_text(texts).ok_or_else(damaged)?;
    let value = match rest.split_first().ok_or_else(damaged)? {
        (&AS_FOLDED, _) => folded,
        (_, rest) => split_text(rest).ok_or_else(damaged)?.0,
    };
    String::from_utf8(value).map(Some).map_err(|_| damaged())
}

/// A time in bytes that sort as it does.
pub(crate) fn time(time: DateTime<Utc>) -> [u8; 8] {
    (time.timestamp_micros() ^ i64::MIN).to_be_bytes()
}

/// A deal's value in bytes that sort as it does. One above what a lead may have, as a bound may be, becomes the
/// highest.
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

/// The folded form, then the text as it is: the order in which texts sort. What is its own folded form, as most e-mail
/// addresses are, is written once.
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

/// The text that `bytes` begin with, and what follows it.
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
        fn byte_order_of_texts_is_folded_order_then_their_own(a: String, b: String, row_a: u32, row_b: u32) {
            let with_row = |text: &str, row: u32| {
                let mut key = text_key(text);
                key.extend(row_bytes(Row(row)));
                key
            };
            let expected = (fold(&a), &a, row_a).cmp(&(fold(&b), &b, row_b));
            prop_assert_eq!(with_row(&a, row_a).cmp(&with_row(&b, row_b)), expected);
        }

        #[test]
        fn byte_order_of_texts_with_zeros_is_their_own(a in "[\0-\u{2}a]{0,6}", b in "[\0-\u{2}a]{0,6}") {
            let expected = (fold(&a), &a).cmp(&(fold(&b), &b));
            prop_assert_eq!(text_key(&a).cmp(&text_key(&b)), expected);
            if a != b {
                prop_assert!(!text_key(&a).starts_with(&text_key(&b)));
            }
        }

        #[test]
        fn a_bitmap_s_key_gives_its_value_back(value in prop_oneof![any::<String>(), "[\0-\u{2}aA]{0,6}"]) {
            prop_assert_eq!(bitmap_value(&BitmapId::Value(BitmapField::TAG, Some(&value)).key()).unwrap(), Some(value));
            prop_assert_eq!(bitmap_value(&BitmapId::Value(BitmapField::TAG, None).key()).unwrap(), None);
        }

        #[test]
        fn byte_order_of_times_is_time_order(a: i64, b: i64) {
            let (a, b) = (from_micros(a), from_micros(b));
            prop_assert_eq!(time(a).cmp(&time(b)), a.cmp(&b));
        }

        #[test]
        fn byte_order_of_deal_values_is_their_order(a in 0_i64..1_000_000_000_000_000, b in 0_i64..1_000_000_000_000_000, s in 0_u32..=4, t in 0_u32..=4) {
            let (a, b) = (Decimal::new(a % 10_i64.pow(11 + s), s), Decimal::new(b % 10_i64.pow(11 + t), t));
            prop_assert_eq!(deal_value(a).cmp(&deal_value(b)), a.cmp(&b));
        }
    }

    #[test]
    fn the_bytes_of_keys_stay_what_they_are() {
        assert_eq!(
            id(LeadId::from_bytes([3; 16])),
            [[1].as_slice(), &[3; 16]].concat()
        );
        assert_eq!(external_id("a-1"), b"\x02a-1");
        assert_eq!(
            BitmapId::Value(BitmapField::SOURCE, Some("Web")).key(),
            b"\x05\x01web\0\x01\x01Web\0\x01"
        );
        assert_eq!(
            BitmapId::Value(BitmapField::SOURCE, Some("web")).key(),
            b"\x05\x01web\0\x01\x02"
        );
        assert_eq!(
            BitmapId::Value(BitmapField::SOURCE, None).key(),
            b"\x05\xff"
        );
        assert_eq!(BitmapId::Has(SortIndex::EMAIL).key(), b"\x08\x14");
        assert_eq!(
            expires_at(from_micros(1), Row(2)),
            b"\x21\x80\0\0\0\0\0\0\x01\0\0\0\x02"
        );
        assert_eq!(deal_value(Decimal::new(15, 1)), 15_000_u64.to_be_bytes());
        assert_eq!(text_key("É\0"), b"e\0\xff\0\x01\x03\xc3\x89\0\xff\0\x01");
    }

    #[test]
    fn bounds_beyond_every_deal_value_keep_their_side() {
        assert_eq!(deal_value(Decimal::MAX), [0xff; 8]);
        assert_eq!(deal_value(Decimal::from(-1)), [0; 8]);
    }
}
