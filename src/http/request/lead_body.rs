//! New leads and patches from the members of JSON objects. A patch is a merge patch ([RFC
//! 7396](https://www.rfc-editor.org/rfc/rfc7396)): an absent member leaves the field unchanged,
//! `null` clears it.

use std::collections::HashSet;

use rust_decimal::Decimal;

use crate::http::request::json::{Json, Kind, LONE_SURROGATE, Members, exact_decimal};
use crate::lead::patch::FieldChange;
use crate::lead::text_field::{TextField, TextMap};
use crate::lead::{CustomValue, LeadId, LeadPatch, NewLead, ViolationCode, Violations};

/// The members of an object that describes a lead. Their types have been checked, but not the rules
/// of the fields.
#[derive(Default)]
pub(crate) struct LeadBody {
    id: Option<LeadId>,
    name: Member<String>,
    status: Member<String>,
    texts: TextMap<Member<String>>,
    deal_value: Member<Decimal>,
    tags: Member<Vec<String>>,
    /// The custom fields by name. `None` stands for `null`, which removes the field.
    custom_fields: Member<Vec<(String, Option<CustomValue>)>>,
    violations: Violations,
}

/// A member of an object: `None` if it is absent or invalid, `Some(None)` if it is `null`.
pub(crate) type Member<T> = Option<Option<T>>;

/// The maximum length of a member's name in a response, in characters.
const NAME_CHARS: usize = 64;

impl LeadBody {
    /// Parses the members of a lead to create or update. `violations` contains the violations found
    /// so far.
    pub(crate) fn read(members: &Members<'_>, is_new: bool, violations: Violations) -> Self {
        let mut body = Self::default();
        let v = &mut { violations };
        let mut seen = HashSet::with_capacity(members.len());
        for (name, value) in members {
            if !seen.insert(name.as_str()) {
                v.add(
                    shortened(name),
                    ViolationCode::Duplicate,
                    "must not appear twice",
                );
                continue;
            }
            match name.as_str() {
                "id" if is_new => body.id = id(*value, v),
                "name" => body.name = text(name, *value, v),
                "status" => body.status = text(name, *value, v),
                "deal_value" => body.deal_value = deal_value(*value, v),
                "tags" => body.tags = tags(*value, v),
                "custom_fields" => body.custom_fields = custom_fields(*value, v),
                "id" | "created_at" | "updated_at" | "version" => {
                    v.add(
                        name,
                        ViolationCode::NotAllowed,
                        "is set by the store and cannot be changed",
                    );
                }
                other => match TextField::named(other) {
                    Some(field) => *body.texts.get_mut(field) = text(name, *value, v),
                    None => v.add(
                        shortened(name),
                        ViolationCode::Unknown,
                        "is not a field of a lead",
                    ),
                },
            }
        }
        body.violations = std::mem::take(v);
        body
    }

    /// Adds a violation for each of `id` and `external_id` that the object sets: a principal that
    /// is bound to an owner must not choose ids.
    pub(crate) fn refuse_identities(&mut self, is_new: bool) {
        // In a new lead, `null` is the same as an absent member. In a patch, it clears the field.
        let external_id = self
            .texts
            .get(TextField::ExternalId)
            .as_ref()
            .is_some_and(|named| !is_new || named.is_some());
        let named = [("id", self.id.is_some()), ("external_id", external_id)];
        for (field, _) in named.into_iter().filter(|(_, named)| *named) {
            self.violations.add(
                field,
                ViolationCode::NotAllowed,
                "cannot be chosen with credentials bound to an owner",
            );
        }
    }

    /// Returns the member `owner_id`.
    pub(crate) fn owner_id(&mut self) -> &mut Member<String> {
        self.texts.get_mut(TextField::OwnerId)
    }

    pub(crate) fn into_new_lead(self) -> (NewLead, Violations) {
        let name = match self.name.flatten() {
            Some(name) => name,
            // A name that cannot be read must not also be reported as blank.
            None if self.violations.has_error_for("name") => "?".to_owned(),
            None => String::new(),
        };
        let mut lead = NewLead::new(name);
        // If the member is absent or `null`, the lead is created without the field.
        for (field, value) in self.texts.into_iter() {
            *lead.texts.get_mut(field) = value.flatten();
        }
        if let Some(status) = self.status.flatten() {
            lead = lead.status(status);
        }
        if let Some(value) = self.deal_value.flatten() {
            lead = lead.deal_value(value);
        }
        if let Some(tags) = self.tags.flatten() {
            lead = lead.tags(tags);
        }
        if let Some(id) = self.id {
            lead = lead.id(id);
        }
        for (name, value) in self.custom_fields.flatten().unwrap_or_default() {
            if let Some(value) = value {
                lead = lead.custom_field(name, value);
            }
        }
        (lead, self.violations)
    }

    pub(crate) fn into_patch(self) -> (LeadPatch, Violations) {
        let mut patch = LeadPatch::new();
        for (field, value) in self.texts.into_iter() {
            *patch.texts.get_mut(field) = match value {
                None => FieldChange::Leave,
                Some(None) => FieldChange::Clear,
                Some(Some(value)) => FieldChange::Set(value),
            };
        }
        patch = match self.deal_value {
            None => patch,
            Some(None) => patch.clear_deal_value(),
            Some(Some(value)) => patch.deal_value(value),
        };
        patch = match self.tags {
            None => patch,
            Some(None) => patch.clear_tags(),
            Some(Some(tags)) => patch.tags(tags),
        };
        // `null` as the name or status becomes blank text, which is rejected.
        if let Some(name) = self.name {
            patch = patch.name(name.unwrap_or_default());
        }
        if let Some(status) = self.status {
            patch = patch.status(status.unwrap_or_default());
        }
        match self.custom_fields {
            None => {}
            Some(None) => patch = patch.clear_custom_fields(),
            Some(Some(fields)) => {
                for (name, value) in fields {
                    patch = match value {
                        Some(value) => patch.custom_field(name, value),
                        None => patch.remove_custom_field(name),
                    };
                }
            }
        }
        (patch, self.violations)
    }
}

fn id(value: Json<'_>, violations: &mut Violations) -> Option<LeadId> {
    let text = text("id", value, violations)??;
    violations.parse(&text)
}

fn text(name: &str, value: Json<'_>, violations: &mut Violations) -> Member<String> {
    match value.kind() {
        Kind::Null => Some(None),
        Kind::Text => {
            let text = value.text();
            if text.is_none() {
                violations.add(name, ViolationCode::InvalidCharacter, LONE_SURROGATE);
            }
            text.map(Some)
        }
        _ => {
            violations.add(name, ViolationCode::InvalidType, "must be a string");
            None
        }
    }
}

fn deal_value(value: Json<'_>, violations: &mut Violations) -> Member<Decimal> {
    match value.kind() {
        Kind::Null => Some(None),
        Kind::Number => {
            let decimal = exact_decimal(value.as_written());
            if decimal.is_none() {
                let message =
                    "must be 0 or more, below 100000000000, with at most 4 decimal places";
                violations.add("deal_value", ViolationCode::OutOfRange, message);
            }
            decimal.map(Some)
        }
        _ => {
            violations.add("deal_value", ViolationCode::InvalidType, "must be a number");
            None
        }
    }
}

fn tags(value: Json<'_>, violations: &mut Violations) -> Member<Vec<String>> {
    match value.kind() {
        Kind::Null => Some(None),
        Kind::List => {
            let elements = value.elements();
            let texts: Vec<String> = elements
                .iter()
                .enumerate()
                .filter_map(|(index, element)| {
                    if element.is_null() {
                        violations.add(
                            format!("tags[{index}]"),
                            ViolationCode::InvalidType,
                            "must be a string",
                        );
                        return None;
                    }
                    text(&format!("tags[{index}]"), *element, violations)?
                })
                .collect();
            (texts.len() == elements.len()).then_some(Some(texts))
        }
        _ => {
            violations.add(
                "tags",
                ViolationCode::InvalidType,
                "must be an array of strings",
            );
            None
        }
    }
}

fn custom_fields(
    value: Json<'_>,
    violations: &mut Violations,
) -> Member<Vec<(String, Option<CustomValue>)>> {
    let members = match value.kind() {
        Kind::Null => return Some(None),
        Kind::Object => value.members(),
        _ => {
            violations.add(
                "custom_fields",
                ViolationCode::InvalidType,
                "must be an object",
            );
            return None;
        }
    };
    let Some(members) = members else {
        violations.add(
            "custom_fields",
            ViolationCode::InvalidCharacter,
            LONE_SURROGATE,
        );
        return None;
    };
    let mut fields: Vec<(String, Option<CustomValue>)> = Vec::with_capacity(members.len());
    let mut seen = HashSet::new();
    for (name, value) in &members {
        let field = format!("custom_fields.{}", shortened(name));
        if !seen.insert(name.as_str()) {
            violations.add(field, ViolationCode::Duplicate, "must not appear twice");
        } else if value.is_null() {
            fields.push((name.clone(), None));
        } else if let Some(value) = custom_value(&field, *value, violations) {
            fields.push((name.clone(), Some(value)));
        }
    }
    Some(Some(fields))
}

fn custom_value(field: &str, value: Json<'_>, violations: &mut Violations) -> Option<CustomValue> {
    let mut scalar = |field: &str, value: Json<'_>| match value.custom_scalar() {
        Ok(value) => Some(value),
        Err((code, message)) => {
            violations.add(field, code, message);
            None
        }
    };
    if value.kind() != Kind::List {
        return scalar(field, value);
    }
    let elements = value.elements();
    let values: Vec<CustomValue> = elements
        .iter()
        .enumerate()
        .filter_map(|(index, element)| scalar(&format!("{field}[{index}]"), *element))
        .collect();
    Some(CustomValue::List(values))
}

/// Returns the name, shortened for a violation.
pub(crate) fn shortened(name: &str) -> String {
    match name.char_indices().nth(NAME_CHARS) {
        Some((end, _)) => format!("{}…", name.get(..end).unwrap_or_default()),
        None => name.to_owned(),
    }
}
