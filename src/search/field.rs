//! The fields that are searched.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use super::word_lines::SEPARATOR;
use crate::lead::{Violation, ViolationCode};
use crate::{Error, Result};

/// A field that is searched.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Field {
    /// The lead's name.
    Name,
    /// The company.
    Company,
    /// The e-mail address.
    Email,
    /// The phone number.
    Phone,
    /// The tags.
    Tags,
    /// Where the lead came from.
    Source,
    /// All custom fields.
    CustomFields,
    /// The custom field of this name; written `custom_fields.industry`.
    CustomField(String),
}

const CUSTOM: &str = "custom_fields";

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Name => "name",
            Self::Company => "company",
            Self::Email => "email",
            Self::Phone => "phone",
            Self::Tags => "tags",
            Self::Source => "source",
            Self::CustomFields => CUSTOM,
            Self::CustomField(name) => return write!(f, "{CUSTOM}.{name}"),
        })
    }
}

impl FromStr for Field {
    type Err = Error;

    /// Reads a field's name, such as `email`, `custom_fields` or `custom_fields.industry`.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) for any other name.
    fn from_str(text: &str) -> Result<Self> {
        if let Some(name) = text.strip_prefix(CUSTOM).and_then(|rest| rest.strip_prefix('.')) {
            return Ok(Self::CustomField(name.to_owned()));
        }
        Ok(match text {
            "name" => Self::Name,
            "company" => Self::Company,
            "email" => Self::Email,
            "phone" => Self::Phone,
            "tags" => Self::Tags,
            "source" => Self::Source,
            CUSTOM => Self::CustomFields,
            _ => {
                return Err(Error::invalid(vec![Violation::new(
                    "fields",
                    ViolationCode::NotAllowed,
                    "must be one of name, company, email, phone, tags, source, custom_fields, custom_fields.<name>",
                )]));
            }
        })
    }
}

impl Serialize for Field {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Where the words of a lead are indexed: one slot a field, and one more in which the words of custom fields stand
/// under their field's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Slot {
    Name,
    Company,
    Email,
    Phone,
    Tags,
    Source,
    CustomFields,
    NamedCustomField,
}

impl Slot {
    pub(super) const ALL: [Self; 8] = [
        Self::Name,
        Self::Company,
        Self::Email,
        Self::Phone,
        Self::Tags,
        Self::Source,
        Self::CustomFields,
        Self::NamedCustomField,
    ];

    /// Whether the beginnings of its words have postings of their own. Under one custom field's name there are few words.
    pub(super) fn has_beginnings(self) -> bool {
        self != Self::NamedCustomField
    }

    /// Appends the beginning of a word, after `prefix`, as it stands among those of all slots.
    pub(super) fn push_beginning(self, prefix: &str, beginning: &str, text: &mut String) {
        text.push(char::from(b'0' + self as u8));
        text.push_str(prefix);
        text.push_str(beginning);
    }

    /// The name of the slot in the index.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Company => "company",
            Self::Email => "email",
            Self::Phone => "phone",
            Self::Tags => "tags",
            Self::Source => "source",
            Self::CustomFields => CUSTOM,
            Self::NamedCustomField => "custom_field",
        }
    }
}

/// Where to look for a word: in a slot, under what prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Scope {
    pub(super) slot: Slot,
    /// What stands before each word in the slot; empty but for named custom fields.
    pub(super) prefix: String,
}

/// The short beginnings of a word that have postings of their own: its first one, two and three letters. A beginning of
/// few letters is that of many words, and reading the postings of each takes long.
pub(super) fn beginnings(word: &str) -> impl Iterator<Item = &str> {
    word.char_indices().take(3).filter_map(|(index, letter)| word.get(..index + letter.len_utf8()))
}

impl Scope {
    /// How the beginning of a word in this scope stands among those of all.
    pub(super) fn beginning(&self, beginning: &str) -> String {
        let mut text = String::new();
        self.slot.push_beginning(&self.prefix, beginning, &mut text);
        text
    }

    /// The scopes of these fields, or of all if none is named.
    pub(super) fn of(fields: &[Field]) -> Vec<Self> {
        let whole = |slot| Self { slot, prefix: String::new() };
        if fields.is_empty() {
            let slots = Slot::ALL.into_iter().filter(|slot| *slot != Slot::NamedCustomField);
            return slots.map(whole).collect();
        }
        let scope = |field: &Field| match field {
            Field::Name => whole(Slot::Name),
            Field::Company => whole(Slot::Company),
            Field::Email => whole(Slot::Email),
            Field::Phone => whole(Slot::Phone),
            Field::Tags => whole(Slot::Tags),
            Field::Source => whole(Slot::Source),
            Field::CustomFields => whole(Slot::CustomFields),
            Field::CustomField(name) => Self { slot: Slot::NamedCustomField, prefix: named_prefix(name) },
        };
        fields.iter().map(scope).collect()
    }
}

/// What stands before each word of a custom field in its slot, so that none is the beginning of another's: a NUL in the
/// name is told from the one that ends it by what follows.
pub(super) fn named_prefix(name: &str) -> String {
    let mut prefix = String::with_capacity(name.len() + 2);
    for c in name.chars() {
        match c {
            '\0' => prefix.push_str("\0\u{1}"),
            // Words are handed over a line each.
            SEPARATOR => prefix.push_str("\0\u{3}"),
            other => prefix.push(other),
        }
    }
    prefix.push_str("\0\u{2}");
    prefix
}
