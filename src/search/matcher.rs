//! Matching: which leads have all phrases of a query. One way of matching for every source of postings, so that a lead
//! is found alike whether it is in the index or not yet.

use std::collections::HashMap;

use roaring::RoaringBitmap;

use super::field::Scope;
use super::query_text::Phrase;
use super::view::View;
use crate::Result;
use crate::row::RowSet;

/// Where postings come from: one segment of the index, or the leads since. Documents are numbered as the source likes.
pub(super) trait Postings {
    /// In about how many documents a word is; with `prefix`, a word that begins so. It decides the order of work, not
    /// the answer.
    fn frequency(&self, scope: &Scope, word: &str, prefix: bool) -> Result<u64>;

    /// The documents that have a word, or with `prefix` a word that begins so; with `among`, those of them that have
    /// it.
    fn documents(
        &self,
        scope: &Scope,
        word: &str,
        prefix: bool,
        among: Option<&RoaringBitmap>,
    ) -> Result<RoaringBitmap>;

    /// Shows `visit` the word's positions in each of the documents in `among` that have it.
    fn each_position(
        &self,
        scope: &Scope,
        word: &str,
        prefix: bool,
        among: &RoaringBitmap,
        visit: impl FnMut(u32, &[u32]),
    ) -> Result<()>;

    /// The rows of documents, without those that are deleted.
    fn rows_of(&self, documents: &RoaringBitmap) -> Result<RowSet>;
}

/// The rows of the leads that have every phrase, each in any of the scopes.
pub(super) fn find(view: &View, phrases: &[Phrase], scopes: &[Scope]) -> Result<RowSet> {
    let mut found = RowSet::default();
    // What a newer source knows of a row outdates all older ones.
    let mut outdated = RowSet::default();
    for layer in view.recent().newest_first() {
        let rows = rows_in(layer.words()?, phrases, scopes)?;
        found.add_all(&rows.minus(&outdated));
        outdated.add_all(layer.rows());
    }
    for segment in view.segments()? {
        let rows = rows_in(&segment?, phrases, scopes)?;
        found.add_all(&rows.minus(&outdated));
    }
    Ok(found)
}

/// The rows of one source: the rarest phrase first, so that the others are looked for in few documents.
fn rows_in(source: &impl Postings, phrases: &[Phrase], scopes: &[Scope]) -> Result<RowSet> {
    let mut by_frequency = Vec::with_capacity(phrases.len());
    for phrase in phrases {
        let mut frequency = 0_u64;
        // With a single phrase there is nothing to choose.
        for scope in scopes.iter().take(if phrases.len() > 1 { scopes.len() } else { 0 }) {
            frequency = frequency.saturating_add(rarest(source, phrase, scope)?);
        }
        by_frequency.push((frequency, phrase));
    }
    by_frequency.sort_by_key(|(frequency, _)| *frequency);
    let mut common: Option<RoaringBitmap> = None;
    for (_, phrase) in by_frequency {
        let mut documents = RoaringBitmap::new();
        for scope in scopes {
            documents |= documents_with(source, phrase, scope, common.as_ref())?;
        }
        if documents.is_empty() {
            return Ok(RowSet::default());
        }
        common = Some(documents);
    }
    source.rows_of(&common.unwrap_or_default())
}

/// How often the rarest word of a phrase comes.
fn rarest(source: &impl Postings, phrase: &Phrase, scope: &Scope) -> Result<u64> {
    let frequencies = phrase.with_prefixes().map(|(word, prefix)| source.frequency(scope, word, prefix));
    Ok(frequencies.collect::<Result<Vec<_>>>()?.into_iter().min().unwrap_or(0))
}

/// The documents in which the words of a phrase stand side by side; only those `among` others, if that is given.
fn documents_with(
    source: &impl Postings,
    phrase: &Phrase,
    scope: &Scope,
    among: Option<&RoaringBitmap>,
) -> Result<RoaringBitmap> {
    let mut words: Vec<(u64, &str, bool)> = Vec::with_capacity(phrase.words.len());
    for (word, prefix) in phrase.with_prefixes() {
        let frequency = if phrase.words.len() > 1 { source.frequency(scope, word, prefix)? } else { 0 };
        words.push((frequency, word, prefix));
    }
    words.sort_by_key(|(frequency, ..)| *frequency);
    let mut candidates: Option<RoaringBitmap> = None;
    for (_, word, prefix) in words {
        let documents = source.documents(scope, word, prefix, candidates.as_ref().or(among))?;
        if documents.is_empty() {
            return Ok(documents);
        }
        candidates = Some(documents);
    }
    let candidates = candidates.unwrap_or_default();
    if phrase.words.len() < 2 { Ok(candidates) } else { side_by_side(source, phrase, scope, candidates) }
}

/// Those of the documents, all of which have all words of a phrase, in which they stand side by side.
fn side_by_side(
    source: &impl Postings,
    phrase: &Phrase,
    scope: &Scope,
    mut candidates: RoaringBitmap,
) -> Result<RoaringBitmap> {
    // For each document the positions at which a next word would go on with what was found so far, in order.
    let mut expected: HashMap<u32, Vec<u32>> = HashMap::new();
    for (index, (word, prefix)) in phrase.with_prefixes().enumerate() {
        let mut next: HashMap<u32, Vec<u32>> = HashMap::new();
        source.each_position(scope, word, prefix, &candidates, |document, positions| {
            let goes_on = |position: &&u32| {
                index == 0 || expected.get(&document).is_some_and(|expected| expected.binary_search(position).is_ok())
            };
            let mut follow = positions.iter().filter(goes_on).map(|position| position.saturating_add(1)).peekable();
            if follow.peek().is_some() {
                next.entry(document).or_default().extend(follow);
            }
        })?;
        // A prefix gives the positions of one word after those of another.
        next.values_mut().for_each(|positions| positions.sort_unstable());
        candidates = next.keys().copied().collect();
        expected = next;
    }
    Ok(candidates)
}
