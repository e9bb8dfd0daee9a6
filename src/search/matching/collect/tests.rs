//! Unit tests of `collect`.

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

    fn each_among(&self, term: &Vec<u32>, among: &DocSet, visit: impl FnMut(u32)) -> Result<()> {
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
    prop::collection::btree_set(0..end, 0..60).prop_map(|documents| documents.into_iter().collect())
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
