//! Media types of request bodies.

use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};

use crate::http::response::api_error::ApiError;

/// The media types of the body that an operation accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RequestBody {
    /// The operation ignores the body.
    Ignored,
    /// `application/json`.
    Json,
    /// `application/json` and `application/merge-patch+json` ([RFC
    /// 7396](https://www.rfc-editor.org/rfc/rfc7396)).
    MergePatch,
}

impl RequestBody {
    /// Returns the accepted types, for `Accept`.
    const fn accepted(self) -> &'static str {
        match self {
            Self::Ignored => "",
            Self::Json => "application/json",
            Self::MergePatch => "application/merge-patch+json, application/json",
        }
    }

    /// Checks the `Content-Type` of a request, which may be absent, and rejects a
    /// `Content-Encoding` other than `identity`. Checks nothing if the operation ignores the body.
    pub(crate) fn check(self, headers: &HeaderMap) -> Result<(), ApiError> {
        let mut types = headers.get_all(CONTENT_TYPE).iter();
        let fits = match (types.next(), types.next()) {
            (None, _) => true,
            (Some(named), None) => named.to_str().is_ok_and(|named| self.takes(named)),
            (Some(_), Some(_)) => false,
        };
        let is_encoded = headers
            .get_all(CONTENT_ENCODING)
            .iter()
            .any(|coding| coding != "identity");
        if self == Self::Ignored || (fits && !is_encoded) {
            return Ok(());
        }
        Err(ApiError::unsupported_media_type(self.accepted()))
    }

    fn takes(self, named: &str) -> bool {
        let mut parts = named.split(';').map(str::trim);
        let essence = parts.next().unwrap_or_default();
        let takes = |candidate: &str| candidate.eq_ignore_ascii_case(essence);
        // JSON is always UTF-8, but a client that declares a different charset may have used it, so
        // the body is rejected.
        let is_utf8 =
            parts
                .filter_map(|parameter| parameter.split_once('='))
                .all(|(name, value)| {
                    !name.eq_ignore_ascii_case("charset")
                        || value.trim_matches('"').eq_ignore_ascii_case("utf-8")
                });
        is_utf8 && self.accepted().split(", ").any(takes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_told_from_other_types() {
        for (named, json, merge_patch) in [
            ("application/json", true, true),
            ("Application/JSON; charset=UTF-8", true, true),
            ("application/json;charset=\"utf-8\"; x=y", true, true),
            ("application/json; charset=latin1", false, false),
            ("application/merge-patch+json", false, true),
            ("application/x-www-form-urlencoded", false, false),
            ("text/plain", false, false),
            ("application/jsonx", false, false),
            ("application/json, application/json", false, false),
            ("", false, false),
        ] {
            assert_eq!(
                (
                    RequestBody::Json.takes(named),
                    RequestBody::MergePatch.takes(named)
                ),
                (json, merge_patch),
                "{named}"
            );
        }
    }
}
