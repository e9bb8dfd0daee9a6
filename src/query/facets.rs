//! Facets: how a set of leads divides by each of the values that leads can be filtered by.

use std::iter::Peekable;

use rust_decimal::Decimal;
use serde::Serialize;

use super::filter::Filter;
use super::select::select;
use crate::Result;
use crate::lead::serialize_deal_value;
use crate::row::{Direction, RowSet};
use crate::storage::key::{self, Posting, ValueField};
use crate::storage::{DealValues, Reader, Visit};

/// How many leads there are of each status, source, owner and tag, and what their deals are worth: what a pipeline board
/// shows. Values that no lead has are not there.
///
/// ```
/// use leadstore::{Filter, LeadStore, NewLead};
///
/// let store = LeadStore::in_memory()?;
/// store.create(NewLead::new("Jane Doe").deal_value(25_000).tags(["vip"]))?;
/// store.create(NewLead::new("Adam Smith").status("won").owner_id("ada").deal_value(100))?;
/// let facets = store.facets(&Filter::new())?;
/// let board: Vec<_> = facets.statuses.iter().map(|s| (s.status.as_str(), s.leads, s.deal_value.to_string())).collect();
/// assert_eq!(board, [("new", 1, "25000".to_owned()), ("won", 1, "100".to_owned())]);
/// assert_eq!((facets.total, facets.tags[0].leads), (2, 1));
/// # Ok::<(), leadstore::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Facets {
    /// How many leads there are in all.
    pub total: u64,
    /// By status, in the order of the statuses' texts.
    pub statuses: Vec<StatusFacet>,
    /// By source, in the order of the sources' texts; last those without one.
    pub sources: Vec<ValueFacet>,
    /// By owner, in the order of the owners' ids; last those that are unassigned.
    pub owners: Vec<ValueFacet>,
    /// By tag, in the order of the tags' texts. A lead counts with each of its tags, and not at all without.
    pub tags: Vec<ValueFacet>,
}

/// The leads with one status.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct StatusFacet {
    /// The status.
    pub status: String,
    /// How many leads have it.
    pub leads: u64,
    /// How many of those have a deal value.
    pub deals: u64,
    /// The sum of their deal values, exact. It serialises as a JSON number, rounded to the nearest double where it has
    /// more than 15 digits.
    #[serde(serialize_with = "serialize_deal_value")]
    pub deal_value: Decimal,
}

/// The leads with one value.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ValueFacet {
    /// The value; `None` for the leads without one.
    pub value: Option<String>,
    /// How many leads have it.
    pub leads: u64,
}

pub(crate) fn facets(reader: &impl Reader, filter: &Filter) -> Result<Facets> {
    let rows = select(reader, filter)?;
    Ok(Facets {
        total: rows.len(),
        statuses: by_status(reader, &rows)?,
        sources: by_value(reader, &rows, ValueField::Source)?,
        owners: by_value(reader, &rows, ValueField::OwnerId)?,
        tags: by_value(reader, &rows, ValueField::Tag)?,
    })
}

fn by_value(reader: &impl Reader, rows: &RowSet, field: ValueField) -> Result<Vec<ValueFacet>> {
    let mut facets = Vec::new();
    reader.each_value(field, Direction::Ascending, |posting, value_rows| {
        let leads = rows.0.intersection_len(&value_rows.0);
        if leads > 0 {
            facets.push(ValueFacet { value: key::posting_value(posting)?, leads });
        }
        Ok(Visit::Continue(()))
    })?;
    let without = rows.0.intersection_len(&reader.rows(&Posting::Value(field, None))?.0);
    if without > 0 {
        facets.push(ValueFacet { value: None, leads: without });
    }
    Ok(facets)
}

fn by_status(reader: &impl Reader, rows: &RowSet) -> Result<Vec<StatusFacet>> {
    let mut statuses: Vec<(String, RowSet)> = Vec::new();
    reader.each_value(ValueField::Status, Direction::Ascending, |posting, status_rows| {
        let of_status = RowSet(&rows.0 & &status_rows.0);
        if of_status.len() > 0 {
            statuses.push((key::posting_value(posting)?.unwrap_or_default(), of_status));
        }
        Ok(Visit::Continue(()))
    })?;
    let mut sums: Vec<Sum<'_>> = statuses.iter().map(|(_, rows)| Sum::of(rows)).collect();
    reader.each_deal_values(|values| sums.iter_mut().for_each(|sum| sum.add(values)))?;
    let sums: Vec<(u64, i128)> = sums.into_iter().map(|sum| (sum.deals, sum.ticks)).collect();
    let facets = statuses.into_iter().zip(sums).map(|((status, rows), (deals, ticks))| StatusFacet {
        status,
        leads: rows.len(),
        deals,
        deal_value: Decimal::from_i128_with_scale(ticks, 4).normalize(),
    });
    Ok(facets.collect())
}

/// What the deals of some rows are worth, in ten-thousandths.
struct Sum<'r> {
    rows: Peekable<roaring::bitmap::Iter<'r>>,
    deals: u64,
    ticks: i128,
}

impl<'r> Sum<'r> {
    fn of(rows: &'r RowSet) -> Self {
        Self { rows: rows.0.iter().peekable(), deals: 0, ticks: 0 }
    }

    /// Adds the rows up to the end of a block; those before it have no value.
    fn add(&mut self, values: &DealValues) {
        let last = values.last_row();
        while let Some(row) = self.rows.next_if(|row| *row <= last) {
            if let Some(ticks) = values.get(row) {
                self.deals += 1;
                self.ticks += i128::from(ticks);
            }
        }
    }
}
