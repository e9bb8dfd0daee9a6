//! The result of a consistency check.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The findings of [`LeadStore::check`](crate::LeadStore::check), or the problems that remain after
/// a [`repair`](crate::LeadStore::repair).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Report {
    /// Number of readable leads outside the trash.
    pub leads: u64,
    /// Number of readable leads in the trash, including expired ones.
    pub in_trash: u64,
    /// The problems found, at most the first 100 of each component.
    pub problems: Vec<Problem>,
    /// Total number of problems found.
    pub problem_count: u64,
    /// The problems that a repair found and fixed.
    pub repaired: Vec<Problem>,
    /// True if leads or credentials are unreadable. A [`repair`](crate::LeadStore::repair) cannot
    /// rebuild them: restore a backup.
    pub has_data_loss: bool,
}

/// A single problem found in a store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Problem {
    /// The component that has the problem.
    pub component: Component,
    /// Human-readable description of the problem.
    pub message: String,
}

/// A component of a store. All components except [`File`](Self::File), [`Leads`](Self::Leads) and
/// [`Credentials`](Self::Credentials) are derived from the leads, and
/// [`repair`](crate::LeadStore::repair) rebuilds them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Component {
    /// The file that contains every other component except the search index.
    File,
    /// The lead records.
    Leads,
    /// The indexes of ids and external ids.
    Ids,
    /// The sort indexes, by which lists and the trash are ordered.
    SortIndexes,
    /// The bitmaps that lists are filtered and counted with.
    Bitmaps,
    /// The column of deal values, from which sums are computed.
    DealValues,
    /// The log from which the search index catches up.
    ChangeLog,
    /// API keys and access tokens.
    Credentials,
    /// The full-text index.
    SearchIndex,
}

/// Maximum number of problems listed per component. Further ones are only counted.
const PROBLEMS_MAX: usize = 100;

impl Report {
    /// Returns true if the check found no problem.
    pub fn is_ok(&self) -> bool {
        self.problem_count == 0
    }

    pub(crate) fn count(&mut self, is_in_trash: bool) {
        *(if is_in_trash {
            &mut self.in_trash
        } else {
            &mut self.leads
        }) += 1;
    }

    /// Adds a problem that a repair cannot fix.
    pub(crate) fn add_data_loss(&mut self, component: Component, message: impl fmt::Display) {
        self.has_data_loss = true;
        self.add(component, message);
    }

    pub(crate) fn add(&mut self, component: Component, message: impl fmt::Display) {
        self.problem_count += 1;
        if self
            .problems
            .iter()
            .filter(|problem| problem.component == component)
            .count()
            < PROBLEMS_MAX
        {
            self.problems.push(Problem {
                component,
                message: message.to_string(),
            });
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.component, self.message)
    }
}

impl fmt::Display for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::File => "file",
            Self::Leads => "leads",
            Self::Ids => "ids",
            Self::SortIndexes => "sort indexes",
            Self::Bitmaps => "bitmaps",
            Self::DealValues => "deal values",
            Self::ChangeLog => "change log",
            Self::Credentials => "credentials",
            Self::SearchIndex => "search index",
        })
    }
}
