//! The searched values of a lead, and the terms and positions under which their words are indexed.

use crate::analyzer;
use crate::lead::{CustomNumber, CustomValue, Lead};

use crate::schema::{Catalogue, TermField};
use crate::search::terms::field::SearchField;
use crate::search::terms::index_term::{IndexTerm, named_prefix};
use crate::search::terms::phone;
use crate::search::terms::phone::numbers::numbers;

/// A searched value of a lead.
pub(crate) struct SearchedValue<'a> {
    pub(crate) field: TermField,
    /// Name of the custom field, if the value belongs to one.
    pub(crate) custom_name: Option<&'a str>,
    /// Index of the value in its list, if it is a list item.
    pub(crate) item: Option<usize>,
    pub(crate) text: std::borrow::Cow<'a, str>,
}

impl<'a> SearchedValue<'a> {
    /// Creates the only value of a field.
    fn of(field: TermField, text: &'a str) -> Self {
        Self {
            field,
            custom_name: None,
            item: None,
            text: text.into(),
        }
    }

    /// Returns the field under which a match in this value is reported.
    pub(crate) fn field(&self) -> SearchField {
        SearchField::of(self.field, self.custom_name)
    }

    /// Returns the words of the value. Phone numbers are compared as digits, so a value that is just
    /// a number has no words.
    pub(crate) fn words(&self) -> Vec<analyzer::Word> {
        let is_number =
            self.field == TermField::Phone && phone::is_plain(&self.text, &numbers(&self.text));
        if is_number {
            Vec::new()
        } else {
            analyzer::words(&self.text)
        }
    }

    /// Returns the sequences of terms under which the value is indexed.
    fn sequences(&self) -> Vec<Sequence> {
        let words = || Sequence {
            words: analyzer::words(&self.text)
                .into_iter()
                .map(|word| word.text)
                .collect(),
            first: 0,
            is_digits: false,
        };
        if self.field != TermField::Phone {
            return vec![words()];
        }
        let numbers = numbers(&self.text);
        let others = (!phone::is_plain(&self.text, &numbers)).then(words);
        let numbers = numbers.iter().map(|number| Sequence {
            words: phone::words(&number.digits),
            first: number.leading_zeros(),
            is_digits: true,
        });
        numbers.chain(others).collect()
    }
}

/// Adjacent words of a value, or the terms of a phone number.
struct Sequence {
    words: Vec<String>,
    /// Index of the first word that counts when the entire sequence is compared. The leading zeros
    /// of a phone number do not count.
    first: usize,
    is_digits: bool,
}

impl Sequence {
    /// Returns the terms, each with its index in the sequence.
    fn terms(&self, field: TermField) -> impl Iterator<Item = (u32, IndexTerm<'_>)> {
        let has_exact_terms = field.has_exact_terms();
        let length_marker = IndexTerm::length_marker(self.words.len().saturating_sub(self.first))
            .filter(|_| has_exact_terms);
        let is_alone = self.words.len() == 1 && has_exact_terms;
        let first = u32::try_from(self.first).unwrap_or(u32::MAX);
        (0..).zip(&self.words).flat_map(move |(index, word)| {
            let term = if self.is_digits {
                IndexTerm::Digits(word)
            } else if is_alone {
                IndexTerm::Exact(word)
            } else {
                IndexTerm::Word { prefix: "", word }
            };
            let length_marker = length_marker.filter(|_| index == first);
            length_marker
                .into_iter()
                .chain([term])
                .map(move |term| (index, term))
        })
    }

    fn len(&self) -> u32 {
        u32::try_from(self.words.len()).unwrap_or(u32::MAX)
    }
}

/// Returns the searched values of a lead, grouped by field.
pub(crate) fn values<'l>(catalogue: &Catalogue, lead: &'l Lead) -> Vec<SearchedValue<'l>> {
    let mut values = Vec::with_capacity(8);
    for (term_field, field) in catalogue.searched() {
        match term_field {
            TermField::Tags => {
                values.extend(
                    lead.tags
                        .iter()
                        .enumerate()
                        .map(|(item, tag)| SearchedValue {
                            item: Some(item),
                            ..SearchedValue::of(TermField::Tags, tag)
                        }),
                )
            }
            TermField::CustomFields => custom_values(lead, &mut values),
            _ => values.extend(
                field
                    .text(lead)
                    .map(|text| SearchedValue::of(term_field, text)),
            ),
        }
    }
    values
}

fn custom_values<'l>(lead: &'l Lead, values: &mut Vec<SearchedValue<'l>>) {
    for (name, value) in &lead.custom_fields {
        let custom = |item, value| {
            text(value).map(|text| SearchedValue {
                field: TermField::CustomFields,
                custom_name: Some(name),
                item,
                text,
            })
        };
        match value {
            CustomValue::List(elements) => {
                values.extend(
                    elements
                        .iter()
                        .enumerate()
                        .filter_map(|(item, element)| custom(Some(item), element)),
                );
            }
            scalar => values.extend(custom(None, scalar)),
        }
    }
}

/// Formats a scalar as searchable text. Returns `None` for a list.
fn text(value: &CustomValue) -> Option<std::borrow::Cow<'_, str>> {
    Some(match value {
        CustomValue::Text(text) => text.as_str().into(),
        CustomValue::Number(CustomNumber::Integer(number)) => number.to_string().into(),
        // The same notation as in JSON: `1.0`, `1e21`.
        CustomValue::Number(CustomNumber::Float(number)) => format!("{number:?}").into(),
        CustomValue::Bool(truth) => truth.to_string().into(),
        CustomValue::List(_) => return None,
    })
}

/// Calls `visit` with every term of a lead except its prefix terms, and with the field and position
/// of the term. The positions of a term within a field come in ascending order, as the index
/// requires.
pub(crate) fn each_term(
    catalogue: &Catalogue,
    lead: &Lead,
    mut visit: impl FnMut(TermField, u32, IndexTerm<'_>),
) {
    let (mut field, mut position) = (TermField::Name, 0_u32);
    let (mut name, mut prefix) = (None, String::new());
    for value in values(catalogue, lead) {
        if value.field != field {
            (field, position) = (value.field, 0);
        }
        if value.custom_name != name {
            (name, prefix) = (
                value.custom_name,
                value.custom_name.map(named_prefix).unwrap_or_default(),
            );
        }
        for sequence in value.sequences() {
            for (index, term) in sequence.terms(field) {
                visit(field, position.saturating_add(index), term);
            }
            if name.is_some() {
                for (position, word) in (position..).zip(&sequence.words) {
                    let prefix = &prefix;
                    let term = IndexTerm::Word { prefix, word };
                    visit(TermField::NamedCustomField, position, term);
                }
            }
            // Leave a gap between values, so that words of different values are never adjacent.
            position = position.saturating_add(sequence.len()).saturating_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LeadStore;
    use crate::lead::NewLead;

    /// Returns the terms of a field with their positions. Terms at the same position are joined.
    fn terms(lead: &Lead, requested: TermField) -> Vec<(u32, String)> {
        let mut terms: Vec<(u32, String)> = Vec::new();
        each_term(
            &Catalogue::builtin(),
            lead,
            |field, position, term| match terms.last_mut() {
                _ if field != requested => {}
                Some((last, joined)) if *last == position => *joined += &format!(" {term}"),
                _ => terms.push((position, term.to_string())),
            },
        );
        terms
    }

    #[test]
    fn terms_of_a_lead_have_the_expected_positions() {
        let store = LeadStore::in_memory().unwrap();
        let list = CustomValue::List(vec!["Crème brûlée".into(), "---".into(), 7_i64.into()]);
        let lead = NewLead::new("O'Brien, Zoë")
            .company("Acme")
            .phone("0012 34")
            .tags(["hot", "new lead"])
            .custom_field("a", list)
            .custom_field("b", true);
        let lead = store.create(lead).unwrap();
        let of = |field| {
            terms(&lead, field)
                .into_iter()
                .map(|(position, term)| format!("{position}:{term}"))
                .collect::<Vec<_>>()
        };
        assert_eq!(of(TermField::Name), ["0:\u{1}2 obrien", "1:zoe"]);
        assert_eq!(of(TermField::Company), ["0:\u{1}1acme"]);
        // The length marker is at the first word after the leading zeros.
        assert_eq!(
            of(TermField::Phone),
            [
                "0:\u{3}001",
                "1:\u{3}012",
                "2:\u{1}2 \u{3}123",
                "3:\u{3}234"
            ]
        );
        assert_eq!(
            of(TermField::Tags),
            ["0:\u{1}1hot", "2:\u{1}2 new", "3:lead"]
        );
        // A value without words also leaves a gap.
        assert_eq!(
            of(TermField::CustomFields),
            ["0:\u{1}2 creme", "1:brulee", "4:\u{1}17", "6:\u{1}1true"]
        );
        assert_eq!(
            of(TermField::NamedCustomField),
            [
                "0:.a\0\u{2}creme",
                "1:.a\0\u{2}brulee",
                "4:.a\0\u{2}7",
                "6:.b\0\u{2}true"
            ]
        );
    }
}
