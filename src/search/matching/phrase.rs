//! Phrase matching: finds words that are adjacent in one value.

use crate::error::Result;
use crate::search::matching::collect::MatchQuality;
use crate::search::matching::postings::Postings;
use crate::search::matching::term_lookup::Variant;

/// The position of a matching word in a document. While a phrase is being matched word by word, it
/// is the position of the word that was matched last, with the typos of all words up to that one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct WordPosition {
    document: u32,
    position: u32,
    typos: u8,
    prefix_only: bool,
}

/// Returns those of `documents` in which `words` are adjacent, each with its best quality.
/// `documents` must be in ascending order. A match equals a value if one of the length markers is
/// at the position of its first word, and its last word matches a complete word.
pub(crate) fn match_phrase<P: Postings>(
    segment: &P,
    words: &[&[Variant<P::Term>]],
    length_markers: &[P::Term],
    documents: &[u32],
) -> Result<Vec<(u32, MatchQuality)>> {
    let Some((first, rest)) = words.split_first() else {
        return Ok(Vec::new());
    };
    let mut runs = positions(segment, first, documents)?;
    for word in rest {
        let fields = positions(segment, word, &documents_of(&runs))?;
        let mut next = fields.into_iter().peekable();
        let mut longer = Vec::new();
        for run in runs {
            let expected = (run.document, run.position.saturating_add(1));
            while next
                .next_if(|word_position| {
                    (word_position.document, word_position.position) < expected
                })
                .is_some()
            {}
            if let Some(word_position) = next.next_if(|word_position| {
                (word_position.document, word_position.position) == expected
            }) {
                longer.push(WordPosition {
                    typos: run.typos.saturating_add(word_position.typos),
                    ..word_position
                });
            }
        }
        runs = longer;
    }
    let starts = value_starts(segment, length_markers, &runs)?;
    let before = u32::try_from(rest.len()).unwrap_or(u32::MAX);
    let mut qualities: Vec<(u32, MatchQuality)> = Vec::new();
    for run in runs {
        let start = (run.document, run.position.saturating_sub(before));
        let is_equal = !run.prefix_only && starts.binary_search(&start).is_ok();
        let quality = MatchQuality {
            typos: run.typos,
            prefix_only: run.prefix_only,
            not_exact: !is_equal,
        };
        match qualities
            .last_mut()
            .filter(|(document, _)| *document == run.document)
        {
            Some((_, best)) => *best = (*best).min(quality),
            None => qualities.push((run.document, quality)),
        }
    }
    Ok(qualities)
}

/// Returns the positions of a word in ascending order, each once and with its best quality.
fn positions<P: Postings>(
    segment: &P,
    variants: &[Variant<P::Term>],
    among: &[u32],
) -> Result<Vec<WordPosition>> {
    let mut found = Vec::new();
    for Variant {
        term,
        typos,
        prefix_only,
        ..
    } in variants
    {
        segment.each_position(term, among, |document, positions| {
            let word_position = |position: &u32| WordPosition {
                document,
                position: *position,
                typos: *typos,
                prefix_only: *prefix_only,
            };
            found.extend(positions.iter().map(word_position));
        })?;
    }
    if variants.len() > 1 {
        found.sort_unstable();
        found.dedup_by_key(|word_position| (word_position.document, word_position.position));
    }
    Ok(found)
}

fn documents_of(runs: &[WordPosition]) -> Vec<u32> {
    let mut documents: Vec<u32> = runs.iter().map(|run| run.document).collect();
    documents.dedup();
    documents
}

/// Returns the positions of the length markers in ascending order. A value with the marked number
/// of words starts at each of them.
fn value_starts<P: Postings>(
    segment: &P,
    length_markers: &[P::Term],
    runs: &[WordPosition],
) -> Result<Vec<(u32, u32)>> {
    let mut starts = Vec::new();
    if length_markers.is_empty() {
        return Ok(starts);
    }
    let documents = documents_of(runs);
    for term in length_markers {
        segment.each_position(term, &documents, |document, positions| {
            starts.extend(positions.iter().map(|position| (document, *position)));
        })?;
    }
    starts.sort_unstable();
    Ok(starts)
}
