//! A lead that matched a search, and the matched ranges of its values.

use std::collections::HashMap;
use std::ops::Range;

use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::lead::Lead;
use crate::schema::{Catalogue, TermField};
use crate::search::query::query_text::{Phrase, QueryText, QueryWord};
use crate::search::terms::field::SearchField;
use crate::search::terms::lead_terms::{SearchedValue, values};
use crate::search::terms::phone::PhoneNumber;
use crate::search::terms::phone::numbers::numbers;

/// A lead that matched a search.
///
/// It serializes as the lead's JSON object with the additional member `matches`.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Hit {
    /// The lead.
    pub lead: Lead,
    /// The matched values, in the order of the fields.
    pub matches: Vec<FieldMatch>,
}

/// The matches in one value of a lead: the ranges that match words of the query.
///
/// It serializes the ranges in UTF-16 code units, so that JavaScript can slice the value with them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FieldMatch {
    /// The field of the value. A custom field is reported by its name.
    pub field: SearchField,
    /// Index of the value in its list, for tags and for custom fields that are lists.
    pub item: Option<usize>,
    /// The byte ranges that match in the text of the value, in ascending order and without overlap.
    /// At most 100 are reported, the first ones of each phrase of the query. The text of a number
    /// or boolean is its JSON representation.
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

/// Maximum number of ranges that are reported for a value. A client has no use for more, but a
/// value in a lead of 1 MiB may have a hundred thousand matches.
const RANGES_MAX: usize = 100;

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
    let values: Vec<SearchedValue<'_>> = values(catalogue, lead)
        .into_iter()
        .filter(is_searched)
        .collect();
    let texts = LeadWords::of(&values);
    let mut ranges: Vec<RangeSet> = vec![RangeSet::default(); values.len()];
    for group in &query.groups {
        let phrases: Vec<Vec<RangeSet>> = group
            .phrases
            .iter()
            .map(|phrase| best_ranges(&texts, phrase, forgiving))
            .collect();
        let has_all = phrases
            .iter()
            .all(|found| found.iter().any(|ranges| !ranges.is_empty()));
        let in_words = phrases.iter().filter(|_| has_all);
        for found in in_words {
            for (ranges, found) in ranges.iter_mut().zip(found) {
                ranges.add_all(found);
            }
        }
        if let Some(number) = &group.number {
            add_number(&values, number, &mut ranges);
        }
    }
    values
        .iter()
        .zip(ranges)
        .filter(|(_, ranges)| !ranges.is_empty())
        .map(|(value, ranges)| matched(value, ranges.into_sorted()))
        .collect()
}

/// The matched ranges of one value, in the order in which they were found.
#[derive(Clone, Debug, Default)]
struct RangeSet(Vec<Range<usize>>);

impl RangeSet {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a range, which must not begin before the last one. A range that overlaps the last one
    /// is merged with it. Returns false if the range cannot be added because the set is full.
    fn push(&mut self, range: Range<usize>) -> bool {
        let is_full = self.0.len() == RANGES_MAX;
        match self.0.last_mut() {
            Some(last) if range.start < last.end => last.end = last.end.max(range.end),
            _ if is_full => return false,
            _ => self.0.push(range),
        }
        true
    }

    fn add_all(&mut self, other: &Self) {
        self.0.extend(other.0.iter().cloned());
    }

    /// Returns the first ranges, at most [`RANGES_MAX`], in ascending order and with overlapping
    /// ranges merged.
    fn into_sorted(mut self) -> Vec<Range<usize>> {
        self.0
            .sort_unstable_by_key(|range| (range.start, range.end));
        let mut sorted = Self::default();
        for range in self.0 {
            if !sorted.push(range) {
                break;
            }
        }
        sorted.0
    }
}

/// The words of a lead's values. Equal words share a number, so that each distinct word is compared
/// only once with a word of the query.
#[derive(Default)]
struct LeadWords {
    distinct: Vec<String>,
    values: Vec<Vec<LeadWord>>,
}

/// A word of a value: its number in [`LeadWords::distinct`], and its bytes in the value.
struct LeadWord {
    number: usize,
    start: usize,
    end: usize,
}

impl LeadWords {
    fn of(values: &[SearchedValue<'_>]) -> Self {
        let mut numbers: HashMap<String, usize> = HashMap::new();
        let mut words = Self::default();
        for value in values {
            let numbered = value.words().into_iter().map(|word| {
                let number = numbers.get(&word.text).copied().unwrap_or_else(|| {
                    let number = words.distinct.len();
                    words.distinct.push(word.text.clone());
                    numbers.insert(word.text, number);
                    number
                });
                LeadWord {
                    number,
                    start: word.start,
                    end: word.end,
                }
            });
            let numbered = numbered.collect();
            words.values.push(numbered);
        }
        words
    }

    /// Returns, for each distinct word, the number of typos if the word matches `typed`, or `None`
    /// if it does not.
    fn typos(&self, typed: &QueryWord, forgiving: bool) -> Vec<Option<u8>> {
        self.distinct
            .iter()
            .map(|word| Some(typed.difference(word, forgiving)?.0))
            .collect()
    }
}

/// Finds the places in a lead where the words of a phrase are adjacent, and keeps only the places
/// with the fewest typos. Returns their ranges for each value. A range extends from the start of
/// the first word to the end of the last one.
fn best_ranges(lead: &LeadWords, phrase: &Phrase, forgiving: bool) -> Vec<RangeSet> {
    let typos: Vec<Vec<Option<u8>>> = phrase
        .words
        .iter()
        .map(|typed| lead.typos(typed, forgiving))
        .collect();
    let of_window = |window: &[LeadWord]| {
        window
            .iter()
            .zip(&typos)
            .try_fold(0_u8, |sum, (word, typos)| {
                Some(sum.saturating_add((*typos.get(word.number)?)?))
            })
    };
    let length = phrase.words.len().max(1);
    let fewest = lead
        .values
        .iter()
        .flat_map(|words| words.windows(length))
        .filter_map(of_window)
        .min();
    let in_value = |words: &Vec<LeadWord>| {
        let mut found = RangeSet::default();
        for window in words.windows(length) {
            if let (Some(first), Some(last)) = (window.first(), window.last())
                && fewest.is_some()
                && of_window(window) == fewest
                && !found.push(first.start..last.end)
            {
                break;
            }
        }
        found
    };
    lead.values.iter().map(in_value).collect()
}

/// Finds the typed phone number in the values that are phone numbers, and adds the matches to the
/// ranges of these values.
fn add_number(values: &[SearchedValue<'_>], number: &PhoneNumber, ranges: &mut [RangeSet]) {
    for (value, ranges) in values.iter().zip(ranges) {
        if value.field == TermField::Phone {
            for stored in numbers(&value.text) {
                let occurrences = number.occurrences(&stored).into_iter();
                ranges.0.extend(occurrences.map(|(range, _)| range));
            }
        }
    }
}

fn matched(value: &SearchedValue<'_>, ranges: Vec<Range<usize>>) -> FieldMatch {
    FieldMatch {
        field: value.field(),
        item: value.item,
        utf16_ranges: utf16(&value.text, &ranges),
        ranges,
    }
}

/// Converts ascending byte ranges of a text to ranges of UTF-16 code units, in one pass over the
/// text.
fn utf16(text: &str, ranges: &[Range<usize>]) -> Vec<Range<usize>> {
    let (mut bytes, mut units) = (0, 0);
    let mut units_at = |end: usize| {
        units += text
            .get(bytes..end)
            .map_or(0, |part| part.encode_utf16().count());
        bytes = end;
        units
    };
    ranges
        .iter()
        .map(|range| units_at(range.start)..units_at(range.end))
        .collect()
}
