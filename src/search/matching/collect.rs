//! Which documents have a phrase, and in what best way each: collected from postings in any order.

use crate::error::Result;
use crate::search::matching::doc_set::{Bits, Documents};
use crate::search::matching::postings::Postings;
use crate::search::matching::rank::Places;

/// In what way a document has a phrase; less is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Way {
    pub(crate) typos: u8,
    /// Its last word is only the beginning of one.
    pub(crate) partial: bool,
    /// No value consists of the phrase.
    pub(crate) unequal: bool,
}

/// A way and the places of those that are as good, as one number of which more is better and 0 is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Note(u16);

/// The most typos of a phrase that are told apart.
const MOST_TYPOS: u8 = 62;

impl Note {
    pub(crate) fn new(way: Way, places: Places) -> Self {
        let way =
            way.typos.min(MOST_TYPOS) << 2 | u8::from(way.partial) << 1 | u8::from(way.unequal);
        Self(u16::from(u8::MAX - way) << 8 | u16::from(places.0))
    }

    pub(crate) fn way(self) -> Way {
        let [better, _] = self.0.to_be_bytes();
        let way = u8::MAX - better;
        Way {
            typos: way >> 2,
            partial: way & 2 != 0,
            unequal: way & 1 != 0,
        }
    }

    pub(crate) fn places(self) -> Places {
        let [_, places] = self.0.to_be_bytes();
        Places(places)
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
pub(crate) struct Noted {
    pub(crate) documents: Documents,
    notes: Notes,
}

enum Notes {
    /// In the order of the documents.
    Listed(Vec<Note>),
    /// By the document's number, with room for all that the source has; 0 is none. Plain numbers, since memory that is
    /// zero costs nothing until it is written.
    ByNumber(Vec<u16>),
}

impl Noted {
    /// The note of a document that is in this place.
    #[inline]
    pub(crate) fn note(&self, place: usize) -> Option<Note> {
        match &self.notes {
            Notes::Listed(notes) => notes.get(place).copied(),
            Notes::ByNumber(notes) => note_by_number(notes, *self.documents.as_slice().get(place)?),
        }
    }

    /// The note of a document, if it is there and its place is at `from` or after, which then is the place.
    #[inline]
    pub(crate) fn note_from(&self, from: &mut usize, document: u32) -> Option<Note> {
        match &self.notes {
            Notes::Listed(notes) => {
                *from = self.documents.place_from(*from, document)?;
                notes.get(*from).copied()
            }
            Notes::ByNumber(notes) => note_by_number(notes, document),
        }
    }
}

#[inline]
fn note_by_number(notes: &[u16], document: u32) -> Option<Note> {
    notes
        .get(document as usize)
        .copied()
        .map(Note)
        .filter(|note| !note.is_none())
}

/// What says which documents have a phrase.
pub(crate) struct Found<'t, T> {
    /// The terms of which any is one of it.
    pub(crate) terms: Vec<(&'t T, Note)>,
    /// Documents that have it otherwise.
    pub(crate) documents: Vec<(u32, Note)>,
}

/// About so many documents are shown at once, few enough to stay in the processor's cache.
const SHOWN: usize = 4_096;
/// From this part of all documents on there is a note for each rather than a list of those that are found, …
const LISTED: u64 = 64;
/// … unless they come in so few ascending runs, one for each term, that the list is sorted soon.
const FEW_RUNS: usize = 8;

/// All documents that were found; only those `among` others, if that is given.
pub(crate) fn collect<P: Postings>(
    source: &P,
    found: Found<'_, P::Term>,
    among: Option<&Documents>,
) -> Result<Noted> {
    let (terms, end) = (&found.terms, u64::from(source.end()));
    let frequencies: u64 = terms
        .iter()
        .map(|(term, _)| u64::from(source.frequency(term)))
        .sum();
    let most = among.map_or(frequencies, |among| {
        frequencies.min((among.len() * terms.len()) as u64)
    });
    let listed = if among.is_some() && terms.len() <= FEW_RUNS {
        end
    } else {
        end / LISTED
    };
    if most > listed {
        collect_by_number(source, found, among)
    } else {
        collect_listed(source, found, among)
    }
}

/// Shows `visit` the documents that have a term; only those `among` others, if that is given.
fn each<P: Postings>(
    source: &P,
    term: &P::Term,
    among: Option<&Documents>,
    mut visit: impl FnMut(u32),
) -> Result<()> {
    match among {
        Some(among) => source.each_among(term, among, visit),
        None => source.each_document(term, |documents| {
            documents.iter().for_each(|document| visit(*document))
        }),
    }
}

fn collect_listed<P: Postings>(
    source: &P,
    found: Found<'_, P::Term>,
    among: Option<&Documents>,
) -> Result<Noted> {
    let Found {
        terms,
        documents: mut all,
    } = found;
    all.retain(|(document, _)| among.is_none_or(|among| among.contains(*document)));
    for (term, note) in &terms {
        each(source, term, among, |document| all.push((document, *note)))?;
    }
    all.sort_by_key(|(document, _)| *document);
    let (mut documents, mut notes) = (Vec::new(), Vec::<Note>::new());
    for (document, note) in all {
        match notes
            .last_mut()
            .filter(|_| documents.last() == Some(&document))
        {
            Some(last) => *last = last.and(note),
            None => {
                documents.push(document);
                notes.push(note);
            }
        }
    }
    Ok(Noted {
        documents: Documents::new(documents, source.end()),
        notes: Notes::Listed(notes),
    })
}

fn collect_by_number<P: Postings>(
    source: &P,
    found: Found<'_, P::Term>,
    among: Option<&Documents>,
) -> Result<Noted> {
    let mut notes = vec![0; source.end() as usize];
    let mut noted = Bits::below(source.end());
    let mut add = |document: u32, note: Note| {
        if let Some(kept) = notes.get_mut(document as usize) {
            *kept = Note(*kept).and(note).0;
            noted.insert(document);
        }
    };
    let Found { terms, documents } = found;
    let documents = documents
        .into_iter()
        .filter(|(document, _)| among.is_none_or(|among| among.contains(*document)));
    documents.for_each(|(document, note)| add(document, note));
    for (term, note) in &terms {
        each(source, term, among, |document| add(document, *note))?;
    }
    Ok(Noted {
        documents: Documents::of(noted, source.end()),
        notes: Notes::ByNumber(notes),
    })
}

/// Shows `visit` the documents that have any of these terms, in no order, each once and with the note of the first
/// such term.
pub(crate) fn each_first<P: Postings>(
    source: &P,
    terms: &[(&P::Term, Note)],
    mut visit: impl FnMut(&[u32], Note) -> Result<()>,
) -> Result<()> {
    let mut seen = Bits::below(source.end());
    let mut fresh = Vec::with_capacity(SHOWN * 2);
    for (term, note) in terms {
        let mut shown = Ok(());
        source.each_document(term, |documents| {
            fresh.extend(documents.iter().filter(|document| seen.insert(**document)));
            if fresh.len() >= SHOWN && shown.is_ok() {
                shown = visit(&fresh, *note);
                fresh.clear();
            }
        })?;
        shown?;
        visit(&fresh, *note)?;
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
    use crate::search::matching::postings::Meant;
    use crate::search::query::fuzzy::Mistyped;
    use crate::search::terms::field::{Scope, Slot};

    /// Terms that are the documents that have them, below an end.
    struct Lists(u32);

    impl Postings for Lists {
        type Term = Vec<u32>;

        fn end(&self) -> u32 {
            self.0
        }

        fn term(&self, _: Slot, _: &str) -> Result<Option<Vec<u32>>> {
            Ok(None)
        }

        fn beginning_with(&self, _: &Scope, _: &str) -> Result<Vec<Vec<u32>>> {
            Ok(Vec::new())
        }

        fn meant_by(&self, _: &Scope, _: &Mistyped, _: bool) -> Result<Vec<Meant<Vec<u32>>>> {
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
            among: &Documents,
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

    fn any_note() -> impl Strategy<Value = Note> {
        (0..4_u8, any::<bool>(), any::<bool>(), 1..=u8::MAX).prop_map(
            |(typos, partial, unequal, places)| {
                Note::new(
                    Way {
                        typos,
                        partial,
                        unequal,
                    },
                    Places(places),
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
        let mut ways = Vec::new();
        for typos in [0, 1, 2, MOST_TYPOS] {
            for partial in [false, true] {
                for unequal in [false, true] {
                    ways.push(Way {
                        typos,
                        partial,
                        unequal,
                    });
                }
            }
        }
        for (index, way) in ways.iter().enumerate() {
            let note = Note::new(*way, Places(0b101));
            assert_eq!((note.way(), note.places()), (*way, Places(0b101)));
            assert!(!note.is_none());
            assert_eq!(
                note.and(Note::new(*way, Places(0b110))).places(),
                Places(0b111),
                "{way:?}"
            );
            for worse in ways.iter().skip(index + 1) {
                let worse = Note::new(*worse, Places(0b110));
                assert!(note > worse);
                assert_eq!((note.and(worse), worse.and(note)), (note, note));
            }
        }
        assert_eq!(
            Note::new(
                Way {
                    typos: u8::MAX,
                    ..ways[0]
                },
                Places(1)
            )
            .way()
            .typos,
            MOST_TYPOS
        );
        assert!(Note::default().is_none());
    }

    #[test]
    fn documents_are_listed_where_they_are_few() {
        let end = 64 * LISTED as u32;
        let is_listed = |lists: &[Vec<u32>], among: Option<&Documents>| {
            let note = Note::new(
                Way {
                    typos: 0,
                    partial: false,
                    unequal: false,
                },
                Places(1),
            );
            let terms = lists.iter().map(|list| (list, note)).collect();
            let noted = collect(
                &Lists(end),
                Found {
                    terms,
                    documents: Vec::new(),
                },
                among,
            )
            .unwrap();
            matches!(noted.notes, Notes::Listed(_))
        };
        let list = |documents: u32| (0..documents).collect::<Vec<_>>();
        assert!(is_listed(&[list(64)], None));
        assert!(!is_listed(&[list(65)], None), "a sixty-fourth of all");
        assert!(
            !is_listed(&[list(32), list(33)], None),
            "of all terms together"
        );
        let few = Documents::new(list(10), end);
        assert!(is_listed(&vec![list(1_000); 8], Some(&few)), "few runs");
        assert!(
            !is_listed(&vec![list(1_000); 9], Some(&few)),
            "ninety, as far as those among which they are looked for go"
        );
        assert!(is_listed(&vec![list(7); 9], Some(&few)));
        let one = Documents::new(list(1), end);
        assert!(
            is_listed(&vec![list(1_000); 64], Some(&one)),
            "64, one for each term"
        );
        assert!(!is_listed(&vec![list(1_000); 65], Some(&one)));
    }

    #[test]
    fn each_document_is_shown_once_with_the_first_note() {
        let note = |places| {
            Note::new(
                Way {
                    typos: 0,
                    partial: false,
                    unequal: false,
                },
                Places(places),
            )
        };
        let every = |step: usize| (0..20_000_u32).step_by(step).collect::<Vec<u32>>();
        let lists = [
            (every(7), note(1)),
            (every(1), note(2)),
            (every(2), note(4)),
            (vec![19_999], note(8)),
        ];
        let terms: Vec<_> = lists.iter().map(|(list, note)| (list, *note)).collect();
        let mut shown = BTreeMap::new();
        each_first(&Lists(20_000), &terms, |documents, note| {
            assert!(
                documents.len() < SHOWN + 128,
                "no more at once than a cache holds"
            );
            for document in documents {
                assert_eq!(shown.insert(*document, note), None, "shown once");
            }
            Ok(())
        })
        .unwrap();
        let expected = |document: u32| note(if document.is_multiple_of(7) { 1 } else { 2 });
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
            let source = Lists(500);
            let mut expected = BTreeMap::<u32, Note>::new();
            let of_terms = terms.iter().flat_map(|(list, note)| list.iter().map(|document| (*document, *note)));
            for (document, note) in of_terms.chain(others.iter().copied()) {
                if among.as_ref().is_none_or(|among| among.contains(&document)) {
                    let kept = expected.entry(document).or_insert(note);
                    *kept = kept.and(note);
                }
            }
            let among = among.map(|among| Documents::new(among, source.end()));
            let found = || {
                let terms = terms.iter().map(|(list, note)| (list, *note)).collect();
                Found { terms, documents: others.clone() }
            };
            for noted in [
                collect(&source, found(), among.as_ref()).unwrap(),
                collect_listed(&source, found(), among.as_ref()).unwrap(),
                collect_by_number(&source, found(), among.as_ref()).unwrap(),
            ] {
                prop_assert_eq!(noted.documents.as_slice(), expected.keys().copied().collect::<Vec<_>>());
                let mut from = 0;
                for (place, (document, note)) in expected.iter().enumerate() {
                    prop_assert_eq!(noted.note(place), Some(*note));
                    prop_assert_eq!(noted.note_from(&mut from, *document), Some(*note));
                }
                let mut from = 0;
                let absent = (0..=500).find(|document| !expected.contains_key(document)).unwrap();
                prop_assert_eq!(noted.note_from(&mut from, absent), None);
            }
        }
    }
}
