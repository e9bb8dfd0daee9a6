//! Words that stand side by side in one value.

use crate::error::Result;
use crate::search::matching::collect::Way;
use crate::search::matching::postings::Postings;
use crate::search::matching::term_lookup::Variant;

/// One place where a word is, or where it would have to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    document: u32,
    position: u32,
    typos: u8,
    partial: bool,
}

/// In which of the documents, which ascend, words stand side by side, and in what best way. They are equal to a value
/// where one of the `openings` says that it begins there.
pub(crate) fn side_by_side<P: Postings>(
    source: &P,
    words: &[&[Variant<P::Term>]],
    openings: &[P::Term],
    documents: &[u32],
) -> Result<Vec<(u32, Way)>> {
    let Some((first, rest)) = words.split_first() else {
        return Ok(Vec::new());
    };
    let mut runs = places(source, first, documents)?;
    for word in rest {
        let places = places(source, word, &documents_of(&runs))?;
        let mut next = places.into_iter().peekable();
        let mut longer = Vec::new();
        for run in runs {
            let expected = (run.document, run.position.saturating_add(1));
            while next
                .next_if(|place| (place.document, place.position) < expected)
                .is_some()
            {}
            if let Some(place) = next.next_if(|place| (place.document, place.position) == expected)
            {
                longer.push(Place {
                    typos: run.typos.saturating_add(place.typos),
                    ..place
                });
            }
        }
        runs = longer;
    }
    let opened = openings_of(source, openings, &runs)?;
    let before = u32::try_from(rest.len()).unwrap_or(u32::MAX);
    let mut ways: Vec<(u32, Way)> = Vec::new();
    for run in runs {
        let begins = (run.document, run.position.saturating_sub(before));
        let is_equal = !run.partial && opened.binary_search(&begins).is_ok();
        let way = Way {
            typos: run.typos,
            partial: run.partial,
            unequal: !is_equal,
        };
        match ways
            .last_mut()
            .filter(|(document, _)| *document == run.document)
        {
            Some((_, best)) => *best = (*best).min(way),
            None => ways.push((run.document, way)),
        }
    }
    Ok(ways)
}

/// Where a word is, in order, once for each position and in the best way there.
fn places<P: Postings>(
    source: &P,
    variants: &[Variant<P::Term>],
    among: &[u32],
) -> Result<Vec<Place>> {
    let mut places = Vec::new();
    for Variant {
        term,
        typos,
        partial,
        ..
    } in variants
    {
        source.each_position(term, among, |document, positions| {
            let place = |position: &u32| Place {
                document,
                position: *position,
                typos: *typos,
                partial: *partial,
            };
            places.extend(positions.iter().map(place));
        })?;
    }
    if variants.len() > 1 {
        places.sort_unstable();
        places.dedup_by_key(|place| (place.document, place.position));
    }
    Ok(places)
}

fn documents_of(runs: &[Place]) -> Vec<u32> {
    let mut documents: Vec<u32> = runs.iter().map(|run| run.document).collect();
    documents.dedup();
    documents
}

/// Where values begin that have as many words, in order.
fn openings_of<P: Postings>(
    source: &P,
    openings: &[P::Term],
    runs: &[Place],
) -> Result<Vec<(u32, u32)>> {
    let mut opened = Vec::new();
    if openings.is_empty() {
        return Ok(opened);
    }
    let documents = documents_of(runs);
    for term in openings {
        source.each_position(term, &documents, |document, positions| {
            opened.extend(positions.iter().map(|position| (document, *position)));
        })?;
    }
    opened.sort_unstable();
    Ok(opened)
}
