//! The order of hits: each ranking rule on its own, and random queries against a brute-force
//! search.

use std::collections::BTreeMap;

use fastrand::Rng;
use leadstore::{
    Filter, Lead, LeadId, LeadPatch, LeadStore, NewLead, SearchField, SearchQuery, SearchState,
    TypoTolerance,
};

use crate::brute_force::BruteForceSearch;
use crate::support::{TestStore, scale, seed, wait_until};

/// Asserts that a query returns the leads in this order, regardless of the order in which they were
/// created and of whether all, half or none of them are indexed.
fn assert_order(query: &SearchQuery, expected: &[NewLead]) {
    for indexed in [0, expected.len() / 2, expected.len()] {
        for backwards in [false, true] {
            let mut test = TestStore::new();
            let mut order: Vec<usize> = (0..expected.len()).collect();
            if backwards {
                order.reverse();
            }
            let mut ids = BTreeMap::new();
            for (count, index) in order.iter().enumerate() {
                if count == indexed {
                    test.reopen();
                }
                ids.insert(
                    *index,
                    test.store.create(expected[*index].clone()).unwrap().id,
                );
            }
            if indexed == expected.len() {
                test.reopen();
            }
            let found: Vec<LeadId> = test
                .store
                .search(query)
                .unwrap()
                .into_iter()
                .map(|hit| hit.lead.id)
                .collect();
            assert_eq!(
                found,
                ids.into_values().collect::<Vec<_>>(),
                "{query:?}, {indexed} indexed"
            );
        }
    }
}

fn lead(name: &str) -> NewLead {
    NewLead::new(name)
}

#[test]
fn fewer_typos_rank_first() {
    let always = SearchQuery::new("jonathan ").typos(TypoTolerance::Always);
    assert_order(
        &always,
        &[lead("Jonathan"), lead("Jonatan"), lead("Jonatna")],
    );
    let of_two_words = SearchQuery::new("jane doeling ").typos(TypoTolerance::Always);
    assert_order(
        &of_two_words,
        &[
            lead("Jane Doeling"),
            lead("Jame Doeling"),
            lead("Jame Doelign"),
        ],
    );
}

#[test]
fn complete_last_word_ranks_before_a_prefix_match() {
    assert_order(
        &SearchQuery::new("ann"),
        &[lead("Mary Ann Smith"), lead("Anna")],
    );
    assert_order(
        &SearchQuery::new("mary ann"),
        &[lead("Ann Smith").company("Mary"), lead("Mary Anna")],
    );
}

#[test]
fn value_equal_to_the_query_ranks_before_a_longer_one() {
    assert_order(
        &SearchQuery::new("mary ann "),
        &[lead("Mary Ann"), lead("Mary Ann Smith")],
    );
    assert_order(
        &SearchQuery::new("smith "),
        &[lead("x").company("Smith"), lead("Smith Jane")],
    );
    assert_order(
        &SearchQuery::new("jane@example.com "),
        &[
            lead("x").email("jane@example.com"),
            lead("jane@example.com ltd"),
        ],
    );
    let number = SearchQuery::new("504 621 8927");
    assert_order(
        &number,
        &[
            lead("a").phone("5046218927"),
            lead("b").phone("+1 504 621 8927"),
        ],
    );
}

#[test]
fn equal_tag_or_custom_field_does_not_outrank_a_person_of_that_name() {
    assert_order(
        &SearchQuery::new("smith "),
        &[lead("Smith Jane"), lead("x").tags(["a b", "Smith"])],
    );
    assert_order(
        &SearchQuery::new("cold call"),
        &[lead("Cold Call Company"), lead("x").tags(["cold call"])],
    );
    assert_order(
        &SearchQuery::new("baker "),
        &[
            lead("Mary Baker"),
            lead("x").source("Baker"),
            lead("x").job_title("Baker"),
            lead("x").custom_field("trade", "Baker"),
        ],
    );
}

#[test]
fn adjacent_words_rank_before_separate_ones() {
    assert_order(
        &SearchQuery::new("mary smith "),
        &[lead("Dr Mary Smith"), lead("Smith Mary")],
    );
    assert_order(
        &SearchQuery::new("mary smith "),
        &[
            lead("x").tags(["a mary smith"]),
            lead("Mary").tags(["smith"]),
        ],
    );
    assert_order(
        &SearchQuery::new("mary smith "),
        &[
            lead("x y").company("y mary smith"),
            lead("Mary").tags(["smith"]),
        ],
    );
}

#[test]
fn hits_rank_by_field() {
    assert_order(
        &SearchQuery::new("acme "),
        &[
            lead("Acme x"),
            lead("a").company("Acme x"),
            lead("b").email("acme@x.example"),
            lead("c").tags(["acme x"]),
            lead("d").source("acme x"),
            lead("e").custom_field("any", "acme x"),
        ],
    );
    let digits = [
        lead("a").phone("5046218927"),
        lead("b").custom_field("fax", "5046218927 x"),
    ];
    assert_order(&SearchQuery::new("5046218927 "), &digits);
    // The field of the first query word decides.
    assert_order(
        &SearchQuery::new("acme jane "),
        &[lead("Acme").tags(["jane"]), lead("Jane").tags(["acme"])],
    );
}

#[test]
fn ties_sort_newest_first_and_page_without_gaps_or_repeats() {
    let test = TestStore::new();
    let mut ids: Vec<LeadId> = (0..57)
        .map(|number| {
            test.store
                .create(lead(&format!("Jane {number}")))
                .unwrap()
                .id
        })
        .collect();
    ids.reverse();
    wait_until("the index", || {
        test.store.search_status().state == SearchState::Ready
    });
    let snapshot = test.store.snapshot().unwrap();
    let page = |page| {
        snapshot
            .search(&SearchQuery::new("jane ").per_page(10).page(page))
            .unwrap()
    };
    let paged: Vec<LeadId> = (1..=7).flat_map(page).map(|hit| hit.lead.id).collect();
    assert_eq!(paged, ids);
}

const NAMES: &[&str] = &[
    "Jane Doe",
    "Jane Doeling",
    "Janet Doe",
    "Doe Jane",
    "Mary Ann Smith",
    "Ann Mary",
    "José García",
    "Jose Garcia-Lopez",
    "Zoë Ångström",
    "Nguyễn Văn Đức",
    "Łukasz Nowak",
    "İlkay Işık",
    "Ελένη Παππά",
    "Пётр Сёмин",
    "מרים כהן",
    "محمد علي",
    "田中太郎",
    "東京タワー",
    "김민수 서울",
    "Christopher Johnson",
    "Cristopher Jonson",
    "Christine Johnsson",
    "Smith",
    "O'Brien Pat",
    "Li Wei",
    "a",
    "ab",
    "Jane",
    "王小明",
];
const EMAILS: &[&str] = &[
    "jane@example.com",
    "jane.doe@example.com",
    "doe@jane.example",
    "j.garcia@mail.example.org",
    "smith@example.co",
    "info@tokyo-tower.example",
];
const COMPANIES: &[&str] = &[
    "Example Corp",
    "Example Com",
    "Smith & Jane",
    "Johnson Brothers",
    "Søren's Café",
    "東京タワー株式会社",
    "Mary Ann",
];
const PHONES: &[&str] = &[
    "504-621-8927",
    "(504) 621 8927",
    "+1 504 621 8927",
    "5046218927",
    "1-504-621-8927",
    "030/621892",
    "504 621 / 621 8927",
    "06 28 12 34 56",
    "0504 621892 / 0171 333444",
    "+33 6 28 12 34 56",
    "628123456",
    "0033 (0)6 28 12 34 56",
    "555 0123",
    "+1-555-0123",
    "000 1234",
    "12345",
];
const TAGS: &[&str] = &[
    "vip",
    "cold call",
    "jane",
    "example com",
    "café",
    "5046218927",
];
const NOTES: &[&str] = &[
    "call jane doe",
    "Example Corp",
    "504 621 8927",
    "2024",
    "smith johnson",
    "Technology",
];

fn pick<'a>(rng: &mut Rng, pool: &[&'a str]) -> &'a str {
    pool[rng.usize(..pool.len())]
}

fn random_lead(rng: &mut Rng) -> NewLead {
    let mut new = lead(pick(rng, NAMES));
    if rng.bool() {
        new = new.email(pick(rng, EMAILS));
    }
    if rng.bool() {
        new = new.company(pick(rng, COMPANIES));
    }
    if rng.bool() {
        new = new.phone(pick(rng, PHONES));
    }
    let mut tags: Vec<&str> = TAGS.iter().copied().filter(|_| rng.u32(..5) == 0).collect();
    rng.shuffle(&mut tags);
    new = new.tags(tags);
    if rng.u32(..3) == 0 {
        new = new.source(pick(rng, &["website", "trade fair", "jane"]));
    }
    if rng.u32(..3) == 0 {
        new = new.custom_field("notes", pick(rng, NOTES));
    }
    match rng.u32(..6) {
        0 => new.custom_field("more", vec![pick(rng, NOTES), pick(rng, NOTES)]),
        1 => new.custom_field("year", 2024_i64),
        2 => new.custom_field("rate", 1.5),
        _ => new,
    }
}

/// Returns a random query, made of pieces of a lead's values and of other notes and names. Some
/// queries are also mangled.
fn random_query(rng: &mut Rng, leads: &[Lead]) -> String {
    let Some(lead) = leads.get(rng.usize(..leads.len().max(1))) else {
        return "jane".to_owned();
    };
    let mut values = vec![lead.name.as_str()];
    values.extend(
        [&lead.email, &lead.company, &lead.phone, &lead.source]
            .into_iter()
            .flatten()
            .map(String::as_str),
    );
    values.extend(
        lead.tags
            .iter()
            .map(String::as_str)
            .chain([pick(rng, NOTES), pick(rng, NAMES)]),
    );
    let mut parts: Vec<String> = Vec::new();
    for _ in 0..[1, 1, 1, 2, 2, 3][rng.usize(..6)] {
        let value = pick(rng, &values);
        let part = match rng.u32(..6) {
            0 => value.to_owned(),
            1 | 2 => pick(rng, &value.split(' ').collect::<Vec<_>>()).to_owned(),
            3 => value.chars().take(rng.usize(1..6)).collect(),
            4 => value
                .chars()
                .skip(rng.usize(..4))
                .take(rng.usize(1..9))
                .collect(),
            _ => format!("\"{value}\""),
        };
        parts.push(part);
    }
    let mut text = parts.join(" ");
    for _ in 0..rng.u32(..2) + rng.u32(..2) {
        text = match rng.u32(..7) {
            0 => text.to_uppercase(),
            1 => text.replace(['é', 'ë'], "e"),
            2 => text.split(' ').rev().collect::<Vec<_>>().join(" "),
            3 => text + " ",
            4 => text.replace(' ', "-"),
            _ => mistype(rng, &text),
        };
    }
    if text.trim().is_empty() {
        "jane".to_owned()
    } else {
        text
    }
}

fn mistype(rng: &mut Rng, text: &str) -> String {
    let mut letters: Vec<char> = text.chars().collect();
    let at = rng.usize(..letters.len().max(1));
    match rng.u32(..4) {
        _ if at + 1 >= letters.len() => letters.push('e'),
        0 => letters.swap(at, at + 1),
        1 => letters[at] = 'n',
        2 => letters.insert(at, 'a'),
        _ => drop(letters.remove(at)),
    }
    letters.into_iter().collect()
}

#[test]
fn answers_match_a_brute_force_search() {
    const STORES: usize = 4;
    const QUERIES: usize = 500;
    let mut rng = Rng::with_seed(seed());
    let mut nonempty = 0;
    for _ in 0..STORES * scale() {
        let mut test = TestStore::new();
        for _ in 0..QUERIES / 100 {
            apply_random_writes(&mut rng, &test.store, 40);
            if rng.bool() {
                // Closing indexes everything written so far, in a segment of its own.
                test.reopen();
            }
            let unindexed = rng.usize(..20);
            apply_random_writes(&mut rng, &test.store, unindexed);
            let mut leads: Vec<Lead> = test
                .store
                .leads(&Filter::new())
                .map(Result::unwrap)
                .collect();
            leads.reverse();
            let all = BruteForceSearch::new(&leads);
            let new = BruteForceSearch::new(leads.iter().filter(|lead| lead.status == "new"));
            for _ in 0..100 {
                let text = random_query(&mut rng, &leads);
                let fields = match rng.u32(..16) {
                    0 => vec![SearchField::Name],
                    1 => vec![SearchField::Email, SearchField::Company],
                    2 => vec![SearchField::CustomField("notes".into())],
                    3 => vec![
                        SearchField::Phone,
                        SearchField::CustomFields,
                        SearchField::CustomField("more".into()),
                    ],
                    _ => vec![],
                };
                let typos = [
                    TypoTolerance::Auto,
                    TypoTolerance::Auto,
                    TypoTolerance::Always,
                    TypoTolerance::Never,
                ][rng.usize(..4)];
                let filtered = rng.u32(..4) == 0;
                let filter = if filtered {
                    Filter::new().status("new")
                } else {
                    Filter::new()
                };
                let query = SearchQuery::new(&*text)
                    .fields(fields.clone())
                    .typos(typos)
                    .filter(filter)
                    .per_page(100);
                let found = test.store.search(&query).unwrap();
                let expected = if filtered { &new } else { &all }.search(&text, &fields, typos);
                nonempty += usize::from(!expected.is_empty());
                assert_eq!(found.total, expected.len() as u64, "{query:?}");
                let found_ids: Vec<_> = found
                    .items
                    .iter()
                    .map(|hit| (hit.lead.id, &hit.lead.name))
                    .collect();
                let expected_ids: Vec<_> = expected
                    .iter()
                    .map(|(lead, _)| (lead.id, &lead.name))
                    .collect();
                assert_eq!(
                    found_ids,
                    expected_ids[..found_ids.len()],
                    "{query:?}\n{expected:#?}"
                );
                assert!(
                    found.items.iter().all(|hit| !hit.matches.is_empty()),
                    "hit without a match: {query:?}"
                );
            }
        }
    }
    println!("{nonempty} queries with hits");
    assert!(
        nonempty * 3 > STORES * scale() * QUERIES,
        "too few queries with hits: {nonempty}"
    );
}

/// Applies random creates, updates, deletes, restores and purges.
fn apply_random_writes(rng: &mut Rng, store: &LeadStore, writes: usize) {
    let mut live: Vec<LeadId> = store
        .leads(&Filter::new())
        .map(|lead| lead.unwrap().id)
        .collect();
    let mut trashed: Vec<LeadId> = Vec::new();
    for _ in 0..writes {
        match rng.u32(..8) {
            0 if !live.is_empty() => {
                let id = live.swap_remove(rng.usize(..live.len()));
                store.delete(id).unwrap();
                trashed.push(id);
            }
            1 if !live.is_empty() => {
                let status = if rng.bool() { "new" } else { "won" };
                let patch = LeadPatch::new().name(pick(rng, NAMES)).status(status);
                store.update(live[rng.usize(..live.len())], patch).unwrap();
            }
            2 if !trashed.is_empty() => {
                let id = trashed.swap_remove(rng.usize(..trashed.len()));
                if rng.bool() {
                    store.purge(id).unwrap();
                } else {
                    store.restore(id).unwrap();
                    live.push(id);
                }
            }
            _ => live.push(store.create(random_lead(rng)).unwrap().id),
        }
    }
}
