//! Filters, sort orders and paging of lists and searches, from query parameters or from members of
//! the body with the same names.

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use rust_decimal::Decimal;
use std::ops::Bound;

use crate::http::request::json::exact_decimal;
use crate::http::request::params::Params;
use crate::lead::ViolationCode;
use crate::lead::rule::{self, TextRule};
use crate::lead::text_field::TextField;
use crate::query::{Filter, Sort};
use crate::schema::{BitmapField, Catalogue, FieldDef, FieldSource};

/// Returns the filter that the parameters describe, limited to the leads of `owner_id` if one is
/// given.
pub(crate) fn filter(params: &mut Params, catalogue: &Catalogue, owner_id: Option<&str>) -> Filter {
    let mut filter = Filter::new();
    for (field, bitmaps) in catalogue.filters() {
        filter = match field.source {
            FieldSource::Text(TextField::OwnerId) => owners(filter, params, owner_id),
            FieldSource::Tags => tags(filter, params),
            _ => with_values(filter, params, field, bitmaps),
        };
    }
    let created = (
        time(params, "created_after"),
        time(params, "created_before"),
    );
    if created != (Bound::Unbounded, Bound::Unbounded) {
        filter = filter.created(created);
    }
    let updated = (
        time(params, "updated_after"),
        time(params, "updated_before"),
    );
    if updated != (Bound::Unbounded, Bound::Unbounded) {
        filter = filter.updated(updated);
    }
    let deal_value = (
        decimal(params, "deal_value_min"),
        decimal(params, "deal_value_max"),
    );
    if deal_value != (Bound::Unbounded, Bound::Unbounded) {
        filter = filter.deal_value(deal_value);
    }
    filter
}

/// Filters by the requested owners. A principal that is bound to an owner is limited to that
/// owner's leads, and finds nothing if it requests only other owners.
fn owners(mut filter: Filter, params: &mut Params, bound_to: Option<&str>) -> Filter {
    let asked = split_input(params, "owner_id");
    let Some(own) = bound_to else {
        for owner_id in asked.into_iter().flatten() {
            filter = if owner_id.is_empty() {
                filter.unassigned()
            } else {
                filter.owner_id(owner_id)
            };
        }
        return filter;
    };
    let includes_own = asked
        .as_ref()
        .is_none_or(|asked| asked.iter().any(|owner_id| owner_id == own));
    for owner_id in asked.into_iter().flatten() {
        // An empty owner id stands for leads without an owner.
        if !owner_id.is_empty() && owner_id.trim().is_empty() {
            let message = "must not be blank";
            params
                .violations
                .add("owner_id", ViolationCode::Required, message);
        }
        rule::OWNER_ID.normalise(owner_id, &mut params.violations);
    }
    if includes_own {
        filter.owner_id(own)
    } else {
        filter.with_no_value(BitmapField::OWNER_ID)
    }
}

/// Returns the sort keys with their directions, or an empty list if the parameter `sort` is absent.
pub(crate) fn sort(params: &mut Params) -> Vec<Sort> {
    let named = split_input(params, "sort").unwrap_or_default();
    named
        .iter()
        .filter_map(|name| params.violations.parse(name))
        .collect()
}

/// Returns the page number and page size, if given.
pub(crate) fn paging(params: &mut Params) -> (Option<u64>, Option<u32>) {
    (params.take_number("page"), params.take_number("per_page"))
}

/// Selects the leads with any of the values that a parameter names. A value that breaks the field's
/// rule is a violation.
fn with_values(
    mut filter: Filter,
    params: &mut Params,
    field: &FieldDef,
    bitmaps: BitmapField,
) -> Filter {
    for text in values_of(params, field).unwrap_or_default() {
        if text.trim().is_empty() {
            params
                .violations
                .add(&*field.name, ViolationCode::Required, "must not be blank");
        }
        let value = match field.rule() {
            Some(rule) => rule.normalise(text, &mut params.violations),
            None => Some(text),
        };
        if value.is_some() {
            filter = filter.with_value(bitmaps, value);
        }
    }
    filter
}

fn tags(mut filter: Filter, params: &mut Params) -> Filter {
    for tag in split_input(params, "tag").unwrap_or_default() {
        filter = filter.tag(tag);
    }
    filter
}

/// The largest number of values in one parameter.
const VALUES_MAX: usize = 100;

/// Takes the values of a parameter whose values contain no commas. Returns `None` if it is absent.
/// If there are too many values, adds a violation and returns an empty list.
fn split_input(params: &mut Params, name: &str) -> Option<Vec<String>> {
    let parts = params.take_parts(name)?;
    // Encoded commas also separate values, because browsers encode every comma in a form's query
    // string.
    let values = parts.iter().flat_map(|part| part.split(','));
    let values = values.map(str::to_owned).collect();
    Some(limited(params, name, values))
}

fn limited(params: &mut Params, name: &str, values: Vec<String>) -> Vec<String> {
    if values.len() <= VALUES_MAX {
        return values;
    }
    let message = format!("must have at most {VALUES_MAX} values");
    params.violations.add(name, ViolationCode::TooLong, message);
    Vec::new()
}

/// Takes the values of a parameter that filters by a field. If the field's values may
/// contain commas, they are separated in a query string only by literal commas, not by
/// percent-encoded ones, and each element of an array is one value.
fn values_of(params: &mut Params, field: &FieldDef) -> Option<Vec<String>> {
    let allows_commas = |rule: &TextRule| (rule.check)("a,b").is_none();
    if !field.rule().is_some_and(allows_commas) {
        return split_input(params, &field.name);
    }
    let parts = params.take_parts(&field.name)?;
    Some(limited(params, &field.name, parts))
}

/// Takes a parameter that is a time or a date; a date stands for its first moment in UTC. Returns
/// an inclusive lower bound, or an exclusive upper bound if the name ends in `_before`.
fn time(params: &mut Params, name: &str) -> Bound<DateTime<Utc>> {
    let Some(text) = params.take(name) else {
        return Bound::Unbounded;
    };
    let midnight = |date: NaiveDate| date.and_time(NaiveTime::MIN).and_utc();
    // `NaiveDate` also accepts spaces and missing leading zeros.
    let is_date = text.len() == 10
        && text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'-');
    let time = DateTime::parse_from_rfc3339(&text)
        .map(|time| time.to_utc())
        .ok();
    let time = time.or_else(|| text.parse().ok().filter(|_| is_date).map(midnight));
    match time {
        // `_before` is an exclusive upper bound.
        Some(time) if name.ends_with("_before") => Bound::Excluded(time),
        Some(time) => Bound::Included(time),
        None => {
            let message =
                "must be a time as in 2026-03-01T12:00:00Z (RFC 3339; + is %2B in a URL) or a date";
            params
                .violations
                .add(name, ViolationCode::InvalidFormat, message);
            Bound::Unbounded
        }
    }
}

fn decimal(params: &mut Params, name: &str) -> Bound<Decimal> {
    let Some(text) = params.take(name) else {
        return Bound::Unbounded;
    };
    match exact_decimal(&text) {
        Some(value) => Bound::Included(value),
        None => {
            params.violations.add(
                name,
                ViolationCode::InvalidFormat,
                "must be a number of at most 28 digits",
            );
            Bound::Unbounded
        }
    }
}
