//! The leads that changed since the index was last committed, in layers, the way segments follow one another.
//!
//! A layer holds only rows. Their words are analysed when the first search asks, and shared by all views that hold the
//! layer, so that a bulk load nobody searches costs nothing here.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, OnceLock};

use crate::error::Result;
use crate::row::{Row, RowSet};
use crate::search::matching::doc_set::Documents;
use crate::search::matching::postings::{Meant, Postings};
use crate::search::query::fuzzy::Mistyped;
use crate::search::terms::field::{Scope, Slot};
use crate::search::terms::lead_terms::each_term;
use crate::storage::{ReadView, Reader};

/// The changed leads of one or more commits.
pub(crate) struct Layer {
    rows: RowSet,
    /// The state after the last of those commits.
    read: Arc<ReadView>,
    words: OnceLock<LayerWords>,
    analysing: Mutex<()>,
}

impl Layer {
    fn new(rows: RowSet, read: Arc<ReadView>) -> Arc<Self> {
        Arc::new(Self {
            rows,
            read,
            words: OnceLock::new(),
            analysing: Mutex::new(()),
        })
    }

    pub(crate) fn rows(&self) -> &RowSet {
        &self.rows
    }

    pub(crate) fn words(&self) -> Result<&LayerWords> {
        if let Some(words) = self.words.get() {
            return Ok(words);
        }
        // One searcher analyses, the others wait for it. The lock guards nothing that a panic could leave half done.
        let _analysing = self
            .analysing
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(words) = self.words.get() {
            return Ok(words);
        }
        let words = LayerWords::analyse(&self.rows, &*self.read)?;
        Ok(self.words.get_or_init(|| words))
    }
}

/// The words of a layer's live leads; documents are rows.
#[derive(Default)]
pub(crate) struct LayerWords {
    terms: BTreeMap<(Slot, String), Vec<Posting>>,
    end: u32,
}

/// A lead that has a term, and where.
pub(crate) struct Posting {
    row: u32,
    positions: Vec<u32>,
}

impl LayerWords {
    fn analyse(rows: &RowSet, reader: &impl Reader) -> Result<Self> {
        let mut words = Self {
            end: u32::try_from(rows.end()).unwrap_or(u32::MAX),
            ..Self::default()
        };
        for row in rows.iter() {
            let Some(stored) = reader.lead(row)?.filter(|stored| stored.trash.is_none()) else {
                continue;
            };
            each_term(&stored.lead, |slot, position, term| {
                words.add(row, slot, term.to_string(), position)
            });
        }
        Ok(words)
    }

    /// Rows come in ascending order, and so do the positions of a term in one.
    fn add(&mut self, row: Row, slot: Slot, term: String, position: u32) {
        let postings = self.terms.entry((slot, term)).or_default();
        match postings.last_mut().filter(|last| last.row == row.0) {
            Some(last) => last.positions.push(position),
            None => postings.push(Posting {
                row: row.0,
                positions: vec![position],
            }),
        }
    }

    /// The terms of a slot that begin so.
    fn terms_from(
        &self,
        slot: Slot,
        beginning: String,
    ) -> impl Iterator<Item = (&str, &Vec<Posting>)> {
        let first = (slot, beginning);
        let terms = self
            .terms
            .range((Bound::Included(&first), Bound::Unbounded));
        let terms = terms.map(|((slot, term), postings)| (*slot, term.as_str(), postings));
        terms
            .take_while(move |(slot, term, _)| {
                *slot == first.0 && term.starts_with(first.1.as_str())
            })
            .map(|(_, term, postings)| (term, postings))
    }
}

impl<'a> Postings for &'a LayerWords {
    type Term = &'a Vec<Posting>;

    fn end(&self) -> u32 {
        self.end
    }

    fn term(&self, slot: Slot, text: &str) -> Result<Option<Self::Term>> {
        Ok(self.terms.get(&(slot, text.to_owned())))
    }

    fn beginning_with(&self, scope: &Scope, beginning: &str) -> Result<Vec<Self::Term>> {
        let terms = scope
            .terms(beginning)
            .flat_map(|(term, _)| self.terms_from(scope.slot, term));
        Ok(terms.map(|(_, postings)| postings).collect())
    }

    fn meant_by(
        &self,
        scope: &Scope,
        mistyped: &Mistyped,
        _: bool,
    ) -> Result<Vec<Meant<Self::Term>>> {
        let Some(first_letter) = mistyped.first_letter() else {
            return Ok(Vec::new());
        };
        let mut found = Vec::new();
        for (from, alone) in scope.terms(first_letter.encode_utf8(&mut [0; 4])) {
            let before = from.len() - first_letter.len_utf8();
            found.extend(
                self.terms_from(scope.slot, from)
                    .filter_map(|(term, postings)| {
                        let distance = mistyped.distance(term.get(before..)?)?;
                        Some(Meant {
                            term: postings,
                            alone,
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

    fn each_among(
        &self,
        term: &Self::Term,
        among: &Documents,
        visit: impl FnMut(u32),
    ) -> Result<()> {
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
            .for_each(|(place, row)| visit(place, Row(*row)));
        Ok(())
    }
}

/// All layers since the last commit of the index.
#[derive(Clone, Default)]
pub(crate) struct Recent {
    /// Those that the follower is indexing, oldest first. They are not merged with the ones after.
    frozen: Vec<Arc<Layer>>,
    /// Those since, oldest first, each larger than the next.
    fresh: Vec<Arc<Layer>>,
}

impl Recent {
    pub(crate) fn newest_first(&self) -> impl Iterator<Item = &Layer> {
        self.frozen
            .iter()
            .chain(&self.fresh)
            .rev()
            .map(|layer| &**layer)
    }

    /// How many rows the layers hold; one that changed in several is counted in each.
    pub(crate) fn len(&self) -> u64 {
        self.newest_first().map(|layer| layer.rows.len()).sum()
    }

    /// With the rows that a commit changed. Layers of like size are merged, so that there are few of them
    /// and each row is merged a logarithmic number of times.
    pub(crate) fn with(&self, mut rows: RowSet, read: &Arc<ReadView>) -> Self {
        let mut recent = self.clone();
        while let Some(last) = recent.fresh.pop_if(|last| last.rows.len() <= rows.len()) {
            rows.add_all(&last.rows);
        }
        recent.fresh.push(Layer::new(rows, Arc::clone(read)));
        recent
    }

    /// With everything so far handed to the follower.
    pub(crate) fn frozen(&self) -> Self {
        let mut recent = self.clone();
        recent.frozen.append(&mut recent.fresh);
        recent
    }

    /// Without what the follower has indexed.
    pub(crate) fn without_frozen(&self) -> Self {
        Self {
            frozen: Vec::new(),
            fresh: self.fresh.clone(),
        }
    }
}
