//! A change to some fields of a lead.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use crate::error::Result;
use crate::lead::rule::{self, StatusSet, TextRule};
use crate::lead::{CustomValue, Lead, Version, ViolationCode, Violations};

/// What a patch does to one field.
#[derive(Clone, Debug, Default)]
enum FieldChange<T> {
    #[default]
    Leave,
    Clear,
    Set(T),
}

/// A change to some fields of a lead: each is left, set, or cleared.
///
/// A blank text clears an optional field. Custom fields are changed one by one, tags as a whole.
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
#[derive(Clone, Debug, Default)]
#[must_use = "a patch does nothing until it is passed to update"]
pub struct LeadPatch {
    external_id: FieldChange<String>,
    name: FieldChange<String>,
    email: FieldChange<String>,
    phone: FieldChange<String>,
    company: FieldChange<String>,
    status: FieldChange<String>,
    source: FieldChange<String>,
    owner_id: FieldChange<String>,
    deal_value: FieldChange<Decimal>,
    tags: FieldChange<Vec<String>>,
    /// Whether all are removed before `custom_fields` are set.
    clears_custom_fields: bool,
    custom_fields: BTreeMap<String, Option<CustomValue>>,
    if_version: Option<Version>,
}

impl LeadPatch {
    /// A patch that changes nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The patch that gives `old` the fields that `new` has. Their id, times and versions play no part.
    pub fn between(old: &Lead, new: &Lead) -> Self {
        fn text(old: Option<&String>, new: Option<&String>) -> FieldChange<String> {
            match new {
                _ if old == new => FieldChange::Leave,
                Some(new) => FieldChange::Set(new.clone()),
                None => FieldChange::Clear,
            }
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
            external_id: text(old.external_id.as_ref(), new.external_id.as_ref()),
            name: text(Some(&old.name), Some(&new.name)),
            email: text(old.email.as_ref(), new.email.as_ref()),
            phone: text(old.phone.as_ref(), new.phone.as_ref()),
            company: text(old.company.as_ref(), new.company.as_ref()),
            status: text(Some(&old.status), Some(&new.status)),
            source: text(old.source.as_ref(), new.source.as_ref()),
            owner_id: text(old.owner_id.as_ref(), new.owner_id.as_ref()),
            deal_value: match new.deal_value {
                _ if old.deal_value == new.deal_value => FieldChange::Leave,
                Some(value) => FieldChange::Set(value),
                None => FieldChange::Clear,
            },
            tags: if old.tags == new.tags {
                FieldChange::Leave
            } else {
                FieldChange::Set(new.tags.clone())
            },
            clears_custom_fields: false,
            custom_fields: removed
                .map(|name| (name.clone(), None))
                .chain(set.map(|(name, value)| (name.clone(), Some(value.clone()))))
                .collect(),
            if_version: None,
        }
    }

    /// Sets the id in another system, see [`NewLead::external_id`](crate::lead::NewLead::external_id).
    pub fn external_id(mut self, external_id: impl Into<String>) -> Self {
        self.external_id = FieldChange::Set(external_id.into());
        self
    }

    /// Removes the id in another system.
    pub fn clear_external_id(mut self) -> Self {
        self.external_id = FieldChange::Clear;
        self
    }

    /// Sets the name, which cannot be blank.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = FieldChange::Set(name.into());
        self
    }

    /// Sets the e-mail address, see [`NewLead::email`](crate::lead::NewLead::email).
    pub fn email(mut self, email: impl Into<String>) -> Self {
        self.email = FieldChange::Set(email.into());
        self
    }

    /// Removes the e-mail address.
    pub fn clear_email(mut self) -> Self {
        self.email = FieldChange::Clear;
        self
    }

    /// Sets the phone number, see [`NewLead::phone`](crate::lead::NewLead::phone).
    pub fn phone(mut self, phone: impl Into<String>) -> Self {
        self.phone = FieldChange::Set(phone.into());
        self
    }

    /// Removes the phone number.
    pub fn clear_phone(mut self) -> Self {
        self.phone = FieldChange::Clear;
        self
    }

    /// Sets the company, see [`NewLead::company`](crate::lead::NewLead::company).
    pub fn company(mut self, company: impl Into<String>) -> Self {
        self.company = FieldChange::Set(company.into());
        self
    }

    /// Removes the company.
    pub fn clear_company(mut self) -> Self {
        self.company = FieldChange::Clear;
        self
    }

    /// Sets the status, which cannot be blank.
    pub fn status(mut self, status: impl Into<String>) -> Self {
        self.status = FieldChange::Set(status.into());
        self
    }

    /// Sets where the lead came from, see [`NewLead::source`](crate::lead::NewLead::source).
    pub fn source(mut self, source: impl Into<String>) -> Self {
        self.source = FieldChange::Set(source.into());
        self
    }

    /// Removes where the lead came from.
    pub fn clear_source(mut self) -> Self {
        self.source = FieldChange::Clear;
        self
    }

    /// Assigns the lead, see [`NewLead::owner_id`](crate::lead::NewLead::owner_id).
    pub fn owner_id(mut self, owner_id: impl Into<String>) -> Self {
        self.owner_id = FieldChange::Set(owner_id.into());
        self
    }

    /// Leaves the lead to nobody.
    pub fn clear_owner_id(mut self) -> Self {
        self.owner_id = FieldChange::Clear;
        self
    }

    /// Sets what the deal is worth, see [`NewLead::deal_value`](crate::lead::NewLead::deal_value).
    pub fn deal_value(mut self, deal_value: impl Into<Decimal>) -> Self {
        self.deal_value = FieldChange::Set(deal_value.into());
        self
    }

    /// Removes what the deal is worth.
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

    /// Sets one custom field and leaves the others.
    pub fn custom_field(mut self, name: impl Into<String>, value: impl Into<CustomValue>) -> Self {
        self.custom_fields.insert(name.into(), Some(value.into()));
        self
    }

    /// Removes one custom field; no error if there is none of this name.
    pub fn remove_custom_field(mut self, name: impl Into<String>) -> Self {
        self.custom_fields.insert(name.into(), None);
        self
    }

    /// Removes all custom fields, but for those that this patch sets.
    pub fn clear_custom_fields(mut self) -> Self {
        self.clears_custom_fields = true;
        self
    }

    /// Demands that the lead still has this version; otherwise the update is a
    /// [`Conflict`](crate::error::ErrorKind::Conflict).
    pub fn if_version(mut self, version: Version) -> Self {
        self.if_version = Some(version);
        self
    }

    pub(crate) fn expected_version(&self) -> Option<Version> {
        self.if_version
    }

    /// `lead` with the fields as this patch wants them (times and version untouched), or everything that is wrong
    /// with them.
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
        optional(
            self.external_id,
            &rule::EXTERNAL_ID,
            &mut lead.external_id,
            v,
        );
        optional(self.email, &rule::EMAIL, &mut lead.email, v);
        optional(self.phone, &rule::PHONE, &mut lead.phone, v);
        optional(self.company, &rule::COMPANY, &mut lead.company, v);
        optional(self.source, &rule::SOURCE, &mut lead.source, v);
        optional(self.owner_id, &rule::OWNER_ID, &mut lead.owner_id, v);
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
