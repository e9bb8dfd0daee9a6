//! A lead that matched a search, and the matched ranges of its values.

use std::ops::Range;

use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::analyzer::{self, Word};
use crate::lead::Lead;
use crate::schema::{Catalogue, TermField};
use crate::search::query::query_text::{Phrase, QueryText};
use crate::search::terms::field::SearchField;
use crate::search::terms::lead_terms::{SearchedValue, values};
use crate::search::terms::phone::PhoneNumber;

/// A lead that matched a search.
///
/// It serializes as the lead's object with the additional member `matches`.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Hit {
    /// The lead.
    pub lead: Lead,
    /// The matched values, in the order of the fields.
    pub matches: Vec<FieldMatch>,
}

/// The ranges of one value of a lead that match words of the query.
///
/// It serializes the ranges in UTF-16 code units, so that JavaScript can slice the value with them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FieldMatch {
    /// The field of the value. A custom field is reported by its name.
    pub field: SearchField,
    /// Index of the value in its list, for tags and for custom fields that are lists.
    pub item: Option<usize>,
    /// Byte ranges in the text of the value, in ascending order and without overlap. The text of a
    /// number or boolean is its JSON representation.
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

impl Serialize for FieldMatch {
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

/// Returns the ranges in the values of `lead` that match the query. If `fields` is not empty, only
/// their values are considered. `forgiving` is true if typos are tolerated.
pub(crate) fn matches(
    catalogue: &Catalogue,
    lead: &Lead,
    query: &QueryText,
    fields: &[SearchField],
    forgiving: bool,
) -> Vec<FieldMatch> {
    let is_searched = |value: &SearchedValue<'_>| {
        let field = value.field();
        fields.is_empty()
            || fields.contains(&field)
            || (matches!(field, SearchField::CustomField(_))
                && fields.contains(&SearchField::CustomFields))
    };
    let values: Vec<SearchedText<'_>> = values(catalogue, lead)
        .into_iter()
        .filter(is_searched)
        .map(SearchedText::new)
        .collect();
    let mut occurrences: Vec<Vec<Range<usize>>> = vec![Vec::new(); values.len()];
    for group in &query.groups {
        let phrases: Vec<Vec<MatchRange>> = group
            .phrases
            .iter()
            .map(|phrase| best_ranges(&values, phrase, forgiving))
            .collect();
        let in_words = if phrases.iter().all(|occurrences| !occurrences.is_empty()) {
            phrases.concat()
        } else {
            Vec::new()
        };
        let as_number = group
            .number
            .iter()
            .flat_map(|number| number_ranges(&values, number));
        for MatchRange { value, range } in in_words.into_iter().chain(as_number) {
            occurrences
                .get_mut(value)
                .into_iter()
                .for_each(|occurrences| occurrences.push(range.clone()));
        }
    }
    let found = values
        .iter()
        .zip(occurrences)
        .filter(|(_, occurrences)| !occurrences.is_empty());
    found
        .map(|(value, occurrences)| value.matched(occurrences))
        .collect()
}

/// A matched range in one of the values of a lead. `value` is the index of the value.
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
        // Phones are matched only as phone numbers, not as words.
        let words = if value.field == TermField::Phone {
            Vec::new()
        } else {
            analyzer::words(&value.text)
        };
        Self { value, words }
    }

    fn matched(&self, mut occurrences: Vec<Range<usize>>) -> FieldMatch {
        occurrences.sort_by_key(|range| (range.start, range.end));
        let mut ranges: Vec<Range<usize>> = Vec::with_capacity(occurrences.len());
        for range in occurrences {
            match ranges.last_mut() {
                Some(last) if range.start < last.end => last.end = last.end.max(range.end),
                _ => ranges.push(range),
            }
        }
        let SearchedValue { item, text, .. } = &self.value;
        let utf16_ranges = ranges.iter().map(|range| utf16(text, range)).collect();
        FieldMatch {
            field: self.value.field(),
            item: *item,
            ranges,
            utf16_ranges,
        }
    }
}

/// Returns the ranges in which the words of a phrase are adjacent, but only those with the fewest
/// typos. Each extends from the start of the first word to the end of the last one.
fn best_ranges(values: &[SearchedText<'_>], phrase: &Phrase, forgiving: bool) -> Vec<MatchRange> {
    let (mut fewest, mut occurrences) = (u8::MAX, Vec::new());
    for (value, searched) in values.iter().enumerate() {
        for window in searched.words.windows(phrase.words.len().max(1)) {
            let typos = window
                .iter()
                .zip(&phrase.words)
                .map(|(word, typed)| typed.difference(&word.text, forgiving));
            let typos = typos
                .map(|difference| difference.map(|(typos, _)| typos))
                .try_fold(0, |sum: u8, t| Some(sum.saturating_add(t?)));
            let (Some(typos), Some(first), Some(last)) = (typos, window.first(), window.last())
            else {
                continue;
            };
            if typos < fewest {
                fewest = typos;
                occurrences.clear();
            }
            if typos == fewest {
                occurrences.push(MatchRange {
                    value,
                    range: first.start..last.end,
                });
            }
        }
    }
    occurrences
}

fn number_ranges(values: &[SearchedText<'_>], number: &PhoneNumber) -> Vec<MatchRange> {
    let phones = values
        .iter()
        .enumerate()
        .filter(|(_, searched)| searched.value.field == TermField::Phone);
    let occurrences = phones.flat_map(|(value, searched)| {
        let digits = analyzer::digits(&searched.value.text);
        number
            .occurrences(&digits)
            .into_iter()
            .map(move |(range, _)| MatchRange { value, range })
    });
    occurrences.collect()
}

fn utf16(text: &str, range: &Range<usize>) -> Range<usize> {
    let units = |part: Option<&str>| part.map_or(0, |part| part.encode_utf16().count());
    let start = units(text.get(..range.start));
    start..start + units(text.get(range.clone()))
}
