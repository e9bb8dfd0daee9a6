//! Pages, filters and sort orders, in examples that are easier to read than the model test.

use std::time::Duration;

use leadstore::chrono::TimeDelta;
use leadstore::rust_decimal::Decimal;
use leadstore::{
    ErrorKind, Filter, Lead, LeadPatch, LeadStore, ListQuery, NewLead, SearchQuery, Sort, SortKey,
    TrashQuery, ViolationCode,
};

use crate::support::{TestStore, day};

fn names(store: &LeadStore, query: ListQuery) -> Vec<String> {
    store
        .list(&query)
        .unwrap()
        .into_iter()
        .map(|lead| lead.name)
        .collect()
}

#[test]
fn missing_values_sort_last_in_both_directions() {
    let store = LeadStore::in_memory().unwrap();
    for (name, company) in [("1", ""), ("2", "b"), ("3", "A"), ("4", ""), ("5", "a")] {
        store.create(NewLead::new(name).company(company)).unwrap();
    }
    assert_eq!(
        names(&store, ListQuery::new().sort([Sort::asc(SortKey::Company)])),
        ["3", "5", "2", "1", "4"]
    );
    assert_eq!(
        names(
            &store,
            ListQuery::new().sort([Sort::desc(SortKey::Company)])
        ),
        ["2", "5", "3", "4", "1"]
    );
}

#[test]
fn sort_keys_apply_in_order_and_ties_use_the_first_direction() {
    let store = LeadStore::in_memory().unwrap();
    for (name, status, value) in [
        ("1", "b", 2),
        ("2", "a", 1),
        ("3", "b", 1),
        ("4", "b", 2),
        ("5", "a", 1),
    ] {
        store
            .create(NewLead::new(name).status(status).deal_value(value))
            .unwrap();
    }
    let sort = |text: &str| {
        text.split(',')
            .map(|key| key.parse::<Sort>().unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        names(&store, ListQuery::new().sort(sort("status,-deal_value"))),
        ["2", "5", "1", "4", "3"]
    );
    assert_eq!(
        names(&store, ListQuery::new().sort(sort("-status,deal_value"))),
        ["3", "4", "1", "5", "2"]
    );
    assert_eq!(
        names(
            &store,
            ListQuery::new().sort(sort("deal_value,-status,name"))
        ),
        ["3", "2", "5", "1", "4"]
    );
}

#[test]
fn page_past_the_end_is_empty_with_the_same_total() {
    let store = LeadStore::in_memory().unwrap();
    for number in 0..7 {
        store.create(NewLead::new(format!("{number}"))).unwrap();
    }
    let page = store.list(&ListQuery::new().per_page(3).page(3)).unwrap();
    assert_eq!(
        (
            page.items.len(),
            page.total,
            page.page,
            page.per_page,
            page.total_pages()
        ),
        (1, 7, 3, 3, 3)
    );
    for page in [4, u64::MAX / 2, u64::MAX] {
        let past = store
            .list(&ListQuery::new().per_page(3).page(page))
            .unwrap();
        assert_eq!((past.items.len(), past.total), (0, 7));
    }
    let window = store.list(&ListQuery::new().window(5, 1_000)).unwrap();
    assert_eq!((window.items.len(), window.total), (2, 7));
    assert_eq!(
        store
            .list(&ListQuery::new().window(u64::MAX, 1))
            .unwrap()
            .items
            .len(),
        0
    );
}

#[test]
fn invalid_queries_report_every_violation() {
    let store = LeadStore::in_memory().unwrap();
    let four = [
        SortKey::Name,
        SortKey::Name,
        SortKey::Email,
        SortKey::DeletedAt,
    ]
    .map(Sort::asc);
    let error = store
        .list(&ListQuery::new().page(0).per_page(101).sort(four))
        .unwrap_err();
    let violations: Vec<(&str, ViolationCode)> = error
        .violations()
        .iter()
        .map(|v| (v.field.as_str(), v.code))
        .collect();
    assert_eq!(
        violations,
        [
            ("page", ViolationCode::OutOfRange),
            ("per_page", ViolationCode::OutOfRange),
            ("sort", ViolationCode::TooLong),
            ("sort", ViolationCode::Duplicate),
            ("sort", ViolationCode::NotAllowed),
        ]
    );
    for query in [
        ListQuery::new().per_page(0),
        ListQuery::new().window(0, 1_001),
        ListQuery::new().window(0, 0),
    ] {
        assert_eq!(store.list(&query).unwrap_err().kind(), ErrorKind::Invalid);
    }
    store
        .list_trash(&TrashQuery::new().sort([Sort::desc(SortKey::DeletedAt)]))
        .unwrap();
    assert_eq!(
        "phone".parse::<Sort>().unwrap_err().violations()[0].field,
        "sort"
    );
}

#[test]
fn filters_match_exactly_and_repeated_values_are_alternatives() {
    let store = LeadStore::in_memory().unwrap();
    for (name, source, owner) in [
        ("1", "web", "ada"),
        ("2", "Web", ""),
        ("3", "we", "bob"),
        ("4", "", "ada"),
    ] {
        store
            .create(NewLead::new(name).source(source).owner_id(owner))
            .unwrap();
    }
    let count = |filter: Filter| store.count(&filter).unwrap();
    assert_eq!(count(Filter::new().source("web")), 1);
    assert_eq!(count(Filter::new().source("web").source("Web")), 2);
    assert_eq!(count(Filter::new().source("w")), 0);
    assert_eq!(count(Filter::new().unassigned()), 1);
    assert_eq!(count(Filter::new().unassigned().owner_id("bob")), 2);
    assert_eq!(count(Filter::new().source("web").owner_id("bob")), 0);
    assert_eq!(count(Filter::new().status("new").owner_id("ada")), 2);
}

#[test]
fn paging_a_snapshot_neither_skips_nor_repeats_leads() {
    let test = TestStore::new();
    let ids: Vec<_> = (0..50)
        .map(|n| test.store.create(NewLead::new(format!("{n}"))).unwrap().id)
        .collect();
    let snapshot = test.store.snapshot().unwrap();
    let mut seen = Vec::new();
    for page in 1..=5 {
        seen.extend(
            snapshot
                .list(&ListQuery::new().per_page(10).page(page))
                .unwrap()
                .into_iter()
                .map(|lead| lead.id),
        );
        for _ in 0..3 {
            test.store.create(NewLead::new("meanwhile")).unwrap();
        }
        test.store.delete(ids[page as usize * 3]).unwrap();
    }
    seen.reverse();
    assert_eq!(seen, ids);
    assert_eq!(test.store.count(&Filter::new()).unwrap(), 60);
}

#[test]
fn page_serializes_like_a_leads_api_response() {
    let test = TestStore::new();
    test.store.create(NewLead::new("Jane Doe")).unwrap();
    let page = test.store.list(&ListQuery::new().per_page(10)).unwrap();
    let json: serde_json::Value = serde_json::to_value(&page).unwrap();
    assert_eq!(json["data"][0]["name"], "Jane Doe");
    assert_eq!(json["data"][0]["created_at"], "2026-03-01T12:00:00.000000Z");
    assert_eq!(
        json["pagination"],
        serde_json::json!({"page": 1, "per_page": 10, "total": 1, "total_pages": 1, "next_cursor": null})
    );
}

#[test]
fn cursor_at_a_deleted_out_of_order_lead_stays_valid() {
    let test = TestStore::new();
    let mut created = Vec::new();
    for number in 0..6 {
        test.clock.advance(Duration::from_secs(3_600));
        created.push(
            test.store
                .create(NewLead::new(format!("{number}")))
                .unwrap(),
        );
    }
    // Set the clock back, so that the next lead's creation time falls between the third lead's and
    // the fourth lead's.
    test.clock
        .set(created[2].created_at + TimeDelta::minutes(30));
    let late = test.store.create(NewLead::new("late")).unwrap();
    for (sort, rest) in [
        ("-created_at", ["2", "1", "0"]),
        ("created_at", ["3", "4", "5"]),
    ] {
        let query = || ListQuery::new().sort([sort.parse().unwrap()]).per_page(4);
        let page = test.store.list(&query()).unwrap();
        assert_eq!(
            page.items.last().map(|lead| lead.id),
            Some(late.id),
            "{sort}"
        );
        test.store.delete(late.id).unwrap();
        assert_eq!(
            names(&test.store, query().after(page.next.unwrap())),
            rest,
            "{sort}"
        );
        test.store.restore(late.id).unwrap();
    }
}

#[test]
fn cursors_neither_skip_nor_repeat_unchanged_leads() {
    for sort in [
        "-created_at",
        "created_at",
        "status,created_at",
        "name",
        "-company",
        "status,-deal_value",
        "owner_id",
        "-deal_value,name",
    ] {
        let test = TestStore::new();
        let mut rng = fastrand::Rng::with_seed(crate::support::seed());
        let random = |rng: &mut fastrand::Rng| {
            let new = NewLead::new(format!("n{}", rng.u32(..30)))
                .status(["new", "won", "lost"][rng.usize(..3)]);
            let new = new
                .company(["", "A", "B"][rng.usize(..3)])
                .owner_id(["", "ada", "bob"][rng.usize(..3)]);
            if rng.bool() {
                new.deal_value(rng.u32(..5))
            } else {
                new
            }
        };
        let create = |rng: &mut fastrand::Rng| {
            if rng.u32(..4) == 0 {
                let hours = leadstore::chrono::TimeDelta::hours(rng.i64(-30..30));
                test.clock.set(leadstore::Clock::now(&test.clock) + hours);
            }
            test.store.create(random(rng)).unwrap().id
        };
        let ids: Vec<_> = (0..200).map(|_| create(&mut rng)).collect();
        let keys: Vec<Sort> = sort.split(',').map(|key| key.parse().unwrap()).collect();
        let query = ListQuery::new().sort(keys).per_page(9);
        let mut changed = std::collections::BTreeSet::new();
        let mut seen = std::collections::BTreeMap::new();
        let mut page = test.store.list(&query).unwrap();
        let mut number = 1;
        loop {
            assert_eq!(page.page, number);
            number += 1;
            for lead in &page {
                *seen.entry(lead.id).or_insert(0) += 1;
            }
            let Some(cursor) = page.next else { break };
            // Also change the lead that the cursor points to.
            for id in [
                ids[rng.usize(..200)],
                ids[rng.usize(..200)],
                page.items[rng.usize(..page.items.len())].id,
                page.items.last().unwrap().id,
            ] {
                changed.insert(id);
                let patch = LeadPatch::new()
                    .name(format!("n{}", rng.u32(..30)))
                    .status("won")
                    .owner_id("cleo");
                match rng.u32(..3) {
                    0 => drop(test.store.update(id, patch)),
                    1 => drop(test.store.delete(id)),
                    _ => drop(test.store.restore(id)),
                }
                create(&mut rng);
            }
            page = test.store.list(&query.clone().after(cursor)).unwrap();
        }
        for id in ids.iter().filter(|id| !changed.contains(id)) {
            assert_eq!(seen.get(id), Some(&1), "{sort}: {id}");
        }
        assert!(
            ids.len() > changed.len() + 20,
            "too few leads remained unchanged"
        );
    }
}

#[test]
fn cursor_is_valid_only_for_its_filter_and_sort() {
    let store = LeadStore::in_memory().unwrap();
    for number in 0..5 {
        store
            .create(NewLead::new(format!("{number}")).status("won"))
            .unwrap();
    }
    let won = || {
        ListQuery::new()
            .filter(Filter::new().status("won"))
            .per_page(2)
    };
    let cursor = store.list(&won()).unwrap().next.unwrap();
    assert_eq!(names(&store, won().after(cursor.clone())), ["2", "1"]);
    assert_eq!(
        names(&store, won().per_page(4).after(cursor.clone())),
        ["2", "1", "0"]
    );
    let newest_first = won().sort([Sort::desc(SortKey::CreatedAt)]);
    assert_eq!(
        names(&store, newest_first.after(cursor.clone())),
        ["2", "1"],
        "the default sort, spelled out"
    );
    for other in [
        ListQuery::new(),
        won().sort([Sort::asc(SortKey::Name)]),
        ListQuery::new().filter(Filter::new().source("won")),
    ] {
        let error = store.list(&other.after(cursor.clone())).unwrap_err();
        assert_eq!(
            (error.kind(), &*error.violations()[0].field),
            (ErrorKind::Invalid, "cursor")
        );
    }
    let either = |first: &str, second: &str| {
        ListQuery::new()
            .filter(Filter::new().status(first).status(second))
            .per_page(2)
    };
    let cursor_of_either = store.list(&either("won", "new")).unwrap().next.unwrap();
    assert_eq!(
        names(&store, either("new", "won").after(cursor_of_either)),
        ["2", "1"],
        "the order of the values does not matter"
    );
    assert_eq!(
        "nonsense".parse::<leadstore::Cursor>().unwrap_err().kind(),
        ErrorKind::Invalid
    );
    assert_eq!(store.list(&won().per_page(5)).unwrap().next, None);
    let json = serde_json::to_value(store.list(&won()).unwrap()).unwrap();
    assert_eq!(json["pagination"]["next_cursor"], cursor.to_string());
}

#[test]
fn lists_are_consistent_across_bitmap_chunks() {
    const LEADS: usize = 70_000;
    let clock = leadstore::testing::ManualClock::at(crate::support::day(2026, 3, 1));
    let store = crate::support::options(&clock).in_memory().unwrap();
    let late = 68_000;
    store
        .transaction(|t| {
            for number in 0..LEADS {
                if number == late {
                    clock.set(crate::support::day(2026, 2, 1));
                }
                let status = if number % 3 == 0 { "third" } else { "other" };
                t.create(
                    NewLead::new(format!("{number:06}"))
                        .status(status)
                        .source(status),
                )?;
            }
            Ok(())
        })
        .unwrap();
    let third = || ListQuery::new().filter(Filter::new().status("third"));
    let total = LEADS.div_ceil(3);
    assert_eq!(store.list(&third()).unwrap().total, total as u64);
    let statuses = |filter| {
        let facets = store.facets(&filter).unwrap();
        facets
            .statuses
            .into_iter()
            .map(|status| (status.status, status.leads))
            .collect::<Vec<_>>()
    };
    let other = ("other".to_owned(), (LEADS - total) as u64);
    assert_eq!(
        statuses(Filter::new()),
        [other, ("third".to_owned(), total as u64)]
    );
    let sources = store.facets(&Filter::new()).unwrap().sources;
    let counts: Vec<_> = sources
        .iter()
        .map(|source| (source.value.as_deref(), source.leads))
        .collect();
    assert_eq!(
        counts,
        [
            (Some("other"), (LEADS - total) as u64),
            (Some("third"), total as u64)
        ]
    );
    assert_eq!(
        statuses(Filter::new().status("third")),
        [("third".to_owned(), total as u64)]
    );
    // The leads are named by their numbers, so a list sorted by name has ascending numbers. A list
    // sorted by creation time begins with the leads that were created after the clock was set back.
    let late_thirds: Vec<usize> = (0..LEADS)
        .filter(|number| number % 3 == 0 && *number >= late)
        .collect();
    let by_creation: Vec<usize> = late_thirds
        .iter()
        .copied()
        .chain((0..late).filter(|number| number % 3 == 0))
        .collect();
    for (offset, limit) in [
        (0, 1_000),
        (total - 1_000, 1_000),
        (total / 2, 50),
        (late_thirds.len() - 3, 6),
    ] {
        let window = |sort: &str| {
            let query = third()
                .sort([sort.parse().unwrap()])
                .window(offset as u64, limit as u32);
            names(&store, query)
                .iter()
                .map(|name| name.parse::<usize>().unwrap())
                .collect::<Vec<_>>()
        };
        let expected: Vec<usize> = (0..LEADS)
            .filter(|number| number % 3 == 0)
            .skip(offset)
            .take(limit)
            .collect();
        assert_eq!(window("name"), expected);
        assert_eq!(
            window("created_at"),
            by_creation[offset..(offset + limit).min(total)]
        );
        let backwards: Vec<usize> = by_creation
            .iter()
            .rev()
            .copied()
            .skip(offset)
            .take(limit)
            .collect();
        assert_eq!(window("-created_at"), backwards);
    }
    for (sort, first, last) in [("status", "other", "third"), ("-status", "third", "other")] {
        let at = |offset: u64| {
            let query = ListQuery::new()
                .sort([sort.parse().unwrap()])
                .window(offset, 1);
            store.list(&query).unwrap().items.remove(0).status
        };
        assert_eq!(
            (at(0).as_str(), at(LEADS as u64 - 1).as_str()),
            (first, last)
        );
        let boundary = if first == "third" {
            total
        } else {
            LEADS - total
        } as u64;
        assert_eq!(
            (at(boundary - 1).as_str(), at(boundary).as_str()),
            (first, last),
            "{sort}"
        );
    }
}

#[test]
fn facets_are_exact_before_and_after_a_checkpoint() {
    let mut test = TestStore::new();
    let create = |store: &LeadStore, from: u32, to: u32| {
        store
            .transaction(|t| {
                (from..to).try_for_each(|n| {
                    let lead = NewLead::new(format!("{n}")).status(["new", "won"][n as usize % 2]);
                    // Long ranges of rows have no deal value, so that the column lacks some of its
                    // blocks of 512 rows.
                    let lead = if n % 2_000 < 600 {
                        lead.deal_value(Decimal::new(i64::from(n), 2))
                    } else {
                        lead
                    };
                    t.create(lead).map(drop)
                })
            })
            .unwrap();
    };
    let check = |store: &LeadStore, count: u32| {
        let facets = store.facets(&Filter::new()).unwrap();
        for (index, status) in facets.statuses.iter().enumerate() {
            let valued = || (0..count).filter(|n| n % 2_000 < 600 && *n as usize % 2 == index);
            assert_eq!(
                (status.leads, status.deals),
                (u64::from(count / 2), valued().count() as u64)
            );
            assert_eq!(
                status.deal_value,
                Decimal::new(valued().map(i64::from).sum(), 2)
            );
        }
        assert_eq!(facets.statuses.len(), 2);
        assert_eq!(
            (facets.owners[0].value.as_deref(), facets.owners[0].leads),
            (None, facets.total)
        );
    };
    create(&test.store, 0, 3_000);
    check(&test.store, 3_000);
    test.reopen();
    check(&test.store, 3_000);
    create(&test.store, 3_000, 12_000);
    check(&test.store, 12_000);
    let first = test
        .store
        .list(&ListQuery::new().sort([Sort::asc(SortKey::CreatedAt)]))
        .unwrap()
        .items[2]
        .id;
    test.store
        .update(first, LeadPatch::new().clear_deal_value().status("won"))
        .unwrap();
    let won = &test
        .store
        .facets(&Filter::new().status("won"))
        .unwrap()
        .statuses;
    assert_eq!((won.len(), won[0].leads, won[0].deals), (1, 6_001, 1_800));
    test.reopen();
    assert_eq!(
        &test
            .store
            .facets(&Filter::new().status("won"))
            .unwrap()
            .statuses,
        won
    );
}

#[test]
fn facets_count_exactly_the_leads_that_a_filter_selects() {
    let test = TestStore::new();
    let mut leads: Vec<Lead> = Vec::new();
    for n in 0..40_u32 {
        test.clock.set(day(2026, 3, 1 + n / 2));
        let mut lead =
            NewLead::new(format!("lead {n}")).status(["new", "won", "lost"][n as usize % 3]);
        lead = if n % 4 > 0 {
            lead.source(["web", "fair", "call"][n as usize % 4 - 1])
        } else {
            lead
        };
        lead = if n % 5 > 1 {
            lead.owner_id(["ada", "bob", "eve"][n as usize % 5 - 2])
        } else {
            lead
        };
        lead = if n % 7 > 2 {
            lead.tags([["hot"], ["cold"]][n as usize % 2])
        } else {
            lead
        };
        lead = if n % 2 > 0 { lead.deal_value(n) } else { lead };
        leads.push(test.store.create(lead).unwrap());
    }
    test.clock.set(day(2026, 4, 1));
    for lead in leads.iter_mut().filter(|lead| lead.status == "won") {
        *lead = test
            .store
            .update(lead.id, LeadPatch::new().name("changed"))
            .unwrap();
    }
    let (from, to) = (day(2026, 3, 5), day(2026, 3, 12));
    type Predicate = fn(&Lead) -> bool;
    let parts: [(Filter, Predicate); 9] = [
        (Filter::new(), |_| true),
        (Filter::new().status("won"), |lead| lead.status == "won"),
        (Filter::new().source("web").source("call"), |lead| {
            matches!(lead.source.as_deref(), Some("web" | "call"))
        }),
        (Filter::new().owner_id("ada"), |lead| {
            lead.owner_id.as_deref() == Some("ada")
        }),
        (Filter::new().unassigned(), |lead| lead.owner_id.is_none()),
        (Filter::new().tag("hot"), |lead| {
            lead.tags.iter().any(|tag| tag == "hot")
        }),
        (Filter::new().created(from..to), |lead| {
            (day(2026, 3, 5)..day(2026, 3, 12)).contains(&lead.created_at)
        }),
        (Filter::new().updated(to..), |lead| {
            lead.updated_at >= day(2026, 3, 12)
        }),
        (
            Filter::new().deal_value(Decimal::from(7)..Decimal::from(21)),
            |lead| {
                lead.deal_value
                    .is_some_and(|value| (Decimal::from(7)..Decimal::from(21)).contains(&value))
            },
        ),
    ];
    for (filter, is_selected) in parts {
        let selected: Vec<&Lead> = leads.iter().filter(|lead| is_selected(lead)).collect();
        let count =
            |of: &dyn Fn(&Lead) -> bool| selected.iter().filter(|lead| of(lead)).count() as u64;
        let facets = test.store.facets(&filter).unwrap();
        assert_eq!(facets.total, selected.len() as u64, "{filter:?}");
        for facet in &facets.statuses {
            let of_status = |lead: &&&Lead| lead.status == facet.status;
            let deals: Vec<Decimal> = selected
                .iter()
                .filter(of_status)
                .filter_map(|lead| lead.deal_value)
                .collect();
            assert_eq!(
                facet.leads,
                count(&|lead| lead.status == facet.status),
                "{filter:?}: {facet:?}"
            );
            assert_eq!(
                (facet.deals, facet.deal_value),
                (deals.len() as u64, deals.iter().sum()),
                "{filter:?}: {facet:?}"
            );
        }
        for facet in &facets.sources {
            assert_eq!(
                facet.leads,
                count(&|lead| lead.source == facet.value),
                "{filter:?}: {facet:?}"
            );
        }
        for facet in &facets.owners {
            assert_eq!(
                facet.leads,
                count(&|lead| lead.owner_id == facet.value),
                "{filter:?}: {facet:?}"
            );
        }
        for facet in &facets.tags {
            assert_eq!(
                facet.leads,
                count(&|lead| lead
                    .tags
                    .iter()
                    .any(|tag| Some(tag) == facet.value.as_ref())),
                "{filter:?}"
            );
        }
        let sum =
            |facets: &[leadstore::ValueFacet]| facets.iter().map(|facet| facet.leads).sum::<u64>();
        assert_eq!(
            (sum(&facets.sources), sum(&facets.owners)),
            (facets.total, facets.total),
            "{filter:?}"
        );
        assert_eq!(
            sum(&facets.tags),
            count(&|lead| !lead.tags.is_empty()),
            "{filter:?}"
        );
    }
}

/// A mistyped filter value must be an error. An empty result would hide the mistake.
#[test]
fn filter_value_that_no_lead_can_have_is_invalid_in_every_read() {
    let store = LeadStore::in_memory().unwrap();
    store.create(NewLead::new("Jane").status("new")).unwrap();
    let long = "x".repeat(256);
    for (filter, field) in [
        (Filter::new().status("NEW"), "status"),
        (Filter::new().status("new").status(""), "status"),
        (Filter::new().source("a,b"), "source"),
        (Filter::new().source(" website"), "source"),
        (Filter::new().owner_id("ada lovelace"), "owner_id"),
        (Filter::new().tag(" "), "tag"),
        (Filter::new().job_title(long.as_str()), "job_title"),
    ] {
        let query = ListQuery::new().filter(filter.clone()).per_page(0);
        let search = SearchQuery::new(" ").filter(filter.clone());
        let snapshot = store.snapshot().unwrap();
        for (error, count) in [
            (store.list(&query).unwrap_err(), 2),
            (store.search(&search).unwrap_err(), 2),
            (snapshot.search(&search).unwrap_err(), 2),
            (store.count(&filter).unwrap_err(), 1),
            (store.facets(&filter).unwrap_err(), 1),
            (store.leads(&filter).next().unwrap().unwrap_err(), 1),
        ] {
            assert_eq!(error.kind(), ErrorKind::Invalid, "{filter:?}");
            assert_eq!(error.violations().len(), count, "{error}");
            assert_eq!(error.violations()[0].field, field, "{error}");
        }
    }
}
