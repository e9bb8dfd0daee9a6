//! The search operation.

use http::{Response, StatusCode};

use crate::http::call::Call;
use crate::http::request::json::{Json, Kind};
use crate::http::request::list_params;
use crate::http::request::params::Params;
use crate::http::response;
use crate::http::response::api_error::ApiError;
use crate::lead::ViolationCode;
use crate::query::PageBody;
use crate::schema::Catalogue;
use crate::search::{SearchField, SearchQuery};

/// The members that may be strings or arrays of strings, except the filters that the catalogue
/// defines.
const TEXTS: [&str; 6] = [
    "query",
    "typos",
    "created_after",
    "created_before",
    "updated_after",
    "updated_before",
];
const NUMBERS: [&str; 4] = ["page", "per_page", "deal_value_min", "deal_value_max"];

/// Handles `POST /v1/leads/search`.
pub(crate) fn search(call: &Call<'_>) -> Result<Response<Vec<u8>>, ApiError> {
    let violations = call.reject_query_params()?;
    let mut members = call.members()?;
    // Unlike the strings of other arrays, the strings of `fields` are not joined by commas, because
    // the name of a custom field can contain a comma.
    let fields: Vec<Json<'_>> = members
        .extract_if(.., |(name, _)| name == "fields")
        .map(|(_, value)| value)
        .collect();
    let catalogue = call.store.catalogue()?;
    let filters = catalogue.filters().map(|(field, _)| &*field.name);
    let texts: Vec<&str> = TEXTS.into_iter().chain(filters).collect();
    let mut params = Params::of_members(&members, &texts, &NUMBERS, violations);
    let query = search_query(&mut params, &catalogue, &fields, call.owner_id());
    params.violations.absorb(query.check(&catalogue))?;
    params.finish()?;
    let page = call.store.search(&query)?;
    Ok(response::json(
        StatusCode::OK,
        &PageBody {
            page: &page,
            next_cursor: None,
        },
    ))
}

fn search_query(
    params: &mut Params,
    catalogue: &Catalogue,
    fields: &[Json<'_>],
    owner_id: Option<&str>,
) -> SearchQuery {
    // A query that cannot be read must not also be reported as blank.
    let unreadable = params.violations.has_error_for("query");
    let text = params.take("query").unwrap_or_else(|| {
        if unreadable {
            "?".to_owned()
        } else {
            String::new()
        }
    });
    let mut query = SearchQuery::new(text).fields(self::fields(params, fields));
    let typos = params.take("typos");
    if let Some(typos) = typos.and_then(|typos| params.violations.parse(&typos)) {
        query = query.typos(typos);
    }
    query = query.filter(list_params::filter(params, catalogue, owner_id));
    let (page, per_page) = list_params::paging(params);
    if let Some(page) = page {
        query = query.page(page);
    }
    if let Some(per_page) = per_page {
        query = query.per_page(per_page);
    }
    query
}

fn fields(params: &mut Params, given: &[Json<'_>]) -> Vec<SearchField> {
    if given.len() > 1 {
        params
            .violations
            .add("fields", ViolationCode::Duplicate, "must not appear twice");
    }
    let Some(list) = given.first().filter(|given| !given.is_null()) else {
        return Vec::new();
    };
    if list.kind() != Kind::List {
        params.violations.add(
            "fields",
            ViolationCode::InvalidType,
            "must be an array of strings",
        );
        return Vec::new();
    }
    let texts = params.texts("fields", *list).unwrap_or_default();
    texts
        .iter()
        .filter_map(|text| params.violations.parse(text))
        .collect()
}
