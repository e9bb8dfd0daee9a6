//! Words that stand side by side in one value.

use crate::error::Result;
use crate::search::matching::collect::MatchQuality;
use crate::search::matching::postings::Postings;
use crate::search::matching::term_lookup::Variant;

/// One place where a word is, or where it would have to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct WordPosition {
    document: u32,
    position: u32,
    typos: u8,
    prefix_only: bool,
}

/// In which of the documents, which ascend, words stand side by side, and in what best way. They are equal to a value
/// where one of the `length_markers` says that it begins there.
pub(crate) fn match_phrase<P: Postings>(
    segment: &P,
    words: &[&[Variant<P::Term>]],
    length_markers: &[P::Term],
    documents: &[u32],
) -> Result<Vec<(u32, MatchQuality)>> {
    let Some((first, rest)) = words.split_first() else {
        return Ok(Vec::new());
    };
    let mut runs = fields(segment, first, documents)?;
    for word in rest {
        let fields = fields(segment, word, &documents_of(&runs))?;
        let mut next = fields.into_iter().peekable();
        let mut longer = Vec::new();
        for run in runs {
            let expected = (run.document, run.position.saturating_add(1));
            while next
                .next_if(|place| (place.document, place.position) < expected)
                .is_some()
            {}
            if let Some(place) = next.next_if(|place| (place.document, place.position) == expected)
            {
                longer.push(WordPosition {
                    typos: run.typos.saturating_add(place.typos),
                    ..place
                });
            }
        }
        runs = longer;
    }
    let opened = openings_of(segment, length_markers, &runs)?;
    let before = u32::try_from(rest.len()).unwrap_or(u32::MAX);
    let mut qualities: Vec<(u32, MatchQuality)> = Vec::new();
    for run in runs {
        let begins = (run.document, run.position.saturating_sub(before));
        let is_equal = !run.prefix_only && opened.binary_search(&begins).is_ok();
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

/// Where a word is, in order, once for each position and in the best way there.
fn fields<P: Postings>(
    segment: &P,
    variants: &[Variant<P::Term>],
    among: &[u32],
) -> Result<Vec<WordPosition>> {
    let mut fields = Vec::new();
    for Variant {
        term,
        typos,
        prefix_only,
        ..
    } in variants
    {
        segment.each_position(term, among, |document, positions| {
            let place = |position: &u32| WordPosition {
                document,
                position: *position,
                typos: *typos,
                prefix_only: *prefix_only,
            };
            fields.extend(positions.iter().map(place));
        })?;
    }
    if variants.len() > 1 {
        fields.sort_unstable();
        fields.dedup_by_key(|place| (place.document, place.position));
    }
    Ok(fields)
}

fn documents_of(runs: &[WordPosition]) -> Vec<u32> {
    let mut documents: Vec<u32> = runs.iter().map(|run| run.document).collect();
    documents.dedup();
    documents
}

/// Where values begin that have as many words, in order.
fn openings_of<P: Postings>(
    segment: &P,
    length_markers: &[P::Term],
    runs: &[WordPosition],
) -> Result<Vec<(u32, u32)>> {
    let mut opened = Vec::new();
    if length_markers.is_empty() {
        return Ok(opened);
    }
    let documents = documents_of(runs);
    for term in length_markers {
        segment.each_position(term, &documents, |document, positions| {
            opened.extend(positions.iter().map(|position| (document, *position)));
        })?;
    }
    opened.sort_unstable();
    Ok(opened)
}
