//! A list with an arbitrary filter, sort order, page and cursor is either rejected or consistent:
//! its total is the number of leads that an iteration returns, and two consecutive pages do not
//! overlap. The facets add up to the same total.
#![no_main]

mod store;

use std::sync::OnceLock;

use leadstore::{Cursor, ErrorKind, Filter, LeadStore, ListQuery, Sort};
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    status: Vec<&'a str>,
    source: Vec<&'a str>,
    owner_id: Vec<&'a str>,
    tag: Vec<&'a str>,
    unassigned: bool,
    values: Option<(i32, i32)>,
    sort: Vec<&'a str>,
    known_sort: u8,
    page: u64,
    per_page: u32,
    window: Option<(u64, u32)>,
    cursor: Option<&'a str>,
    /// A bit for each of the filters that select leads of the store.
    known_values: u8,
}

fn shared() -> &'static LeadStore {
    static STORE: OnceLock<LeadStore> = OnceLock::new();
    STORE.get_or_init(|| {
        let store = store::options().in_memory().expect("the store should open");
        store::fill(&store);
        store
    })
}

fuzz_target!(|input: Input<'_>| {
    let store = shared();
    let mut filter = Filter::new();
    filter = input
        .status
        .iter()
        .fold(filter, |filter, value| filter.status(*value));
    filter = input
        .source
        .iter()
        .fold(filter, |filter, value| filter.source(*value));
    filter = input
        .owner_id
        .iter()
        .fold(filter, |filter, value| filter.owner_id(*value));
    filter = input
        .tag
        .iter()
        .fold(filter, |filter, value| filter.tag(*value));
    if input.unassigned {
        filter = filter.unassigned();
    }
    let known_values: [fn(Filter) -> Filter; 4] = [
        |filter| filter.status("new"),
        |filter| filter.status("won").source("Web"),
        |filter| filter.owner_id("ada"),
        |filter| filter.tag("a"),
    ];
    for (bit, select) in known_values.iter().enumerate() {
        if input.known_values & 1 << bit != 0 {
            filter = select(filter);
        }
    }
    if let Some((from, to)) = input.values {
        filter = filter.deal_value(
            leadstore::rust_decimal::Decimal::from(from)
                ..leadstore::rust_decimal::Decimal::from(to),
        );
    }
    let known = [
        "name",
        "-email",
        "company",
        "deal_value",
        "-status",
        "source",
        "owner_id",
        "updated_at",
        "created_at",
    ];
    let named = input
        .sort
        .iter()
        .copied()
        .chain([known[input.known_sort as usize % known.len()]]);
    let sort: Vec<Sort> = named.filter_map(|name| name.parse().ok()).collect();
    let mut query = ListQuery::new()
        .filter(filter.clone())
        .sort(sort)
        .page(input.page)
        .per_page(input.per_page);
    if let Some((offset, limit)) = input.window {
        query = query.window(offset, limit);
    }
    if let Some(cursor) = input
        .cursor
        .and_then(|cursor| cursor.parse::<Cursor>().ok())
    {
        query = query.after(cursor);
    }
    let all = match store.count(&filter) {
        Ok(all) => all,
        Err(error) => {
            // A value that no lead can have is rejected by every read.
            assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
            assert!(store.list(&query).is_err() && store.facets(&filter).is_err());
            assert!(store.leads(&filter).next().is_some_and(|lead| lead.is_err()));
            return;
        }
    };
    assert_eq!(store.leads(&filter).count() as u64, all);
    if let Ok(page) = store.list(&query) {
        assert_eq!(page.total, all, "{input:?}");
        assert!(page.items.len() as u64 <= page.total);
        if let Some(next) = page.next {
            let again: Cursor = next.to_string().parse().expect("the cursor should parse");
            let after = store.list(&query.after(again)).expect("the next page should load");
            assert!(
                after
                    .items
                    .iter()
                    .all(|lead| page.items.iter().all(|seen| seen.id != lead.id)),
                "{input:?}"
            );
        }
    }
    let facets = store.facets(&filter).expect("the facets should load");
    assert_eq!(
        facets
            .statuses
            .iter()
            .map(|status| status.leads)
            .sum::<u64>(),
        all
    );
});
