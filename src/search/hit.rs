//! A lead that a search found, and where in it.

use std::ops::Range;

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::field::Field;
use super::lead_words::{Value, values};
use super::query_text::Phrase;
use crate::analyzer::{self, Word};
use crate::lead::Lead;

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
        let ranges: Vec<[usize; 2]> = self.utf16_ranges.iter().map(|range| [range.start, range.end]).collect();
        let mut map = serializer.serialize_map(Some(3))?;
        map.serialize_entry("field", &self.field)?;
        map.serialize_entry("item", &self.item)?;
        map.serialize_entry("ranges", &ranges)?;
        map.end()
    }
}

/// Where `phrases` are in `lead`, looking only into `fields` unless there are none.
pub(super) fn matches(lead: &Lead, phrases: &[Phrase], fields: &[Field]) -> Vec<Match> {
    let asked = |value: &Value<'_>| {
        let field = value.field();
        fields.is_empty()
            || fields.contains(&field)
            || (matches!(field, Field::CustomField(_)) && fields.contains(&Field::CustomFields))
    };
    values(lead).iter().filter(|value| asked(value)).filter_map(|value| value_match(value, phrases)).collect()
}

fn value_match(value: &Value<'_>, phrases: &[Phrase]) -> Option<Match> {
    let words = analyzer::words(&value.text);
    let mut ranges: Vec<Range<usize>> = phrases.iter().flat_map(|phrase| places(&words, phrase)).collect();
    if ranges.is_empty() {
        return None;
    }
    ranges.sort_by_key(|range| (range.start, range.end));
    let mut joined: Vec<Range<usize>> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match joined.last_mut() {
            Some(last) if range.start < last.end => last.end = last.end.max(range.end),
            _ => joined.push(range),
        }
    }
    let utf16_ranges = joined.iter().map(|range| utf16(&value.text, range)).collect();
    Some(Match { field: value.field(), item: value.item, ranges: joined, utf16_ranges })
}

/// The places in which the words of a phrase stand side by side, each from the first word's start to the last one's
/// end.
fn places<'a>(words: &'a [Word], phrase: &'a Phrase) -> impl Iterator<Item = Range<usize>> + 'a {
    let count = phrase.words.len().max(1);
    words.windows(count).filter_map(move |window| {
        let last = count - 1;
        let fits = window.iter().zip(&phrase.words).enumerate().all(|(index, (word, wanted))| {
            word.text == *wanted || (index == last && phrase.ends_in_prefix && word.text.starts_with(wanted.as_str()))
        });
        if !fits {
            return None;
        }
        Some(window.first()?.start..window.last()?.end)
    })
}

fn utf16(text: &str, range: &Range<usize>) -> Range<usize> {
    let units = |part: Option<&str>| part.map_or(0, |part| part.encode_utf16().count());
    let start = units(text.get(..range.start));
    start..start + units(text.get(range.clone()))
}
