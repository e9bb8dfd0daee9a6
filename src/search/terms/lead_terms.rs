//! What of a lead is searched: its values, and the terms of their words with the places at which they are indexed.

use crate::analyzer;
use crate::lead::{CustomValue, Lead, Number};

use crate::schema::{Catalogue, TermField};
use crate::search::terms::field::Field;
use crate::search::terms::index_term::{IndexTerm, named_prefix};
use crate::search::terms::phone;

/// One searched value of a lead.
pub(crate) struct SearchedValue<'a> {
    pub(crate) field: TermField,
    /// The name of the custom field, where it is one.
    pub(crate) custom_name: Option<&'a str>,
    /// The place in the list, where it is in one.
    pub(crate) item: Option<usize>,
    pub(crate) text: std::borrow::Cow<'a, str>,
}

impl<'a> SearchedValue<'a> {
    /// The only value of a field.
    fn of(field: TermField, text: &'a str) -> Self {
        Self {
            field,
            custom_name: None,
            item: None,
            text: text.into(),
        }
    }

    /// The field that a hit in this value is reported under.
    pub(crate) fn field(&self) -> Field {
        match (self.field, self.custom_name) {
            (TermField::Name, _) => Field::Name,
            (TermField::Company, _) => Field::Company,
            (TermField::Email, _) => Field::Email,
            (TermField::Phone, _) => Field::Phone,
            (TermField::Tags, _) => Field::Tags,
            (TermField::Source, _) => Field::Source,
            (TermField::CustomFields | TermField::NamedCustomField, Some(name)) => {
                Field::CustomField(name.to_owned())
            }
            (TermField::CustomFields | TermField::NamedCustomField, None) => Field::CustomFields,
        }
    }

    /// The words that are indexed of it, and from which of them on it is compared as a whole.
    fn words(&self) -> (Vec<String>, usize) {
        if self.field == TermField::Phone {
            let digits = analyzer::digits(&self.text);
            return (phone::words(&digits), phone::zeros(&digits));
        }
        (
            analyzer::words(&self.text)
                .into_iter()
                .map(|word| word.text)
                .collect(),
            0,
        )
    }
}

/// Returns the searched values of a lead, those of one index field together.
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

/// A scalar as the text that is searched.
fn text(value: &CustomValue) -> Option<std::borrow::Cow<'_, str>> {
    Some(match value {
        CustomValue::Text(text) => text.as_str().into(),
        CustomValue::Number(Number::Integer(number)) => number.to_string().into(),
        // As JSON writes it: `1.0`, `1e21`.
        CustomValue::Number(Number::Float(number)) => format!("{number:?}").into(),
        CustomValue::Bool(truth) => truth.to_string().into(),
        CustomValue::List(_) => return None,
    })
}

/// Shows `visit` all terms of a lead, but for those of the beginnings of words, each with its slot and its place there. A
/// term that comes several times in a slot takes its places in ascending order, as an index needs it.
pub(crate) fn each_term(
    catalogue: &Catalogue,
    lead: &Lead,
    mut visit: impl FnMut(TermField, u32, IndexTerm<'_>),
) {
    let (mut field, mut position) = (TermField::Name, 0);
    let (mut name, mut prefix) = (None, String::new());
    for value in values(catalogue, lead) {
        if value.field != field {
            (field, position) = (value.field, 0);
        }
        let (words, first) = value.words();
        let length_marker = if field.has_exact_terms() {
            IndexTerm::length_marker(words.len().saturating_sub(first))
        } else {
            None
        };
        for (index, (place, word)) in (position..).zip(&words).enumerate() {
            if let Some(length_marker) = length_marker.filter(|_| index == first) {
                visit(field, place, length_marker);
            }
            let is_alone = words.len() == 1 && field.has_exact_terms();
            visit(
                field,
                place,
                if is_alone {
                    IndexTerm::Exact(word)
                } else {
                    IndexTerm::Word { prefix: "", word }
                },
            );
        }
        if value.custom_name != name {
            (name, prefix) = (
                value.custom_name,
                value.custom_name.map(named_prefix).unwrap_or_default(),
            );
        }
        if name.is_some() {
            for (place, word) in (position..).zip(&words) {
                visit(
                    TermField::NamedCustomField,
                    place,
                    IndexTerm::Word {
                        prefix: &prefix,
                        word,
                    },
                );
            }
        }
        // Between values there is a gap.
        position += u32::try_from(words.len()).unwrap_or(u32::MAX) + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LeadStore;
    use crate::lead::NewLead;

    /// The terms of a slot with their places, those at one place joined.
    fn terms(lead: &Lead, wanted: TermField) -> Vec<(u32, String)> {
        let mut terms: Vec<(u32, String)> = Vec::new();
        each_term(
            &Catalogue::builtin(),
            lead,
            |field, place, term| match terms.last_mut() {
                _ if field != wanted => {}
                Some((last, joined)) if *last == place => *joined += &format!(" {term}"),
                _ => terms.push((place, term.to_string())),
            },
        );
        terms
    }

    #[test]
    fn the_terms_of_a_lead_stand_at_their_places() {
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
                .map(|(place, term)| format!("{place}:{term}"))
                .collect::<Vec<_>>()
        };
        assert_eq!(of(TermField::Name), ["0:\u{1}2 obrien", "1:zoe"]);
        assert_eq!(of(TermField::Company), ["0:\u{1}1acme"]);
        // Where the zeros end that it begins with, the whole number begins.
        assert_eq!(
            of(TermField::Phone),
            ["0:001", "1:012", "2:\u{1}2 123", "3:234"]
        );
        assert_eq!(
            of(TermField::Tags),
            ["0:\u{1}1hot", "2:\u{1}2 new", "3:lead"]
        );
        // A value without words leaves a gap, too.
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
