//! A lead that a search found, and where in it.

use std::ops::Range;

use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::analyzer::{self, Word};
use crate::lead::Lead;
use crate::schema::{Catalogue, TermField};
use crate::search::query::query_text::{Phrase, QueryText};
use crate::search::terms::field::Field;
use crate::search::terms::lead_terms::{SearchedValue, values};
use crate::search::terms::phone::PhoneNumber;

/// A lead that a search found.
///
/// It serialises as the lead's object with `matches` as one more member.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Hit {
    /// The lead.
    pub lead: Lead,
    /// Where the query's words were found, in the order of the fields.
    pub matches: Vec<Match>,
}

/// Where in one value of a lead words of a query were found.
///
/// It serialises with its ranges in UTF-16 code units, so that JavaScript can cut the value by them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Match {
    /// The field that the value stands in; a custom field by its name.
    pub field: Field,
    /// The value's place in the list, for tags and custom fields that are lists.
    pub item: Option<usize>,
    /// The places, as bytes of the value's text, in order and without overlap. A number's or boolean's text is as JSON
    /// writes it.
    pub ranges: Vec<Range<usize>>,
    utf16_ranges: Vec<Range<usize>>,
}

impl Serialize for Hit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.lead.serialize_members(&mut map)?;
        map.serialize_entry("matches", &self.matches)?;
        map.end()
    }
}

impl Serialize for Match {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let ranges: Vec<[usize; 2]> = self
            .utf16_ranges
            .iter()
            .map(|range| [range.start, range.end])
            .collect();
        let mut map = serializer.serialize_map(Some(3))?;
        map.serialize_entry("field", &self.field)?;
        map.serialize_entry("item", &self.item)?;
        map.serialize_entry("ranges", &ranges)?;
        map.end()
    }
}

/// Where what was typed is in `lead`, looking only into `fields` unless there are none.
pub(crate) fn matches(
    catalogue: &Catalogue,
    lead: &Lead,
    query: &QueryText,
    fields: &[Field],
    forgiving: bool,
) -> Vec<Match> {
    let asked = |value: &SearchedValue<'_>| {
        let field = value.field();
        fields.is_empty()
            || fields.contains(&field)
            || (matches!(field, Field::CustomField(_)) && fields.contains(&Field::CustomFields))
    };
    let values: Vec<SearchedText<'_>> = values(catalogue, lead)
        .into_iter()
        .filter(asked)
        .map(SearchedText::new)
        .collect();
    let mut places: Vec<Vec<Range<usize>>> = vec![Vec::new(); values.len()];
    for group in &query.groups {
        let phrases: Vec<Vec<MatchRange>> = group
            .phrases
            .iter()
            .map(|phrase| nearest_places(&values, phrase, forgiving))
            .collect();
        let in_words = if phrases.iter().all(|places| !places.is_empty()) {
            phrases.concat()
        } else {
            Vec::new()
        };
        let as_number = group
            .number
            .iter()
            .flat_map(|number| number_places(&values, number));
        for MatchRange { value, range } in in_words.into_iter().chain(as_number) {
            places
                .get_mut(value)
                .into_iter()
                .for_each(|places| places.push(range.clone()));
        }
    }
    let found = values
        .iter()
        .zip(places)
        .filter(|(_, places)| !places.is_empty());
    found.map(|(value, places)| value.matched(places)).collect()
}

/// A place in one of several values.
#[derive(Clone)]
struct MatchRange {
    value: usize,
    range: Range<usize>,
}

struct SearchedText<'a> {
    value: SearchedValue<'a>,
    words: Vec<Word>,
}

impl<'a> SearchedText<'a> {
    fn new(value: SearchedValue<'a>) -> Self {
        // Phones are compared as numbers only.
        let words = if value.field == TermField::Phone {
            Vec::new()
        } else {
            analyzer::words(&value.text)
        };
        Self { value, words }
    }

    fn matched(&self, mut places: Vec<Range<usize>>) -> Match {
        places.sort_by_key(|range| (range.start, range.end));
        let mut ranges: Vec<Range<usize>> = Vec::with_capacity(places.len());
        for range in places {
            match ranges.last_mut() {
                Some(last) if range.start < last.end => last.end = last.end.max(range.end),
                _ => ranges.push(range),
            }
        }
        let SearchedValue { item, text, .. } = &self.value;
        let utf16_ranges = ranges.iter().map(|range| utf16(text, range)).collect();
        Match {
            field: self.value.field(),
            item: *item,
            ranges,
            utf16_ranges,
        }
    }
}

/// The places with the fewest typos in which the words of a phrase stand side by side, each from the first word's start to
/// the last one's end.
fn nearest_places(
    values: &[SearchedText<'_>],
    phrase: &Phrase,
    forgiving: bool,
) -> Vec<MatchRange> {
    let (mut fewest, mut places) = (u8::MAX, Vec::new());
    for (value, searched) in values.iter().enumerate() {
        for window in searched.words.windows(phrase.words.len().max(1)) {
            let typos = window
                .iter()
                .zip(&phrase.words)
                .map(|(word, wanted)| wanted.meant(&word.text, forgiving));
            let typos = typos
                .map(|meant| meant.map(|(typos, _)| typos))
                .try_fold(0, |sum: u8, t| Some(sum.saturating_add(t?)));
            let (Some(typos), Some(first), Some(last)) = (typos, window.first(), window.last())
            else {
                continue;
            };
            if typos < fewest {
                fewest = typos;
                places.clear();
            }
            if typos == fewest {
                places.push(MatchRange {
                    value,
                    range: first.start..last.end,
                });
            }
        }
    }
    places
}

fn number_places(values: &[SearchedText<'_>], number: &PhoneNumber) -> Vec<MatchRange> {
    let phones = values
        .iter()
        .enumerate()
        .filter(|(_, searched)| searched.value.field == TermField::Phone);
    let places = phones.flat_map(|(value, searched)| {
        let digits = analyzer::digits(&searched.value.text);
        number
            .places(&digits)
            .into_iter()
            .map(move |(range, _)| MatchRange { value, range })
    });
    places.collect()
}

fn utf16(text: &str, range: &Range<usize>) -> Range<usize> {
    let units = |part: Option<&str>| part.map_or(0, |part| part.encode_utf16().count());
    let start = units(text.get(..range.start));
    start..start + units(text.get(range.clone()))
}
