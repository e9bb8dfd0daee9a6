//! The response. This file builds those to successful requests; `api_error` is the response to a
//! request that failed. `entity_tag`, `links` and `cors` are the headers.

pub(crate) mod api_error;
pub(crate) mod cors;
pub(crate) mod entity_tag;
pub(crate) mod links;

use http::header::{CONTENT_LENGTH, CONTENT_TYPE, ETAG, LINK, LOCATION};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use serde::Serialize;

use crate::http::response::entity_tag::EntityTag;
use crate::lead::Lead;

/// Builds a response with `body` as JSON. Serialization cannot fail for the types of this API.
pub(crate) fn json(mut status: StatusCode, body: &impl Serialize) -> Response<Vec<u8>> {
    // With this capacity, a small response takes a tenth less time than with a buffer that grows
    // from empty. Most pages of leads need more than 1 KiB.
    let mut bytes = Vec::with_capacity(1_024);
    if let Err(error) = serde_json::to_writer(&mut bytes, body) {
        log::error!("a response could not be encoded as JSON: {error}");
        status = StatusCode::INTERNAL_SERVER_ERROR;
        bytes = br#"{"error":"internal","message":"the response could not be encoded"}"#.to_vec();
    }
    let mut response = empty(status);
    *response.body_mut() = bytes;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Builds the response for a lead, with its entity tag.
pub(crate) fn lead(status: StatusCode, lead: &Lead) -> Response<Vec<u8>> {
    let response = json(status, lead);
    let tag = EntityTag::of_json(lead, response.body());
    with(response, ETAG, tag.as_str())
}

/// Builds the response for a lead that was just created.
pub(crate) fn created(lead: &Lead) -> Response<Vec<u8>> {
    with(
        self::lead(StatusCode::CREATED, lead),
        LOCATION,
        &format!("/v1/leads/{}", lead.id),
    )
}

pub(crate) fn not_modified(tag: &EntityTag) -> Response<Vec<u8>> {
    with(empty(StatusCode::NOT_MODIFIED), ETAG, tag.as_str())
}

/// Builds the response for a page, with links to the previous and next one ([RFC
/// 8288](https://www.rfc-editor.org/rfc/rfc8288)).
pub(crate) fn page(body: &impl Serialize, links: &str) -> Response<Vec<u8>> {
    let response = json(StatusCode::OK, body);
    if links.is_empty() {
        response
    } else {
        with(response, LINK, links)
    }
}

pub(crate) fn empty(status: StatusCode) -> Response<Vec<u8>> {
    let mut response = Response::new(Vec::new());
    *response.status_mut() = status;
    response
}

/// Turns the response to a `GET` into the response to a `HEAD`: removes the body, but states its
/// length.
pub(crate) fn drop_body(response: &mut Response<Vec<u8>>) {
    let body = std::mem::take(response.body_mut());
    if !body.is_empty() {
        response
            .headers_mut()
            .insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    }
}

fn with(mut response: Response<Vec<u8>>, name: HeaderName, value: &str) -> Response<Vec<u8>> {
    // Ids, entity tags and links are ASCII.
    match HeaderValue::from_str(value) {
        Ok(value) => drop(response.headers_mut().insert(name, value)),
        Err(_) => log::error!("the header {name} could not be written"),
    }
    response
}
