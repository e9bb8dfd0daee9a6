//! Matching: which leads have all phrases of a query. One way of matching for every source of postings, so that a lead is found
//! alike whether it is in the index or not yet.

use std::collections::HashMap;

use roaring::RoaringBitmap;

use super::field::Scope;
use super::query_text::Phrase;
use super::view::View;
use crate::Result;
use crate::row::RowSet;

/// Where postings come from: one segment of the index, or the leads since. Documents are numbered as the source likes.
pub(super) trait Postings {
    /// Shows `visit` every document that has a word, or with `prefix` a word that begins so; a document may come
    /// several times.
    fn each_document(&self, scope: &Scope, word: &str, prefix: bool, visit: impl FnMut(u32)) -> Result<()>;

    /// The same with the word's positions, for the documents in `among`.
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
        found.0 |= rows.0 - &outdated.0;
        outdated.0 |= &layer.rows().0;
    }
    for segment in view.segments()? {
        let rows = rows_in(&segment?, phrases, scopes)?;
        found.0 |= rows.0 - &outdated.0;
    }
    Ok(found)
}

fn rows_in(source: &impl Postings, phrases: &[Phrase], scopes: &[Scope]) -> Result<RowSet> {
    let mut common: Option<RoaringBitmap> = None;
    for phrase in phrases {
        let mut documents = RoaringBitmap::new();
        for scope in scopes {
            documents |= documents_with(source, phrase, scope)?;
        }
        if let Some(earlier) = common {
            documents &= earlier;
        }
        if documents.is_empty() {
            return Ok(RowSet::default());
        }
        common = Some(documents);
    }
    source.rows_of(&common.unwrap_or_default())
}

/// The documents in which the words of a phrase stand side by side.
fn documents_with(source: &impl Postings, phrase: &Phrase, scope: &Scope) -> Result<RoaringBitmap> {
    let last = phrase.words.len().saturating_sub(1);
    let is_prefix = |index: usize| index == last && phrase.ends_in_prefix;
    let mut candidates: Option<RoaringBitmap> = None;
    for (index, word) in phrase.words.iter().enumerate() {
        let mut documents = RoaringBitmap::new();
        source.each_document(scope, word, is_prefix(index), |document| {
            documents.insert(document);
        })?;
        if let Some(earlier) = candidates {
            documents &= earlier;
        }
        if documents.is_empty() {
            return Ok(documents);
        }
        candidates = Some(documents);
    }
    let mut candidates = candidates.unwrap_or_default();
    if last == 0 {
        return Ok(candidates);
    }
    // For each document the positions at which a next word would go on with what was found so far.
    let mut expected: HashMap<u32, Vec<u32>> = HashMap::new();
    for (index, word) in phrase.words.iter().enumerate() {
        let mut next: HashMap<u32, Vec<u32>> = HashMap::new();
        source.each_position(scope, word, is_prefix(index), &candidates, |document, positions| {
            let goes_on = |position: &&u32| {
                index == 0 || expected.get(&document).is_some_and(|e| e.binary_search(position).is_ok())
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
