//! The operations. Each parses the request, calls the store and builds the response. Those on live
//! leads are here; the others are in `search` and `trash`.

pub(crate) mod search;
pub(crate) mod trash;

use http::{Response, StatusCode};

use crate::http::call::Call;
use crate::http::request::encrypted_cursor::CursorCipher;
use crate::http::request::lead_body::LeadBody;
use crate::http::request::list_params;
use crate::http::request::params::Params;
use crate::http::response;
use crate::http::response::api_error::{ApiError, ApiErrorCode};
use crate::http::response::entity_tag::{self, IfMatch};
use crate::http::response::links::{self, Neighbours};
use crate::lead::ViolationCode;
use crate::query::{ListQuery, PageBody};
use crate::schema::Catalogue;

/// Handles `GET /v1/leads`.
pub(crate) fn list(call: &Call<'_>) -> Result<Response<Vec<u8>>, ApiError> {
    let mut params = Params::of_query(call.query)?;
    let seal = CursorCipher::new(call.store.store_id()?, call.owner_id());
    let catalogue = call.store.catalogue()?;
    let query = list_query(&mut params, &catalogue, call.owner_id(), &seal);
    params.violations.absorb(query.check(&catalogue))?;
    params.finish()?;
    let page = call.store.list(&query)?;
    let next_cursor = page
        .next
        .as_ref()
        .map(|cursor| seal.seal(cursor))
        .transpose()?;
    let neighbours = Neighbours {
        next: next_cursor.as_deref().map(links::Next::Cursor),
        page: page.page,
    };
    let links = links::links("/v1/leads", call.query, &neighbours);
    Ok(response::page(
        &PageBody {
            page: &page,
            next_cursor: next_cursor.as_deref(),
        },
        &links,
    ))
}

fn list_query(
    params: &mut Params,
    catalogue: &Catalogue,
    owner_id: Option<&str>,
    seal: &CursorCipher<'_>,
) -> ListQuery {
    let mut query = ListQuery::new()
        .filter(list_params::filter(params, catalogue, owner_id))
        .sort(list_params::sort(params));
    let (page, per_page) = list_params::paging(params);
    if let Some(per_page) = per_page {
        query = query.per_page(per_page);
    }
    match (page, params.take("cursor")) {
        (Some(_), Some(_)) => {
            params.violations.add(
                "cursor",
                ViolationCode::NotAllowed,
                "must not be combined with page",
            );
        }
        (Some(page), None) => query = query.page(page),
        (None, Some(text)) => match seal.open(&text) {
            Some(cursor) => query = query.after(cursor),
            None => {
                let message = "must be the next_cursor of an earlier page, from this store and for these credentials";
                params
                    .violations
                    .add("cursor", ViolationCode::InvalidFormat, message);
            }
        },
        (None, None) => {}
    }
    query
}

/// Handles `GET /v1/leads/{id}`.
pub(crate) fn get(call: &Call<'_>) -> Result<Response<Vec<u8>>, ApiError> {
    call.reject_query_params()?.into_result()?;
    let (id, visibility) = (call.lead_id()?, call.visibility());
    let lead = match call.store.get(id)? {
        Some(lead) if visibility.can_see(&lead) => lead,
        // Live leads and the trash are looked up in the same snapshot, so that a concurrent delete
        // or restore cannot hide the lead.
        _ => visibility.live(&call.store.snapshot()?, id)?,
    };
    Ok(match entity_tag::if_not_modified(call.headers, &lead) {
        Some(tag) => response::not_modified(&tag),
        None => response::lead(StatusCode::OK, &lead),
    })
}

/// Handles `POST /v1/leads`.
pub(crate) fn create(call: &Call<'_>) -> Result<Response<Vec<u8>>, ApiError> {
    let violations = call.reject_query_params()?;
    let mut body = LeadBody::read(&call.members()?, true, violations);
    if let Some(own) = call.owner_id() {
        // A blank owner is the same as no owner.
        let owner_id = body.owner_id();
        *owner_id = owner_id
            .take()
            .filter(|named| named.as_ref().is_some_and(|named| !named.trim().is_empty()));
        keep_within(&mut body, own, true)?;
        *body.owner_id() = Some(Some(own.to_owned()));
    }
    let (lead, mut violations) = body.into_new_lead();
    if !violations.is_empty() {
        violations.absorb(call.store.check_new(lead.clone()))?;
    }
    violations.into_result()?;
    Ok(response::created(&call.store.create(lead)?))
}

/// Handles `PATCH /v1/leads/{id}`.
pub(crate) fn update(call: &Call<'_>) -> Result<Response<Vec<u8>>, ApiError> {
    let violations = call.reject_query_params()?;
    let mut body = LeadBody::read(&call.members()?, false, violations);
    if let Some(own) = call.owner_id() {
        keep_within(&mut body, own, false)?;
    }
    let (patch, mut violations) = body.into_patch();
    violations.absorb(call.store.check_patch(patch.clone()))?;
    violations.into_result()?;
    let (id, visibility, if_match) = (
        call.lead_id()?,
        call.visibility(),
        IfMatch::of(call.headers),
    );
    let lead = call.store.write(move |transaction| {
        if_match.check(&visibility.live(transaction, id)?)?;
        transaction.update(id, patch)
    })?;
    Ok(response::lead(StatusCode::OK, &lead))
}

/// Handles `DELETE /v1/leads/{id}`.
pub(crate) fn delete(call: &Call<'_>) -> Result<Response<Vec<u8>>, ApiError> {
    call.reject_query_params()?.into_result()?;
    let (id, visibility, if_match) = (
        call.lead_id()?,
        call.visibility(),
        IfMatch::of(call.headers),
    );
    call.store.write(move |transaction| {
        if_match.check(&visibility.live(transaction, id)?)?;
        transaction.delete(id)
    })?;
    Ok(response::empty(StatusCode::NO_CONTENT))
}

/// Handles `POST /v1/leads/{id}/restore`.
pub(crate) fn restore(call: &Call<'_>) -> Result<Response<Vec<u8>>, ApiError> {
    call.reject_query_params()?.into_result()?;
    let (id, visibility, if_match) = (
        call.lead_id()?,
        call.visibility(),
        IfMatch::of(call.headers),
    );
    let lead = call.store.write(move |transaction| {
        if_match.check(&visibility.trashed(transaction, id)?.lead)?;
        transaction.restore(id)
    })?;
    Ok(response::lead(StatusCode::OK, &lead))
}

/// Rejects a body that sets the owner to anything but `own`, or that sets an id or external id. Ids
/// are unique among the leads of all owners, so the error for an existing id would reveal another
/// owner's lead.
fn keep_within(body: &mut LeadBody, own: &str, is_new: bool) -> Result<(), ApiError> {
    if body
        .owner_id()
        .as_ref()
        .is_some_and(|named| named.as_deref() != Some(own))
    {
        return Err(ApiError::new(
            ApiErrorCode::Forbidden,
            "the credentials are bound to another owner",
        ));
    }
    body.refuse_identities(is_new);
    Ok(())
}
