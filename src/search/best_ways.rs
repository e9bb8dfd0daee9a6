//! Which documents have a phrase, and in what best way each: collected from postings in any order.

use super::documents::{Bits, Documents};
use super::postings::Postings;
use super::rank::Places;
use crate::Result;

/// In what way a document has a phrase; less is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Way {
    pub(super) typos: u8,
    /// Its last word is only the beginning of one.
    pub(super) partial: bool,
    /// No value consists of the phrase.
    pub(super) unequal: bool,
}

/// A way and the places of those that are as good, as one number of which more is better and 0 is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Note(u16);

/// The most typos of a phrase that are told apart.
const MOST_TYPOS: u8 = 62;

impl Note {
    pub(super) fn new(way: Way, places: Places) -> Self {
        let way = way.typos.min(MOST_TYPOS) << 2 | u8::from(way.partial) << 1 | u8::from(way.unequal);
        Self(u16::from(u8::MAX - way) << 8 | u16::from(places.0))
    }

    pub(super) fn way(self) -> Way {
        let [better, _] = self.0.to_be_bytes();
        let way = u8::MAX - better;
        Way { typos: way >> 2, partial: way & 2 != 0, unequal: way & 1 != 0 }
    }

    pub(super) fn places(self) -> Places {
        let [_, places] = self.0.to_be_bytes();
        Places(places)
    }

    fn is_none(self) -> bool {
        self.0 == 0
    }

    /// The better of two, or both if neither is.
    fn and(self, other: Self) -> Self {
        if self.0 >> 8 == other.0 >> 8 { Self(self.0 | other.0) } else { self.max(other) }
    }
}

/// Documents, each with its note.
pub(super) struct Noted {
    pub(super) documents: Documents,
    pub(super) notes: Vec<Note>,
}

/// What says which documents have a phrase.
pub(super) struct Found<'t, T> {
    /// The terms of which any is one of it.
    pub(super) terms: Vec<(&'t T, Note)>,
    /// Documents that have it otherwise.
    pub(super) documents: Vec<(u32, Note)>,
}

/// About so many documents are shown at once, few enough to stay in the processor's cache.
const AT_ONCE: usize = 4_096;
/// From a part of so many documents on, there is a note for each document rather than each that is found.
const MANY: u32 = 64;

/// All documents that were found; only those `among` others, if that is given.
pub(super) fn collect<P: Postings>(source: &P, found: Found<'_, P::Term>, among: Option<&Documents>) -> Result<Noted> {
    if let Some(among) = among {
        return collect_among(source, found, among);
    }
    let frequencies = found.terms.iter().map(|(term, _)| u64::from(source.frequency(term)));
    if frequencies.sum::<u64>() > u64::from(source.end() / MANY) {
        return collect_many(source, found);
    }
    let Found { terms, documents: mut all } = found;
    for (term, note) in &terms {
        source.each_document(term, |documents| all.extend(documents.iter().map(|document| (*document, *note))))?;
    }
    all.sort_unstable_by_key(|(document, _)| *document);
    let (mut documents, mut notes) = (Vec::new(), Vec::<Note>::new());
    for (document, note) in all {
        match notes.last_mut().filter(|_| documents.last() == Some(&document)) {
            Some(last) => *last = last.and(note),
            None => {
                documents.push(document);
                notes.push(note);
            }
        }
    }
    Ok(Noted { documents: Documents::new(documents, source.end()), notes })
}

fn collect_many<P: Postings>(source: &P, found: Found<'_, P::Term>) -> Result<Noted> {
    let mut notes = vec![0; source.end() as usize];
    let mut noted = Bits::below(source.end());
    let mut add = |document: u32, note: Note| {
        if let Some(kept) = notes.get_mut(document as usize) {
            *kept = Note(*kept).and(note).0;
            noted.insert(document);
        }
    };
    found.documents.into_iter().for_each(|(document, note)| add(document, note));
    for (term, note) in &found.terms {
        source.each_document(term, |documents| documents.iter().for_each(|document| add(*document, *note)))?;
    }
    let documents = Documents::of(noted, source.end());
    let note = |document: &u32| notes.get(*document as usize).copied().map_or(Note::default(), Note);
    let notes = documents.as_slice().iter().map(note).collect();
    Ok(Noted { documents, notes })
}

/// Shows `visit` the documents that have any of these terms, in no order, each once and with the note of the first
/// such term.
pub(super) fn each_first<P: Postings>(
    source: &P,
    terms: &[(&P::Term, Note)],
    mut visit: impl FnMut(&[u32], Note) -> Result<()>,
) -> Result<()> {
    let mut seen = Bits::below(source.end());
    let mut fresh = Vec::with_capacity(AT_ONCE * 2);
    for (term, note) in terms {
        let mut shown = Ok(());
        source.each_document(term, |documents| {
            fresh.extend(documents.iter().filter(|document| seen.insert(**document)));
            if fresh.len() >= AT_ONCE && shown.is_ok() {
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

fn collect_among<P: Postings>(source: &P, found: Found<'_, P::Term>, among: &Documents) -> Result<Noted> {
    let mut notes = vec![Note::default(); among.len()];
    let mut add = |place: Option<usize>, note| {
        if let Some(kept) = place.and_then(|place| notes.get_mut(place)) {
            *kept = kept.and(note);
        }
    };
    found.documents.into_iter().for_each(|(document, note)| add(among.place(document), note));
    for (term, note) in &found.terms {
        source.each_among(term, among, |place| add(Some(place), *note))?;
    }
    let noted = among.as_slice().iter().zip(notes).filter(|(_, note)| !note.is_none());
    let (documents, notes) = noted.unzip();
    Ok(Noted { documents: Documents::new(documents, among.end()), notes })
}
