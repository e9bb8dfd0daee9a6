//! What a lead is created from.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

use crate::error::Result;
use crate::lead::rule::{self, StatusSet};
use crate::lead::text_field::{TextField, TextMap, text_fields};
use crate::lead::{CustomValue, Lead, LeadId, ViolationCode, Violations};

/// The fields of a lead that is to be created. Only the name is required.
///
/// Nothing is checked before [`create`](crate::LeadStore::create), which then names everything that is wrong at once.
/// A blank optional text counts as absent.
///
/// ```
/// use leadstore::{LeadStore, NewLead};
///
/// let store = LeadStore::in_memory()?;
/// let lead = store.create(
///     NewLead::new("Jane Doe")
///         .email("jane@example.com")
///         .company("Example Corp")
///         .deal_value(25_000)
///         .tags(["vip", "trade fair"])
///         .custom_field("industry", "Technology"),
/// )?;
/// assert_eq!(lead.status, "new");
/// # Ok::<(), leadstore::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[must_use = "a new lead does nothing until it is passed to create"]
pub struct NewLead {
    id: Option<LeadId>,
    name: String,
    status: Option<String>,
    pub(crate) texts: TextMap<Option<String>>,
    deal_value: Option<Decimal>,
    tags: Vec<String>,
    custom_fields: BTreeMap<String, CustomValue>,
}

impl NewLead {
    /// A lead with this name: trimmed, 1 to 255 characters, no control characters.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            id: None,
            name: name.into(),
            status: None,
            texts: TextMap::default(),
            deal_value: None,
            tags: Vec::new(),
            custom_fields: BTreeMap::new(),
        }
    }

    /// The lead's id, where the caller makes it; otherwise the store does.
    pub fn id(mut self, id: LeadId) -> Self {
        self.id = Some(id);
        self
    }

    /// The status to start in, instead of `new`: at most 64 characters of `a-z 0-9 _ -`.
    pub fn status(mut self, status: impl Into<String>) -> Self {
        self.status = Some(status.into());
        self
    }

    /// What the deal is worth: 0 or more, below 10^11, at most 4 decimal places.
    pub fn deal_value(mut self, deal_value: impl Into<Decimal>) -> Self {
        self.deal_value = Some(deal_value.into());
        self
    }

    /// All tags: at most 50, each 1 to 50 characters without comma or control characters, none twice.
    pub fn tags<T: Into<String>>(mut self, tags: impl IntoIterator<Item = T>) -> Self {
        self.tags = tags.into_iter().map(Into::into).collect();
        self
    }

    /// One custom field: a name of 1 to 64 characters, at most 100 of them, and its value.
    pub fn custom_field(mut self, name: impl Into<String>, value: impl Into<CustomValue>) -> Self {
        self.custom_fields.insert(name.into(), value.into());
        self
    }

    pub(crate) fn wanted_id(&self) -> Option<LeadId> {
        self.id
    }

    /// The lead that this makes at `now`, or everything that is wrong with it.
    pub(crate) fn into_lead(self, now: DateTime<Utc>, statuses: &StatusSet) -> Result<Lead> {
        let mut violations = Violations::default();
        let v = &mut violations;
        let blank_name = self.name.trim().is_empty();
        let name = rule::NAME.normalise(self.name, v).unwrap_or_default();
        if blank_name {
            v.add(
                rule::NAME.field,
                ViolationCode::Required,
                "must not be blank",
            );
        }
        let mut texts: TextMap<Option<String>> = TextMap::default();
        for (field, raw) in self.texts.into_iter() {
            *texts.get_mut(field) = raw.and_then(|raw| field.rule().normalise(raw, v));
        }
        let status = self
            .status
            .and_then(|raw| statuses.normalise(raw, v))
            .unwrap_or_else(|| statuses.initial());
        let deal_value = self.deal_value.map(|value| rule::deal_value(value, v));
        rule::tags(&self.tags, v);
        rule::custom_field_count(self.custom_fields.len(), v);
        for (name, value) in &self.custom_fields {
            rule::custom_field(name, value, v);
        }
        violations.into_result()?;
        let mut lead = Lead::new(self.id.unwrap_or_else(|| LeadId::generate(now)), name, now);
        for (field, value) in texts.into_iter() {
            *field.get_mut(&mut lead) = value;
        }
        lead.status = status;
        lead.deal_value = deal_value;
        lead.tags = self.tags;
        lead.custom_fields = self.custom_fields;
        Ok(lead)
    }
}

/// Defines the setters of the optional text fields.
macro_rules! define_setters {
    ($($(#[doc = $doc:literal])+ $variant:ident, $field:ident, $clear:ident, $rule:expr;)+) => {
        impl NewLead {
            $(
                $(#[doc = $doc])+
                pub fn $field(mut self, value: impl Into<String>) -> Self {
                    *self.texts.get_mut(TextField::$variant) = Some(value.into());
                    self
                }
            )+
        }
    };
}

text_fields!(define_setters);
