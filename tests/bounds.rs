//! Upper bounds on the memory that one call needs, whatever its arguments, measured by a counting
//! allocator.
//!
//! These tests are a binary of their own, because the allocator counts the memory of the whole
//! process. The tests that measure memory run one at a time.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use leadstore::testing;
use leadstore::{
    CustomValue, ErrorKind, Filter, LeadId, LeadPatch, LeadStore, ListQuery, NewLead, SearchField,
    SearchQuery, Sort, TrashQuery, TypoTolerance,
};
use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// Returns a guard that only one test holds at a time, so that tests do not measure each other's
/// memory.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns the result of `work` and its peak memory use in bytes.
fn peak_of<T>(work: impl FnOnce() -> T) -> (T, usize) {
    ALLOCATOR.reset_peak_usage();
    let before = ALLOCATOR.current_usage();
    let result = work();
    (result, ALLOCATOR.peak_usage().saturating_sub(before))
}

#[test]
fn search_in_many_custom_fields_with_long_names_needs_little_memory() {
    let _alone = alone();
    // Without threads, so that the lead is in the index once `index` has returned.
    let store = testing::without_threads(LeadStore::options())
        .in_memory()
        .unwrap();
    let name = |index: u32| {
        let last = char::from_u32(0x4e00 + index).unwrap();
        "漢".repeat(63) + &last.to_string()
    };
    let mut lead = NewLead::new("Jane");
    for index in 0..100 {
        lead = lead.custom_field(name(index), "alexandria");
    }
    let lead = store.create(lead).unwrap();
    // The maximum of 32 words, each with two typos, because tolerating two typos makes a word
    // expensive to look up.
    let words = ["alexxandrai"; 32].join(" ");
    let query = SearchQuery::new(words)
        .typos(TypoTolerance::Always)
        .fields((0..100).map(|index| SearchField::CustomField(name(index))));
    testing::index(&store).unwrap();
    let (found, peak) = peak_of(|| store.search(&query).unwrap());
    assert_eq!(found.items[0].lead.id, lead.id);
    assert!(peak < 64 * MIB, "{peak} bytes");
}

#[test]
fn custom_field_names_that_no_lead_can_have_are_invalid_in_a_search() {
    let _alone = alone();
    let store = LeadStore::in_memory().unwrap();
    for name in ["", &"x".repeat(65), &"x".repeat(MIB)] {
        let query = SearchQuery::new("jane").fields([SearchField::CustomField(name.to_owned())]);
        let error = store.search(&query).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert_eq!(error.violations()[0].field, "fields");
    }
}

/// Time limit for a search that finds a lead of 1 MiB. In a release build, the search takes 0.06 s
/// for one word and 0.2 s for 32 words (`cargo test --release --all-features --test bounds --
/// --nocapture`). In a debug build, it takes 15 times as long.
const SEARCH_TIME_MAX: Duration = Duration::from_secs(30);

#[test]
fn search_that_finds_a_lead_of_one_mebibyte_reports_few_ranges_and_is_linear_in_the_lead() {
    let _alone = alone();
    // Every second word is a letter with a diacritic, so that UTF-16 offsets and byte offsets
    // differ.
    let text = "ä a ".repeat(700);
    let lead = |values: usize| {
        let values: Vec<CustomValue> = vec![text.as_str().into(); values];
        NewLead::new("a").custom_field("text", CustomValue::List(values))
    };
    let seconds = |values: usize, query: &SearchQuery| {
        let store = LeadStore::in_memory().unwrap();
        store.create(lead(values)).unwrap();
        // The first search also analyzes the lead, so it is not measured.
        store.search(query).unwrap();
        let (found, peak) = peak_of(|| store.search(query).unwrap());
        // The faster of two, because another process may delay one.
        let timed = || {
            let begun = Instant::now();
            store.search(query).unwrap();
            begun.elapsed()
        };
        let taken = timed().min(timed());
        let matches = &found.items[0].matches;
        assert_eq!(matches.len(), values + 1);
        assert!(matches.iter().all(|value| value.ranges.len() <= 100));
        assert_eq!(matches[1].ranges[..2], [0..2, 3..4]);
        println!("{values} values: {taken:?}, {peak} bytes");
        assert!(taken < SEARCH_TIME_MAX, "{taken:?}");
        assert!(peak < 128 * MIB, "{peak} bytes");
        taken.as_secs_f64()
    };
    for words in [1, 32] {
        // Each word of the query matches each word of the lead.
        let query = SearchQuery::new(vec!["a"; words].join(" ")).typos(TypoTolerance::Always);
        let (small, large) = (seconds(29, &query), seconds(290, &query));
        assert!(large < small * 10.0 * 4.0, "{small} s, {large} s");
    }
}

/// A search analyzes changed leads that are not indexed yet, but only up to a limit. Beyond it, the
/// search is unavailable.
#[test]
fn search_of_unindexed_leads_needs_little_memory_or_is_unavailable() {
    let _alone = alone();
    // Without threads, so that nothing is indexed before `index`.
    let options = || testing::without_threads(LeadStore::options().wait_for_search(false));
    let value = |megabytes: usize| -> Vec<CustomValue> {
        vec!["ab cd ".repeat(680).as_str().into(); 245 * megabytes]
    };
    let query = SearchQuery::new("ab");
    for (leads, is_served) in [(4, true), (17, false)] {
        let store = options().in_memory().unwrap();
        testing::index(&store).unwrap();
        for _ in 0..leads {
            let list = CustomValue::List(value(1));
            store
                .create(NewLead::new("Jane").custom_field("text", list))
                .unwrap();
        }
        let snapshot = store.snapshot().unwrap();
        let (found, peak) = peak_of(|| (store.search(&query), snapshot.search(&query)));
        println!("{leads} leads of 1 MiB: {peak} bytes");
        if is_served {
            assert_eq!(found.0.unwrap().total, leads);
            assert_eq!(found.1.unwrap().total, leads);
        } else {
            assert_eq!(found.0.unwrap_err().kind(), ErrorKind::Unavailable);
            assert_eq!(found.1.unwrap_err().kind(), ErrorKind::Unavailable);
        }
        assert!(peak < 64 * MIB, "{peak} bytes");
    }
    // Many small leads, in one transaction.
    let store = options().in_memory().unwrap();
    testing::index(&store).unwrap();
    let created = store.transaction(|transaction| {
        (0..20_001).try_for_each(|_| transaction.create(NewLead::new("Jane")).map(drop))
    });
    created.unwrap();
    let search = || store.search(&SearchQuery::new("jane"));
    assert_eq!(search().unwrap_err().kind(), ErrorKind::Unavailable);
    testing::index(&store).unwrap();
    assert_eq!(search().unwrap().total, 20_001);
}

/// Neither a list of the live leads nor one of the trash fetches leads that are not on the page,
/// whatever the sort order and the page.
#[test]
fn first_and_last_pages_need_little_memory_in_any_order() {
    const LEADS: u64 = 20_000;
    let _alone = alone();
    let store = testing::without_search(LeadStore::options())
        .in_memory()
        .unwrap();
    let create = || {
        store.transaction(|transaction| {
            (0..LEADS)
                .map(|number| {
                    let lead = NewLead::new(format!("Lead {}", number * 7_919 % LEADS))
                        .company(format!("Company {}", number % 1_000))
                        .owner_id(format!("owner-{}", number % 2))
                        .deal_value(number % 5_000);
                    Ok(transaction.create(lead)?.id)
                })
                .collect::<leadstore::Result<Vec<_>>>()
        })
    };
    let deleted = create().unwrap();
    let delete = store.transaction(|transaction| {
        deleted
            .iter()
            .try_for_each(|id| transaction.delete(*id).map(drop))
    });
    delete.unwrap();
    create().unwrap();
    let last = LEADS / 25;
    let sorts = [
        "name",
        "-name",
        "company",
        "deal_value",
        "status",
        "-owner_id",
        "-created_at",
        "updated_at",
        "email",
        "company,name",
        "-status,deal_value",
        "-deal_value,company,name",
    ];
    for sort in sorts.into_iter().chain(["deleted_at", "-deleted_at,name"]) {
        let keys: Vec<Sort> = sort.split(',').map(|key| key.parse().unwrap()).collect();
        for page in [1, last] {
            let trash = TrashQuery::new().sort(keys.clone());
            let of_owner = trash.clone().owner_id("owner-1");
            let of_owner = of_owner.page(if page == 1 { 1 } else { last / 2 });
            let live = ListQuery::new().sort(keys.clone()).page(page);
            let trash = trash.page(page);
            let check = |list: &str, call: &dyn Fn() -> usize| {
                // The first call also fills the cache of bitmaps.
                call();
                let (listed, peak) = peak_of(call);
                assert_eq!(listed, 25);
                println!("{list}, {sort}, page {page}: {peak} bytes");
                assert!(peak < MIB / 4, "{list}, {sort}, page {page}: {peak} bytes");
            };
            check("trash", &|| store.list_trash(&trash).unwrap().len());
            check("owner's trash", &|| {
                store.list_trash(&of_owner).unwrap().len()
            });
            if !sort.contains("deleted_at") {
                check("live leads", &|| store.list(&live).unwrap().len());
            }
        }
    }
}

/// A transaction that outgrows its memory is written to the file as it goes, with its change log.
#[test]
fn memory_of_a_transaction_does_not_grow_with_the_number_of_changes() {
    let _alone = alone();
    let peak = |changes: usize| {
        let directory = tempfile::tempdir().unwrap();
        let options = LeadStore::options().cache_bytes(4 * MIB);
        let store = testing::without_search(options)
            .open(directory.path())
            .unwrap();
        let ids = store.transaction(|transaction| {
            (0..1_000)
                .map(|number| {
                    Ok(transaction
                        .create(NewLead::new(format!("Lead {number}")))?
                        .id)
                })
                .collect::<leadstore::Result<Vec<_>>>()
        });
        let ids = ids.unwrap();
        let update = |transaction: &mut leadstore::Transaction<'_>| {
            for number in 0..changes {
                let patch = LeadPatch::new().deal_value(number as u64);
                transaction.update(ids[number % ids.len()], patch)?;
            }
            Ok(())
        };
        let (updated, peak) = peak_of(|| store.transaction(update));
        updated.unwrap();
        println!("{changes} changes: {peak} bytes");
        peak
    };
    let (small, large) = (peak(20_000), peak(120_000));
    assert!(large < small + MIB, "{small}, then {large} bytes");
}

/// Words that every lead of `store_of` contains.
const COMMON: &str = "aba abe abi abo abu aca ace aci aco acu ada ade adi ado adu afa afe afi afo \
                      afu aga age agi ago agu aha ahe ahi aho ahu aja aje";

/// Opens a store with a cache of 4 MiB and no background threads, whose memory would be counted too.
fn open(directory: &Path) -> LeadStore {
    testing::without_threads(LeadStore::options())
        .cache_bytes(4 * MIB)
        .open(directory.join("store"))
        .unwrap()
}

/// Returns a new store whose cache is full, and some of its leads' ids.
fn store_of(leads: usize, directory: &Path) -> (LeadStore, Vec<LeadId>) {
    let store = open(directory);
    let mut ids = Vec::new();
    for batch in 0..leads / 5_000 {
        let created = store.transaction(|transaction| {
            (0..5_000)
                .map(|number| {
                    let lead = NewLead::new(format!("Lead {number} of {batch}"))
                        .company(COMMON)
                        .owner_id(format!("owner-{}", number % 50))
                        .deal_value(number as u64);
                    Ok(transaction.create(lead)?.id)
                })
                .collect::<leadstore::Result<Vec<_>>>()
        });
        ids = created.unwrap();
    }
    testing::index(&store).unwrap();
    store.compact().unwrap();
    let all = Filter::new();
    assert_eq!(store.leads(&all).filter_map(Result::ok).count(), leads);
    (store, ids)
}

/// A call on the large store, and a bound on its memory in addition to the cache: a constant number
/// of bytes, and a number of bytes for each lead.
type BoundedCall<'a> = (&'a str, usize, f64, &'a dyn Fn());

/// What calls on a large store read passes through the cache. What they keep is a few bytes a lead.
/// The constants for `check` and `backup_to` exceed the size of the store unless
/// `LEADSTORE_TEST_SCALE` is at least 10.
#[test]
fn calls_on_a_large_store_keep_only_a_few_bytes_a_lead() {
    let _alone = alone();
    let scale = std::env::var("LEADSTORE_TEST_SCALE").map_or(1, |scale| scale.parse().unwrap());
    let leads = 40_000 * scale;
    let directory = tempfile::tempdir().unwrap();
    let (store, ids) = store_of(leads, directory.path());
    let all = Filter::new();
    let some = Filter::new().owner_id("owner-1").owner_id("owner-2");
    let backup = directory.path().join("backup");
    let one_word = SearchQuery::new("lead");
    let many_words = SearchQuery::new(COMMON);
    let search = |query: &SearchQuery| {
        assert_eq!(store.search(query).unwrap().total, leads as u64);
    };
    let calls: [BoundedCall<'_>; 13] = [
        ("get", 32 * KIB, 0.0, &|| drop(store.get(ids[7]).unwrap())),
        ("get_many", MIB, 0.0, &|| {
            drop(store.get_many(&ids[..1_000]).unwrap())
        }),
        ("leads", 64 * KIB, 0.2, &|| {
            assert_eq!(store.leads(&all).filter_map(Result::ok).count(), leads)
        }),
        ("count", 64 * KIB, 0.3, &|| {
            assert_eq!(store.count(&some).unwrap(), leads as u64 / 25)
        }),
        ("facets", 64 * KIB, 6.0, &|| {
            drop(store.facets(&all).unwrap())
        }),
        ("facets of some", 64 * KIB, 6.0, &|| {
            drop(store.facets(&some).unwrap())
        }),
        ("search", 64 * KIB, 12.0, &|| search(&one_word)),
        ("search for 32 words", MIB, 100.0, &|| search(&many_words)),
        ("search_facets", 64 * KIB, 14.0, &|| {
            drop(store.search_facets(&one_word).unwrap())
        }),
        ("snapshot", 4 * KIB, 0.0, &|| {
            drop(store.snapshot().unwrap())
        }),
        ("check", 20 * MIB, 8.0, &|| {
            assert!(store.check(|_| ()).unwrap().is_ok())
        }),
        ("backup_to", 84 * MIB, 0.0, &|| {
            store.backup_to(&backup, |_| ()).unwrap()
        }),
        ("compact", 4 * MIB, 6.0, &|| store.compact().unwrap()),
    ];
    let mut exceeding = Vec::new();
    let mut measure = |name, constant, per_lead, call: &dyn Fn()| {
        let ((), peak) = peak_of(call);
        let limit = constant + (per_lead * leads as f64) as usize;
        println!("{name}: {peak} bytes, at most {limit}");
        if peak > limit {
            exceeding.push(name);
        }
    };
    for (name, constant, per_lead, call) in calls {
        measure(name, constant, per_lead, call);
    }
    store.clone().close().unwrap();
    measure("open and search", MIB, 14.0, &|| {
        let found = open(directory.path()).search(&one_word).unwrap();
        assert_eq!(found.total, leads as u64);
    });
    assert!(exceeding.is_empty(), "{exceeding:?} exceed their bounds");
}

/// The memory for a request is in proportion to it, whatever it says.
#[cfg(feature = "http")]
#[test]
fn hostile_http_requests_need_memory_in_proportion_to_their_length() {
    use leadstore::http::http::Request;
    use leadstore::http::{LeadsApi, Scope};

    let _alone = alone();
    let store = LeadStore::in_memory().unwrap();
    let key = store.credentials().create_api_key("key", Scope::ALL);
    let key = key.unwrap().token;
    let api = LeadsApi::new(store);
    let call = |method: &str, path: &str, body: &str| {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", format!("Bearer {key}"))
            .header("content-type", "application/json")
            .body(body.to_owned())
            .unwrap();
        let (response, peak) = peak_of(|| api.handle(request));
        let status = response.status().as_u16();
        println!("{method} {:.40}: {status}, {peak} bytes", path);
        assert!((400..500).contains(&status), "{path}: {status}");
        assert!(
            peak < 32 * MIB,
            "{method} {path:.40} {body:.40}: {peak} bytes"
        );
    };
    let members = |member: &dyn Fn(usize) -> String| {
        let members: Vec<String> = (0..50_000).map(member).collect();
        format!("{{{}}}", members.join(","))
    };
    let bodies = [
        "[".repeat(MIB),
        format!("[{}]", vec!["1"; MIB / 2 - 1].join(",")),
        format!("{{\"tags\":[{}]}}", vec!["\"\""; MIB / 3 - 6].join(",")),
        format!("{{\"query\":\"{}\"}}", "a ".repeat(MIB / 2 - 8)),
        format!(
            "{{\"query\":\"x\",\"fields\":[{}]}}",
            vec!["\"x\""; MIB / 4 - 10].join(",")
        ),
        format!(
            "{{\"query\":\"x\",\"status\":\"{}\"}}",
            "a,".repeat(MIB / 2 - 20)
        ),
        members(&|number| format!("\"member {number}\":{number}")),
        members(&|_| "\"name\":\"x\"".to_owned()),
        format!(
            "{{\"custom_fields\":{}}}",
            members(&|number| format!("\"{number}\":[1]"))
        ),
    ];
    for body in &bodies {
        for (method, path) in [("POST", "/v1/leads"), ("POST", "/v1/leads/search")] {
            call(method, path, body);
        }
    }
    // The crate `http` accepts at most 65,534 bytes of URI.
    for query in [
        "page=1&".repeat(9_000),
        "a,".repeat(30_000),
        "status=".to_owned() + &"a,".repeat(30_000),
    ] {
        call("GET", &format!("/v1/leads?{query}"), "");
        call("GET", &format!("/v1/leads/trash?{query}"), "");
    }
}
