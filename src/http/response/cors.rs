//! Requests from pages of other origins ([fetch
//! standard](https://fetch.spec.whatwg.org/#http-cors-protocol)).

use std::sync::Arc;

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ALLOW, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderValue, Response, StatusCode};

use crate::http::response;
use crate::http::route::Route;

/// The allowed origins.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cors {
    origins: Arc<Vec<String>>,
}

const REQUEST_HEADERS: HeaderValue =
    HeaderValue::from_static("Authorization, Content-Type, If-Match, If-None-Match");
const RESPONSE_HEADERS: HeaderValue =
    HeaderValue::from_static("Allow, ETag, Link, Location, Retry-After, WWW-Authenticate");
/// The number of seconds for which a browser may cache a preflight response: Chromium's maximum.
const MAX_AGE: HeaderValue = HeaderValue::from_static("7200");

impl Cors {
    pub(crate) fn allow(&mut self, origin: String) {
        Arc::make_mut(&mut self.origins).push(origin);
    }

    /// Returns the response to a preflight request.
    pub(crate) fn preflight(&self, headers: &HeaderMap, route: &Route) -> Response<Vec<u8>> {
        let mut response = response::empty(StatusCode::NO_CONTENT);
        response.headers_mut().insert(ALLOW, route.allow());
        if self.allowed_origin(headers).is_some() {
            let headers = response.headers_mut();
            headers.insert(ACCESS_CONTROL_ALLOW_METHODS, route.allow());
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS);
            headers.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
        }
        response
    }

    /// Adds the headers that allow the page to read the response.
    pub(crate) fn mark(&self, headers: &HeaderMap, response: &mut Response<Vec<u8>>) {
        if self.origins.is_empty() {
            return;
        }
        let allowed = self.allowed_origin(headers).cloned();
        let headers = response.headers_mut();
        // Sent even if the origin is not allowed: a cache must not serve one origin's response to
        // another.
        headers.insert(VARY, HeaderValue::from_static("Origin"));
        if let Some(origin) = allowed {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, RESPONSE_HEADERS);
        }
    }

    fn allowed_origin<'h>(&self, headers: &'h HeaderMap) -> Option<&'h HeaderValue> {
        let origin = headers.get(ORIGIN)?;
        self.origins
            .iter()
            .any(|allowed| allowed == "*" || origin == allowed.as_str())
            .then_some(origin)
    }
}
