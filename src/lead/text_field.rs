//! The optional text fields of a lead: one list, from which their rules, accessors and setters are
//! generated.
//!
//! A new field is added here and as a member of [`Lead`]; `schema::field` defines what lists,
//! searches and HTTP do with it.

use crate::lead::Lead;
use crate::lead::rule::{self, TextRule};

/// Passes the list to a macro: for each field its documentation, its variant, its member of
/// [`Lead`], the name of the method that clears it, and its rule.
macro_rules! text_fields {
    ($define:ident) => {
        $define! {
            /// Sets the id in another system: 1 to 128 printable ASCII characters, unique in the
            /// store.
            ExternalId, external_id, clear_external_id, rule::EXTERNAL_ID;
            /// Sets the e-mail address: trimmed, at most 254 bytes, exactly one `@` with text on
            /// both sides, no whitespace.
            Email, email, clear_email, rule::EMAIL;
            /// Sets the phone number: trimmed and otherwise stored as given, at most 64 characters,
            /// at least 3 digits.
            Phone, phone, clear_phone, rule::PHONE;
            /// Sets the company: trimmed, at most 255 characters.
            Company, company, clear_company, rule::COMPANY;
            /// Sets the job title: trimmed, at most 255 characters.
            JobTitle, job_title, clear_job_title, rule::COMPANY;
            /// Sets the source that the lead came from: trimmed, at most 64 characters, no commas
            /// or control characters.
            Source, source, clear_source, rule::SOURCE;
            /// Sets the owner, who works on the lead: at most 64 printable ASCII characters, no
            /// spaces or commas.
            OwnerId, owner_id, clear_owner_id, rule::OWNER_ID;
        }
    };
}
pub(crate) use text_fields;

/// Defines [`TextField`].
macro_rules! define_text_field {
    ($($(#[doc = $doc:literal])+ $variant:ident, $field:ident, $clear:ident, $rule:expr;)+) => {
        /// An optional text field of a lead.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum TextField {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl TextField {
            /// Every field, in the order in which violations are reported.
            pub(crate) const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// Returns the field with this name.
            #[cfg(feature = "http")]
            pub(crate) fn named(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|field| field.rule().field == name)
            }

            pub(crate) const fn rule(self) -> &'static TextRule {
                match self {
                    $(Self::$variant => {
                        const RULE: TextRule = TextRule { field: stringify!($field), ..$rule };
                        &RULE
                    })+
                }
            }

            /// Returns the field's value.
            pub(crate) fn get(self, lead: &Lead) -> Option<&str> {
                match self {
                    $(Self::$variant => lead.$field.as_deref(),)+
                }
            }

            pub(crate) fn get_mut(self, lead: &mut Lead) -> &mut Option<String> {
                match self {
                    $(Self::$variant => &mut lead.$field,)+
                }
            }
        }
    };
}

text_fields!(define_text_field);

/// One value per text field.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TextMap<T>([T; TextField::ALL.len()]);

impl<T: Default> Default for TextMap<T> {
    fn default() -> Self {
        Self(std::array::from_fn(|_| T::default()))
    }
}

impl<T> TextMap<T> {
    #[expect(clippy::indexing_slicing, reason = "there is a value for each field")]
    pub(crate) fn get_mut(&mut self, field: TextField) -> &mut T {
        &mut self.0[field as usize]
    }

    #[cfg(feature = "http")]
    #[expect(clippy::indexing_slicing, reason = "there is a value for each field")]
    pub(crate) fn get(&self, field: TextField) -> &T {
        &self.0[field as usize]
    }

    pub(crate) fn into_iter(self) -> impl Iterator<Item = (TextField, T)> {
        TextField::ALL.iter().copied().zip(self.0)
    }
}
