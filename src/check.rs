//! What a check of a store found.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What [`LeadStore::check`](crate::LeadStore::check) found, or what is still wrong after a
/// [`repair`](crate::LeadStore::repair).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Report {
    /// How many leads can be read that are not in the trash.
    pub leads: u64,
    /// How many leads in the trash can be read, expired ones included.
    pub in_trash: u64,
    /// What is wrong, the first 100 things of each part.
    pub problems: Vec<Problem>,
    /// How many things are wrong in all.
    pub problem_count: u64,
    /// After a repair, what was wrong before it and is not any more.
    pub repaired: Vec<Problem>,
    /// Whether something cannot be read that cannot be made anew.
    pub(crate) has_lost: bool,
}

/// One thing that is wrong with a store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Problem {
    /// In which part.
    pub part: Component,
    /// What it is, for people.
    pub message: String,
}

/// A part of a store. All but [`File`](Self::File), [`Leads`](Self::Leads) and [`Credentials`](Self::Credentials) is
/// derived from the leads, and [`repair`](crate::LeadStore::repair) makes it anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Component {
    /// The file that holds all the others but the search index.
    File,
    /// The leads themselves.
    Leads,
    /// By which leads are found by their ids and external ids.
    Ids,
    /// By which lists are sorted, and the trash is.
    SortKeys,
    /// By which lists are filtered and counted.
    Bitmaps,
    /// By which deals are summed up.
    DealValues,
    /// By which the search index catches up.
    ChangeLog,
    /// API keys and access tokens.
    Credentials,
    /// By which leads are searched.
    SearchIndex,
}

/// More of one part is only counted.
const MOST_PROBLEMS: usize = 100;

impl Report {
    /// Whether nothing is wrong.
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

    /// Adds something that a repair cannot mend.
    pub(crate) fn add_lost(&mut self, part: Component, message: impl fmt::Display) {
        self.has_lost = true;
        self.add(part, message);
    }

    pub(crate) fn add(&mut self, part: Component, message: impl fmt::Display) {
        self.problem_count += 1;
        if self
            .problems
            .iter()
            .filter(|problem| problem.part == part)
            .count()
            < MOST_PROBLEMS
        {
            self.problems.push(Problem {
                part,
                message: message.to_string(),
            });
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.part, self.message)
    }
}

impl fmt::Display for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::File => "file",
            Self::Leads => "leads",
            Self::Ids => "ids",
            Self::SortKeys => "sort keys",
            Self::Bitmaps => "bitmaps",
            Self::DealValues => "deal values",
            Self::ChangeLog => "change log",
            Self::Credentials => "credentials",
            Self::SearchIndex => "search index",
        })
    }
}
