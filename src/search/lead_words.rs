//! What of a lead is searched: its values, and their words with the places at which they are indexed.

use crate::analyzer;
use crate::lead::{CustomValue, Lead, Number};

use super::field::{Field, Slot, alone, named_prefix};
use super::phone;
use super::search_query::MAX_WORDS;

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

    /// The words that are indexed of it, and from which of them on it is compared as a whole.
    fn words(&self) -> (Vec<String>, usize) {
        if self.slot == Slot::Phone {
            let digits = analyzer::digits(&self.text);
            return (phone::words(&digits), phone::zeros(&digits));
        }
        (analyzer::words(&self.text).into_iter().map(|word| word.text).collect(), 0)
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

/// The words of a lead in one slot.
pub(super) struct SlotWords {
    pub(super) slot: Slot,
    /// What stands before each of the words.
    pub(super) prefix: String,
    pub(super) values: Vec<ValueWords>,
}

/// The words of one value, which have places side by side.
pub(super) struct ValueWords {
    /// The place of the first one in its slot. Between values there is a gap.
    pub(super) position: u32,
    pub(super) words: Vec<String>,
    /// From which of them on the value is compared as a whole.
    pub(super) first: usize,
}

impl ValueWords {
    /// The words with their places.
    pub(super) fn placed(&self) -> impl Iterator<Item = (u32, &str)> {
        (self.position..).zip(self.words.iter().map(String::as_str))
    }

    /// The terms of the value in its slot, beginnings aside, in order and with their places.
    pub(super) fn terms<'a>(&'a self, slot: &'a SlotWords) -> impl Iterator<Item = (u32, String)> + 'a {
        let is_alone = self.words.len() == 1 && slot.slot.tells_alone();
        let opening =
            if slot.slot.tells_alone() { opening(self.words.len() - self.first.min(self.words.len())) } else { None };
        self.placed().enumerate().flat_map(move |(index, (position, word))| {
            let opening = opening.clone().filter(|_| index == self.first).map(|opening| (position, opening));
            let term = if is_alone { alone(word) } else { format!("{}{word}", slot.prefix) };
            opening.into_iter().chain(std::iter::once((position, term)))
        })
    }
}

/// The term that stands where a value of so many words begins, so that a value equal to some words is found where they
/// are side by side. `None` for a single word, which has a term of its own, and for more words than a query has.
pub(super) fn opening(words: usize) -> Option<String> {
    let count = u32::try_from(words).ok().filter(|_| (2..=MAX_WORDS).contains(&words))?;
    // No word begins so.
    Some(format!("\u{1}{}", char::from_u32(count + u32::from(b'0'))?))
}

/// The words of a lead, slot by slot.
pub(super) fn slot_words(lead: &Lead) -> Vec<SlotWords> {
    let mut slots: Vec<SlotWords> = Vec::new();
    let mut named: Vec<SlotWords> = Vec::new();
    for value in values(lead) {
        let (words, first) = value.words();
        let position_in = |slot: Option<&SlotWords>| {
            let last = slot.filter(|last| last.slot == value.slot).and_then(|slot| slot.values.last());
            last.map_or(0, |last| last.position + u32::try_from(last.words.len()).unwrap_or(u32::MAX) + 1)
        };
        let position = position_in(slots.last());
        if let Some(name) = value.custom_name {
            let prefix = named_prefix(name);
            let values = ValueWords { position, words: words.clone(), first };
            match named.last_mut().filter(|last| last.prefix == prefix) {
                Some(last) => last.values.push(values),
                None => named.push(SlotWords { slot: Slot::NamedCustomField, prefix, values: vec![values] }),
            }
        }
        let values = ValueWords { position, words, first };
        match slots.last_mut().filter(|last| last.slot == value.slot) {
            Some(last) => last.values.push(values),
            None => slots.push(SlotWords { slot: value.slot, prefix: String::new(), values: vec![values] }),
        }
    }
    slots.append(&mut named);
    slots
}
