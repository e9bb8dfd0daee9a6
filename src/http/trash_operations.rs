//! The operations on the trash.

use http::{Response, StatusCode};

use crate::http::api_error::Fault;
use crate::http::call::Call;
use crate::http::links::{self, Neighbours};
use crate::http::list_params;
use crate::http::params::Inputs;
use crate::http::response;
use crate::query::PageBody;
use crate::trash::TrashQuery;

/// `GET /v1/leads/trash`
pub(crate) fn list(call: &Call<'_>) -> Result<Response<Vec<u8>>, Fault> {
    let mut inputs = Inputs::of_query(call.query)?;
    let mut query = TrashQuery::new().sort(list_params::sort(&mut inputs));
    let (page, per_page) = list_params::paging(&mut inputs);
    if let Some(page) = page {
        query = query.page(page);
    }
    if let Some(per_page) = per_page {
        query = query.per_page(per_page);
    }
    if let Some(owner_id) = call.owner_id() {
        query = query.owner_id(owner_id);
    }
    inputs.violations.note(query.check())?;
    inputs.finish()?;
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

/// `DELETE /v1/leads/trash`
pub(crate) fn empty(call: &Call<'_>) -> Result<Response<Vec<u8>>, Fault> {
    call.refused_parameters()?.into_result()?;
    match call.owner_id() {
        Some(owner_id) => call
            .store
            .transaction(|transaction| transaction.empty_trash_of(owner_id))?,
        None => call.store.empty_trash()?,
    };
    Ok(response::empty(StatusCode::NO_CONTENT))
}

/// `DELETE /v1/leads/trash/{id}`
pub(crate) fn purge(call: &Call<'_>) -> Result<Response<Vec<u8>>, Fault> {
    call.refused_parameters()?.into_result()?;
    let (id, sight) = (call.lead_id()?, call.sight());
    call.store.write(move |transaction| {
        sight.trashed(transaction, id)?;
        transaction.purge(id)
    })?;
    Ok(response::empty(StatusCode::NO_CONTENT))
}
