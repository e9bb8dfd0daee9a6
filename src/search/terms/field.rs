//! The searchable fields, and where their words are indexed.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::{Error, Result};
use crate::lead::{Violation, ViolationCode};
use crate::schema::{TermField, searched_fields};
use crate::search::terms::index_term::{IndexTerm, named_prefix};

macro_rules! define_field {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal;)+) => {
        /// A searchable field.
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum SearchField {
            $($(#[doc = $doc])+ $variant,)+
            /// The custom field with this name, written as `custom_fields.industry`.
            CustomField(String),
        }

        impl SearchField {
            const NAMES: &'static [&'static str] = &[$($name,)+];

            fn named(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$variant),)+
                    _ => None,
                }
            }

            /// Returns the searchable field to which an index field belongs. `custom_name` is the
            /// name of the custom field, if the value belongs to one.
            pub(crate) fn of(field: TermField, custom_name: Option<&str>) -> Self {
                match (field, custom_name) {
                    (TermField::CustomFields | TermField::NamedCustomField, Some(name)) => {
                        Self::CustomField(name.to_owned())
                    }
                    (TermField::NamedCustomField, None) => Self::CustomFields,
                    $((TermField::$variant, _) => Self::$variant,)+
                }
            }

            /// Returns the index field that contains the words of this field.
            fn term_field(&self) -> TermField {
                match self {
                    $(Self::$variant => TermField::$variant,)+
                    Self::CustomField(_) => TermField::NamedCustomField,
                }
            }
        }
    };
}

searched_fields!(define_field);

/// Text that precedes the name of a custom field.
const CUSTOM_PREFIX: &str = "custom_fields.";

impl fmt::Display for SearchField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CustomField(name) => write!(f, "{CUSTOM_PREFIX}{name}"),
            field => f.write_str(field.term_field().as_str()),
        }
    }
}

impl FromStr for SearchField {
    type Err = Error;

    /// Parses a field's name, such as `email`, `custom_fields` or `custom_fields.industry`.
    ///
    /// # Errors
    ///
    /// Returns [`Invalid`](crate::ErrorKind::Invalid) for any other name.
    fn from_str(text: &str) -> Result<Self> {
        if let Some(name) = text.strip_prefix(CUSTOM_PREFIX) {
            return Ok(Self::CustomField(name.to_owned()));
        }
        Self::named(text).ok_or_else(|| {
            let names = Self::NAMES.join(", ");
            Error::invalid(vec![Violation::new(
                "fields",
                ViolationCode::NotAllowed,
                format!("must be one of {names}, {CUSTOM_PREFIX}<name>"),
            )])
        })
    }
}

impl<'de> Deserialize<'de> for SearchField {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl Serialize for SearchField {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl TermField {
    /// Returns true if prefixes of the field's words have posting lists of their own. They have
    /// none for a single custom field, which has few words, and for phone numbers, which are not
    /// searched by prefixes of their terms.
    pub(crate) fn has_prefixes(self) -> bool {
        !matches!(self, Self::NamedCustomField | Self::Phone)
    }

    /// Returns true if a value that equals the complete query ranks before others. A tag or a
    /// custom field that equals the query says less than a name that contains it.
    pub(crate) fn ranks_equal_values(self) -> bool {
        matches!(self, Self::Name | Self::Company | Self::Email | Self::Phone)
    }

    /// Returns true if a word that is a complete value is indexed under a different term than the
    /// same word in a longer value. The words of a single custom field need no such term, because
    /// equal values of custom fields do not rank higher.
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
    pub(crate) fn of(fields: &[SearchField]) -> Vec<Self> {
        if fields.is_empty() {
            let fields = TermField::ALL
                .iter()
                .copied()
                .filter(|field| *field != TermField::NamedCustomField);
            return fields.map(Self::whole).collect();
        }
        let scope = |field: &SearchField| match field {
            SearchField::CustomField(name) => Self {
                field: TermField::NamedCustomField,
                prefix: named_prefix(name),
            },
            field => Self::whole(field.term_field()),
        };
        let mut scopes: Vec<Self> = Vec::with_capacity(fields.len());
        for scope in fields.iter().map(scope) {
            if !scopes.contains(&scope) {
                scopes.push(scope);
            }
        }
        scopes
    }

    /// Returns the terms of a word. Each term is also a prefix of the terms of longer words that
    /// start with this word, and is paired with true if it stands for values that consist of this
    /// word alone.
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
        use SearchField::*;
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
            assert_eq!(field.to_string().parse::<SearchField>().unwrap(), field);
        }
        assert_eq!(
            "custom_fields.in.dustry"
                .parse::<SearchField>()
                .unwrap()
                .to_string(),
            "custom_fields.in.dustry"
        );
        for wrong in ["", "Name", "custom_field", "custom_fieldsx", "notes"] {
            let error = wrong.parse::<SearchField>().unwrap_err();
            assert_eq!(error.kind(), crate::error::ErrorKind::Invalid, "{wrong}");
        }
    }
}
