//! The validation rules of a lead's fields, shared by new leads and patches. Each function checks a
//! raw value and adds its violations. A function that can change the value returns the value to
//! store.

use rust_decimal::Decimal;

use crate::analyzer;
use crate::lead::{CustomNumber, CustomValue, ViolationCode, Violations};

/// Maximum size in bytes of a lead encoded for storage.
pub(crate) const MAX_ENCODED_BYTES: usize = 1 << 20;

const MAX_TAGS: usize = 50;
const MAX_TAG_CHARS: usize = 50;
const MAX_CUSTOM_FIELDS: usize = 100;
const MAX_CUSTOM_NAME_CHARS: usize = 64;
const MAX_CUSTOM_TEXT_BYTES: usize = 4_096;
const MAX_DEAL_SCALE: u32 = 4;
const DEAL_VALUE_END: i64 = 100_000_000_000;

/// The statuses that a store allows, and the initial status of a lead.
#[derive(Clone, Debug)]
pub(crate) struct StatusSet {
    allowed: Option<Vec<String>>,
    initial: String,
}

impl Default for StatusSet {
    fn default() -> Self {
        Self {
            allowed: None,
            initial: "new".to_owned(),
        }
    }
}

impl StatusSet {
    /// Creates the set of exactly these statuses. The initial status is `new` if it is in the set,
    /// and the first status otherwise.
    pub(crate) fn of(allowed: Vec<String>) -> crate::error::Result<Self> {
        let mut violations = Violations::default();
        for (index, status) in allowed.iter().enumerate() {
            let field = format!("statuses[{index}]");
            if status.trim().is_empty() {
                violations.add(&field, ViolationCode::Required, "must not be blank");
            }
            let mut broken = Violations::default();
            STATUS.normalise(status.clone(), &mut broken);
            violations.add_under(&field, broken);
        }
        let initial = match allowed
            .iter()
            .find(|status| *status == "new")
            .or(allowed.first())
        {
            Some(status) => status.clone(),
            None => {
                violations.add(
                    "statuses",
                    ViolationCode::Required,
                    "must contain at least one status",
                );
                String::new()
            }
        };
        violations.into_result()?;
        Ok(Self {
            allowed: Some(allowed),
            initial,
        })
    }

    pub(crate) fn initial(&self) -> String {
        self.initial.clone()
    }

    /// Returns the status to store, or `None` if `raw` is blank or invalid; if it is invalid, adds
    /// the reasons to `violations`.
    pub(crate) fn normalise(&self, raw: String, violations: &mut Violations) -> Option<String> {
        let status = STATUS.normalise(raw, violations)?;
        match &self.allowed {
            Some(allowed) if !allowed.contains(&status) => {
                let message = format!("must be one of {}", allowed.join(", "));
                violations.add(STATUS.field, ViolationCode::NotAllowed, message);
                None
            }
            _ => Some(status),
        }
    }
}

/// The code and the message of the rule that a text violates, if any.
type RuleViolation = Option<(ViolationCode, &'static str)>;

/// The rule of a text field.
pub(crate) struct TextRule {
    pub(crate) field: &'static str,
    pub(crate) trimmed: bool,
    pub(crate) limit: Limit,
    pub(crate) check: fn(&str) -> RuleViolation,
}

#[derive(Clone, Copy)]
pub(crate) enum Limit {
    Chars(usize),
    Bytes(usize),
}

impl TextRule {
    /// Returns the text to store, or `None` if `raw` is blank or invalid; if it is invalid, adds
    /// the reasons to `violations`.
    pub(crate) fn normalise(&self, mut raw: String, violations: &mut Violations) -> Option<String> {
        let trimmed = raw.trim();
        if trimmed.is_empty() {
            return None;
        }
        if self.trimmed && trimmed.len() < raw.len() {
            raw = trimmed.to_owned();
        }
        let too_long = match self.limit {
            Limit::Chars(most) => {
                (raw.chars().count() > most).then(|| format!("must have at most {most} characters"))
            }
            Limit::Bytes(most) => {
                (raw.len() > most).then(|| format!("must have at most {most} bytes"))
            }
        };
        let fault = (self.check)(&raw);
        if too_long.is_none() && fault.is_none() {
            return Some(raw);
        }
        if let Some(message) = too_long {
            violations.add(self.field, ViolationCode::TooLong, message);
        }
        if let Some((code, message)) = fault {
            violations.add(self.field, code, message);
        }
        None
    }
}

pub(crate) const NAME: TextRule = TextRule {
    field: "name",
    trimmed: true,
    limit: Limit::Chars(255),
    check: |text| {
        forbid(
            text,
            char::is_control,
            "must not contain control characters",
        )
    },
};

/// The rule of a label: the human-readable name of a credential.
#[cfg(feature = "http")]
pub(crate) const LABEL: TextRule = TextRule {
    field: "label",
    ..NAME
};

pub(crate) const EMAIL: TextRule = TextRule {
    field: "email",
    trimmed: true,
    limit: Limit::Bytes(254),
    check: |text| {
        let one_at = text.split_once('@').is_some_and(|(local, domain)| {
            !local.is_empty() && !domain.is_empty() && !domain.contains('@')
        });
        if one_at {
            forbid(text, char::is_whitespace, "must not contain whitespace")
        } else {
            Some((
                ViolationCode::InvalidFormat,
                "must have exactly one @, with text on both sides",
            ))
        }
    },
};

pub(crate) const PHONE: TextRule = TextRule {
    field: "phone",
    trimmed: true,
    limit: Limit::Chars(64),
    check: |text| {
        let digits = analyzer::digits(text).len();
        (digits < 3).then_some((ViolationCode::InvalidFormat, "must have at least 3 digits"))
    },
};

pub(crate) const COMPANY: TextRule = TextRule {
    field: "company",
    trimmed: true,
    limit: Limit::Chars(255),
    check: |_| None,
};

pub(crate) const SOURCE: TextRule = TextRule {
    field: "source",
    trimmed: true,
    limit: Limit::Chars(64),
    check: |text| {
        forbid(
            text,
            |c| c == ',' || c.is_control(),
            "must not contain commas or control characters",
        )
    },
};

pub(crate) const OWNER_ID: TextRule = TextRule {
    field: "owner_id",
    trimmed: false,
    limit: Limit::Chars(64),
    check: |text| {
        forbid(
            text,
            |c| c == ',' || !c.is_ascii_graphic(),
            "must contain only printable ASCII characters, no spaces or commas",
        )
    },
};

pub(crate) const EXTERNAL_ID: TextRule = TextRule {
    field: "external_id",
    trimmed: false,
    limit: Limit::Chars(128),
    check: |text| {
        forbid(
            text,
            |c| c != ' ' && !c.is_ascii_graphic(),
            "must contain only printable ASCII characters",
        )
    },
};

pub(crate) const STATUS: TextRule = TextRule {
    field: "status",
    trimmed: false,
    limit: Limit::Chars(64),
    check: |text| {
        let allowed =
            |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
        forbid(
            text,
            |c| !allowed(c),
            "must contain only the characters a-z 0-9 _ -",
        )
    },
};

fn forbid(text: &str, forbidden: impl Fn(char) -> bool, message: &'static str) -> RuleViolation {
    text.contains(forbidden)
        .then_some((ViolationCode::InvalidCharacter, message))
}

/// Returns the deal value to store, without trailing zeros.
pub(crate) fn deal_value(value: Decimal, violations: &mut Violations) -> Decimal {
    let value = value.normalize();
    if value.is_sign_negative() && !value.is_zero() {
        violations.add("deal_value", ViolationCode::OutOfRange, "must be 0 or more");
    }
    if value >= Decimal::from(DEAL_VALUE_END) {
        violations.add(
            "deal_value",
            ViolationCode::OutOfRange,
            "must be less than 100000000000",
        );
    }
    if value.scale() > MAX_DEAL_SCALE {
        violations.add(
            "deal_value",
            ViolationCode::OutOfRange,
            "must have at most 4 decimal places",
        );
    }
    value
}

pub(crate) fn tags(tags: &[String], violations: &mut Violations) {
    if tags.len() > MAX_TAGS {
        violations.add(
            "tags",
            ViolationCode::TooLong,
            format!("must have at most {MAX_TAGS} entries"),
        );
        return;
    }
    for (index, tag) in tags.iter().enumerate() {
        let field = || format!("tags[{index}]");
        if tag.trim().is_empty() {
            violations.add(field(), ViolationCode::Required, "must not be blank");
        } else if tag.chars().count() > MAX_TAG_CHARS {
            let message = format!("must have at most {MAX_TAG_CHARS} characters");
            violations.add(field(), ViolationCode::TooLong, message);
        }
        if tag.contains(|c: char| c == ',' || c.is_control()) {
            let message = "must not contain commas or control characters";
            violations.add(field(), ViolationCode::InvalidCharacter, message);
        }
        if tags.iter().take(index).any(|earlier| earlier == tag) {
            violations.add(field(), ViolationCode::Duplicate, "must not appear twice");
        }
    }
}

pub(crate) fn custom_field_count(count: usize, violations: &mut Violations) {
    if count > MAX_CUSTOM_FIELDS {
        let message = format!("must have at most {MAX_CUSTOM_FIELDS} entries");
        violations.add("custom_fields", ViolationCode::TooLong, message);
    }
}

/// Checks the name of a custom field. `field` is the path to report in a violation.
pub(crate) fn custom_field_name(field: &str, name: &str, violations: &mut Violations) {
    if name.is_empty() {
        violations.add(
            field,
            ViolationCode::Required,
            "a custom field must have a name",
        );
    } else if name.chars().count() > MAX_CUSTOM_NAME_CHARS {
        let message =
            format!("a custom field's name must have at most {MAX_CUSTOM_NAME_CHARS} characters");
        violations.add(field, ViolationCode::TooLong, message);
    }
}

pub(crate) fn custom_field(name: &str, value: &CustomValue, violations: &mut Violations) {
    // In the path that a violation reports, the name is cut off at the maximum length of a valid
    // name. The prefix `custom_fields.` is 14 characters long.
    let field: String = format!("custom_fields.{name}")
        .chars()
        .take(14 + MAX_CUSTOM_NAME_CHARS)
        .collect();
    custom_field_name(&field, name, violations);
    match value {
        CustomValue::List(elements) => {
            for (index, element) in elements.iter().enumerate() {
                custom_scalar(&format!("{field}[{index}]"), element, violations);
            }
        }
        scalar => custom_scalar(&field, scalar, violations),
    }
}

fn custom_scalar(field: &str, value: &CustomValue, violations: &mut Violations) {
    match value {
        CustomValue::Text(text) if text.len() > MAX_CUSTOM_TEXT_BYTES => {
            let message = format!("must have at most {MAX_CUSTOM_TEXT_BYTES} bytes");
            violations.add(field, ViolationCode::TooLong, message);
        }
        CustomValue::Number(CustomNumber::Float(number)) if !number.is_finite() => {
            violations.add(field, ViolationCode::OutOfRange, "must be a finite number");
        }
        CustomValue::List(_) => {
            violations.add(
                field,
                ViolationCode::NotAllowed,
                "a list must not contain another list",
            );
        }
        CustomValue::Text(_) | CustomValue::Number(_) | CustomValue::Bool(_) => {}
    }
}
