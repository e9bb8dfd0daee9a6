//! A search query: a text, the fields to search, the tolerance for typos, a filter and a page.

use crate::error::Result;
use crate::lead::rule;
use crate::lead::{ViolationCode, Violations};
use crate::query::{Filter, Paging};
use crate::schema::{Catalogue, TermField};
use crate::search::query::fuzzy::TypoTolerance;
use crate::search::query::query_text::word_count;
use crate::search::terms::field::SearchField;
use crate::search::terms::index_term::QUERY_WORDS_MAX;

/// A search for text as a user types it. The only syntax is double quotes around a phrase.
///
/// ```
/// use leadstore::{LeadStore, NewLead, SearchField, SearchQuery};
///
/// let store = LeadStore::in_memory()?;
/// store.create(NewLead::new("José Müller").email("jose@example.com").company("Example Corp"))?;
/// assert_eq!(store.search(&SearchQuery::new("muller jos"))?.total, 1);
/// let found = store.search(&SearchQuery::new("example.com").fields([SearchField::Email, SearchField::Company]))?;
/// assert_eq!(found.items[0].lead.name, "José Müller");
/// # Ok::<(), leadstore::Error>(())
/// ```
#[doc = include_str!("search.md")]
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a query does nothing until it is passed to search"]
pub struct SearchQuery {
    pub(crate) text: String,
    pub(crate) fields: Vec<SearchField>,
    pub(crate) typos: TypoTolerance,
    pub(crate) filter: Filter,
    pub(crate) paging: Paging,
}

/// Maximum length of a query, in bytes.
const QUERY_BYTES_MAX: usize = 512;
/// Maximum number of fields to search: the built-in ones, and the 100 custom fields that a lead can
/// have.
const QUERY_FIELDS_MAX: usize = TermField::ALL.len() - 1 + 100;

impl SearchQuery {
    /// Creates a search for `text` in all fields. The text may have up to 512 bytes and 32 words.
    /// The search returns the first page, with up to 25 hits.
    pub fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            fields: Vec::new(),
            typos: TypoTolerance::Auto,
            filter: Filter::new(),
            paging: Paging::default(),
        }
    }

    /// Sets the fields to search. An empty list means all fields.
    pub fn fields(mut self, fields: impl IntoIterator<Item = SearchField>) -> Self {
        self.fields = fields.into_iter().collect();
        self
    }

    /// Sets the tolerance for typos.
    pub fn typos(mut self, typos: TypoTolerance) -> Self {
        self.typos = typos;
        self
    }

    /// Restricts the search to the leads that match `filter`.
    pub fn filter(mut self, filter: Filter) -> Self {
        self.filter = filter;
        self
    }

    /// Sets the page to return, counted from 1. A page past the end is empty.
    pub fn page(mut self, page: u64) -> Self {
        self.paging = self.paging.at_page(page);
        self
    }

    /// Sets the number of hits per page, from 1 to 100.
    pub fn per_page(mut self, per_page: u32) -> Self {
        self.paging = self.paging.with_per_page(per_page);
        self
    }

    /// Returns all violations of the query as one error. It is called before a search waits for the
    /// index.
    pub(crate) fn check(&self, catalogue: &Catalogue) -> Result<()> {
        let mut violations = Violations::default();
        self.filter.check(catalogue, &mut violations);
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
                format!("must have at most {QUERY_FIELDS_MAX} fields"),
            );
        } else {
            for field in &self.fields {
                if let SearchField::CustomField(name) = field {
                    rule::custom_field_name("fields", name, &mut violations);
                }
            }
        }
        self.paging.check(&mut violations);
        violations.into_result()
    }
}
