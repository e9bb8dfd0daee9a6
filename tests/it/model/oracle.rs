//! The oracle: a plain map that returns the answer expected of the store. It shares no code with
//! the store except the analyzer, which the brute-force search uses. Even the folding of text for
//! sorting is implemented here, for the letters in `values`.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use fastrand::Rng;
use leadstore::chrono::{DateTime, TimeDelta, Utc};
use leadstore::rust_decimal::Decimal;
use leadstore::{
    CustomNumber, CustomValue, ErrorKind, Filter, Lead, LeadId, LeadStore, LeadVersion, NewLead,
    SearchField, Sort, SortKey, TypoTolerance,
};

use super::values::{self, Fields};
use crate::brute_force::BruteForceSearch;

type Time = DateTime<Utc>;
type Trashed = (Lead, Time, Time);

#[derive(Clone, Default)]
pub struct Oracle {
    /// The leads, in `Arc`s because a clone of the oracle is kept for each state of a store, and
    /// the states differ in few entries.
    entries: BTreeMap<LeadId, Arc<Entry>>,
    created: u64,
    newest: Option<Time>,
}

#[derive(Clone)]
struct Entry {
    lead: Lead,
    order: u64,
    trash: Option<(Time, Time)>,
}

impl Entry {
    fn has_expired(&self, now: Time) -> bool {
        self.trash.is_some_and(|(_, expires_at)| expires_at <= now)
    }
}

/// The facets by status, source, owner and tag. Each maps a value to its number of leads, number of
/// deals and total deal value. The key is `(is_missing, folded value, value)`, so leads without a
/// value come last.
pub type FacetCounts = [BTreeMap<(bool, String, String), (u64, u64, Decimal)>; 4];

impl Oracle {
    pub fn create(
        &mut self,
        now: Time,
        fields: Fields,
        requested: Option<LeadId>,
        assigned: Option<LeadId>,
    ) -> Result<Lead, ErrorKind> {
        let clash = |entry: &Entry| {
            Some(entry.lead.id) == requested
                || (fields.external_id.is_some() && entry.lead.external_id == fields.external_id)
        };
        if self
            .entries
            .values()
            .any(|entry| clash(entry) && !entry.has_expired(now))
        {
            return Err(ErrorKind::AlreadyExists);
        }
        self.entries.retain(|_, entry| !clash(entry));
        let id = requested
            .or(assigned)
            .expect("the store should have assigned an id");
        let created_at = self.clamped_now(now);
        let mut lead = blank_lead();
        lead.id = id;
        lead.name = fields.name;
        lead.external_id = fields.external_id;
        lead.email = fields.email;
        lead.phone = fields.phone;
        lead.company = fields.company;
        lead.job_title = fields.job_title;
        lead.status = fields.status.unwrap_or_else(|| "new".to_owned());
        lead.source = fields.source;
        lead.owner_id = fields.owner_id;
        lead.deal_value = fields.deal_value;
        lead.tags = fields.tags;
        if let Some(industry) = fields.industry {
            lead.custom_fields
                .insert("industry".into(), CustomValue::Text(industry));
        }
        if let Some(employees) = fields.employees {
            lead.custom_fields.insert(
                "employees".into(),
                CustomValue::Number(CustomNumber::Integer(employees)),
            );
        }
        if !fields.marks.is_empty() {
            let marks = fields.marks.into_iter().map(CustomValue::Bool).collect();
            lead.custom_fields
                .insert("marks".into(), CustomValue::List(marks));
        }
        lead.created_at = created_at;
        lead.updated_at = created_at;
        self.created += 1;
        self.newest = self.newest.max(Some(created_at));
        self.entries.insert(
            id,
            Arc::new(Entry {
                lead: lead.clone(),
                order: self.created,
                trash: None,
            }),
        );
        Ok(lead)
    }

    pub fn update(
        &mut self,
        now: Time,
        id: LeadId,
        fields: &Fields,
        version: Option<LeadVersion>,
    ) -> Result<Lead, ErrorKind> {
        let before = self.live_entry(now, id)?.lead.clone();
        check_version(&before, version)?;
        let mut lead = before.clone();
        lead.name = fields.name.clone();
        lead.tags = fields.tags.clone();
        lead.email = fields.email.clone();
        lead.company = fields.company.clone();
        lead.job_title = fields.job_title.clone();
        lead.owner_id = fields.owner_id.clone();
        lead.external_id = fields.external_id.clone().or(lead.external_id);
        lead.phone = fields.phone.clone().or(lead.phone);
        lead.status = fields.status.clone().unwrap_or(lead.status);
        lead.source = fields.source.clone().or(lead.source);
        lead.deal_value = fields.deal_value.or(lead.deal_value);
        lead.custom_fields.remove("industry");
        if let Some(industry) = &fields.industry {
            lead.custom_fields
                .insert("industry".into(), CustomValue::Text(industry.clone()));
        }
        if let Some(employees) = fields.employees {
            lead.custom_fields.insert(
                "employees".into(),
                CustomValue::Number(CustomNumber::Integer(employees)),
            );
        }
        if lead == before {
            return Ok(lead);
        }
        if lead.external_id != before.external_id {
            let clash = |entry: &Entry| entry.lead.external_id == lead.external_id;
            if self
                .entries
                .values()
                .any(|entry| clash(entry) && !entry.has_expired(now))
            {
                return Err(ErrorKind::AlreadyExists);
            }
            self.entries.retain(|_, entry| !clash(entry));
        }
        lead.updated_at = self.clamped_now(now).max(before.updated_at);
        lead.version = LeadVersion::new(before.version.get() + 1);
        self.entry_mut(id).lead = lead.clone();
        Ok(lead)
    }

    pub fn delete(&mut self, now: Time, id: LeadId) -> Result<Trashed, ErrorKind> {
        self.live_entry(now, id)?;
        let entry = self.entry_mut(id);
        entry.lead.version = LeadVersion::new(entry.lead.version.get() + 1);
        entry.trash = Some((now, now + TimeDelta::days(30)));
        Ok((entry.lead.clone(), now, now + TimeDelta::days(30)))
    }

    pub fn restore(&mut self, now: Time, id: LeadId) -> Result<Lead, ErrorKind> {
        self.trashed_entry(now, id)?;
        let clamped_now = self.clamped_now(now);
        let entry = self.entry_mut(id);
        entry.trash = None;
        entry.lead.version = LeadVersion::new(entry.lead.version.get() + 1);
        entry.lead.updated_at = clamped_now.max(entry.lead.updated_at);
        Ok(entry.lead.clone())
    }

    pub fn purge(&mut self, now: Time, id: LeadId) -> Result<(), ErrorKind> {
        self.trashed_entry(now, id)?;
        self.entries.remove(&id);
        Ok(())
    }

    pub fn empty_trash(&mut self, now: Time) -> u64 {
        let before = self.entries.len();
        self.entries
            .retain(|_, entry| entry.trash.is_none() || entry.has_expired(now));
        (before - self.entries.len()) as u64
    }

    pub fn get(&self, id: LeadId) -> Option<Lead> {
        self.entries
            .get(&id)
            .filter(|entry| entry.trash.is_none())
            .map(|entry| entry.lead.clone())
    }

    pub fn get_by_external_id(&self, external_id: &str) -> Option<Lead> {
        self.live()
            .find(|lead| lead.external_id.as_deref() == Some(external_id))
            .cloned()
    }

    pub fn get_trashed(&self, now: Time, id: LeadId) -> Option<Trashed> {
        let entry = self
            .entries
            .get(&id)
            .filter(|entry| !entry.has_expired(now))?;
        entry
            .trash
            .map(|(deleted_at, expires_at)| (entry.lead.clone(), deleted_at, expires_at))
    }

    pub fn live(&self) -> impl Iterator<Item = &Lead> {
        self.entries
            .values()
            .filter(|entry| entry.trash.is_none())
            .map(|entry| &entry.lead)
    }

    pub fn all_ids(&self) -> Vec<LeadId> {
        self.entries.keys().copied().collect()
    }

    pub fn any_id(&self, rng: &mut Rng) -> Option<LeadId> {
        let ids = self.all_ids();
        (!ids.is_empty()).then(|| ids[rng.usize(..ids.len())])
    }

    pub fn trashed_ids(&self) -> Vec<LeadId> {
        self.entries
            .iter()
            .filter(|(_, entry)| entry.trash.is_some())
            .map(|(id, _)| *id)
            .collect()
    }

    /// Returns true if a lead in the trash expires after `from` and no later than `to`.
    pub fn expires_between(&self, from: Time, to: Time) -> bool {
        let expiries = self.entries.values().filter_map(|entry| entry.trash);
        expiries
            .into_iter()
            .any(|(_, expires_at)| from < expires_at && expires_at <= to)
    }

    /// Returns up to `limit` leads of a list, starting at `offset`, and the total number of leads.
    pub fn list(&self, requested: &ListRequest, offset: u64, limit: usize) -> (Vec<Lead>, u64) {
        let mut found: Vec<&Entry> = self
            .entries()
            .filter(|entry| entry.trash.is_none() && requested.selects(&entry.lead))
            .collect();
        let newest_first = vec![Sort::desc(SortKey::CreatedAt)];
        sort(
            &mut found,
            if requested.sort.is_empty() {
                &newest_first
            } else {
                &requested.sort
            },
        );
        let total = found.len() as u64;
        (
            found
                .into_iter()
                .skip(offset as usize)
                .take(limit)
                .map(|entry| entry.lead.clone())
                .collect(),
            total,
        )
    }

    pub fn in_creation_order(&self, requested: &ListRequest) -> Vec<Lead> {
        let mut found: Vec<&Entry> = self
            .entries()
            .filter(|entry| entry.trash.is_none() && requested.selects(&entry.lead))
            .collect();
        found.sort_by_key(|entry| entry.order);
        found.into_iter().map(|entry| entry.lead.clone()).collect()
    }

    pub fn list_trash(
        &self,
        now: Time,
        by: &[Sort],
        offset: u64,
        limit: usize,
    ) -> (Vec<Trashed>, u64) {
        let mut found: Vec<&Entry> = self
            .entries()
            .filter(|entry| entry.trash.is_some() && !entry.has_expired(now))
            .collect();
        let last_deleted_first = [Sort::desc(SortKey::DeletedAt)];
        sort(
            &mut found,
            if by.is_empty() {
                &last_deleted_first
            } else {
                by
            },
        );
        let total = found.len() as u64;
        let trashed = |entry: &Entry| {
            entry
                .trash
                .map(|(deleted, expires)| (entry.lead.clone(), deleted, expires))
        };
        (
            found
                .into_iter()
                .skip(offset as usize)
                .take(limit)
                .filter_map(trashed)
                .collect(),
            total,
        )
    }

    /// Counts the selected leads by status, source, owner and tag. Only the counts by status
    /// include the number of deals and the total deal value.
    pub fn facets(&self, requested: &ListRequest) -> FacetCounts {
        let leads = self.list(requested, 0, usize::MAX).0;
        let mut counts: FacetCounts = Default::default();
        let [statuses, sources, owners, tags] = &mut counts;
        let key = |value: &str| (false, fold(value), value.to_owned());
        let without = || (true, String::new(), String::new());
        for lead in &leads {
            let status = statuses.entry(key(&lead.status)).or_default();
            status.0 += 1;
            status.1 += u64::from(lead.deal_value.is_some());
            status.2 += lead.deal_value.unwrap_or_default();
            sources
                .entry(lead.source.as_deref().map_or_else(without, key))
                .or_default()
                .0 += 1;
            owners
                .entry(lead.owner_id.as_deref().map_or_else(without, key))
                .or_default()
                .0 += 1;
            lead.tags
                .iter()
                .for_each(|tag| tags.entry(key(tag)).or_default().0 += 1);
        }
        counts
    }

    /// Returns the expected hits of a search, in order.
    pub fn search(
        &self,
        text: &str,
        fields: &[SearchField],
        typos: TypoTolerance,
        requested: &ListRequest,
    ) -> Vec<Lead> {
        let newest_first = self.list(requested, 0, usize::MAX).0;
        let found = BruteForceSearch::new(&newest_first).search(text, fields, typos);
        found.into_iter().map(|(lead, _)| lead.clone()).collect()
    }

    fn clamped_now(&self, now: Time) -> Time {
        match self.newest {
            Some(newest) if now < newest && newest - now <= TimeDelta::minutes(5) => newest,
            _ => now,
        }
    }

    fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values().map(|entry| &**entry)
    }

    fn entry_mut(&mut self, id: LeadId) -> &mut Entry {
        Arc::make_mut(self.entries.get_mut(&id).unwrap())
    }

    fn live_entry(&self, now: Time, id: LeadId) -> Result<&Entry, ErrorKind> {
        match self.entries.get(&id) {
            Some(entry) if entry.trash.is_none() => Ok(entry),
            Some(entry) if !entry.has_expired(now) => Err(ErrorKind::InTrash),
            _ => Err(ErrorKind::NotFound),
        }
    }

    fn trashed_entry(&self, now: Time, id: LeadId) -> Result<&Entry, ErrorKind> {
        match self.entries.get(&id) {
            Some(entry) if entry.trash.is_none() => Err(ErrorKind::NotInTrash),
            Some(entry) if !entry.has_expired(now) => Ok(entry),
            _ => Err(ErrorKind::NotFound),
        }
    }
}

fn check_version(lead: &Lead, expected: Option<LeadVersion>) -> Result<(), ErrorKind> {
    if expected.is_none_or(|expected| expected == lead.version) {
        Ok(())
    } else {
        Err(ErrorKind::Conflict)
    }
}

/// Returns a lead without optional fields, for the oracle to fill in.
fn blank_lead() -> Lead {
    static BLANK: std::sync::OnceLock<Lead> = std::sync::OnceLock::new();
    BLANK
        .get_or_init(|| {
            LeadStore::in_memory()
                .unwrap()
                .create(NewLead::new("x"))
                .unwrap()
        })
        .clone()
}

/// The filter and sort order of a list query.
#[derive(Clone, Debug)]
pub struct ListRequest {
    statuses: Vec<String>,
    sources: Vec<String>,
    owners: Vec<String>,
    job_titles: Vec<String>,
    unassigned: bool,
    tags: Vec<String>,
    created: Option<(Time, Time)>,
    updated: Option<Time>,
    deal_value: Option<(Decimal, Decimal)>,
    pub sort: Vec<Sort>,
}

impl ListRequest {
    pub fn all() -> Self {
        Self {
            statuses: vec![],
            sources: vec![],
            owners: vec![],
            job_titles: vec![],
            unassigned: false,
            tags: vec![],
            created: None,
            updated: None,
            deal_value: None,
            sort: vec![],
        }
    }

    pub fn random(rng: &mut Rng, oracle: &Oracle) -> Self {
        let mut requested = Self::all();
        for _ in 0..rng.usize(0..4) {
            let fields = Fields::random(rng);
            match rng.u32(0..9) {
                0 => requested.statuses.extend(fields.status),
                1 => requested.sources.extend(fields.source),
                2 => requested.owners.extend(fields.owner_id),
                3 => requested.unassigned = true,
                4 => requested.tags.extend(fields.tags.first().cloned()),
                5 => requested.created = random_time(rng, oracle).zip(random_time(rng, oracle)),
                6 => requested.updated = random_time(rng, oracle),
                7 => requested.job_titles.extend(fields.job_title),
                _ => requested.deal_value = fields.deal_value.zip(Fields::random(rng).deal_value),
            }
        }
        while requested.sort.len() < 3 && rng.u32(0..3) > 0 {
            let sort: Sort = values::SORTS[rng.usize(..values::SORTS.len())]
                .parse()
                .unwrap();
            if requested
                .sort
                .iter()
                .all(|earlier| earlier.key() != sort.key())
            {
                requested.sort.push(sort);
            }
        }
        requested
    }

    pub fn sorted_by(self, sort: &str) -> Self {
        Self {
            sort: vec![sort.parse().unwrap()],
            ..self
        }
    }

    pub fn random_trash_sort(rng: &mut Rng) -> Vec<Sort> {
        match rng.u32(0..4) {
            0 => vec![],
            1 => vec!["deleted_at".parse().unwrap()],
            2 => vec!["-name".parse().unwrap(), "deleted_at".parse().unwrap()],
            _ => vec!["-deleted_at".parse().unwrap(), "company".parse().unwrap()],
        }
    }

    pub fn filter(&self) -> Filter {
        let mut filter = self.statuses.iter().fold(Filter::new(), Filter::status);
        filter = self.sources.iter().fold(filter, Filter::source);
        filter = self.owners.iter().fold(filter, Filter::owner_id);
        filter = self.job_titles.iter().fold(filter, Filter::job_title);
        filter = self.tags.iter().fold(filter, Filter::tag);
        if self.unassigned {
            filter = filter.unassigned();
        }
        if let Some((from, to)) = self.created {
            filter = filter.created(from..to);
        }
        if let Some(from) = self.updated {
            filter = filter.updated(from..);
        }
        if let Some((low, high)) = self.deal_value {
            filter = filter.deal_value(low..=high);
        }
        filter
    }

    fn selects(&self, lead: &Lead) -> bool {
        let any = |requested: &[String], value: Option<&String>| {
            requested.is_empty() || value.is_some_and(|v| requested.contains(v))
        };
        let owner = match &lead.owner_id {
            None => self.unassigned || self.owners.is_empty(),
            Some(owner) => {
                (self.owners.is_empty() && !self.unassigned) || self.owners.contains(owner)
            }
        };
        any(&self.statuses, Some(&lead.status))
            && any(&self.sources, lead.source.as_ref())
            && any(&self.job_titles, lead.job_title.as_ref())
            && owner
            && (self.tags.is_empty() || lead.tags.iter().any(|tag| self.tags.contains(tag)))
            && self
                .created
                .is_none_or(|(from, to)| from <= lead.created_at && lead.created_at < to)
            && self.updated.is_none_or(|from| from <= lead.updated_at)
            && self
                .deal_value
                .is_none_or(|(low, high)| lead.deal_value.is_some_and(|v| low <= v && v <= high))
    }
}

fn random_time(rng: &mut Rng, oracle: &Oracle) -> Option<Time> {
    let times: Vec<Time> = oracle.live().map(|lead| lead.created_at).collect();
    (!times.is_empty())
        .then(|| times[rng.usize(..times.len())] + TimeDelta::nanoseconds(rng.i64(-2_000..2_000)))
}

fn sort(entries: &mut [&Entry], by: &[Sort]) {
    let directed = |ordering: Ordering, descending: bool| {
        if descending {
            ordering.reverse()
        } else {
            ordering
        }
    };
    entries.sort_by(|a, b| {
        for sort in by {
            let ordering = match (key(a, sort.key()), key(b, sort.key())) {
                (Some(a), Some(b)) => directed(a.cmp(&b), sort.is_descending()),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (None, None) => Ordering::Equal,
            };
            if ordering.is_ne() {
                return ordering;
            }
        }
        directed(a.order.cmp(&b.order), by[0].is_descending())
    });
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Time(Time),
    Text(String, String),
    CustomNumber(Decimal),
}

fn key(entry: &Entry, by: SortKey) -> Option<Key> {
    let lead = &entry.lead;
    let text = |text: &String| Key::Text(fold(text), text.clone());
    match by {
        SortKey::CreatedAt => Some(Key::Time(lead.created_at)),
        SortKey::UpdatedAt => Some(Key::Time(lead.updated_at)),
        SortKey::DeletedAt => entry.trash.map(|(deleted_at, _)| Key::Time(deleted_at)),
        SortKey::Name => Some(text(&lead.name)),
        SortKey::Status => Some(text(&lead.status)),
        SortKey::Company => lead.company.as_ref().map(text),
        SortKey::JobTitle => lead.job_title.as_ref().map(text),
        SortKey::Email => lead.email.as_ref().map(text),
        SortKey::Source => lead.source.as_ref().map(text),
        SortKey::OwnerId => lead.owner_id.as_ref().map(text),
        SortKey::DealValue => lead.deal_value.map(Key::CustomNumber),
        _ => unreachable!("the model does not know this sort key"),
    }
}

/// Folds the letters that occur in `values`.
fn fold(text: &str) -> String {
    let mut folded = String::new();
    for c in text.to_lowercase().chars() {
        match c {
            'á' | 'à' | 'ä' | 'å' => folded.push('a'),
            'é' | 'ë' => folded.push('e'),
            'í' => folded.push('i'),
            'ö' => folded.push('o'),
            'ü' => folded.push('u'),
            'ł' => folded.push('l'),
            'ß' => folded.push_str("ss"),
            '\'' => {}
            plain => {
                assert!(plain.is_ascii(), "the model cannot fold {plain}");
                folded.push(plain);
            }
        }
    }
    folded
}
