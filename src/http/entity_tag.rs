//! Entity tags ([RFC 9110](https://www.rfc-editor.org/rfc/rfc9110), section 8.8.3), and the
//! `If-Match` and `If-None-Match` conditions that use them.

use http::header::{IF_MATCH, IF_NONE_MATCH};
use http::{HeaderMap, HeaderName};

use crate::error::{Error, Result};
use crate::lead::Lead;

/// The strong entity tag of a lead. It contains the lead's version and also its creation time,
/// since the id of a purged lead can be reused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EntityTag(String);

impl EntityTag {
    pub(crate) fn of(lead: &Lead) -> Self {
        Self(format!(
            "\"{}-{:x}\"",
            lead.version,
            lead.created_at.timestamp_micros()
        ))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// The precondition of an `If-Match` header.
#[derive(Debug)]
pub(crate) enum IfMatch {
    /// No condition: the header is absent, or it contains `*`, which only demands that the lead
    /// exists.
    Any,
    /// The lead must have one of these tags.
    Tags(Vec<String>),
}

impl IfMatch {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let tags = tags(headers, &IF_MATCH);
        let demands_nothing = !headers.contains_key(IF_MATCH) || tags.iter().any(|tag| tag == "*");
        if demands_nothing {
            Self::Any
        } else {
            Self::Tags(tags)
        }
    }

    /// Returns an error unless the lead meets the precondition. Uses the strong comparison: a tag
    /// that begins with `W/` does not match.
    pub(crate) fn check(&self, lead: &Lead) -> Result<()> {
        match self {
            Self::Tags(tags) if !tags.contains(&EntityTag::of(lead).0) => {
                Err(Error::precondition_failed(lead.id, lead.version))
            }
            Self::Any | Self::Tags(_) => Ok(()),
        }
    }
}

/// Returns true if an `If-None-Match` header contains this tag or `*`, so that the lead need not be
/// sent. Uses the weak comparison, which ignores `W/`.
pub(crate) fn has_already(headers: &HeaderMap, tag: &EntityTag) -> bool {
    let names = |candidate: &String| {
        candidate == "*" || candidate.strip_prefix("W/").unwrap_or(candidate) == tag.0
    };
    tags(headers, &IF_NONE_MATCH).iter().any(names)
}

/// Returns the tags of a header, which are separated by commas outside of their quotes. `*` counts
/// only if it is a complete header value (RFC 9110, section 13.1.1).
fn tags(headers: &HeaderMap, name: &HeaderName) -> Vec<String> {
    let values = headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok());
    let mut tags = Vec::new();
    for value in values {
        let mut is_quoted = false;
        let outside_quotes = |c: char| {
            is_quoted ^= c == '"';
            c == ',' && !is_quoted
        };
        let parts = value.split(outside_quotes).map(str::trim);
        let is_tag = |part: &&str| part.ends_with('"') || value.trim() == "*";
        tags.extend(parts.filter(is_tag).map(str::to_owned));
    }
    tags
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn tags_are_split_outside_of_quotes_and_a_star_stands_alone() {
        for (value, expected) in [
            (r#""1-a""#, vec![r#""1-a""#]),
            (r#""1-a" , W/"2-b","#, vec![r#""1-a""#, r#"W/"2-b""#]),
            (r#""a,*,b", "c""#, vec![r#""a,*,b""#, r#""c""#]),
            (" * ", vec!["*"]),
            (r#"*, "c""#, vec![r#""c""#]),
            ("1-a", vec![]),
            ("", vec![]),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(IF_MATCH, HeaderValue::from_static(value));
            assert_eq!(tags(&headers, &IF_MATCH), expected, "{value}");
        }
    }
}
