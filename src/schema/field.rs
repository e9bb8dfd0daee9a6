//! The fields of a lead as lists, searches and HTTP see them: for each field its name, its filter,
//! its sort order and its search field. [`Catalogue::builtin`](crate::schema::Catalogue::builtin)
//! is made from this list. Other code names a field only if it treats that field specially.
//!
//! The numbers of `BitmapField` and `SortIndex` are tags in keys on disk, see `storage::tables`.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::lead::rule::{self, TextRule};
use crate::lead::text_field::TextField;
use crate::lead::{CustomValue, Lead, ViolationCode, Violations};

/// A field with a bitmap for each of its values, identified by the tag in the keys of these
/// bitmaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct BitmapField(pub(crate) u8);

impl BitmapField {
    pub(crate) const STATUS: Self = Self(0x04);
    pub(crate) const SOURCE: Self = Self(0x05);
    pub(crate) const OWNER_ID: Self = Self(0x06);
    pub(crate) const TAG: Self = Self(0x07);
    pub(crate) const JOB_TITLE: Self = Self(0x09);
}

/// A sort index, identified by the tag of its index keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SortIndex(pub(crate) u8);

impl SortIndex {
    pub(crate) const CREATED_AT: Self = Self(0x10);
    pub(crate) const UPDATED_AT: Self = Self(0x11);
    pub(crate) const NAME: Self = Self(0x12);
    pub(crate) const COMPANY: Self = Self(0x13);
    pub(crate) const EMAIL: Self = Self(0x14);
    pub(crate) const DEAL_VALUE: Self = Self(0x15);
    pub(crate) const JOB_TITLE: Self = Self(0x16);
    /// The time of the deletion. Only lists of the trash sort by it: no live lead has one.
    pub(crate) const DELETED_AT: Self = Self(0x17);
}

/// Defines an enum of fields, and gives each variant its name in the API.
macro_rules! named_enum {
    ($(#[$meta:meta])* $visibility:vis enum $type:ident {
        $($(#[doc = $doc:literal])+ $variant:ident = $name:literal,)+
    }) => {
        $(#[$meta])*
        $visibility enum $type {
            $($(#[doc = $doc])+ #[serde(rename = $name)] $variant,)+
        }

        impl $type {
            pub(crate) const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// Returns the name in the API, such as `created_at`.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

named_enum! {
    /// A key that leads can be sorted by.
    ///
    /// Text is sorted by its folded form, which search uses as well, and then by the original text.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
    #[non_exhaustive]
    pub enum SortKey {
        /// The creation time.
        CreatedAt = "created_at",
        /// The time of the last update or restoration, or else the creation time.
        UpdatedAt = "updated_at",
        /// The name.
        Name = "name",
        /// The company.
        Company = "company",
        /// The job title.
        JobTitle = "job_title",
        /// The e-mail address.
        Email = "email",
        /// The status.
        Status = "status",
        /// The source that the lead came from.
        Source = "source",
        /// The owner.
        OwnerId = "owner_id",
        /// The deal value.
        DealValue = "deal_value",
        /// The time of the deletion, for lists of the trash only.
        DeletedAt = "deleted_at",
    }
}

/// Passes the searched fields to a macro: for each field its documentation, its variant and its
/// name. The fields are in rank order: if hits match equally well, the hit in the earliest field
/// ranks highest.
macro_rules! searched_fields {
    ($define:ident) => {
        $define! {
            /// The lead's name.
            Name = "name";
            /// The company.
            Company = "company";
            /// The e-mail address.
            Email = "email";
            /// The phone number.
            Phone = "phone";
            /// The tags.
            Tags = "tags";
            /// The lead's source.
            Source = "source";
            /// The job title.
            JobTitle = "job_title";
            /// All custom fields.
            CustomFields = "custom_fields";
        }
    };
}
pub(crate) use searched_fields;

macro_rules! define_term_field {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal;)+) => {
        /// A field of the search index. The variants are in rank order: if hits match equally well,
        /// the hit in the earliest field ranks highest.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub(crate) enum TermField {
            $($(#[doc = $doc])+ $variant,)+
            /// The words of the custom fields once more, each together with the name of its custom
            /// field. Ranks like `CustomFields`.
            NamedCustomField,
        }

        impl TermField {
            pub(crate) const ALL: &'static [Self] =
                &[$(Self::$variant,)+ Self::NamedCustomField];

            /// Returns the field's name in the index.
            pub(crate) const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                    Self::NamedCustomField => "custom_field",
                }
            }
        }
    };
}

searched_fields!(define_term_field);

/// One field of a lead.
#[derive(Clone, Debug)]
pub(crate) struct FieldDef {
    /// The name in HTTP parameters, in the body of a search, in violations and in sort orders.
    pub(crate) name: Cow<'static, str>,
    pub(crate) source: FieldSource,
    /// The bitmaps of its values, if a filter can select by them.
    pub(crate) filter: Option<BitmapField>,
    /// The stored structure that provides its order, if leads can be sorted by the field.
    pub(crate) sort: Option<SortOrder>,
    /// The field of the search index that holds its words, if it is searched.
    pub(crate) search: Option<TermField>,
}

/// The part of a lead that a field's values are read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FieldSource {
    Name,
    Status,
    Text(TextField),
    Tags,
    DealValue,
    CreatedAt,
    UpdatedAt,
    /// The time of the deletion, which only a lead in the trash has.
    DeletedAt,
    /// All custom fields.
    CustomFields,
    /// The custom field with this name, if an application has defined it.
    #[cfg_attr(not(test), expect(dead_code, reason = "no definition can be made yet"))]
    Custom(String),
}

/// The stored structure that provides the order of a sort key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SortOrder {
    /// A sort index. If `mandatory` is true, every lead has a value; otherwise, a bitmap contains
    /// the leads that have one.
    Keys { index: SortIndex, mandatory: bool },
    /// The bitmaps of the field's values, in the order of their keys.
    Bitmaps(BitmapField),
}

impl FieldDef {
    /// Creates a field that is only stored.
    pub(crate) fn new(name: impl Into<Cow<'static, str>>, source: FieldSource) -> Self {
        Self {
            name: name.into(),
            source,
            filter: None,
            sort: None,
            search: None,
        }
    }

    /// Lets filters select by the field's values.
    pub(crate) fn filtered(mut self, bitmaps: BitmapField) -> Self {
        self.filter = Some(bitmaps);
        self
    }

    /// Lets filters select by the field's values, and lets lists sort by them. A sort scans the
    /// bitmaps of the values in key order, which suits a field with few distinct values.
    pub(crate) fn filtered_and_sorted(mut self, bitmaps: BitmapField) -> Self {
        self.sort = Some(SortOrder::Bitmaps(bitmaps));
        self.filtered(bitmaps)
    }

    /// Lets lists sort by the field with a sort index. `mandatory` is true if every lead has a
    /// value.
    pub(crate) fn sorted(mut self, index: SortIndex, mandatory: bool) -> Self {
        self.sort = Some(SortOrder::Keys { index, mandatory });
        self
    }

    /// Lets searches find the field's words. The search index holds them in `field`.
    pub(crate) fn searched(mut self, field: TermField) -> Self {
        self.search = Some(field);
        self
    }

    /// Returns the rule for the field's values if the field is the status or an optional text
    /// field, and `None` otherwise.
    pub(crate) fn rule(&self) -> Option<&'static TextRule> {
        match self.source {
            FieldSource::Status => Some(&rule::STATUS),
            FieldSource::Text(field) => Some(field.rule()),
            _ => None,
        }
    }

    /// Adds the violations of a filter's value, if no lead can have that value.
    pub(crate) fn check_filter_value(&self, value: &str, violations: &mut Violations) {
        let mut broken = Violations::default();
        if let FieldSource::Tags = self.source {
            rule::tags(&[value.to_owned()], &mut broken);
        } else if value.trim().is_empty() {
            broken.add(&*self.name, ViolationCode::Required, "must not be blank");
        } else if let Some(rule) = self.rule()
            && let Some(stored) = rule.normalise(value.to_owned(), &mut broken)
            && stored != value
        {
            let message = "must not begin or end with white space";
            broken.add(&*self.name, ViolationCode::InvalidFormat, message);
        }
        violations.add_under(&self.name, broken);
    }

    /// Returns the lead's text in this field, or `None` if the lead has none or if the field holds
    /// anything other than one text.
    pub(crate) fn text<'l>(&self, lead: &'l Lead) -> Option<&'l str> {
        match &self.source {
            FieldSource::Name => Some(&lead.name),
            FieldSource::Status => Some(&lead.status),
            FieldSource::Text(field) => field.get(lead),
            FieldSource::Custom(name) => match lead.custom_fields.get(name) {
                Some(CustomValue::Text(text)) => Some(text),
                _ => None,
            },
            _ => None,
        }
    }

    /// Calls `visit` with each value that the lead has in this field, or with `None` if it has
    /// none. Tags are an exception: `visit` is not called for a lead without tags, because there is
    /// no bitmap of such leads.
    pub(crate) fn each_value<'l>(&self, lead: &'l Lead, mut visit: impl FnMut(Option<&'l str>)) {
        match self.source {
            FieldSource::Tags => lead.tags.iter().for_each(|tag| visit(Some(tag))),
            _ => visit(self.text(lead)),
        }
    }
}

/// Passes to a macro the fields by whose values a filter can select leads: for each field its
/// documentation, its setter and its `BitmapField`.
macro_rules! value_filters {
    ($define:ident) => {
        $define! {
            /// Selects leads with this status. Further calls select leads with other statuses as
            /// well.
            status, STATUS;
            /// Selects leads with this source. Further calls select leads with other sources as
            /// well.
            source, SOURCE;
            /// Selects leads of this owner. Further calls select leads of other owners as well.
            owner_id, OWNER_ID;
            /// Selects leads with this tag. Further calls select leads with other tags as well.
            tag, TAG;
            /// Selects leads with this job title. Further calls select leads with other titles as
            /// well.
            job_title, JOB_TITLE;
        }
    };
}
pub(crate) use value_filters;

/// Returns the fields that are built into every store.
pub(crate) fn builtin() -> Vec<FieldDef> {
    let field = FieldDef::new;
    let text = |field: TextField| FieldDef::new(field.rule().field, FieldSource::Text(field));
    let always = true;
    vec![
        field("created_at", FieldSource::CreatedAt).sorted(SortIndex::CREATED_AT, always),
        field("updated_at", FieldSource::UpdatedAt).sorted(SortIndex::UPDATED_AT, always),
        field("name", FieldSource::Name)
            .sorted(SortIndex::NAME, always)
            .searched(TermField::Name),
        text(TextField::Company)
            .sorted(SortIndex::COMPANY, !always)
            .searched(TermField::Company),
        text(TextField::Email)
            .sorted(SortIndex::EMAIL, !always)
            .searched(TermField::Email),
        text(TextField::Phone).searched(TermField::Phone),
        field("deal_value", FieldSource::DealValue).sorted(SortIndex::DEAL_VALUE, !always),
        field("status", FieldSource::Status).filtered_and_sorted(BitmapField::STATUS),
        text(TextField::Source)
            .filtered_and_sorted(BitmapField::SOURCE)
            .searched(TermField::Source),
        field("tag", FieldSource::Tags)
            .filtered(BitmapField::TAG)
            .searched(TermField::Tags),
        text(TextField::OwnerId).filtered_and_sorted(BitmapField::OWNER_ID),
        text(TextField::JobTitle)
            .filtered(BitmapField::JOB_TITLE)
            .sorted(SortIndex::JOB_TITLE, !always)
            .searched(TermField::JobTitle),
        field("custom_fields", FieldSource::CustomFields).searched(TermField::CustomFields),
        field("deleted_at", FieldSource::DeletedAt).sorted(SortIndex::DELETED_AT, always),
    ]
}
