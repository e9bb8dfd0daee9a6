//! The input from which a lead is created.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

use crate::error::Result;
use crate::lead::rule::{self, StatusSet};
use crate::lead::text_field::{TextField, TextMap, text_fields};
use crate::lead::{CustomValue, Lead, LeadId, ViolationCode, Violations};

/// The fields of a lead to be created. Only the name is required.
///
/// Nothing is validated before [`create`](crate::LeadStore::create), which reports all violations
/// at once. A blank optional text is treated as absent.
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
    /// Creates a lead with this name: 1 to 255 characters after trimming, no control characters.
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

    /// Sets the id of the lead. The store generates one if it is not set.
    pub fn id(mut self, id: LeadId) -> Self {
        self.id = Some(id);
        self
    }

    /// Sets the initial status: at most 64 characters of `a-z 0-9 _ -`. The default is the initial
    /// status of the store: `new` or, if the store does not allow it, the first of the allowed
    /// statuses.
    pub fn status(mut self, status: impl Into<String>) -> Self {
        self.status = Some(status.into());
        self
    }

    /// Sets the deal value: 0 or more, less than 10^11, at most 4 decimal places.
    pub fn deal_value(mut self, deal_value: impl Into<Decimal>) -> Self {
        self.deal_value = Some(deal_value.into());
        self
    }

    /// Sets all tags: at most 50, each 1 to 50 characters, no commas or control characters, no
    /// duplicates.
    pub fn tags<T: Into<String>>(mut self, tags: impl IntoIterator<Item = T>) -> Self {
        self.tags = tags.into_iter().map(Into::into).collect();
        self
    }

    /// Sets one custom field. A lead has at most 100 of them, each with a name of 1 to 64
    /// characters.
    pub fn custom_field(mut self, name: impl Into<String>, value: impl Into<CustomValue>) -> Self {
        self.custom_fields.insert(name.into(), value.into());
        self
    }

    pub(crate) fn requested_id(&self) -> Option<LeadId> {
        self.id
    }

    /// Returns the lead as created at `now`, or an error with every violation.
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
