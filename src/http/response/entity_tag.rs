//! Entity tags ([RFC 9110](https://www.rfc-editor.org/rfc/rfc9110), section 8.8.3), and the
//! `If-Match` and `If-None-Match` conditions that use them.

use http::header::{IF_MATCH, IF_NONE_MATCH};
use http::{HeaderMap, HeaderName};
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::lead::Lead;

/// The strong entity tag of a lead: its version, and a part of the SHA-256 of its JSON. The version
/// alone would not do, since the id of a purged lead can be given to another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EntityTag(String);

/// Number of bytes of the hash in a tag.
const HASH_BYTES: usize = 8;

impl EntityTag {
    pub(crate) fn of(lead: &Lead) -> Self {
        // Serialization cannot fail for a lead.
        Self::of_json(lead, &serde_json::to_vec(lead).unwrap_or_default())
    }

    /// Returns the tag of a lead of which `json` is the JSON.
    pub(crate) fn of_json(lead: &Lead, json: &[u8]) -> Self {
        let hash = Sha256::digest(json);
        let hash = hash.first_chunk::<HASH_BYTES>();
        let hash = u64::from_be_bytes(hash.copied().unwrap_or_default());
        Self(format!("\"{}-{hash:016x}\"", lead.version))
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

/// Returns the lead's tag if an `If-None-Match` header contains it or `*`, so that the lead need not
/// be sent. Uses the weak comparison, which ignores `W/`.
pub(crate) fn if_not_modified(headers: &HeaderMap, lead: &Lead) -> Option<EntityTag> {
    let candidates = tags(headers, &IF_NONE_MATCH);
    if candidates.is_empty() {
        return None;
    }
    let tag = EntityTag::of(lead);
    let names = |candidate: &String| {
        candidate == "*" || candidate.strip_prefix("W/").unwrap_or(candidate) == tag.0
    };
    candidates.iter().any(names).then_some(tag)
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
