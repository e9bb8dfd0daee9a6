//! The JSON form of a deal value.

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use serde::de::{Deserialize, Deserializer};
use serde::ser::{Error as _, Serialize, Serializer};

/// A deal value that serializes as a JSON number. A valid value has at most 15 digits, so it
/// survives the conversion to a double: the shortest decimal form of the double has the same
/// digits.
pub(crate) struct JsonNumber(pub(crate) Decimal);

impl Serialize for JsonNumber {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let value = self.0.normalize();
        if value.scale() == 0
            && let Some(whole) = value.to_i64()
        {
            return serializer.serialize_i64(whole);
        }
        // Parsing the digits gives the nearest double. `Decimal::to_f64` divides, which may give
        // a different one.
        let nearest: f64 = value
            .to_string()
            .parse()
            .map_err(|_| S::Error::custom("the deal value cannot be converted to a JSON number"))?;
        serializer.serialize_f64(nearest)
    }
}

/// Serializes a sum of deal values as a JSON number. A sum that is a 64-bit integer is written
/// without rounding, and any other sum is rounded to the nearest double.
pub(crate) fn serialize<S: Serializer>(value: &Decimal, serializer: S) -> Result<S::Ok, S::Error> {
    JsonNumber(*value).serialize(serializer)
}

/// Reads a sum of deal values from the digits of a JSON number. `null` is read as 0.
pub(crate) fn deserialize_sum<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Decimal, D::Error> {
    Ok(deserialize(deserializer)?.unwrap_or_default())
}

/// Reads a deal value from the digits of a JSON number. `null` is read as `None`.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Decimal>, D::Error> {
    let number = Option::<serde_json::Number>::deserialize(deserializer)?;
    let parse = |number: serde_json::Number| {
        let digits = number.to_string();
        digits
            .parse()
            .or_else(|_| Decimal::from_scientific(&digits))
            .map_err(serde::de::Error::custom)
    };
    number.map(parse).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn valid_deal_values_serialize_without_loss(mantissa in 0_i64..1_000_000_000_000_000, scale in 0_u32..=4) {
            let value = Decimal::new(mantissa % 10_i64.pow(11 + scale), scale);
            let json = serde_json::to_string(&JsonNumber(value)).unwrap();
            prop_assert_eq!(json.parse::<Decimal>().unwrap_or_else(|_| Decimal::from_scientific(&json).unwrap()), value);
            prop_assert!(!json.ends_with(".0"), "{}", json);
        }
    }

    #[test]
    fn integral_deal_values_have_no_decimal_point() {
        for (value, json) in [
            ("50000.00", "50000"),
            ("0.0", "0"),
            ("0.0001", "0.0001"),
            ("99999999999.9999", "99999999999.9999"),
        ] {
            assert_eq!(
                serde_json::to_string(&JsonNumber(value.parse().unwrap())).unwrap(),
                json
            );
        }
    }
}
