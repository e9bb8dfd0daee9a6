//! The searchable fields, and where their words are indexed.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use crate::error::{Error, Result};
use crate::lead::{Violation, ViolationCode};
use crate::schema::TermField;
use crate::search::terms::index_term::{IndexTerm, named_prefix};

/// A searchable field.
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
    /// The lead's source.
    Source,
    /// All custom fields.
    CustomFields,
    /// The custom field with this name, written as `custom_fields.industry`.
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

    /// Parses a field's name, such as `email`, `custom_fields` or `custom_fields.industry`.
    ///
    /// # Errors
    ///
    /// Returns [`Invalid`](crate::ErrorKind::Invalid) for any other name.
    fn from_str(text: &str) -> Result<Self> {
        if let Some(name) = text
            .strip_prefix(CUSTOM)
            .and_then(|rest| rest.strip_prefix('.'))
        {
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

impl TermField {
    /// Returns true if prefixes of the field's words have posting lists of their own. A single
    /// custom field has few words, and phones are not searched by prefixes of their terms.
    pub(crate) fn has_prefixes(self) -> bool {
        !matches!(self, Self::NamedCustomField | Self::Phone)
    }

    /// Returns true if a word that is a complete value is indexed under a different term than the
    /// same word in a longer value. The words of a single custom field need no such term: they have
    /// the same positions as in [`CustomFields`](Self::CustomFields), which has such terms.
    pub(crate) fn has_exact_terms(self) -> bool {
        self != Self::NamedCustomField
    }
}

/// A field of the index, and the prefix of the terms to look up in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FieldScope {
    pub(crate) field: TermField,
    /// Prefix of every term in this scope. Empty except for a single custom field.
    pub(crate) prefix: String,
}

impl FieldScope {
    /// Creates the scope of all terms of a field.
    pub(crate) const fn whole(field: TermField) -> Self {
        Self {
            field,
            prefix: String::new(),
        }
    }

    /// Returns the scopes of `fields`, or of all fields if it is empty.
    pub(crate) fn of(fields: &[Field]) -> Vec<Self> {
        if fields.is_empty() {
            let fields = TermField::ALL
                .iter()
                .copied()
                .filter(|field| *field != TermField::NamedCustomField);
            return fields.map(Self::whole).collect();
        }
        let scope = |field: &Field| match field {
            Field::Name => Self::whole(TermField::Name),
            Field::Company => Self::whole(TermField::Company),
            Field::Email => Self::whole(TermField::Email),
            Field::Phone => Self::whole(TermField::Phone),
            Field::Tags => Self::whole(TermField::Tags),
            Field::Source => Self::whole(TermField::Source),
            Field::CustomFields => Self::whole(TermField::CustomFields),
            Field::CustomField(name) => Self {
                field: TermField::NamedCustomField,
                prefix: named_prefix(name),
            },
        };
        let mut scopes: Vec<Self> = Vec::with_capacity(fields.len());
        for scope in fields.iter().map(scope) {
            if !scopes.contains(&scope) {
                scopes.push(scope);
            }
        }
        scopes
    }

    /// Returns the terms of a word, which are also the prefixes of the terms of longer words. Each
    /// term is paired with true if it is used for values that consist of the word only.
    pub(crate) fn terms(&self, word: &str) -> impl Iterator<Item = (String, bool)> {
        let is_exact = self
            .field
            .has_exact_terms()
            .then(|| (IndexTerm::Exact(word).to_string(), true));
        std::iter::once((
            IndexTerm::Word {
                prefix: &self.prefix,
                word,
            }
            .to_string(),
            false,
        ))
        .chain(is_exact)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn field_names_round_trip_and_others_are_rejected() {
        use Field::*;
        let custom = CustomField("in.dustry".into());
        for field in [
            Name,
            Company,
            Email,
            Phone,
            Tags,
            Source,
            CustomFields,
            custom,
        ] {
            assert_eq!(field.to_string().parse::<Field>().unwrap(), field);
        }
        assert_eq!(
            "custom_fields.in.dustry"
                .parse::<Field>()
                .unwrap()
                .to_string(),
            "custom_fields.in.dustry"
        );
        for wrong in ["", "Name", "custom_field", "custom_fieldsx", "notes"] {
            let error = wrong.parse::<Field>().unwrap_err();
            assert_eq!(error.kind(), crate::error::ErrorKind::Invalid, "{wrong}");
        }
    }
}
