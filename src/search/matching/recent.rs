//! Memory segments: the leads that changed since the last commit of the index.
//!
//! A new segment holds only rows and a state. Its leads are analyzed when the first search needs
//! their terms, which are then shared by all views that hold the segment. A bulk load without
//! searches therefore analyzes no lead here.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, OnceLock};

use crate::error::Result;
use crate::row::{Row, RowSet};
use crate::schema::TermField;
use crate::schema::{CommittedState, StoreState};
use crate::search::matching::doc_set::DocSet;
use crate::search::matching::postings::{FuzzyMatch, Postings};
use crate::search::query::fuzzy::FuzzyWord;
use crate::search::terms::field::FieldScope;
use crate::search::terms::lead_terms::each_term;
use crate::storage::ChangedLeads;
use crate::sync::lock;

/// The leads that one or more commits have changed.
pub(crate) struct MemSegment {
    leads: ChangedLeads,
    /// State of the store after the last of those commits.
    committed: CommittedState,
    terms: OnceLock<MemTerms>,
    analyzing: Mutex<()>,
}

impl MemSegment {
    fn new(leads: ChangedLeads, committed: CommittedState) -> Arc<Self> {
        Arc::new(Self {
            leads,
            committed,
            terms: OnceLock::new(),
            analyzing: Mutex::new(()),
        })
    }

    pub(crate) fn rows(&self) -> &RowSet {
        &self.leads.rows
    }

    pub(crate) fn leads(&self) -> &ChangedLeads {
        &self.leads
    }

    pub(crate) fn terms(&self) -> Result<&MemTerms> {
        if let Some(terms) = self.terms.get() {
            return Ok(terms);
        }
        // One thread analyzes while the others wait. The mutex guards no data that a panic could
        // leave inconsistent.
        let _analyzing = lock(&self.analyzing);
        if let Some(terms) = self.terms.get() {
            return Ok(terms);
        }
        let terms = MemTerms::analyze(&self.leads.rows, self.committed.state())?;
        Ok(self.terms.get_or_init(|| terms))
    }
}

/// The terms of a segment's live leads. Document numbers are row numbers.
#[derive(Default)]
pub(crate) struct MemTerms {
    terms: BTreeMap<(TermField, String), Vec<MemPosting>>,
    end: u32,
}

/// A row that contains a term, with the positions of the term.
pub(crate) struct MemPosting {
    row: u32,
    positions: Vec<u32>,
}

impl MemTerms {
    fn analyze(rows: &RowSet, state: StoreState<'_>) -> Result<Self> {
        let mut terms = Self {
            end: u32::try_from(rows.end()).unwrap_or(u32::MAX),
            ..Self::default()
        };
        for row in rows.iter() {
            let Some(stored) = state.lead(row)?.filter(|stored| stored.trash.is_none()) else {
                continue;
            };
            each_term(state.catalogue, &stored.lead, |field, position, term| {
                terms.add(row, field, term.to_string(), position)
            });
        }
        Ok(terms)
    }

    /// Adds a posting. Rows must be added in ascending order, and so must the positions of a term
    /// in a row.
    fn add(&mut self, row: Row, field: TermField, term: String, position: u32) {
        let postings = self.terms.entry((field, term)).or_default();
        match postings.last_mut().filter(|last| last.row == row.0) {
            Some(last) => last.positions.push(position),
            None => postings.push(MemPosting {
                row: row.0,
                positions: vec![position],
            }),
        }
    }

    /// Returns the terms of a field that start with a prefix.
    fn scan_prefix(
        &self,
        field: TermField,
        prefix: String,
    ) -> impl Iterator<Item = (&str, &Vec<MemPosting>)> {
        let first = (field, prefix);
        let terms = self
            .terms
            .range((Bound::Included(&first), Bound::Unbounded));
        let terms = terms.map(|((field, term), postings)| (*field, term.as_str(), postings));
        terms
            .take_while(move |(field, term, _)| {
                *field == first.0 && term.starts_with(first.1.as_str())
            })
            .map(|(_, term, postings)| (term, postings))
    }
}

impl<'a> Postings for &'a MemTerms {
    type Term = &'a Vec<MemPosting>;

    fn end(&self) -> u32 {
        self.end
    }

    fn term(&self, field: TermField, text: &str) -> Result<Option<Self::Term>> {
        Ok(self.terms.get(&(field, text.to_owned())))
    }

    fn terms_with_prefix(&self, scope: &FieldScope, prefix: &str) -> Result<Vec<Self::Term>> {
        let terms = scope
            .terms(prefix)
            .flat_map(|(term, _)| self.scan_prefix(scope.field, term));
        Ok(terms.map(|(_, postings)| postings).collect())
    }

    fn fuzzy_terms(
        &self,
        scope: &FieldScope,
        fuzzy: &FuzzyWord,
        _: bool,
    ) -> Result<Vec<FuzzyMatch<Self::Term>>> {
        let Some(first_letter) = fuzzy.first_letter() else {
            return Ok(Vec::new());
        };
        let mut found = Vec::new();
        for (from, is_exact) in scope.terms(first_letter.encode_utf8(&mut [0; 4])) {
            let before = from.len() - first_letter.len_utf8();
            found.extend(
                self.scan_prefix(scope.field, from)
                    .filter_map(|(term, postings)| {
                        let distance = fuzzy.distance(term.get(before..)?)?;
                        Some(FuzzyMatch {
                            term: postings,
                            is_exact,
                            distance,
                        })
                    }),
            );
        }
        Ok(found)
    }

    fn frequency(&self, term: &Self::Term) -> u32 {
        u32::try_from(term.len()).unwrap_or(u32::MAX)
    }

    fn each_document(&self, term: &Self::Term, mut visit: impl FnMut(&[u32])) -> Result<()> {
        term.iter().for_each(|posting| visit(&[posting.row]));
        Ok(())
    }

    fn each_among(&self, term: &Self::Term, among: &DocSet, visit: impl FnMut(u32)) -> Result<()> {
        term.iter()
            .map(|posting| posting.row)
            .filter(|row| among.contains(*row))
            .for_each(visit);
        Ok(())
    }

    fn each_position(
        &self,
        term: &Self::Term,
        among: &[u32],
        mut visit: impl FnMut(u32, &[u32]),
    ) -> Result<()> {
        for posting in term
            .iter()
            .filter(|posting| among.binary_search(&posting.row).is_ok())
        {
            visit(posting.row, &posting.positions);
        }
        Ok(())
    }

    fn each_row(&self, documents: &[u32], mut visit: impl FnMut(usize, Row)) -> Result<()> {
        documents
            .iter()
            .enumerate()
            .for_each(|(index, row)| visit(index, Row(*row)));
        Ok(())
    }
}

/// All memory segments since the last commit of the index.
#[derive(Clone, Default)]
pub(crate) struct RecentIndex {
    /// Segments that `IndexSync` is indexing, oldest first. They are not merged with newer ones.
    immutable: Vec<Arc<MemSegment>>,
    /// Newer segments, oldest first, each with more rows than the next one.
    active: Vec<Arc<MemSegment>>,
}

impl RecentIndex {
    pub(crate) fn newest_first(&self) -> impl Iterator<Item = &MemSegment> {
        self.immutable
            .iter()
            .chain(&self.active)
            .rev()
            .map(|segment| &**segment)
    }

    /// Returns the number of rows in all segments. A row in several segments is counted in each.
    pub(crate) fn len(&self) -> u64 {
        self.newest_first()
            .map(|segment| segment.rows().len())
            .sum()
    }

    /// Returns a copy with the rows that a commit changed. Segments of similar size are merged, so
    /// their number stays small and each row is merged a logarithmic number of times.
    pub(crate) fn with(&self, mut changed: ChangedLeads, committed: &CommittedState) -> Self {
        let mut recent = self.clone();
        while let Some(last) = recent
            .active
            .pop_if(|last| last.rows().len() <= changed.rows.len())
        {
            changed.add(&last.leads);
        }
        recent
            .active
            .push(MemSegment::new(changed, committed.clone()));
        recent
    }

    /// Returns the total size in bytes of the records of all segments.
    pub(crate) fn bytes(&self) -> u64 {
        self.newest_first().map(|segment| segment.leads.bytes).sum()
    }

    /// Returns a copy in which all segments are handed over to `IndexSync`.
    pub(crate) fn immutable(&self) -> Self {
        let mut recent = self.clone();
        recent.immutable.append(&mut recent.active);
        recent
    }

    /// Returns a copy without the segments that `IndexSync` has indexed.
    pub(crate) fn without_immutable(&self) -> Self {
        Self {
            immutable: Vec::new(),
            active: self.active.clone(),
        }
    }
}
