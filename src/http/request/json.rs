//! JSON values that keep the text of numbers and all duplicate members. This lets callers parse
//! numbers exactly and reject duplicates.

use std::fmt;

use rust_decimal::Decimal;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::lead::{CustomNumber, CustomValue, ViolationCode};

/// A syntactically valid JSON value, which is parsed on demand.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Json<'a>(&'a RawValue);

/// The members of an object, in order.
pub(crate) type Members<'a> = Vec<(String, Json<'a>)>;

/// The kind of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Null,
    Bool,
    Number,
    Text,
    List,
    Object,
}

impl<'a> Json<'a> {
    /// Parses `body`, which must be one JSON value in UTF-8 ([RFC
    /// 8259](https://www.rfc-editor.org/rfc/rfc8259)).
    pub(crate) fn parse(body: &'a [u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(body).map(Self)
    }

    pub(crate) fn kind(self) -> Kind {
        match self.0.get().as_bytes().first() {
            Some(b'n') => Kind::Null,
            Some(b't' | b'f') => Kind::Bool,
            Some(b'"') => Kind::Text,
            Some(b'[') => Kind::List,
            Some(b'{') => Kind::Object,
            _ => Kind::Number,
        }
    }

    pub(crate) fn is_null(self) -> bool {
        self.kind() == Kind::Null
    }

    /// Returns the text of a string, or `None` if it has an unpaired surrogate.
    pub(crate) fn text(self) -> Option<String> {
        serde_json::from_str(self.0.get()).ok()
    }

    /// Returns the JSON text of this value.
    pub(crate) fn as_written(self) -> &'a str {
        self.0.get()
    }

    pub(crate) fn elements(self) -> Vec<Self> {
        let elements: Vec<&'a RawValue> = serde_json::from_str(self.0.get()).unwrap_or_default();
        elements.into_iter().map(Self).collect()
    }

    /// Returns the members of an object, or `None` if a name has an unpaired surrogate.
    pub(crate) fn members(self) -> Option<Members<'a>> {
        serde_json::from_str::<RawMembers<'a>>(self.0.get())
            .ok()
            .map(|members| members.0)
    }

    /// Converts a string, number or boolean to the value of a custom field. Returns the reason if
    /// that is impossible.
    pub(crate) fn custom_scalar(self) -> Result<CustomValue, (ViolationCode, &'static str)> {
        let out_of_range = (
            ViolationCode::OutOfRange,
            "must be a 64-bit integer, or a decimal number within the range of a double",
        );
        match self.kind() {
            Kind::Bool => Ok(CustomValue::Bool(self.0.get() == "true")),
            Kind::Text => self
                .text()
                .map(CustomValue::Text)
                .ok_or((ViolationCode::InvalidCharacter, LONE_SURROGATE)),
            Kind::Number => number(self.0.get())
                .map(CustomValue::Number)
                .ok_or(out_of_range),
            Kind::Null | Kind::List | Kind::Object => Err((
                ViolationCode::InvalidType,
                "must be a string, a number or a boolean; a custom field can also be an array of these",
            )),
        }
    }
}

pub(crate) const LONE_SURROGATE: &str = "must not contain an unpaired surrogate";

struct RawMembers<'a>(Members<'a>);

impl<'de> Deserialize<'de> for RawMembers<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Each;
        impl<'de> Visitor<'de> for Each {
            type Value = RawMembers<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, &'de RawValue>()? {
                    members.push((name, Json(value)));
                }
                Ok(RawMembers(members))
            }
        }
        deserializer.deserialize_map(Each)
    }
}

/// Parses a number of a custom field. Returns `None` for an integer outside the range of `i64`,
/// instead of rounding it, and for a decimal number outside the range of `f64`.
fn number(text: &str) -> Option<CustomNumber> {
    if text.bytes().any(|byte| matches!(byte, b'.' | b'e' | b'E')) {
        text.parse::<f64>()
            .ok()
            .filter(|number| number.is_finite())
            .map(CustomNumber::Float)
    } else {
        text.parse::<i64>().ok().map(CustomNumber::Integer)
    }
}

/// Maximum number of significant digits in a number. Its decimal places have the same maximum.
const MAX_DIGITS: usize = 28;

/// Parses a JSON number exactly. Returns `None` if it is not a number, has more than 28 significant
/// digits or decimal places, or exceeds the range of [`Decimal`].
pub(crate) fn exact_decimal(text: &str) -> Option<Decimal> {
    let (negative, unsigned) = text
        .strip_prefix('-')
        .map_or((false, text), |rest| (true, rest));
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let exponent_digits =
        exponent.map(|exponent| exponent.strip_prefix(['+', '-']).unwrap_or(exponent));
    if ![Some(whole), fraction, exponent_digits]
        .into_iter()
        .flatten()
        .all(is_digits)
    {
        return None;
    }
    let fraction = fraction.unwrap_or_default().trim_end_matches('0');
    let digits = [whole, fraction].concat();
    let significant = digits.trim_start_matches('0');
    if significant.is_empty() {
        return Some(Decimal::ZERO);
    }
    let exponent: i64 = exponent.map_or(Some(0), |exponent| exponent.parse().ok())?;
    let scale = i64::try_from(fraction.len()).ok()?.checked_sub(exponent)?;
    // Trailing zeros are not significant digits: they are moved from the digits to the scale.
    let trimmed = significant.trim_end_matches('0');
    let zeros = i64::try_from(significant.len() - trimmed.len()).ok()?;
    let scale = scale.checked_sub(zeros)?;
    let places = i64::try_from(MAX_DIGITS).ok()?;
    if trimmed.len() > MAX_DIGITS || !(-places..=places).contains(&scale) {
        return None;
    }
    let mut mantissa: i128 = trimmed.parse().ok()?;
    let mut decimals = scale;
    while decimals < 0 {
        mantissa = mantissa.checked_mul(10)?;
        decimals += 1;
    }
    let signed = if negative { -mantissa } else { mantissa };
    Decimal::try_from_i128_with_scale(signed, u32::try_from(decimals).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_decimal_is_read_as_it_is_printed(mantissa: i64, scale in 0_u32..=20) {
            let value = Decimal::new(mantissa, scale);
            prop_assert_eq!(exact_decimal(&value.to_string()), Some(value));
            let shifted = format!("{value}e{scale}");
            prop_assert_eq!(exact_decimal(&shifted), Some(Decimal::from(mantissa)), "{}", shifted);
        }

        #[test]
        fn no_text_makes_it_panic(text: String, digits in "-?[0-9]{0,40}\\.?[0-9]{0,40}[eE]?[+-]?[0-9]{0,25}") {
            exact_decimal(&text);
            exact_decimal(&digits);
        }
    }

    #[test]
    fn numbers_are_exact_or_none() {
        let d = |text: &str| Some(text.parse::<Decimal>().unwrap());
        for (text, value) in [
            ("25000", d("25000")),
            ("-0", d("0")),
            ("0e99999999999999999999", d("0")),
            ("0.10", d("0.1")),
            ("2.5E+4", d("25000")),
            ("1e-4", d("0.0001")),
            ("100000000000000000000e-20", d("1")),
            ("12345678901234567890", d("12345678901234567890")),
            (
                "1.000000000000000000000000001",
                d("1.000000000000000000000000001"),
            ),
            ("1.0000000000000000000000000001", None),
            ("1e400", None),
            ("1e-400", None),
            ("1e99999999999999999999", None),
            ("", None),
            ("1.", None),
            (".5", None),
            ("+1", None),
            ("1e", None),
            ("0x10", None),
            ("NaN", None),
        ] {
            assert_eq!(exact_decimal(text), value, "{text}");
        }
        assert_eq!(
            number("9223372036854775807"),
            Some(CustomNumber::Integer(i64::MAX))
        );
        assert_eq!(number("9223372036854775808"), None);
        assert_eq!(number("1e400"), None);
        assert_eq!(number("1e3"), Some(CustomNumber::Float(1_000.0)));
    }
}
