//! The leadstore engine.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use leadstore::chrono::{DateTime, Utc};
use leadstore::rust_decimal::Decimal;
use leadstore::{
    Clock, SearchField, Filter, Lead, LeadId, LeadPatch, LeadStore, ListQuery, SearchQuery, Sort,
    SortKey, ValueFacet,
};

use crate::generated::Fields;
use crate::peer::{Answer, FacetCounts, ListCase, PER_PAGE, Peer, SearchCase, SortBy, created_at};

/// A clock that is set before each create, so that a lead has the same creation time in every
/// engine. Threads that create leads at the same time share the clock, so the creation times of
/// their leads may differ between the engines.
#[derive(Clone)]
struct SetClock(Arc<AtomicI64>);

impl Clock for SetClock {
    fn now(&self) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(self.0.load(Ordering::Relaxed)).unwrap_or_default()
    }
}

pub struct Ours {
    store: LeadStore,
    clock: SetClock,
    ids: Vec<LeadId>,
}

impl Ours {
    pub fn open(directory: &Path, cache_bytes: usize) -> Self {
        let clock = SetClock(Arc::new(AtomicI64::new(created_at(0))));
        let store = LeadStore::options()
            .cache_bytes(cache_bytes)
            .clock(clock.clone())
            .open(directory)
            .unwrap();
        let mut ids: Vec<(usize, LeadId)> = store
            .leads(&Filter::new())
            .map(Result::unwrap)
            .map(|lead| (number(&lead), lead.id))
            .collect();
        ids.sort_unstable();
        Self {
            store,
            clock,
            ids: ids.into_iter().map(|(_, id)| id).collect(),
        }
    }

    /// Opens a store without a search index.
    pub fn open_without_search(directory: &Path, cache_bytes: usize) -> Self {
        let clock = SetClock(Arc::new(AtomicI64::new(created_at(0))));
        let options = LeadStore::options()
            .cache_bytes(cache_bytes)
            .clock(clock.clone());
        let store = leadstore::testing::without_search(options)
            .open(directory)
            .unwrap();
        Self {
            store,
            clock,
            ids: Vec::new(),
        }
    }

    /// Compacts the file and merges the search index into one segment.
    pub fn tidy_up(&self) {
        self.store.compact().unwrap();
    }

    /// Searches for mistyped text and returns the total.
    pub fn search_mistyped(&self, text: &str) -> u64 {
        self.store
            .search(&SearchQuery::new(text).per_page(PER_PAGE))
            .unwrap()
            .total
    }

    /// Returns the number of ids in `ids`, one for each lead number from 0 on. The next lead gets
    /// this number.
    pub fn count(&self) -> usize {
        self.ids.len()
    }

    fn record_id(&mut self, number: usize, id: LeadId) {
        if number >= self.ids.len() {
            self.ids.resize(number + 1, id);
        }
        self.ids[number] = id;
    }
}

/// Returns the number of a lead, which is part of its e-mail address.
fn number(lead: &Lead) -> usize {
    let local = lead
        .email
        .as_deref()
        .and_then(|email| email.split_once('@'))
        .map_or("", |(local, _)| local);
    local
        .rsplit('.')
        .next()
        .and_then(|digits| digits.parse().ok())
        .unwrap_or(usize::MAX)
}

fn query(case: &SearchCase) -> SearchQuery {
    let text =
        case.words.join(if case.phrase { "." } else { " " }) + if case.prefix { "" } else { " " };
    SearchQuery::new(text).fields(case.field.map(|field| field.parse::<SearchField>().unwrap()))
}

impl Peer for Ours {
    fn name(&self) -> &'static str {
        "leadstore"
    }

    fn import(&mut self, leads: &[(usize, Fields)]) {
        let clock = self.clock.clone();
        let ids = self.store.transaction(|t| {
            let create = |(number, fields): &(usize, Fields)| {
                clock.0.store(created_at(*number), Ordering::Relaxed);
                t.create(fields.new_lead()).map(|lead| lead.id)
            };
            leads
                .iter()
                .map(create)
                .collect::<leadstore::Result<Vec<_>>>()
        });
        for ((number, _), id) in leads.iter().zip(ids.unwrap()) {
            self.record_id(*number, id);
        }
    }

    fn create(&mut self, number: usize, fields: &Fields) {
        self.clock.0.store(created_at(number), Ordering::Relaxed);
        let id = self.store.create(fields.new_lead()).unwrap().id;
        self.record_id(number, id);
    }

    fn create_in_threads(&mut self, per_thread: &[Vec<(usize, Fields)>]) {
        let (store, clock) = (&self.store, &self.clock);
        let mut made: Vec<(usize, LeadId)> = std::thread::scope(|scope| {
            let threads: Vec<_> = per_thread
                .iter()
                .map(|leads| {
                    scope.spawn(move || {
                        let create = |(number, fields): &(usize, Fields)| {
                            clock.0.store(created_at(*number), Ordering::Relaxed);
                            (*number, store.create(fields.new_lead()).unwrap().id)
                        };
                        leads.iter().map(create).collect::<Vec<_>>()
                    })
                })
                .collect();
            threads
                .into_iter()
                .flat_map(|thread| thread.join().unwrap())
                .collect()
        });
        made.sort_unstable();
        for (number, id) in made {
            self.record_id(number, id);
        }
    }

    fn update(&mut self, number: usize, value: i64) {
        self.store
            .update(
                self.ids[number],
                LeadPatch::new().deal_value(Decimal::new(value, 2)),
            )
            .unwrap();
    }

    fn delete(&mut self, number: usize) {
        self.store.delete(self.ids[number]).unwrap();
    }

    fn restore(&mut self, number: usize) {
        self.store.restore(self.ids[number]).unwrap();
    }

    fn get(&mut self, number: usize) -> String {
        self.store.get(self.ids[number]).unwrap().unwrap().name
    }

    fn list(&mut self, case: &ListCase) -> Answer {
        let mut filter = case.status.into_iter().fold(Filter::new(), Filter::status);
        filter = case.source.into_iter().fold(filter, Filter::source);
        filter = case.owner_id.into_iter().fold(filter, Filter::owner_id);
        if let Some((from, to)) = case.created {
            let time = |micros| DateTime::from_timestamp_micros(micros).unwrap_or_default();
            filter = filter.created(time(from)..time(to));
        }
        let sort = match case.sort {
            SortBy::NewestFirst => Sort::desc(SortKey::CreatedAt),
            SortBy::Name => Sort::asc(SortKey::Name),
            SortBy::DealValue => Sort::asc(SortKey::DealValue),
        };
        let page = self
            .store
            .list(
                &ListQuery::new()
                    .filter(filter)
                    .sort([sort])
                    .window(case.offset, PER_PAGE),
            )
            .unwrap();
        Answer {
            numbers: page.items.iter().map(number).collect(),
            total: page.total,
        }
    }

    fn facets(&mut self, status: Option<&'static str>) -> FacetCounts {
        let facets = self
            .store
            .facets(&status.into_iter().fold(Filter::new(), Filter::status))
            .unwrap();
        let ticks = |value: Decimal| (value * Decimal::from(10_000)).trunc().mantissa();
        let statuses = facets
            .statuses
            .into_iter()
            .map(|s| (s.status, s.leads, s.deals, ticks(s.deal_value)));
        let values = |facets: Vec<ValueFacet>| {
            facets
                .into_iter()
                .map(|facet| (facet.value, facet.leads))
                .collect()
        };
        FacetCounts {
            statuses: statuses.collect(),
            sources: values(facets.sources),
            owners: values(facets.owners),
            tags: values(facets.tags),
        }
    }

    fn search(&mut self, case: &SearchCase) -> Answer {
        let page = self.store.search(&query(case).per_page(PER_PAGE)).unwrap();
        Answer {
            numbers: page.items.iter().map(|hit| number(&hit.lead)).collect(),
            total: page.total,
        }
    }

    fn count_found(&mut self, case: &SearchCase, numbers: &[usize]) -> u64 {
        let mut found = 0;
        for page in 1.. {
            let hits = self
                .store
                .search(&query(case).per_page(100).page(page))
                .unwrap();
            if hits.items.is_empty() {
                break;
            }
            found += hits
                .items
                .iter()
                .filter(|hit| numbers.contains(&number(&hit.lead)))
                .count() as u64;
        }
        found
    }

    fn close(self: Box<Self>) {
        self.store.close().unwrap();
    }
}
