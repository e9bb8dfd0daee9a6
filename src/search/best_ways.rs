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
    pub(super) fn note(&self, place: usize) -> Option<Note> {
        match &self.notes {
            Notes::Listed(notes) => notes.get(place).copied(),
            Notes::ByNumber(notes) => note_by_number(notes, *self.documents.as_slice().get(place)?),
        }
    }

    /// The note of a document, if it is there and its place is at `from` or after, which then is the place.
    #[inline]
    pub(super) fn note_from(&self, from: &mut usize, document: u32) -> Option<Note> {
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
    notes.get(document as usize).copied().map(Note).filter(|note| !note.is_none())
}

/// What says which documents have a phrase.
pub(super) struct Found<'t, T> {
    /// The terms of which any is one of it.
    pub(super) terms: Vec<(&'t T, Note)>,
    /// Documents that have it otherwise.
    pub(super) documents: Vec<(u32, Note)>,
}

/// About so many documents are shown at once, few enough to stay in the processor's cache.
const SHOWN: usize = 4_096;
/// From this part of all documents on there is a note for each rather than a list of those that are found, …
const LISTED: u64 = 64;
/// … unless they come in so few ascending runs, one for each term, that the list is sorted soon.
const FEW_RUNS: usize = 8;

/// All documents that were found; only those `among` others, if that is given.
pub(super) fn collect<P: Postings>(source: &P, found: Found<'_, P::Term>, among: Option<&Documents>) -> Result<Noted> {
    let (terms, end) = (&found.terms, u64::from(source.end()));
    let frequencies: u64 = terms.iter().map(|(term, _)| u64::from(source.frequency(term))).sum();
    let most = among.map_or(frequencies, |among| frequencies.min((among.len() * terms.len()) as u64));
    let listed = if among.is_some() && terms.len() <= FEW_RUNS { end } else { end / LISTED };
    if most > listed { collect_by_number(source, found, among) } else { collect_listed(source, found, among) }
}

/// Shows `visit` the documents that have a term; only those `among` others, if that is given.
fn each<P: Postings>(source: &P, term: &P::Term, among: Option<&Documents>, mut visit: impl FnMut(u32)) -> Result<()> {
    match among {
        Some(among) => source.each_among(term, among, visit),
        None => source.each_document(term, |documents| documents.iter().for_each(|document| visit(*document))),
    }
}

fn collect_listed<P: Postings>(source: &P, found: Found<'_, P::Term>, among: Option<&Documents>) -> Result<Noted> {
    let Found { terms, documents: mut all } = found;
    all.retain(|(document, _)| among.is_none_or(|among| among.contains(*document)));
    for (term, note) in &terms {
        each(source, term, among, |document| all.push((document, *note)))?;
    }
    all.sort_by_key(|(document, _)| *document);
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
    Ok(Noted { documents: Documents::new(documents, source.end()), notes: Notes::Listed(notes) })
}

fn collect_by_number<P: Postings>(source: &P, found: Found<'_, P::Term>, among: Option<&Documents>) -> Result<Noted> {
    let mut notes = vec![0; source.end() as usize];
    let mut noted = Bits::below(source.end());
    let mut add = |document: u32, note: Note| {
        if let Some(kept) = notes.get_mut(document as usize) {
            *kept = Note(*kept).and(note).0;
            noted.insert(document);
        }
    };
    let Found { terms, documents } = found;
    let documents = documents.into_iter().filter(|(document, _)| among.is_none_or(|among| among.contains(*document)));
    documents.for_each(|(document, note)| add(document, note));
    for (term, note) in &terms {
        each(source, term, among, |document| add(document, *note))?;
    }
    Ok(Noted { documents: Documents::of(noted, source.end()), notes: Notes::ByNumber(notes) })
}

/// Shows `visit` the documents that have any of these terms, in no order, each once and with the note of the first
/// such term.
pub(super) fn each_first<P: Postings>(
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
