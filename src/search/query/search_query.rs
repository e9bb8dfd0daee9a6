//! Searching: a text, the fields to find it in, a filter and a page.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::error::{Error, ErrorKind, Result};
use crate::lead::{ViolationCode, Violations};
use crate::query::{Facets, Filter, Page, Paging, facets_of, select};
use crate::search::hit::{Hit, matches};
use crate::search::matching::matcher::{self, MatchRequest};
use crate::search::matching::results::RankedHits;
use crate::search::query::fuzzy::TypoTolerance;
use crate::search::query::query_text::{QueryText, word_count};
use crate::search::terms::field::{Field, FieldScope};
use crate::search::terms::index_term::QUERY_WORDS_MAX;
use crate::search::view::StoreView;

/// What to search for: text as a person types it, without any syntax but double quotes for a phrase.
///
/// ```
/// use leadstore::{Field, LeadStore, NewLead, SearchQuery};
///
/// let store = LeadStore::in_memory()?;
/// store.create(NewLead::new("José Müller").email("jose@example.com").company("Example Corp"))?;
/// assert_eq!(store.search(&SearchQuery::new("muller jos"))?.total, 1);
/// let found = store.search(&SearchQuery::new("example.com").fields([Field::Email, Field::Company]))?;
/// assert_eq!(found.items[0].lead.name, "José Müller");
/// # Ok::<(), leadstore::Error>(())
/// ```
#[doc = include_str!("search.md")]
#[derive(Clone, Debug)]
#[must_use = "a query does nothing until it is passed to search"]
pub struct SearchQuery {
    text: String,
    fields: Vec<Field>,
    typos: TypoTolerance,
    filter: Filter,
    paging: Paging,
}

/// The longest query, in bytes and in words.
const QUERY_BYTES_MAX: usize = 512;
/// As many as a lead can have: seven, and a hundred custom fields.
const QUERY_FIELDS_MAX: usize = 107;

impl SearchQuery {
    /// A search for this text, at most 512 bytes and 32 words, in all fields, page 1 of 25 hits each.
    pub fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            fields: Vec::new(),
            typos: TypoTolerance::Auto,
            filter: Filter::new(),
            paging: Paging::default(),
        }
    }

    /// Which fields to search; none means all.
    pub fn fields(mut self, fields: impl IntoIterator<Item = Field>) -> Self {
        self.fields = fields.into_iter().collect();
        self
    }

    /// Whether typos are forgiven.
    pub fn typos(mut self, typos: TypoTolerance) -> Self {
        self.typos = typos;
        self
    }

    /// Which leads to search.
    pub fn filter(mut self, filter: Filter) -> Self {
        self.filter = filter;
        self
    }

    /// Which page, from 1. A page past the end is empty.
    pub fn page(mut self, page: u64) -> Self {
        self.paging = self.paging.at_page(page);
        self
    }

    /// How many hits a page has, 1 to 100.
    pub fn per_page(mut self, per_page: u32) -> Self {
        self.paging = self.paging.with_per_page(per_page);
        self
    }

    /// Everything that is wrong with the query, before anybody waits for the index.
    pub(crate) fn check(&self) -> Result<()> {
        let mut violations = Violations::default();
        if self.text.trim().is_empty() {
            violations.add("query", ViolationCode::Required, "must not be blank");
        } else if self.text.len() > QUERY_BYTES_MAX {
            violations.add(
                "query",
                ViolationCode::TooLong,
                format!("must have at most {QUERY_BYTES_MAX} bytes"),
            );
        } else if word_count(&self.text) > QUERY_WORDS_MAX {
            violations.add(
                "query",
                ViolationCode::TooLong,
                format!("must have at most {QUERY_WORDS_MAX} words"),
            );
        }
        if self.fields.len() > QUERY_FIELDS_MAX {
            violations.add(
                "fields",
                ViolationCode::TooLong,
                format!("must be at most {QUERY_FIELDS_MAX}"),
            );
        }
        self.paging.check(&mut violations);
        violations.into_result()
    }
}

/// The page that a checked `query` asks for. `Unavailable` if the index fails, in which case it is not to be used again.
pub(crate) fn search(view: &StoreView, query: &SearchQuery) -> Result<Page<Hit>> {
    guarded(|| {
        let state = view.state();
        let text = QueryText::parse(&query.text);
        let (ranked, forgiving) = find(view, query, &text)?;
        let total = ranked.total();
        let rows = ranked.page(state, query.paging.offset(), query.paging.limit())?;
        let hit = |row| {
            let lead = state.lead_at(row)?.lead;
            let matches = matches(&lead, &text, &query.fields, forgiving);
            Ok(Hit { lead, matches })
        };
        Ok(Page::new(
            rows.into_iter().map(hit).collect::<Result<_>>()?,
            total,
            query.paging,
        ))
    })
}

/// How all that a checked `query` finds divides.
pub(crate) fn facets(view: &StoreView, query: &SearchQuery) -> Result<Facets> {
    let found = guarded(|| find(view, query, &QueryText::parse(&query.text)))?.0;
    facets_of(view.state(), &found.rows())
}

/// tantivy panics over damage that its checksums do not show.
fn guarded<T>(answer: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(answer)).unwrap_or_else(|_| {
        Err(Error::new(
            ErrorKind::Unavailable,
            "searching panicked, which a damaged index can cause",
        ))
    })
}

/// What is found, and whether typos had to be forgiven for it.
fn find(view: &StoreView, query: &SearchQuery, text: &QueryText) -> Result<(RankedHits, bool)> {
    // A query without letter or digit finds nothing.
    if text.groups.is_empty() {
        return Ok((RankedHits::default(), false));
    }
    let scopes = FieldScope::of(&query.fields);
    let filter = if query.filter.is_empty() {
        None
    } else {
        Some(select(view.state(), &query.filter)?)
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
