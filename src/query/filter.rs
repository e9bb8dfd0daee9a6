//! The filter that selects leads.

use std::collections::BTreeMap;
use std::ops::{Bound, RangeBounds};

use chrono::{DateTime, TimeDelta, Utc};
use rust_decimal::Decimal;

use crate::lead::Violations;
use crate::schema::{BitmapField, Catalogue, value_filters};

/// Selects the leads that meet every criterion.
///
/// Several values of one criterion are alternatives: `status("new").status("open")` selects leads
/// with either status. Values are compared exactly. A query whose filter has a value that no lead
/// can have fails with [`Invalid`](crate::ErrorKind::Invalid).
///
/// ```
/// use chrono::{TimeZone, Utc};
/// use leadstore::{Filter, LeadStore};
///
/// let january = Utc.with_ymd_and_hms(2026, 1, 1, 0, 0, 0).unwrap();
/// let february = Utc.with_ymd_and_hms(2026, 2, 1, 0, 0, 0).unwrap();
/// let filter = Filter::new().status("new").owner_id("ada").unassigned().created(january..february);
/// assert_eq!(LeadStore::in_memory()?.count(&filter)?, 0);
/// # Ok::<(), leadstore::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "a filter does nothing until it is passed to a query"]
pub struct Filter {
    /// The selected values by field. For every field in the map, a lead must have one of the
    /// values; `None` stands for leads without a value.
    pub(crate) values: BTreeMap<BitmapField, Vec<Option<String>>>,
    pub(crate) created: Option<TimeRange>,
    pub(crate) updated: Option<TimeRange>,
    pub(crate) deal_value: Option<DealValueRange>,
}

impl Filter {
    /// Creates a filter that selects all leads.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a value of a field; `None` stands for leads without a value.
    pub(crate) fn with_value(mut self, field: BitmapField, value: Option<String>) -> Self {
        self.values.entry(field).or_default().push(value);
        self
    }

    /// Makes the filter select no leads: the field is left without any allowed value.
    #[cfg(feature = "http")]
    pub(crate) fn with_no_value(mut self, field: BitmapField) -> Self {
        self.values.insert(field, Vec::new());
        self
    }

    /// Returns true if the filter has no criteria, so that it selects all leads.
    pub(crate) fn is_empty(&self) -> bool {
        let Self {
            values,
            created,
            updated,
            deal_value,
        } = self;
        values.is_empty() && created.is_none() && updated.is_none() && deal_value.is_none()
    }

    /// Adds a violation for each value that no lead can have.
    pub(crate) fn check(&self, catalogue: &Catalogue, violations: &mut Violations) {
        for (field, bitmaps) in catalogue.filters() {
            for value in self.values.get(&bitmaps).into_iter().flatten().flatten() {
                field.check_filter_value(value, violations);
            }
        }
    }

    /// Returns the criteria as text. The order of the values and duplicates among them make no
    /// difference to the text.
    pub(crate) fn canonical(&self) -> String {
        let mut filter = self.clone();
        for values in filter.values.values_mut() {
            values.sort_unstable();
            values.dedup();
        }
        format!("{filter:?}")
    }

    /// Selects leads without an owner, in addition to the leads of the named owners.
    pub fn unassigned(self) -> Self {
        self.with_value(BitmapField::OWNER_ID, None)
    }

    /// Selects leads created in this time range. A later call replaces the range.
    pub fn created(mut self, range: impl RangeBounds<DateTime<Utc>>) -> Self {
        self.created = Some(TimeRange::of(range));
        self
    }

    /// Selects leads last updated in this time range. A later call replaces the range.
    pub fn updated(mut self, range: impl RangeBounds<DateTime<Utc>>) -> Self {
        self.updated = Some(TimeRange::of(range));
        self
    }

    /// Selects leads with a deal value in this range. Leads without a deal value are never in the
    /// range. A later call replaces the range.
    pub fn deal_value(mut self, range: impl RangeBounds<Decimal>) -> Self {
        self.deal_value = Some(DealValueRange::of(range));
        self
    }
}

/// Defines a setter for each field by whose values a filter can select leads.
macro_rules! define_setters {
    ($($(#[doc = $doc:literal])+ $setter:ident, $field:ident;)+) => {
        impl Filter {
            $(
                $(#[doc = $doc])+
                pub fn $setter(self, value: impl Into<String>) -> Self {
                    self.with_value(BitmapField::$field, Some(value.into()))
                }
            )+
        }
    };
}

value_filters!(define_setters);

/// A half-open range of times in whole microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TimeRange {
    pub(crate) from: Option<DateTime<Utc>>,
    pub(crate) to: Option<DateTime<Utc>>,
}

impl TimeRange {
    fn of(range: impl RangeBounds<DateTime<Utc>>) -> Self {
        Self {
            from: match range.start_bound() {
                Bound::Included(time) => Some(first_from(*time)),
                Bound::Excluded(time) => Some(first_after(*time)),
                Bound::Unbounded => None,
            },
            to: match range.end_bound() {
                Bound::Included(time) => Some(first_after(*time)),
                Bound::Excluded(time) => Some(first_from(*time)),
                Bound::Unbounded => None,
            },
        }
    }
}

/// Returns the first whole microsecond at or after `time`.
fn first_from(time: DateTime<Utc>) -> DateTime<Utc> {
    let whole = crate::clock::microseconds(time);
    if whole < time {
        first_after(whole)
    } else {
        whole
    }
}

/// Returns the first whole microsecond after `time`.
fn first_after(time: DateTime<Utc>) -> DateTime<Utc> {
    let whole = crate::clock::microseconds(time);
    whole
        .checked_add_signed(TimeDelta::microseconds(1))
        .unwrap_or(DateTime::<Utc>::MAX_UTC)
}

/// A half-open range of deal values in ten-thousandths, the finest resolution of a deal value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DealValueRange {
    pub(crate) from: Option<u64>,
    pub(crate) to: Option<u64>,
}

impl DealValueRange {
    fn of(range: impl RangeBounds<Decimal>) -> Self {
        Self {
            from: match range.start_bound() {
                Bound::Included(value) => Some(first_tick_from(*value)),
                Bound::Excluded(value) => Some(first_tick_after(*value)),
                Bound::Unbounded => None,
            },
            to: match range.end_bound() {
                Bound::Included(value) => Some(first_tick_after(*value)),
                Bound::Excluded(value) => Some(first_tick_from(*value)),
                Bound::Unbounded => None,
            },
        }
    }
}

/// Returns `value` in ten-thousandths, rounded up.
fn first_tick_from(value: Decimal) -> u64 {
    ticks(value, Decimal::ceil)
}

/// Returns the smallest number of ten-thousandths that is greater than `value`.
fn first_tick_after(value: Decimal) -> u64 {
    if value.is_sign_negative() && !value.is_zero() {
        return 0;
    }
    ticks(value, Decimal::floor).saturating_add(1)
}

fn ticks(value: Decimal, round: fn(&Decimal) -> Decimal) -> u64 {
    if value.is_sign_negative() {
        return 0;
    }
    let scaled = value
        .checked_mul(Decimal::from(10_000))
        .map(|scaled| round(&scaled));
    scaled
        .and_then(|scaled| u64::try_from(scaled).ok())
        .unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sub_microsecond_bounds_round_to_the_contained_range() {
        let micros = |n| DateTime::from_timestamp_micros(n).unwrap();
        let half = |n| micros(n) + TimeDelta::nanoseconds(500);
        let range = |r: TimeRange| {
            (
                r.from.unwrap().timestamp_micros(),
                r.to.unwrap().timestamp_micros(),
            )
        };
        assert_eq!(range(TimeRange::of(micros(1)..micros(3))), (1, 3));
        assert_eq!(range(TimeRange::of(micros(1)..=micros(3))), (1, 4));
        assert_eq!(range(TimeRange::of(half(1)..half(3))), (2, 4));
        assert_eq!(range(TimeRange::of(half(1)..=half(3))), (2, 4));
        let excluded = (Bound::Excluded(micros(1)), Bound::Excluded(micros(3)));
        assert_eq!(range(TimeRange::of(excluded)), (2, 3));
    }

    #[test]
    fn deal_value_bounds_round_to_the_contained_range() {
        let d = |text: &str| text.parse::<Decimal>().unwrap();
        let range = |r: DealValueRange| (r.from.unwrap(), r.to.unwrap());
        assert_eq!(range(DealValueRange::of(d("1")..d("2"))), (10_000, 20_000));
        assert_eq!(
            range(DealValueRange::of(d("1.00005")..=d("2.00005"))),
            (10_001, 20_001)
        );
        assert_eq!(range(DealValueRange::of(d("-5")..=d("-1"))), (0, 0));
        assert_eq!(
            range(DealValueRange::of(d("-5")..=Decimal::MAX)),
            (0, u64::MAX)
        );
        let zero = DealValueRange::of(d("0")..=d("0"));
        assert_eq!(range(zero), (0, 1));
    }
}
