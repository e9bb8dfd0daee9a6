//! The states that a store may hold after what has happened to it, as plain maps.

use leadstore::chrono::{DateTime, Utc};
use leadstore::{Error, Filter, Lead, LeadStore, TrashQuery};

use super::upkeep::Backup;
use crate::model::oracle::{ListWanted, Oracle};

pub struct States {
    /// Whether a write is durable once it is acknowledged.
    every_commit: bool,
    /// The state that is durable for certain, then those that were acknowledged since.
    acknowledged: Vec<Oracle>,
    /// The state after a write of which it is not known whether it was committed.
    unknown: Option<Oracle>,
    /// Whether the power was cut since it was known which of these the store holds.
    is_power_cut: bool,
    /// Whether something may be wrong with what is derived, so that only a repair is to be trusted.
    pub is_spoilt: bool,
    pub backup: Backup,
}

impl States {
    pub fn new(every_commit: bool) -> Self {
        Self {
            every_commit,
            acknowledged: vec![Oracle::default()],
            unknown: None,
            is_power_cut: false,
            is_spoilt: false,
            backup: Backup::default(),
        }
    }

    pub fn newest(&self) -> &Oracle {
        self.acknowledged.last().unwrap()
    }

    /// Notes the end of a write, and the state after it if it has been committed.
    pub fn note(&mut self, outcome: Result<(), Error>, after: Oracle) -> Result<(), Error> {
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

    /// What was acknowledged is durable.
    pub fn make_durable(&mut self) {
        self.acknowledged.drain(..self.acknowledged.len() - 1);
    }

    pub fn cut_the_power(&mut self) {
        self.is_power_cut = true;
    }

    /// Finds out which of the states that are allowed the store holds. It is durable then.
    pub fn recognise(&mut self, held: &Contents, now: DateTime<Utc>) -> String {
        if !std::mem::take(&mut self.is_power_cut) {
            // Without a power cut nothing that was acknowledged is lost.
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
                "the store holds {}\nwhich is none of the states that are allowed, the newest last:\n{}",
                held.summary(),
                all.collect::<Vec<_>>().join("\n"),
            );
        };
        self.acknowledged = vec![allowed.swap_remove(index)];
        format!("the store holds state {index} of {count}")
    }
}

/// Every lead in a store, and every one in its trash.
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
            leads: oracle.in_creation_order(&ListWanted::all()),
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
