//! The operations on the trash.

use http::{Response, StatusCode};

use crate::http::call::Call;
use crate::http::request::list_params;
use crate::http::request::params::Params;
use crate::http::response;
use crate::http::response::api_error::ApiError;
use crate::http::response::links::{self, Neighbours};
use crate::query::PageBody;
use crate::trash::TrashQuery;

/// Handles `GET /v1/leads/trash`.
pub(crate) fn list(call: &Call<'_>) -> Result<Response<Vec<u8>>, ApiError> {
    let mut params = Params::of_query(call.query)?;
    let mut query = TrashQuery::new().sort(list_params::sort(&mut params));
    let (page, per_page) = list_params::paging(&mut params);
    if let Some(page) = page {
        query = query.page(page);
    }
    if let Some(per_page) = per_page {
        query = query.per_page(per_page);
    }
    if let Some(owner_id) = call.owner_id() {
        query = query.owner_id(owner_id);
    }
    params.violations.absorb(query.check())?;
    params.finish()?;
    let page = call.store.list_trash(&query)?;
    let next =
        (page.page < page.total_pages()).then(|| links::Next::Page(page.page.saturating_add(1)));
    let links = links::links(
        "/v1/leads/trash",
        call.query,
        &Neighbours {
            next,
            page: page.page,
        },
    );
    Ok(response::page(
        &PageBody {
            page: &page,
            next_cursor: None,
        },
        &links,
    ))
}

/// Handles `DELETE /v1/leads/trash`.
pub(crate) fn empty(call: &Call<'_>) -> Result<Response<Vec<u8>>, ApiError> {
    call.reject_query_params()?.into_result()?;
    match call.owner_id() {
        Some(owner_id) => call.store.empty_trash_of(owner_id)?,
        None => call.store.empty_trash()?,
    };
    Ok(response::empty(StatusCode::NO_CONTENT))
}

/// Handles `DELETE /v1/leads/trash/{id}`.
pub(crate) fn purge(call: &Call<'_>) -> Result<Response<Vec<u8>>, ApiError> {
    call.reject_query_params()?.into_result()?;
    let (id, visibility) = (call.lead_id()?, call.visibility());
    call.store.write(move |transaction| {
        visibility.trashed(transaction, id)?;
        transaction.purge(id)
    })?;
    Ok(response::empty(StatusCode::NO_CONTENT))
}
