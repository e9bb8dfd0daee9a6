//! Answers a search: parse, match, rank, and load a page of hits.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::error::{Error, ErrorKind, Result};
use crate::query::{Facets, Page, facets_of, select};
use crate::schema::StoreState;
use crate::search::hit::{Hit, matches};
use crate::search::matching::matcher::{self, MatchRequest};
use crate::search::matching::results::RankedHits;
use crate::search::query::fuzzy::TypoTolerance;
use crate::search::query::query_text::QueryText;
use crate::search::query::search_query::SearchQuery;
use crate::search::search_view::SearchView;
use crate::search::terms::field::FieldScope;

/// Returns the page that a validated `query` requests.
///
/// # Errors
///
/// `Unavailable` if the view has no index, or if reading the index fails. After a failed read the
/// index must not be used again.
pub(crate) fn search(
    state: StoreState<'_>,
    view: &SearchView,
    query: &SearchQuery,
) -> Result<Page<Hit>> {
    catch_index_panic(|| {
        let text = QueryText::parse(&query.text);
        let (ranked, forgiving) = find(state, view, query, &text)?;
        let total = ranked.total();
        let rows = ranked.page(state, query.paging.offset(), query.paging.limit())?;
        let hit = |row| {
            let lead = state.lead_at(row)?.lead;
            let matches = matches(state.catalogue, &lead, &text, &query.fields, forgiving);
            Ok(Hit { lead, matches })
        };
        Ok(Page::new(
            rows.into_iter().map(hit).collect::<Result<_>>()?,
            total,
            query.paging,
        ))
    })
}

/// Returns the facets of all leads that a validated `query` matches.
pub(crate) fn facets(
    state: StoreState<'_>,
    view: &SearchView,
    query: &SearchQuery,
) -> Result<Facets> {
    let found = catch_index_panic(|| find(state, view, query, &QueryText::parse(&query.text)))?.0;
    facets_of(state, &found.rows())
}

/// Runs a search and converts a panic to an error: tantivy panics on corruption that its checksums
/// do not detect.
fn catch_index_panic<T>(answer: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(answer)).unwrap_or_else(|_| {
        Err(Error::new(
            ErrorKind::Unavailable,
            "the search panicked; the search index may be corrupted",
        ))
    })
}

/// Returns the hits, and true if typos were tolerated to find them.
fn find(
    state: StoreState<'_>,
    view: &SearchView,
    query: &SearchQuery,
    text: &QueryText,
) -> Result<(RankedHits, bool)> {
    // A query without a letter or digit matches nothing.
    if text.groups.is_empty() {
        return Ok((RankedHits::default(), false));
    }
    let scopes = FieldScope::of(&query.fields);
    let filter = if query.filter.is_empty() {
        None
    } else {
        Some(select(state, &query.filter)?)
    };
    let find = |forgiving| {
        let request = MatchRequest {
            query: text,
            scopes: &scopes,
            forgiving,
            filter: filter.as_ref(),
        };
        Ok((matcher::find(view, &request)?, forgiving))
    };
    if query.typos == TypoTolerance::Always {
        return find(true);
    }
    let as_typed = find(false)?;
    let can_forgive =
        query.typos == TypoTolerance::Auto && text.words().any(|word| word.fuzzy.is_some());
    if as_typed.0.total() == 0 && can_forgive {
        find(true)
    } else {
        Ok(as_typed)
    }
}
