//! Errors as the client receives them.

use chrono::{DateTime, Utc};
use http::header::{ACCEPT, ALLOW, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use serde::Serialize;

use crate::credential::Scope;
use crate::error::{Error, ErrorKind};
use crate::http::response;
use crate::lead::{Violation, rfc3339};

/// A value of the `error` member of an error response. It determines the status code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ApiErrorCode {
    MalformedRequest,
    Unauthorized,
    Forbidden,
    NotFound,
    InTrash,
    MethodNotAllowed,
    AlreadyExists,
    NotInTrash,
    VersionConflict,
    TooLarge,
    UnsupportedMediaType,
    ValidationFailed,
    Internal,
    Unavailable,
}

impl ApiErrorCode {
    const fn status(self) -> StatusCode {
        match self {
            Self::MalformedRequest => StatusCode::BAD_REQUEST,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::NotFound | Self::InTrash => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::AlreadyExists | Self::NotInTrash => StatusCode::CONFLICT,
            Self::VersionConflict => StatusCode::PRECONDITION_FAILED,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::ValidationFailed => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

/// An error response of the API.
#[derive(Debug)]
pub(crate) struct ApiError(Box<ApiErrorInner>);

#[derive(Debug)]
struct ApiErrorInner {
    code: ApiErrorCode,
    message: String,
    details: Vec<Violation>,
    expires_at: Option<DateTime<Utc>>,
    header: Option<(HeaderName, HeaderValue)>,
}

impl ApiError {
    pub(crate) fn new(code: ApiErrorCode, message: impl Into<String>) -> Self {
        let message = message.into();
        Self(Box::new(ApiErrorInner {
            code,
            message,
            details: Vec::new(),
            expires_at: None,
            header: None,
        }))
    }

    /// Returns the error for an unknown path or lead. A lead that the client may not see is
    /// indistinguishable from an unknown one.
    pub(crate) fn not_found(what: &str) -> Self {
        Self::new(ApiErrorCode::NotFound, format!("there is no such {what}"))
    }

    /// Returns the error for a request that does not present exactly one bearer token. The
    /// challenge contains no error code ([RFC 6750](https://www.rfc-editor.org/rfc/rfc6750),
    /// section 3.1).
    pub(crate) fn no_credentials() -> Self {
        let message = "send an API key or access token as Authorization: Bearer …";
        Self::new(ApiErrorCode::Unauthorized, message).with(
            WWW_AUTHENTICATE,
            HeaderValue::from_static("Bearer realm=\"leads\""),
        )
    }

    /// Returns the error for a request whose token is unknown, expired or revoked.
    pub(crate) fn bad_credentials() -> Self {
        let challenge = "Bearer realm=\"leads\", error=\"invalid_token\", \
                         error_description=\"the token is unknown, expired or revoked\"";
        Self::new(
            ApiErrorCode::Unauthorized,
            "the token is unknown, expired or revoked",
        )
        .with(WWW_AUTHENTICATE, HeaderValue::from_static(challenge))
    }

    /// Returns the error for a request whose credentials lack the scope.
    pub(crate) fn missing_scope(scope: Scope) -> Self {
        let challenge = match scope {
            Scope::Read => {
                "Bearer realm=\"leads\", error=\"insufficient_scope\", scope=\"leads:read\""
            }
            Scope::Write => {
                "Bearer realm=\"leads\", error=\"insufficient_scope\", scope=\"leads:write\""
            }
            Scope::Delete => {
                "Bearer realm=\"leads\", error=\"insufficient_scope\", scope=\"leads:delete\""
            }
        };
        Self::new(
            ApiErrorCode::Forbidden,
            format!("the credentials lack the scope {scope}"),
        )
        .with(WWW_AUTHENTICATE, HeaderValue::from_static(challenge))
    }

    pub(crate) fn method_not_allowed(allow: HeaderValue) -> Self {
        Self::new(
            ApiErrorCode::MethodNotAllowed,
            "this path has no such method",
        )
        .with(ALLOW, allow)
    }

    /// Returns the error for a body whose media type or content encoding the operation does not
    /// accept.
    pub(crate) fn unsupported_media_type(accepted: &'static str) -> Self {
        Self::new(
            ApiErrorCode::UnsupportedMediaType,
            format!("send the body as {accepted}"),
        )
        .with(ACCEPT, HeaderValue::from_static(accepted))
    }

    fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.header = Some((name, value));
        self
    }

    pub(crate) fn into_response(self) -> Response<Vec<u8>> {
        #[derive(Serialize)]
        struct ErrorBody<'a> {
            error: ApiErrorCode,
            message: &'a str,
            #[serde(skip_serializing_if = "<[_]>::is_empty")]
            details: &'a [Violation],
            #[serde(skip_serializing_if = "Option::is_none")]
            expires_at: Option<String>,
        }
        let ApiErrorInner {
            code,
            message,
            details,
            expires_at,
            header,
        } = *self.0;
        let body = ErrorBody {
            error: code,
            message: &message,
            details: &details,
            expires_at: expires_at.map(rfc3339),
        };
        let mut response = response::json(code.status(), &body);
        if let Some((name, value)) = header {
            response.headers_mut().insert(name, value);
        }
        response
    }
}

impl ApiError {
    /// Returns the API error for an error that the client did not cause. The details are logged and
    /// not revealed to the client.
    pub(crate) fn of_the_server(error: &Error) -> Self {
        match error.kind() {
            ErrorKind::ReadOnly | ErrorKind::Busy | ErrorKind::Unavailable | ErrorKind::Closed => {
                log::warn!("a request could not be served: {error}");
                Self::new(ApiErrorCode::Unavailable, "the store cannot serve this now")
                    .with(RETRY_AFTER, HeaderValue::from_static("1"))
            }
            _ => {
                log::error!("a request failed: {error}");
                Self::new(ApiErrorCode::Internal, "the store failed")
            }
        }
    }
}

impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        let code = match error.kind() {
            ErrorKind::NotFound => return Self::not_found("lead"),
            ErrorKind::InTrash => ApiErrorCode::InTrash,
            ErrorKind::NotInTrash => ApiErrorCode::NotInTrash,
            ErrorKind::AlreadyExists => ApiErrorCode::AlreadyExists,
            ErrorKind::Invalid => ApiErrorCode::ValidationFailed,
            ErrorKind::Conflict => ApiErrorCode::VersionConflict,
            _ => return Self::of_the_server(&error),
        };
        let mut api_error = Self::new(code, error.to_string());
        api_error.0.details = error.violations().to_vec();
        api_error.0.expires_at = error.expires_at();
        api_error
    }
}
