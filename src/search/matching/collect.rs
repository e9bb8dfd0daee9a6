//! Collects the documents that match a phrase, each with its best match quality, from postings in
//! any order.

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

/// Maximum number of typos in a phrase that are distinguished. It fits into 6 bits and keeps the
/// packed number above 0.
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

    /// Returns the better of two, or the fields of both combined if they are equally good.
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
    /// match. Plain integers, because zeroed memory costs nothing until it is written.
    Dense(Vec<u16>),
}

impl ScoredDocs {
    /// Returns the packed quality of the document at an index of the list.
    #[inline]
    pub(crate) fn packed(&self, index: usize) -> Option<PackedQuality> {
        match &self.packed_list {
            DocQualities::Sparse(packed_list) => packed_list.get(index).copied(),
            DocQualities::Dense(packed_list) => {
                packed_by_number(packed_list, *self.documents.as_slice().get(index)?)
            }
        }
    }

    /// Returns the packed quality of a document if it is in the set, at index `from` or later. In
    /// the sparse form, `from` advances to the index of the document.
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
    /// Terms, each of which is a match by itself.
    pub(crate) terms: Vec<(&'t T, PackedQuality)>,
    /// Other documents that match, such as those with adjacent words.
    pub(crate) documents: Vec<(u32, PackedQuality)>,
}

/// Approximate number of documents per call of `visit`, small enough to stay in the processor's
/// cache.
const BATCH_DOCUMENTS: usize = 4_096;
/// Above this fraction (1/64) of all documents, results are collected in an array with an entry for
/// every document rather than in a sorted list. See `SORT_RUNS_MAX` for the exception.
const DENSE_FRACTION: u64 = 64;
/// With `among` and no more than this number of terms, the list is used unless the results may
/// outnumber the documents of the source. It consists of one ascending run per term, and few runs
/// sort fast.
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

/// Calls `visit` with batches of the documents that contain any of the terms. Each document is
/// visited once, with the quality of the first such term, in no particular order.
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
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::row::Row;
    use crate::schema::TermField;
    use crate::search::matching::postings::FuzzyMatch;
    use crate::search::query::fuzzy::FuzzyWord;
    use crate::search::terms::field::FieldScope;

    /// Postings whose terms are their own document lists. The field is the exclusive upper bound of
    /// the document numbers.
    struct Lists(u32);

    impl Postings for Lists {
        type Term = Vec<u32>;

        fn end(&self) -> u32 {
            self.0
        }

        fn term(&self, _: TermField, _: &str) -> Result<Option<Vec<u32>>> {
            Ok(None)
        }

        fn terms_with_prefix(&self, _: &FieldScope, _: &str) -> Result<Vec<Vec<u32>>> {
            Ok(Vec::new())
        }

        fn fuzzy_terms(
            &self,
            _: &FieldScope,
            _: &FuzzyWord,
            _: bool,
        ) -> Result<Vec<FuzzyMatch<Vec<u32>>>> {
            Ok(Vec::new())
        }

        fn frequency(&self, term: &Vec<u32>) -> u32 {
            term.len() as u32
        }

        fn each_document(&self, term: &Vec<u32>, visit: impl FnMut(&[u32])) -> Result<()> {
            term.chunks(128).for_each(visit);
            Ok(())
        }

        fn each_among(
            &self,
            term: &Vec<u32>,
            among: &DocSet,
            visit: impl FnMut(u32),
        ) -> Result<()> {
            among.common(term, visit);
            Ok(())
        }

        fn each_position(&self, _: &Vec<u32>, _: &[u32], _: impl FnMut(u32, &[u32])) -> Result<()> {
            Ok(())
        }

        fn each_row(&self, _: &[u32], _: impl FnMut(usize, Row)) -> Result<()> {
            Ok(())
        }
    }

    fn any_packed() -> impl Strategy<Value = PackedQuality> {
        (0..4_u8, any::<bool>(), any::<bool>(), 1..=u8::MAX).prop_map(
            |(typos, prefix_only, not_exact, fields)| {
                PackedQuality::new(
                    MatchQuality {
                        typos,
                        prefix_only,
                        not_exact,
                    },
                    FieldSet(fields),
                )
            },
        )
    }

    fn documents(end: u32) -> impl Strategy<Value = Vec<u32>> {
        prop::collection::btree_set(0..end, 0..60)
            .prop_map(|documents| documents.into_iter().collect())
    }

    #[test]
    fn packed_quality_round_trips_and_orders_by_quality() {
        let mut qualities = Vec::new();
        for typos in [0, 1, 2, TYPOS_MAX] {
            for prefix_only in [false, true] {
                for not_exact in [false, true] {
                    qualities.push(MatchQuality {
                        typos,
                        prefix_only,
                        not_exact,
                    });
                }
            }
        }
        for (index, quality) in qualities.iter().enumerate() {
            let packed = PackedQuality::new(*quality, FieldSet(0b101));
            assert_eq!(
                (packed.quality(), packed.fields()),
                (*quality, FieldSet(0b101))
            );
            assert!(!packed.is_none());
            assert_eq!(
                packed
                    .and(PackedQuality::new(*quality, FieldSet(0b110)))
                    .fields(),
                FieldSet(0b111),
                "{quality:?}"
            );
            for worse in qualities.iter().skip(index + 1) {
                let worse = PackedQuality::new(*worse, FieldSet(0b110));
                assert!(packed > worse);
                assert_eq!((packed.and(worse), worse.and(packed)), (packed, packed));
            }
        }
        assert_eq!(
            PackedQuality::new(
                MatchQuality {
                    typos: u8::MAX,
                    ..qualities[0]
                },
                FieldSet(1)
            )
            .quality()
            .typos,
            TYPOS_MAX
        );
        assert!(PackedQuality::default().is_none());
    }

    #[test]
    fn few_documents_are_collected_as_a_list() {
        let end = 64 * DENSE_FRACTION as u32;
        let is_sparse = |lists: &[Vec<u32>], among: Option<&DocSet>| {
            let packed = PackedQuality::new(
                MatchQuality {
                    typos: 0,
                    prefix_only: false,
                    not_exact: false,
                },
                FieldSet(1),
            );
            let terms = lists.iter().map(|list| (list, packed)).collect();
            let scored = collect(
                &Lists(end),
                TermMatches {
                    terms,
                    documents: Vec::new(),
                },
                among,
            )
            .unwrap();
            matches!(scored.packed_list, DocQualities::Sparse(_))
        };
        let list = |documents: u32| (0..documents).collect::<Vec<_>>();
        assert!(is_sparse(&[list(64)], None));
        assert!(
            !is_sparse(&[list(65)], None),
            "more than 1/64 of all documents"
        );
        assert!(
            !is_sparse(&[list(32), list(33)], None),
            "more than 1/64 in all terms together"
        );
        let few = DocSet::new(list(10), end);
        assert!(
            is_sparse(&vec![list(1_000); 8], Some(&few)),
            "few ascending runs"
        );
        assert!(
            !is_sparse(&vec![list(1_000); 9], Some(&few)),
            "up to 90 results, bounded by `among` for each term"
        );
        assert!(is_sparse(&vec![list(7); 9], Some(&few)));
        let one = DocSet::new(list(1), end);
        assert!(
            is_sparse(&vec![list(1_000); 64], Some(&one)),
            "up to 64 results, one for each term"
        );
        assert!(!is_sparse(&vec![list(1_000); 65], Some(&one)));
    }

    #[test]
    fn documents_are_visited_once_with_their_first_quality() {
        let packed = |fields| {
            PackedQuality::new(
                MatchQuality {
                    typos: 0,
                    prefix_only: false,
                    not_exact: false,
                },
                FieldSet(fields),
            )
        };
        let every = |step: usize| (0..20_000_u32).step_by(step).collect::<Vec<u32>>();
        let lists = [
            (every(7), packed(1)),
            (every(1), packed(2)),
            (every(2), packed(4)),
            (vec![19_999], packed(8)),
        ];
        let terms: Vec<_> = lists.iter().map(|(list, packed)| (list, *packed)).collect();
        let mut shown = BTreeMap::new();
        visit_once(&Lists(20_000), &terms, |documents, packed| {
            assert!(
                documents.len() < BATCH_DOCUMENTS + 128,
                "a batch fits into the cache"
            );
            for document in documents {
                assert_eq!(shown.insert(*document, packed), None, "visited once");
            }
            Ok(())
        })
        .unwrap();
        let expected = |document: u32| packed(if document.is_multiple_of(7) { 1 } else { 2 });
        assert!(
            shown
                .into_iter()
                .eq((0..20_000).map(|document| (document, expected(document))))
        );

        let mut calls = 0;
        let failed = visit_once(&Lists(20_000), &terms[1..], |_, _| {
            calls += 1;
            Err(crate::error::Error::corrupted("a reason"))
        });
        assert_eq!(
            (failed.is_err(), calls),
            (true, 1),
            "stops at the first error"
        );
    }

    proptest! {
        #[test]
        fn sparse_and_dense_collection_keep_the_best_quality(
            terms in prop::collection::vec((documents(500), any_packed()), 0..6),
            others in prop::collection::vec((0..500_u32, any_packed()), 0..20),
            among in prop::option::of(documents(500)),
        ) {
            let segment = Lists(500);
            let mut expected = BTreeMap::<u32, PackedQuality>::new();
            let of_terms = terms.iter().flat_map(|(list, packed)| list.iter().map(|document| (*document, *packed)));
            for (document, packed) in of_terms.chain(others.iter().copied()) {
                if among.as_ref().is_none_or(|among| among.contains(&document)) {
                    let kept = expected.entry(document).or_insert(packed);
                    *kept = kept.and(packed);
                }
            }
            let among = among.map(|among| DocSet::new(among, segment.end()));
            let term_matches = || {
                let terms = terms.iter().map(|(list, packed)| (list, *packed)).collect();
                TermMatches { terms, documents: others.clone() }
            };
            for scored in [
                collect(&segment, term_matches(), among.as_ref()).unwrap(),
                collect_sparse(&segment, term_matches(), among.as_ref()).unwrap(),
                collect_dense(&segment, term_matches(), among.as_ref()).unwrap(),
            ] {
                prop_assert_eq!(scored.documents.as_slice(), expected.keys().copied().collect::<Vec<_>>());
                let mut from = 0;
                for (index, (document, packed)) in expected.iter().enumerate() {
                    prop_assert_eq!(scored.packed(index), Some(*packed));
                    prop_assert_eq!(scored.packed_from(&mut from, *document), Some(*packed));
                }
                let mut from = 0;
                let absent = (0..=500).find(|document| !expected.contains_key(document)).unwrap();
                prop_assert_eq!(scored.packed_from(&mut from, absent), None);
            }
        }
    }
}
