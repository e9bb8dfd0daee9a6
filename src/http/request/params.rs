//! Named parameters of an operation, from a query string or from the members of a body. Each is
//! taken by its name, and all violations are reported together.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::str::FromStr;

use crate::http::request::json::{Json, Kind, LONE_SURROGATE, Members, exact_decimal};
use crate::http::request::lead_body::shortened;
use crate::http::response::api_error::{ApiError, ApiErrorCode};
use crate::lead::{ViolationCode, Violations};

/// The parameters that have not been taken yet, by name, and the violations that have been found.
#[derive(Debug, Default)]
pub(crate) struct Params {
    /// The parts of each parameter, by its name. The parts of a JSON array are its elements. A
    /// value from a query string is split into parts at each comma that is not percent-encoded.
    values: BTreeMap<String, Vec<String>>,
    pub(crate) violations: Violations,
}

const UNKNOWN: &str = "is not known here";

impl Params {
    /// Parses a query string as `application/x-www-form-urlencoded`
    /// ([URL standard](https://url.spec.whatwg.org/#urlencoded-parsing)), but rejects text that
    /// cannot be decoded.
    pub(crate) fn of_query(query: &str) -> Result<Self, ApiError> {
        let mut params = Self::default();
        for part in query.split('&').filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let decode = |text: &str| {
                percent_decoded(&text.replace('+', " ")).map(Cow::into_owned).ok_or_else(|| {
                    let message = "the query string has a % that is not followed by two hexadecimal digits, or bytes that \
                                   are not UTF-8";
                    ApiError::new(ApiErrorCode::MalformedRequest, message)
                })
            };
            // The value is split before it is decoded, so that an encoded comma does not separate
            // parts (OpenAPI's style `form` without `explode`).
            let parts = value.split(',').map(decode).collect::<Result<_, _>>()?;
            params.insert(decode(name)?, parts);
        }
        Ok(params)
    }

    /// Converts the members of a JSON object to parameters. `texts` names the members that may be a
    /// string or an array of strings; a string is one part. `numbers` names
    /// the members that may be a number. A member that is `null` counts as absent.
    pub(crate) fn of_members(
        members: &Members<'_>,
        texts: &[&str],
        numbers: &[&str],
        violations: Violations,
    ) -> Self {
        let mut params = Self {
            values: BTreeMap::new(),
            violations,
        };
        for (name, value) in members {
            let wants_number = numbers.contains(&name.as_str());
            if !wants_number && !texts.contains(&name.as_str()) {
                params
                    .violations
                    .add(shortened(name), ViolationCode::Unknown, UNKNOWN);
                continue;
            }
            match value.kind() {
                Kind::Null => {}
                Kind::Number if wants_number => {
                    params.insert(name.clone(), vec![without_fraction(value.as_written())])
                }
                Kind::Text if !wants_number => match value.text() {
                    Some(text) => params.insert(name.clone(), vec![text]),
                    None => {
                        params
                            .violations
                            .add(name, ViolationCode::InvalidCharacter, LONE_SURROGATE)
                    }
                },
                Kind::List if !wants_number => {
                    // An empty array counts as absent.
                    if let Some(texts) = params.texts(name, *value).filter(|t| !t.is_empty()) {
                        params.insert(name.clone(), texts);
                    }
                }
                _ => {
                    let wanted = if wants_number {
                        "must be a number"
                    } else {
                        "must be a string or an array of strings"
                    };
                    params
                        .violations
                        .add(name, ViolationCode::InvalidType, wanted);
                }
            }
        }
        params
    }

    /// Returns the strings of an array. If an element is not a valid string, adds a violation and
    /// returns `None`.
    pub(crate) fn texts(&mut self, name: &str, list: Json<'_>) -> Option<Vec<String>> {
        let elements = list.elements();
        let mut texts = Vec::with_capacity(elements.len());
        for (index, element) in elements.iter().enumerate() {
            let field = || format!("{name}[{index}]");
            match element.kind() {
                Kind::Text => match element.text() {
                    Some(text) => texts.push(text),
                    None => self.violations.add(
                        field(),
                        ViolationCode::InvalidCharacter,
                        LONE_SURROGATE,
                    ),
                },
                _ => self
                    .violations
                    .add(field(), ViolationCode::InvalidType, "must be a string"),
            }
        }
        (texts.len() == elements.len()).then_some(texts)
    }

    fn insert(&mut self, name: String, parts: Vec<String>) {
        match self.values.entry(name) {
            Entry::Vacant(place) => drop(place.insert(parts)),
            Entry::Occupied(earlier) => {
                self.violations.add(
                    shortened(earlier.key()),
                    ViolationCode::Duplicate,
                    "must not appear twice",
                );
            }
        }
    }

    /// Takes the parameter with this name, if present.
    pub(crate) fn take(&mut self, name: &str) -> Option<String> {
        Some(self.values.remove(name)?.join(","))
    }

    /// Takes the parts of the parameter with this name, if present.
    pub(crate) fn take_parts(&mut self, name: &str) -> Option<Vec<String>> {
        self.values.remove(name)
    }

    /// Takes the parameter with this name as a number. If the text is empty or contains anything
    /// but digits, or the number is too large, adds a violation and returns `None`.
    pub(crate) fn take_number<N: FromStr>(&mut self, name: &str) -> Option<N> {
        let text = self.take(name)?;
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            self.violations.add(
                name,
                ViolationCode::InvalidFormat,
                "must be a whole number in digits",
            );
            return None;
        }
        let number = text.parse().ok();
        if number.is_none() {
            self.violations
                .add(name, ViolationCode::OutOfRange, "is too large");
        }
        number
    }

    /// Returns all violations. Every parameter that has not been taken is unknown and adds one more
    /// violation.
    pub(crate) fn into_violations(mut self) -> Violations {
        for name in self.values.keys() {
            self.violations
                .add(shortened(name), ViolationCode::Unknown, UNKNOWN);
        }
        self.violations
    }

    /// Returns an error with all violations, if there are any.
    pub(crate) fn finish(self) -> Result<(), ApiError> {
        Ok(self.into_violations().into_result()?)
    }
}

/// Returns a JSON number without a fraction of zeros: JSON has no integers, and `25.0` is 25.
fn without_fraction(number: &str) -> String {
    match exact_decimal(number) {
        Some(value) => value.normalize().to_string(),
        None => number.to_owned(),
    }
}

/// Replaces every `%XX` with its byte. Returns `None` if a `%` is not followed by two hexadecimal
/// digits or the bytes are not UTF-8.
pub(crate) fn percent_decoded(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('%') {
        return Some(Cow::Borrowed(text));
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let (digits, after) = rest.split_first_chunk::<2>()?;
        rest = after;
        let digit = |byte: u8| {
            char::from(byte)
                .to_digit(16)
                .and_then(|digit| u8::try_from(digit).ok())
        };
        let [high, low] = *digits;
        bytes.push(digit(high)? << 4 | digit(low)?);
    }
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_encoding_is_decoded_or_refused() {
        for (text, decoded) in [
            ("", Some("")),
            ("a%20b", Some("a b")),
            ("%C3%a9", Some("é")),
            ("é", Some("é")),
            ("%2525", Some("%25")),
            ("%", None),
            ("%4", None),
            ("%4g", None),
            ("%+1", None),
            ("%ff", None),
        ] {
            assert_eq!(percent_decoded(text).as_deref(), decoded, "{text}");
        }
    }
}
