//! Collects the documents that match a phrase, each with its best match quality. The postings may
//! be in any order.

use crate::error::Result;
use crate::search::matching::doc_set::{DocBits, DocSet};
use crate::search::matching::postings::Postings;
use crate::search::matching::rank::FieldSet;

/// Quality of a document's match with a phrase; less is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct MatchQuality {
    pub(crate) typos: u8,
    /// The last word matches only a prefix of a word.
    pub(crate) prefix_only: bool,
    /// No value equals the phrase.
    pub(crate) not_exact: bool,
}

/// A match quality and the fields that have it, packed into one number. Greater is better, and 0
/// means no match.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PackedQuality(u16);

/// Maximum number of typos in a packed quality; a greater number is stored as this maximum. It fits
/// into 6 bits and keeps the packed number above 0.
const TYPOS_MAX: u8 = 62;

impl PackedQuality {
    pub(crate) fn new(quality: MatchQuality, fields: FieldSet) -> Self {
        let quality = quality.typos.min(TYPOS_MAX) << 2
            | u8::from(quality.prefix_only) << 1
            | u8::from(quality.not_exact);
        Self(u16::from(u8::MAX - quality) << 8 | u16::from(fields.0))
    }

    pub(crate) fn quality(self) -> MatchQuality {
        let [better, _] = self.0.to_be_bytes();
        let quality = u8::MAX - better;
        MatchQuality {
            typos: quality >> 2,
            prefix_only: quality & 2 != 0,
            not_exact: quality & 1 != 0,
        }
    }

    pub(crate) fn fields(self) -> FieldSet {
        let [_, fields] = self.0.to_be_bytes();
        FieldSet(fields)
    }

    fn is_none(self) -> bool {
        self.0 == 0
    }

    /// Returns the better of two qualities. If they are equally good, combines their fields.
    fn and(self, other: Self) -> Self {
        if self.0 >> 8 == other.0 >> 8 {
            Self(self.0 | other.0)
        } else {
            self.max(other)
        }
    }
}

/// A set of documents, each with its packed quality.
pub(crate) struct ScoredDocs {
    pub(crate) documents: DocSet,
    packed_list: DocQualities,
}

enum DocQualities {
    /// In the order of the documents.
    Sparse(Vec<PackedQuality>),
    /// Indexed by document number, with an entry for every document of the source; 0 means no
    /// match. The entries are plain integers, because a vector of zeros costs nothing until it is
    /// written to.
    Dense(Vec<u16>),
}

impl ScoredDocs {
    /// Returns the packed quality of the document at `index` in `documents`.
    #[inline]
    pub(crate) fn packed(&self, index: usize) -> Option<PackedQuality> {
        match &self.packed_list {
            DocQualities::Sparse(packed_list) => packed_list.get(index).copied(),
            DocQualities::Dense(packed_list) => {
                packed_by_number(packed_list, *self.documents.as_slice().get(index)?)
            }
        }
    }

    /// Returns the packed quality of a document if it is in the set. In sparse form, the search
    /// begins at index `from`, and advances `from` to the document's index.
    #[inline]
    pub(crate) fn packed_from(&self, from: &mut usize, document: u32) -> Option<PackedQuality> {
        match &self.packed_list {
            DocQualities::Sparse(packed_list) => {
                *from = self.documents.place_from(*from, document)?;
                packed_list.get(*from).copied()
            }
            DocQualities::Dense(packed_list) => packed_by_number(packed_list, document),
        }
    }
}

#[inline]
fn packed_by_number(packed_list: &[u16], document: u32) -> Option<PackedQuality> {
    packed_list
        .get(document as usize)
        .copied()
        .map(PackedQuality)
        .filter(|packed| !packed.is_none())
}

/// The terms and documents that match a phrase.
pub(crate) struct TermMatches<'t, T> {
    /// Terms that suffice for a match: every document that contains one of them matches the phrase.
    pub(crate) terms: Vec<(&'t T, PackedQuality)>,
    /// Other documents that match, such as those with adjacent words.
    pub(crate) documents: Vec<(u32, PackedQuality)>,
}

/// Approximate maximum number of documents per call of `visit`, small enough to stay in the
/// processor's cache.
const BATCH_DOCUMENTS: usize = 4_096;
/// Above this fraction (1/64) of all documents, results are collected in an array with an entry for
/// every document rather than in a sorted list. See `SPARSE_TERMS_MAX` for the exception.
const DENSE_FRACTION: u64 = 64;
/// Maximum number of terms for which `collect` uses a sorted list even above `DENSE_FRACTION`, if
/// `among` is given. The list has one entry for each pair of a term and a document that contains
/// it. If it might have more entries than the segment has documents, the array is used after all.
/// The limit is low because the list starts as one ascending run per term, and only a few runs sort
/// fast.
const SPARSE_TERMS_MAX: usize = 8;

/// Collects all documents that match, restricted to `among` if it is given.
pub(crate) fn collect<P: Postings>(
    segment: &P,
    term_matches: TermMatches<'_, P::Term>,
    among: Option<&DocSet>,
) -> Result<ScoredDocs> {
    let (terms, end) = (&term_matches.terms, u64::from(segment.end()));
    let frequencies: u64 = terms
        .iter()
        .map(|(term, _)| u64::from(segment.frequency(term)))
        .sum();
    let upper_bound = among.map_or(frequencies, |among| {
        frequencies.min((among.len() * terms.len()) as u64)
    });
    let sparse_max = if among.is_some() && terms.len() <= SPARSE_TERMS_MAX {
        end
    } else {
        end / DENSE_FRACTION
    };
    if upper_bound > sparse_max {
        collect_dense(segment, term_matches, among)
    } else {
        collect_sparse(segment, term_matches, among)
    }
}

/// Calls `visit` for the documents that contain a term, restricted to `among` if it is given.
fn each<P: Postings>(
    segment: &P,
    term: &P::Term,
    among: Option<&DocSet>,
    mut visit: impl FnMut(u32),
) -> Result<()> {
    match among {
        Some(among) => segment.each_among(term, among, visit),
        None => segment.each_document(term, |documents| {
            documents.iter().for_each(|document| visit(*document))
        }),
    }
}

fn collect_sparse<P: Postings>(
    segment: &P,
    term_matches: TermMatches<'_, P::Term>,
    among: Option<&DocSet>,
) -> Result<ScoredDocs> {
    let TermMatches {
        terms,
        documents: mut all,
    } = term_matches;
    all.retain(|(document, _)| among.is_none_or(|among| among.contains(*document)));
    for (term, packed) in &terms {
        each(segment, term, among, |document| {
            all.push((document, *packed))
        })?;
    }
    all.sort_by_key(|(document, _)| *document);
    let (mut documents, mut packed_list) = (Vec::new(), Vec::<PackedQuality>::new());
    for (document, packed) in all {
        match packed_list
            .last_mut()
            .filter(|_| documents.last() == Some(&document))
        {
            Some(last) => *last = last.and(packed),
            None => {
                documents.push(document);
                packed_list.push(packed);
            }
        }
    }
    Ok(ScoredDocs {
        documents: DocSet::new(documents, segment.end()),
        packed_list: DocQualities::Sparse(packed_list),
    })
}

fn collect_dense<P: Postings>(
    segment: &P,
    term_matches: TermMatches<'_, P::Term>,
    among: Option<&DocSet>,
) -> Result<ScoredDocs> {
    let mut packed_list = vec![0; segment.end() as usize];
    let mut scored = DocBits::below(segment.end());
    let mut add = |document: u32, packed: PackedQuality| {
        if let Some(kept) = packed_list.get_mut(document as usize) {
            *kept = PackedQuality(*kept).and(packed).0;
            scored.insert(document);
        }
    };
    let TermMatches { terms, documents } = term_matches;
    let documents = documents
        .into_iter()
        .filter(|(document, _)| among.is_none_or(|among| among.contains(*document)));
    documents.for_each(|(document, packed)| add(document, packed));
    for (term, packed) in &terms {
        each(segment, term, among, |document| add(document, *packed))?;
    }
    Ok(ScoredDocs {
        documents: DocSet::of(scored, segment.end()),
        packed_list: DocQualities::Dense(packed_list),
    })
}

/// Calls `visit` with batches of the documents that contain any of the terms, in no particular
/// order. Each document is visited once, with the quality of the first term that it contains.
pub(crate) fn visit_once<P: Postings>(
    segment: &P,
    terms: &[(&P::Term, PackedQuality)],
    mut visit: impl FnMut(&[u32], PackedQuality) -> Result<()>,
) -> Result<()> {
    let mut seen = DocBits::below(segment.end());
    let mut fresh = Vec::with_capacity(BATCH_DOCUMENTS * 2);
    for (term, packed) in terms {
        let mut shown = Ok(());
        segment.each_document(term, |documents| {
            fresh.extend(documents.iter().filter(|document| seen.insert(**document)));
            if fresh.len() >= BATCH_DOCUMENTS && shown.is_ok() {
                shown = visit(&fresh, *packed);
                fresh.clear();
            }
        })?;
        shown?;
        visit(&fresh, *packed)?;
        fresh.clear();
    }
    Ok(())
}

#[cfg(test)]
mod tests;
