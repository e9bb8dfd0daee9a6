//! Searching: a text, the fields to find it in, a filter and a page.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::field::{Field, Scope};
use super::hit::{Hit, matches};
use super::matcher;
use super::query_text;
use super::view::View;
use crate::lead::{ViolationCode, Violations};
use crate::query::{Filter, Page, Paging, Sort, SortKey, Start, page_of_rows, select};
use crate::row::RowSet;
use crate::storage::Reader;
use crate::{Error, ErrorKind, Result};

/// What to search for: text as a person types it, without any syntax but double quotes for a phrase.
///
/// Every word must be found, each in any of the fields; the last one may be the beginning of a word, unless something
/// other than a letter or digit follows it. Case, accents and apostrophes play no part.
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
#[derive(Clone, Debug)]
#[must_use = "a query does nothing until it is passed to search"]
pub struct SearchQuery {
    text: String,
    fields: Vec<Field>,
    filter: Filter,
    paging: Paging,
}

/// The longest query, in bytes and in words.
const MAX_BYTES: usize = 512;
const MAX_WORDS: usize = 32;

impl SearchQuery {
    /// A search for this text, at most 512 bytes and 32 words, in all fields, page 1 of 25 hits each.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), fields: Vec::new(), filter: Filter::new(), paging: Paging::default() }
    }

    /// Which fields to search; none means all.
    pub fn fields(mut self, fields: impl IntoIterator<Item = Field>) -> Self {
        self.fields = fields.into_iter().collect();
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
        } else if self.text.len() > MAX_BYTES {
            violations.add("query", ViolationCode::TooLong, format!("must have at most {MAX_BYTES} bytes"));
        } else if query_text::word_count(&self.text) > MAX_WORDS {
            violations.add("query", ViolationCode::TooLong, format!("must have at most {MAX_WORDS} words"));
        }
        self.paging.check(&mut violations);
        violations.into_result()
    }
}

/// The page that a checked `query` asks for, newest leads first. `Unavailable` if the index fails, in which case it is
/// not to be used again.
pub(crate) fn search(view: &View, query: &SearchQuery) -> Result<Page<Hit>> {
    // tantivy panics over damage that its checksums do not show.
    catch_unwind(AssertUnwindSafe(|| answer(view, query))).unwrap_or_else(|_| {
        Err(Error::new(ErrorKind::Unavailable, "searching panicked, which a damaged index can cause"))
    })
}

fn answer(view: &View, query: &SearchQuery) -> Result<Page<Hit>> {
    let reader = view.reader();
    let phrases = query_text::phrases(&query.text);
    let scopes = Scope::of(&query.fields);
    // A query without letter or digit finds nothing.
    let rows = if phrases.is_empty() {
        RowSet::default()
    } else {
        let found = matcher::find(view, &phrases, &scopes)?;
        found.and(&select(reader, &query.filter)?)
    };
    let total = rows.len();
    let newest_first = [Sort::desc(SortKey::CreatedAt)];
    let page = page_of_rows(reader, rows, &newest_first, Start::Offset(query.paging.offset()), query.paging.limit())?;
    let hit = |row| {
        let lead = reader.indexed_lead(row)?.lead;
        let matches = matches(&lead, &phrases, &query.fields);
        Ok(Hit { lead, matches })
    };
    Ok(Page::new(page.into_iter().map(hit).collect::<Result<_>>()?, total, query.paging))
}
