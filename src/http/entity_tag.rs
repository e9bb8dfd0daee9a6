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

/// Returns true if an `If-None-Match` header contains this tag or `*`, so the client already has
/// this version of the lead. Uses the weak comparison, which ignores `W/`.
pub(crate) fn has_already(headers: &HeaderMap, tag: &EntityTag) -> bool {
    let names = |candidate: &String| {
        candidate == "*" || candidate.strip_prefix("W/").unwrap_or(candidate) == tag.0
    };
    tags(headers, &IF_NONE_MATCH).iter().any(names)
}

/// Splits a header into its tags. Tags of this API contain no commas, so a foreign tag that
/// contains a comma splits into parts that match nothing.
fn tags(headers: &HeaderMap, name: &HeaderName) -> Vec<String> {
    let values = headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok());
    values
        .flat_map(|value| value.split(','))
        .map(|tag| tag.trim().to_owned())
        .collect()
}
