//! What of a lead is searched: its values, and the terms of their words with the places at which they are indexed.

use crate::analyzer;
use crate::lead::{CustomValue, Lead, Number};

use crate::search::terms::field::{Field, Slot};
use crate::search::terms::index_term::{IndexTerm, named_prefix};
use crate::search::terms::phone;

/// One searched value of a lead.
pub(crate) struct Value<'a> {
    pub(crate) slot: Slot,
    /// The name of the custom field, where it is one.
    pub(crate) custom_name: Option<&'a str>,
    /// The place in the list, where it is in one.
    pub(crate) item: Option<usize>,
    pub(crate) text: std::borrow::Cow<'a, str>,
}

impl Value<'_> {
    /// The field that a hit in this value is reported under.
    pub(crate) fn field(&self) -> Field {
        match (self.slot, self.custom_name) {
            (Slot::Name, _) => Field::Name,
            (Slot::Company, _) => Field::Company,
            (Slot::Email, _) => Field::Email,
            (Slot::Phone, _) => Field::Phone,
            (Slot::Tags, _) => Field::Tags,
            (Slot::Source, _) => Field::Source,
            (Slot::CustomFields | Slot::NamedCustomField, Some(name)) => {
                Field::CustomField(name.to_owned())
            }
            (Slot::CustomFields | Slot::NamedCustomField, None) => Field::CustomFields,
        }
    }

    /// The words that are indexed of it, and from which of them on it is compared as a whole.
    fn words(&self) -> (Vec<String>, usize) {
        if self.slot == Slot::Phone {
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

/// The searched values of a lead, those of one slot together.
pub(crate) fn values(lead: &Lead) -> Vec<Value<'_>> {
    let mut values = vec![Value {
        slot: Slot::Name,
        custom_name: None,
        item: None,
        text: lead.name.as_str().into(),
    }];
    values.extend(single(Slot::Company, &lead.company));
    values.extend(single(Slot::Email, &lead.email));
    values.extend(single(Slot::Phone, &lead.phone));
    values.extend(lead.tags.iter().enumerate().map(|(item, tag)| Value {
        slot: Slot::Tags,
        custom_name: None,
        item: Some(item),
        text: tag.as_str().into(),
    }));
    values.extend(single(Slot::Source, &lead.source));
    for (name, value) in &lead.custom_fields {
        let custom = |item, value| {
            text(value).map(|text| Value {
                slot: Slot::CustomFields,
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
    values
}

fn single(slot: Slot, text: &Option<String>) -> Option<Value<'_>> {
    text.as_deref().map(|text| Value {
        slot,
        custom_name: None,
        item: None,
        text: text.into(),
    })
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
pub(crate) fn each_term(lead: &Lead, mut visit: impl FnMut(Slot, u32, IndexTerm<'_>)) {
    let (mut slot, mut position) = (Slot::Name, 0);
    let (mut name, mut prefix) = (None, String::new());
    for value in values(lead) {
        if value.slot != slot {
            (slot, position) = (value.slot, 0);
        }
        let (words, first) = value.words();
        let opening = if slot.tells_alone() {
            IndexTerm::opening(words.len().saturating_sub(first))
        } else {
            None
        };
        for (index, (place, word)) in (position..).zip(&words).enumerate() {
            if let Some(opening) = opening.filter(|_| index == first) {
                visit(slot, place, opening);
            }
            let is_alone = words.len() == 1 && slot.tells_alone();
            visit(
                slot,
                place,
                if is_alone {
                    IndexTerm::Alone(word)
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
                    Slot::NamedCustomField,
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
    fn terms(lead: &Lead, wanted: Slot) -> Vec<(u32, String)> {
        let mut terms: Vec<(u32, String)> = Vec::new();
        each_term(lead, |slot, place, term| match terms.last_mut() {
            _ if slot != wanted => {}
            Some((last, joined)) if *last == place => *joined += &format!(" {term}"),
            _ => terms.push((place, term.to_string())),
        });
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
        let of = |slot| {
            terms(&lead, slot)
                .into_iter()
                .map(|(place, term)| format!("{place}:{term}"))
                .collect::<Vec<_>>()
        };
        assert_eq!(of(Slot::Name), ["0:\u{1}2 obrien", "1:zoe"]);
        assert_eq!(of(Slot::Company), ["0:\u{1}1acme"]);
        // Where the zeros end that it begins with, the whole number begins.
        assert_eq!(of(Slot::Phone), ["0:001", "1:012", "2:\u{1}2 123", "3:234"]);
        assert_eq!(of(Slot::Tags), ["0:\u{1}1hot", "2:\u{1}2 new", "3:lead"]);
        // A value without words leaves a gap, too.
        assert_eq!(
            of(Slot::CustomFields),
            ["0:\u{1}2 creme", "1:brulee", "4:\u{1}17", "6:\u{1}1true"]
        );
        assert_eq!(
            of(Slot::NamedCustomField),
            [
                "0:.a\0\u{2}creme",
                "1:.a\0\u{2}brulee",
                "4:.a\0\u{2}7",
                "6:.b\0\u{2}true"
            ]
        );
    }
}
