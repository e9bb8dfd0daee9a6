//! Entity tags ([RFC 9110](https://www.rfc-editor.org/rfc/rfc9110), section 8.8.3) and the conditions on them.

use http::header::{IF_MATCH, IF_NONE_MATCH};
use http::{HeaderMap, HeaderName};

use crate::error::{Error, Result};
use crate::lead::Lead;

/// The strong validator of a lead: its version, and its creation time, since a purged id can be used again.
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

/// What an `If-Match` demands of a lead that is to be changed.
#[derive(Debug)]
pub(crate) enum IfMatch {
    /// Nothing, or that there is a lead, which is demanded anyway.
    Any,
    /// One of these tags.
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

    /// The comparison is strong: a tag that begins with `W/` is none.
    pub(crate) fn check(&self, lead: &Lead) -> Result<()> {
        match self {
            Self::Tags(tags) if !tags.contains(&EntityTag::of(lead).0) => {
                Err(Error::precondition_failed(lead.id, lead.version))
            }
            Self::Any | Self::Tags(_) => Ok(()),
        }
    }
}

/// Whether an `If-None-Match` names this tag, so that the client has the lead already. The comparison is weak.
pub(crate) fn has_already(headers: &HeaderMap, tag: &EntityTag) -> bool {
    let names = |candidate: &String| {
        candidate == "*" || candidate.strip_prefix("W/").unwrap_or(candidate) == tag.0
    };
    tags(headers, &IF_NONE_MATCH).iter().any(names)
}

/// The tags that a header lists. Ours hold no comma, so one in another's tag makes two that match nothing.
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
