//! What of a lead is searched: its values, and their words with the places at which they are indexed.

use crate::analyzer;
use crate::lead::{CustomValue, Lead, Number};

use super::field::{Field, Slot, beginnings, named_prefix};
use super::word_lines::SEPARATOR;

/// One searched value of a lead.
pub(super) struct Value<'a> {
    pub(super) slot: Slot,
    /// The name of the custom field, where it is one.
    pub(super) custom_name: Option<&'a str>,
    /// The place in the list, where it is in one.
    pub(super) item: Option<usize>,
    pub(super) text: std::borrow::Cow<'a, str>,
}

impl Value<'_> {
    /// The field that a hit in this value is reported under.
    pub(super) fn field(&self) -> Field {
        match (self.slot, self.custom_name) {
            (Slot::Name, _) => Field::Name,
            (Slot::Company, _) => Field::Company,
            (Slot::Email, _) => Field::Email,
            (Slot::Phone, _) => Field::Phone,
            (Slot::Tags, _) => Field::Tags,
            (Slot::Source, _) => Field::Source,
            (Slot::CustomFields | Slot::NamedCustomField, Some(name)) => Field::CustomField(name.to_owned()),
            (Slot::CustomFields | Slot::NamedCustomField, None) => Field::CustomFields,
        }
    }
}

/// The searched values of a lead, those of one slot together.
pub(super) fn values(lead: &Lead) -> Vec<Value<'_>> {
    let mut values = vec![Value { slot: Slot::Name, custom_name: None, item: None, text: lead.name.as_str().into() }];
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
            text(value).map(|text| Value { slot: Slot::CustomFields, custom_name: Some(name), item, text })
        };
        match value {
            CustomValue::List(elements) => {
                values.extend(elements.iter().enumerate().filter_map(|(item, element)| custom(Some(item), element)));
            }
            scalar => values.extend(custom(None, scalar)),
        }
    }
    values
}

fn single(slot: Slot, text: &Option<String>) -> Option<Value<'_>> {
    text.as_deref().map(|text| Value { slot, custom_name: None, item: None, text: text.into() })
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

/// A word of a lead as it is indexed.
pub(super) struct PlacedWord {
    pub(super) slot: Slot,
    /// Its place in the slot. Words side by side in one value have places side by side; between values there is a gap.
    pub(super) position: u32,
    /// The word, after its custom field's name where that is the slot's way.
    pub(super) text: String,
    /// How much of `text` is before the word itself, in bytes.
    prefix_length: usize,
}

impl PlacedWord {
    /// Appends the word's short beginnings, as they are indexed, a line each.
    pub(super) fn push_beginnings(&self, lines: &mut String) {
        let (prefix, word) = self.text.split_at_checked(self.prefix_length).unwrap_or(("", &self.text));
        for beginning in beginnings(word) {
            self.slot.push_beginning(prefix, beginning, lines);
            lines.push(SEPARATOR);
        }
    }
}

/// Every word of a lead, slot by slot.
pub(super) fn placed_words(lead: &Lead) -> Vec<PlacedWord> {
    let mut placed = Vec::new();
    let mut named = Vec::new();
    let mut next = (Slot::Name, 0);
    for value in values(lead) {
        if value.slot != next.0 {
            next = (value.slot, 0);
        }
        let prefix = value.custom_name.map(named_prefix);
        for word in analyzer::words(&value.text) {
            let position = next.1;
            next.1 += 1;
            if let Some(prefix) = &prefix {
                let text = format!("{prefix}{}", word.text);
                named.push(PlacedWord { slot: Slot::NamedCustomField, position, text, prefix_length: prefix.len() });
            }
            placed.push(PlacedWord { slot: value.slot, position, text: word.text, prefix_length: 0 });
        }
        next.1 += 1;
    }
    placed.extend(named);
    placed
}
