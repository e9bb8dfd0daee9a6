//! A search for arbitrary text is either rejected or returns match ranges that are valid in the
//! lead's name. The result is the same with and without a search index.
#![no_main]

mod store;

use std::sync::OnceLock;

use leadstore::{SearchField, LeadStore, SearchQuery, TypoTolerance};
use libfuzzer_sys::fuzz_target;

fn stores() -> &'static [LeadStore; 2] {
    static STORES: OnceLock<[LeadStore; 2]> = OnceLock::new();
    STORES.get_or_init(|| {
        [false, true].map(|is_indexed| {
            let store = store::options().in_memory().expect("the store should open");
            store::fill(&store);
            if is_indexed {
                leadstore::testing::index(&store).expect("the leads should be indexed");
            }
            store
        })
    })
}

fuzz_target!(|input: (&str, Vec<&str>, u8, u8)| {
    let (text, fields, typos, page) = input;
    let fields: Vec<SearchField> = fields.iter().filter_map(|name| name.parse().ok()).collect();
    let typos = [TypoTolerance::Auto, TypoTolerance::Always, TypoTolerance::Never][typos as usize % 3];
    let query = SearchQuery::new(text)
        .fields(fields)
        .typos(typos)
        .page(page.into())
        .per_page(10);
    let [recent, indexed] = stores();
    match (recent.search(&query), indexed.search(&query)) {
        (Ok(recent), Ok(indexed)) => {
            assert_eq!(recent.total, indexed.total, "{text:?}");
            let names = |page: &leadstore::Page<leadstore::Hit>| {
                page.items
                    .iter()
                    .map(|hit| (hit.lead.name.clone(), hit.matches.clone()))
                    .collect::<Vec<_>>()
            };
            assert_eq!(names(&recent), names(&indexed), "{text:?}");
            for hit in &indexed.items {
                for found in hit
                    .matches
                    .iter()
                    .filter(|found| found.field == SearchField::Name)
                {
                    assert!(
                        found
                            .ranges
                            .iter()
                            .all(|range| hit.lead.name.get(range.clone()).is_some()),
                        "{text:?}"
                    );
                }
            }
        }
        (Err(recent), Err(indexed)) => assert_eq!(recent.kind(), indexed.kind(), "{text:?}"),
        _ => panic!("only one of the stores rejects the query: {text:?}"),
    }
});
