//! The states that a store may contain after everything that has happened to it. Each state is an
//! oracle.

use leadstore::chrono::{DateTime, Utc};
use leadstore::{Error, Filter, Lead, LeadStore, TrashQuery};

use super::upkeep::Backup;
use crate::model::oracle::{ListRequest, Oracle};

pub struct States {
    /// True if a write is durable once it is acknowledged.
    every_commit: bool,
    /// The last state that is known to be durable, then the states acknowledged since.
    acknowledged: Vec<Oracle>,
    /// The state after a write whose outcome is unknown.
    unknown: Option<Oracle>,
    /// True if there has been a power cut since the state of the store was last identified.
    is_power_cut: bool,
    /// True if derived data may be corrupted. Only a repair is reliable then.
    pub may_be_corrupted: bool,
    pub backup: Backup,
}

impl States {
    pub fn new(every_commit: bool) -> Self {
        Self {
            every_commit,
            acknowledged: vec![Oracle::default()],
            unknown: None,
            is_power_cut: false,
            may_be_corrupted: false,
            backup: Backup::default(),
        }
    }

    pub fn newest(&self) -> &Oracle {
        self.acknowledged.last().unwrap()
    }

    /// Records the outcome of a write, and the state after it unless the write is known to have
    /// failed.
    pub fn record(&mut self, outcome: Result<(), Error>, after: Oracle) -> Result<(), Error> {
        match &outcome {
            Ok(()) => {
                if self.every_commit {
                    self.acknowledged.clear();
                }
                self.acknowledged.push(after);
            }
            Err(error) if error.outcome_unknown() => self.unknown = Some(after),
            Err(_) => {}
        }
        outcome
    }

    /// Records that all acknowledged writes are durable.
    pub fn make_durable(&mut self) {
        self.acknowledged.drain(..self.acknowledged.len() - 1);
    }

    pub fn cut_the_power(&mut self) {
        self.is_power_cut = true;
    }

    /// Determines which of the allowed states the store contains. That state is durable from now
    /// on.
    pub fn identify_state(&mut self, held: &Contents, now: DateTime<Utc>) -> String {
        if !std::mem::take(&mut self.is_power_cut) {
            // Without a power cut, no acknowledged write is lost.
            self.make_durable();
        }
        let mut allowed: Vec<Oracle> = self
            .acknowledged
            .drain(..)
            .chain(self.unknown.take())
            .collect();
        let (count, all) = (
            allowed.len(),
            allowed
                .iter()
                .map(|oracle| Contents::of(oracle, now).summary()),
        );
        let Some(index) = allowed
            .iter()
            .rposition(|oracle| *held == Contents::of(oracle, now))
        else {
            panic!(
                "the store contains {}\nwhich is not one of the allowed states, the newest last:\n{}",
                held.summary(),
                all.collect::<Vec<_>>().join("\n"),
            );
        };
        self.acknowledged = vec![allowed.swap_remove(index)];
        format!("the store contains state {index} of {count}")
    }
}

/// All live leads of a store, and all leads in its trash.
#[derive(Debug, PartialEq)]
pub struct Contents {
    leads: Vec<Lead>,
    trash: Vec<Lead>,
}

impl Contents {
    pub fn read(store: &LeadStore) -> Result<Self, Error> {
        let leads = store.leads(&Filter::new()).collect::<Result<_, _>>()?;
        let mut trash: Vec<Lead> = Vec::new();
        for page in 1.. {
            let listed = store.list_trash(&TrashQuery::new().per_page(100).page(page))?;
            if listed.items.is_empty() {
                break;
            }
            trash.extend(listed.into_iter().map(|trashed| trashed.lead));
        }
        Ok(Self { leads, trash })
    }

    pub fn of(oracle: &Oracle, now: DateTime<Utc>) -> Self {
        let trash = oracle.list_trash(now, &[], 0, usize::MAX).0;
        let trash = trash.into_iter().map(|(lead, ..)| lead).collect();
        Self {
            leads: oracle.in_creation_order(&ListRequest::all()),
            trash,
        }
    }

    fn summary(&self) -> String {
        let list = |leads: &[Lead]| {
            let lead = |lead: &Lead| format!("{} v{} {}", lead.id, lead.version.get(), lead.name);
            leads.iter().map(lead).collect::<Vec<_>>().join(", ")
        };
        format!("[{}] trash [{}]", list(&self.leads), list(&self.trash))
    }
}
