//! The values of custom fields.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The value of a custom field.
///
/// A list may contain texts, numbers and booleans, but no lists.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum CustomValue {
    /// A text of at most 4 KiB.
    Text(String),
    /// A number.
    Number(CustomNumber),
    /// A boolean.
    Bool(bool),
    /// An ordered list of texts, numbers and booleans.
    List(Vec<CustomValue>),
}

/// A number in a custom field: an integer or a finite floating-point number.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum CustomNumber {
    /// An integer.
    Integer(i64),
    /// A finite number. The store rejects infinities and NaN.
    Float(f64),
}

impl Serialize for CustomNumber {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match *self {
            Self::Integer(number) => serializer.serialize_i64(number),
            Self::Float(number) => serializer.serialize_f64(number),
        }
    }
}

impl<'de> Deserialize<'de> for CustomNumber {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = serde_json::Number::deserialize(deserializer)?;
        let float = |number: serde_json::Number| number.as_f64().filter(|float| float.is_finite());
        match number.as_i64() {
            Some(integer) => Ok(Self::Integer(integer)),
            None => float(number)
                .map(Self::Float)
                .ok_or_else(|| serde::de::Error::custom("a number is out of range")),
        }
    }
}

macro_rules! into_custom_value {
    ($($from:ty => |$value:ident| $make:expr),+ $(,)?) => {
        $(impl From<$from> for CustomValue {
            fn from($value: $from) -> Self {
                $make
            }
        })+
    };
}

into_custom_value! {
    &str => |text| Self::Text(text.to_owned()),
    String => |text| Self::Text(text),
    i64 => |number| Self::Number(CustomNumber::Integer(number)),
    i32 => |number| Self::Number(CustomNumber::Integer(number.into())),
    u32 => |number| Self::Number(CustomNumber::Integer(number.into())),
    f64 => |number| Self::Number(CustomNumber::Float(number)),
    bool => |truth| Self::Bool(truth),
}

impl<T: Into<CustomValue>> From<Vec<T>> for CustomValue {
    fn from(elements: Vec<T>) -> Self {
        Self::List(elements.into_iter().map(Into::into).collect())
    }
}
