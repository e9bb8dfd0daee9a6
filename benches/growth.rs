//! Measures how the cost of reads grows with the size of the store: the same calls are timed
//! alternately on a store and on one with ten times as many leads.
//!
//! `LEADSTORE_BENCH_LEADS=1000000 cargo bench --features unstable-testing --bench growth`
//!
//! The filtered fields are distributed as in the other benchmarks. Names, e-mail addresses and deal
//! values ascend, so that ten million leads can be imported in minutes; no measured call sorts by
//! them. The stores have no search index.

mod generated;

use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

use fastrand::Rng;
use generated::{BATCH, Fields};
use leadstore::rust_decimal::Decimal;
use leadstore::testing::without_search;
use leadstore::{Filter, LeadId, LeadStore, ListQuery};

const ROUNDS: usize = 15;
/// Number of calls that are timed together, so that the resolution of the clock matters little.
const CALLS: usize = 50;

fn main() {
    let leads = std::env::var("LEADSTORE_BENCH_LEADS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(100_000);
    let directory = tempfile::tempdir().unwrap();
    let stores = [leads, leads * 10].map(|leads| Filled::new(directory.path(), leads));
    println!(
        "| call | at {leads} leads | at {} | ratio | spread |\n|---|---|---|---|---|",
        leads * 10
    );
    let list =
        |query: ListQuery| move |store: &Filled| drop(black_box(store.store.list(&query).unwrap()));
    let one = || Filter::new().status("new");
    let three = || one().source("website").owner_id("user-7");
    compare("first page, no filter", &stores, list(ListQuery::new()));
    compare(
        "first page, one filter",
        &stores,
        list(ListQuery::new().filter(one())),
    );
    compare(
        "first page, three filters",
        &stores,
        list(ListQuery::new().filter(three())),
    );
    compare("middle page, three filters", &stores, |store| {
        let page = store.pages_of_three / 2;
        drop(black_box(
            store
                .store
                .list(&ListQuery::new().filter(three()).page(page))
                .unwrap(),
        ));
    });
    compare(
        "first page, one filter and a sixth of the time",
        &stores,
        |store| {
            drop(black_box(
                store
                    .store
                    .list(&ListQuery::new().filter(one().created(store.sixth.clone())))
                    .unwrap(),
            ));
        },
    );
    compare("facets of one status", &stores, |store| {
        drop(black_box(store.store.facets(&one()).unwrap()))
    });
    compare("get, at random", &stores, |store| {
        let id = store.ids[fastrand::usize(..store.ids.len())];
        drop(black_box(store.store.get(id).unwrap()));
    });
}

struct Filled {
    store: LeadStore,
    pages_of_three: u64,
    /// Range of creation times that contains a sixth of the leads: those after the first third and
    /// before the middle.
    sixth: std::ops::Range<leadstore::chrono::DateTime<leadstore::chrono::Utc>>,
    /// Ids of a random sample of the leads.
    ids: Vec<LeadId>,
}

impl Filled {
    fn new(parent: &Path, leads: usize) -> Self {
        let options = LeadStore::options().cache_bytes(256 << 20);
        let store = without_search(options)
            .open(parent.join(leads.to_string()))
            .unwrap();
        let mut rng = Rng::with_seed(1);
        let (mut ids, mut times) = (Vec::new(), Vec::new());
        for start in (0..leads).step_by(BATCH) {
            store
                .transaction(|t| {
                    for number in start..leads.min(start + BATCH) {
                        let fields = Fields {
                            name: format!("Lead {number:09}"),
                            email: format!("{number:09}@example.com"),
                            company: None,
                            deal_value: Decimal::from(number),
                            ..Fields::random(&mut rng, number)
                        };
                        let lead = t.create(fields.new_lead())?;
                        times.push(lead.created_at);
                        if rng.usize(..leads) < 10_000 {
                            ids.push(lead.id);
                        }
                    }
                    Ok(())
                })
                .unwrap();
        }
        store.compact().unwrap();
        let three = Filter::new()
            .status("new")
            .source("website")
            .owner_id("user-7");
        let pages_of_three = store
            .list(&ListQuery::new().filter(three))
            .unwrap()
            .total_pages();
        Self {
            store,
            pages_of_three,
            sixth: times[leads / 3]..times[leads / 2],
            ids,
        }
    }
}

fn compare(name: &str, stores: &[Filled; 2], call: impl Fn(&Filled)) {
    let mut micros: [Vec<f64>; 2] = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        for (store, micros) in stores.iter().zip(&mut micros) {
            let begun = Instant::now();
            (0..CALLS).for_each(|_| call(store));
            micros.push(begun.elapsed().as_secs_f64() * 1e6 / CALLS as f64);
        }
    }
    let mut ratios: Vec<f64> = micros[0]
        .iter()
        .zip(&micros[1])
        .map(|(small, large)| large / small)
        .collect();
    micros
        .iter_mut()
        .chain([&mut ratios])
        .for_each(|values| values.sort_by(f64::total_cmp));
    let [small, large] = micros.map(|micros| micros[ROUNDS / 2]);
    let (middle, low, high) = (ratios[ROUNDS / 2], ratios[1], ratios[ROUNDS - 2]);
    println!(
        "| {name} | {small:.1} µs | {large:.1} µs | **{middle:.2}** | {low:.2} to {high:.2} |"
    );
}
