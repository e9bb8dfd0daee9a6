//! Which documents have a phrase, and in what best way each: collected from postings in any order.

use crate::error::Result;
use crate::search::matching::doc_set::{DocBits, DocSet};
use crate::search::matching::postings::Postings;
use crate::search::matching::rank::FieldSet;

/// In what way a document has a phrase; less is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct MatchQuality {
    pub(crate) typos: u8,
    /// Its last word is only the beginning of one.
    pub(crate) prefix_only: bool,
    /// No value consists of the phrase.
    pub(crate) not_exact: bool,
}

/// A way and the places of those that are as good, as one number of which more is better and 0 is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PackedQuality(u16);

/// The most typos of a phrase that are told apart.
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

    /// The better of two, or both if neither is.
    fn and(self, other: Self) -> Self {
        if self.0 >> 8 == other.0 >> 8 {
            Self(self.0 | other.0)
        } else {
            self.max(other)
        }
    }
}

/// Documents, each with its note.
pub(crate) struct ScoredDocs {
    pub(crate) documents: DocSet,
    packed_list: DocQualities,
}

enum DocQualities {
    /// In the order of the documents.
    Listed(Vec<PackedQuality>),
    /// By the document's number, with room for all that the source has; 0 is none. Plain numbers, since memory that is
    /// zero costs nothing until it is written.
    ByNumber(Vec<u16>),
}

impl ScoredDocs {
    /// The note of a document that is in this place.
    #[inline]
    pub(crate) fn packed(&self, place: usize) -> Option<PackedQuality> {
        match &self.packed_list {
            DocQualities::Listed(packed_list) => packed_list.get(place).copied(),
            DocQualities::ByNumber(packed_list) => {
                note_by_number(packed_list, *self.documents.as_slice().get(place)?)
            }
        }
    }

    /// The note of a document, if it is there and its place is at `from` or after, which then is the place.
    #[inline]
    pub(crate) fn note_from(&self, from: &mut usize, document: u32) -> Option<PackedQuality> {
        match &self.packed_list {
            DocQualities::Listed(packed_list) => {
                *from = self.documents.place_from(*from, document)?;
                packed_list.get(*from).copied()
            }
            DocQualities::ByNumber(packed_list) => note_by_number(packed_list, document),
        }
    }
}

#[inline]
fn note_by_number(packed_list: &[u16], document: u32) -> Option<PackedQuality> {
    packed_list
        .get(document as usize)
        .copied()
        .map(PackedQuality)
        .filter(|packed| !packed.is_none())
}

/// What says which documents have a phrase.
pub(crate) struct TermMatches<'t, T> {
    /// The terms of which any is one of it.
    pub(crate) terms: Vec<(&'t T, PackedQuality)>,
    /// Documents that have it otherwise.
    pub(crate) documents: Vec<(u32, PackedQuality)>,
}

/// About so many documents are shown at once, few enough to stay in the processor's cache.
const BATCH_DOCUMENTS: usize = 4_096;
/// From this part of all documents on there is a note for each rather than a list of those that are found, …
const DENSE_FRACTION: u64 = 64;
/// … unless they come in so few ascending runs, one for each term, that the list is sorted soon.
const SPARSE_TERMS_MAX: usize = 8;

/// All documents that were found; only those `among` others, if that is given.
pub(crate) fn collect<P: Postings>(
    segment: &P,
    found: TermMatches<'_, P::Term>,
    among: Option<&DocSet>,
) -> Result<ScoredDocs> {
    let (terms, end) = (&found.terms, u64::from(segment.end()));
    let frequencies: u64 = terms
        .iter()
        .map(|(term, _)| u64::from(segment.frequency(term)))
        .sum();
    let most = among.map_or(frequencies, |among| {
        frequencies.min((among.len() * terms.len()) as u64)
    });
    let listed = if among.is_some() && terms.len() <= SPARSE_TERMS_MAX {
        end
    } else {
        end / DENSE_FRACTION
    };
    if most > listed {
        collect_by_number(segment, found, among)
    } else {
        collect_listed(segment, found, among)
    }
}

/// Shows `visit` the documents that have a term; only those `among` others, if that is given.
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

fn collect_listed<P: Postings>(
    segment: &P,
    found: TermMatches<'_, P::Term>,
    among: Option<&DocSet>,
) -> Result<ScoredDocs> {
    let TermMatches {
        terms,
        documents: mut all,
    } = found;
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
        packed_list: DocQualities::Listed(packed_list),
    })
}

fn collect_by_number<P: Postings>(
    segment: &P,
    found: TermMatches<'_, P::Term>,
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
    let TermMatches { terms, documents } = found;
    let documents = documents
        .into_iter()
        .filter(|(document, _)| among.is_none_or(|among| among.contains(*document)));
    documents.for_each(|(document, packed)| add(document, packed));
    for (term, packed) in &terms {
        each(segment, term, among, |document| add(document, *packed))?;
    }
    Ok(ScoredDocs {
        documents: DocSet::of(scored, segment.end()),
        packed_list: DocQualities::ByNumber(packed_list),
    })
}

/// Shows `visit` the documents that have any of these terms, in no order, each once and with the note of the first
/// such term.
pub(crate) fn each_first<P: Postings>(
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

    /// Terms that are the documents that have them, below an end.
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

    fn any_note() -> impl Strategy<Value = PackedQuality> {
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
    fn a_note_keeps_its_way_and_places_and_a_better_one_is_more() {
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
    fn documents_are_listed_where_they_are_few() {
        let end = 64 * DENSE_FRACTION as u32;
        let is_listed = |lists: &[Vec<u32>], among: Option<&DocSet>| {
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
            matches!(scored.packed_list, DocQualities::Listed(_))
        };
        let list = |documents: u32| (0..documents).collect::<Vec<_>>();
        assert!(is_listed(&[list(64)], None));
        assert!(!is_listed(&[list(65)], None), "a sixty-fourth of all");
        assert!(
            !is_listed(&[list(32), list(33)], None),
            "of all terms together"
        );
        let few = DocSet::new(list(10), end);
        assert!(is_listed(&vec![list(1_000); 8], Some(&few)), "few runs");
        assert!(
            !is_listed(&vec![list(1_000); 9], Some(&few)),
            "ninety, as far as those among which they are looked for go"
        );
        assert!(is_listed(&vec![list(7); 9], Some(&few)));
        let one = DocSet::new(list(1), end);
        assert!(
            is_listed(&vec![list(1_000); 64], Some(&one)),
            "64, one for each term"
        );
        assert!(!is_listed(&vec![list(1_000); 65], Some(&one)));
    }

    #[test]
    fn each_document_is_shown_once_with_the_first_note() {
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
        each_first(&Lists(20_000), &terms, |documents, packed| {
            assert!(
                documents.len() < BATCH_DOCUMENTS + 128,
                "no more at once than a cache holds"
            );
            for document in documents {
                assert_eq!(shown.insert(*document, packed), None, "shown once");
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
        let failed = each_first(&Lists(20_000), &terms[1..], |_, _| {
            calls += 1;
            Err(crate::error::Error::corrupted("a reason"))
        });
        assert_eq!((failed.is_err(), calls), (true, 1), "a failure ends it");
    }

    proptest! {
        #[test]
        fn both_ways_to_collect_give_each_document_its_best_note(
            terms in prop::collection::vec((documents(500), any_note()), 0..6),
            others in prop::collection::vec((0..500_u32, any_note()), 0..20),
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
            let found = || {
                let terms = terms.iter().map(|(list, packed)| (list, *packed)).collect();
                TermMatches { terms, documents: others.clone() }
            };
            for scored in [
                collect(&segment, found(), among.as_ref()).unwrap(),
                collect_listed(&segment, found(), among.as_ref()).unwrap(),
                collect_by_number(&segment, found(), among.as_ref()).unwrap(),
            ] {
                prop_assert_eq!(scored.documents.as_slice(), expected.keys().copied().collect::<Vec<_>>());
                let mut from = 0;
                for (place, (document, packed)) in expected.iter().enumerate() {
                    prop_assert_eq!(scored.packed(place), Some(*packed));
                    prop_assert_eq!(scored.note_from(&mut from, *document), Some(*packed));
                }
                let mut from = 0;
                let absent = (0..=500).find(|document| !expected.contains_key(document)).unwrap();
                prop_assert_eq!(scored.note_from(&mut from, absent), None);
            }
        }
    }
}
