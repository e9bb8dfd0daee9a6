//! A partial update of a lead.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use crate::error::Result;
use crate::lead::rule::{self, StatusSet, TextRule};
use crate::lead::text_field::{TextField, TextMap, text_fields};
use crate::lead::{CustomValue, Lead, LeadVersion, ViolationCode, Violations};

/// The effect of a patch on one field.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum FieldChange<T> {
    #[default]
    Leave,
    Clear,
    Set(T),
}

/// A partial update of a lead: each field is left unchanged, set or cleared.
///
/// A blank text clears an optional field. Custom fields are changed one by one, but tags are
/// replaced as a whole.
///
/// ```
/// use leadstore::{LeadPatch, LeadStore, NewLead};
///
/// let store = LeadStore::in_memory()?;
/// let lead = store.create(NewLead::new("Jane Doe").phone("+1-555-0123"))?;
/// let lead = store.update(lead.id, LeadPatch::new().status("qualified").deal_value(50_000).clear_phone())?;
/// assert_eq!((lead.status.as_str(), lead.phone, lead.version.get()), ("qualified", None, 2));
/// # Ok::<(), leadstore::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[must_use = "a patch does nothing until it is passed to update"]
pub struct LeadPatch {
    name: FieldChange<String>,
    status: FieldChange<String>,
    pub(crate) texts: TextMap<FieldChange<String>>,
    deal_value: FieldChange<Decimal>,
    tags: FieldChange<Vec<String>>,
    /// True if all existing custom fields are removed before `custom_fields` is applied.
    clears_custom_fields: bool,
    custom_fields: BTreeMap<String, Option<CustomValue>>,
    if_version: Option<LeadVersion>,
}

impl LeadPatch {
    /// Creates a patch that changes nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the patch that turns the fields of `old` into those of `new`. Ids, times and
    /// versions are ignored.
    pub fn between(old: &Lead, new: &Lead) -> Self {
        fn changed<T: PartialEq + Clone>(old: Option<&T>, new: Option<&T>) -> FieldChange<T> {
            match new {
                _ if old == new => FieldChange::Leave,
                Some(new) => FieldChange::Set(new.clone()),
                None => FieldChange::Clear,
            }
        }
        let mut texts = TextMap::default();
        for field in TextField::ALL.iter().copied() {
            let new = field.get(new).map(str::to_owned);
            *texts.get_mut(field) =
                changed(field.get(old).map(str::to_owned).as_ref(), new.as_ref());
        }
        let removed = old
            .custom_fields
            .keys()
            .filter(|name| !new.custom_fields.contains_key(*name));
        let set = new
            .custom_fields
            .iter()
            .filter(|(name, value)| old.custom_fields.get(*name) != Some(value));
        Self {
            name: changed(Some(&old.name), Some(&new.name)),
            status: changed(Some(&old.status), Some(&new.status)),
            texts,
            deal_value: changed(old.deal_value.as_ref(), new.deal_value.as_ref()),
            tags: changed(Some(&old.tags), Some(&new.tags)),
            clears_custom_fields: false,
            custom_fields: removed
                .map(|name| (name.clone(), None))
                .chain(set.map(|(name, value)| (name.clone(), Some(value.clone()))))
                .collect(),
            if_version: None,
        }
    }

    /// Sets the name, which must not be blank.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = FieldChange::Set(name.into());
        self
    }

    /// Sets the status, which must not be blank.
    pub fn status(mut self, status: impl Into<String>) -> Self {
        self.status = FieldChange::Set(status.into());
        self
    }

    /// Sets the deal value, see [`NewLead::deal_value`](super::NewLead::deal_value).
    pub fn deal_value(mut self, deal_value: impl Into<Decimal>) -> Self {
        self.deal_value = FieldChange::Set(deal_value.into());
        self
    }

    /// Removes the deal value.
    pub fn clear_deal_value(mut self) -> Self {
        self.deal_value = FieldChange::Clear;
        self
    }

    /// Replaces all tags, see [`NewLead::tags`](crate::lead::NewLead::tags).
    pub fn tags<T: Into<String>>(mut self, tags: impl IntoIterator<Item = T>) -> Self {
        self.tags = FieldChange::Set(tags.into_iter().map(Into::into).collect());
        self
    }

    /// Removes all tags.
    pub fn clear_tags(mut self) -> Self {
        self.tags = FieldChange::Clear;
        self
    }

    /// Sets one custom field and leaves the others unchanged.
    pub fn custom_field(mut self, name: impl Into<String>, value: impl Into<CustomValue>) -> Self {
        self.custom_fields.insert(name.into(), Some(value.into()));
        self
    }

    /// Removes one custom field. Does nothing if it does not exist.
    pub fn remove_custom_field(mut self, name: impl Into<String>) -> Self {
        self.custom_fields.insert(name.into(), None);
        self
    }

    /// Removes all custom fields except those that this patch sets.
    pub fn clear_custom_fields(mut self) -> Self {
        self.clears_custom_fields = true;
        self
    }

    /// Makes the update conditional on this version. If the lead has a different version, the
    /// update fails with [`Conflict`](crate::ErrorKind::Conflict).
    pub fn if_version(mut self, version: LeadVersion) -> Self {
        self.if_version = Some(version);
        self
    }

    pub(crate) fn expected_version(&self) -> Option<LeadVersion> {
        self.if_version
    }

    /// Returns `lead` with the patch applied, or an error with every violation. The times and the
    /// version are left unchanged.
    pub(crate) fn apply_to(self, lead: &Lead, statuses: &StatusSet) -> Result<Lead> {
        let mut lead = lead.clone();
        let mut violations = Violations::default();
        let v = &mut violations;
        required(self.name, rule::NAME.field, &mut lead.name, v, |raw, v| {
            rule::NAME.normalise(raw, v)
        });
        required(self.status, "status", &mut lead.status, v, |raw, v| {
            statuses.normalise(raw, v)
        });
        for (field, change) in self.texts.into_iter() {
            optional(change, field.rule(), field.get_mut(&mut lead), v);
        }
        match self.deal_value {
            FieldChange::Leave => {}
            FieldChange::Clear => lead.deal_value = None,
            FieldChange::Set(value) => lead.deal_value = Some(rule::deal_value(value, v)),
        }
        match self.tags {
            FieldChange::Leave => {}
            FieldChange::Clear => lead.tags.clear(),
            FieldChange::Set(tags) => {
                rule::tags(&tags, v);
                lead.tags = tags;
            }
        }
        if self.clears_custom_fields {
            lead.custom_fields.clear();
        }
        for (name, value) in self.custom_fields {
            match value {
                None => {
                    lead.custom_fields.remove(&name);
                }
                Some(value) => {
                    rule::custom_field(&name, &value, v);
                    lead.custom_fields.insert(name, value);
                }
            }
        }
        rule::custom_field_count(lead.custom_fields.len(), v);
        violations.into_result()?;
        Ok(lead)
    }
}

fn required(
    change: FieldChange<String>,
    field: &str,
    value: &mut String,
    violations: &mut Violations,
    normalise: impl FnOnce(String, &mut Violations) -> Option<String>,
) {
    match change {
        FieldChange::Leave => {}
        FieldChange::Set(raw) if !raw.trim().is_empty() => {
            if let Some(new) = normalise(raw, violations) {
                *value = new;
            }
        }
        FieldChange::Clear | FieldChange::Set(_) => {
            violations.add(field, ViolationCode::Required, "must not be blank")
        }
    }
}

fn optional(
    change: FieldChange<String>,
    rule: &TextRule,
    value: &mut Option<String>,
    violations: &mut Violations,
) {
    match change {
        FieldChange::Leave => {}
        FieldChange::Clear => *value = None,
        FieldChange::Set(raw) => *value = rule.normalise(raw, violations),
    }
}

/// Defines the methods that set the optional text fields, and the methods that clear them.
macro_rules! define_setters {
    ($($(#[doc = $doc:literal])+ $variant:ident, $field:ident, $clear:ident, $rule:expr;)+) => {
        impl LeadPatch {
            $(
                $(#[doc = $doc])+
                pub fn $field(mut self, value: impl Into<String>) -> Self {
                    *self.texts.get_mut(TextField::$variant) = FieldChange::Set(value.into());
                    self
                }

                #[doc = concat!("Clears [`", stringify!($field), "`](Self::", stringify!($field), ").")]
                pub fn $clear(mut self) -> Self {
                    *self.texts.get_mut(TextField::$variant) = FieldChange::Clear;
                    self
                }
            )+
        }
    };
}

text_fields!(define_setters);
