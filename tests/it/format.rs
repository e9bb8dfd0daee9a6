//! Stores in released file formats can be opened. Until 0.1.0 there is only one fixture, which is
//! replaced when the format changes.

use std::collections::BTreeMap;
use std::path::Path;

use leadstore::rust_decimal::Decimal;
use leadstore::{
    CustomValue, Filter, LeadPatch, LeadStore, ListQuery, NewLead, SearchQuery, TrashQuery,
};

use crate::support::{TestStore, day, options};

const FIXTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/format-3");

#[test]
fn format_3_store_opens_with_its_complete_contents() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    std::fs::create_dir(&path).unwrap();
    std::fs::copy(
        Path::new(FIXTURE).join("leads.redb"),
        path.join("leads.redb"),
    )
    .unwrap();
    let store = options(&leadstore::testing::ManualClock::at(day(2026, 3, 5)))
        .open(&path)
        .unwrap();
    let expected = std::fs::read_to_string(Path::new(FIXTURE).join("leads.json")).unwrap();
    assert_eq!(describe(&store), expected);
    assert_eq!(store.search(&SearchQuery::new("zoe")).unwrap().total, 1);
    assert_eq!(
        store
            .count(&Filter::new().tag("vip").owner_id("ada"))
            .unwrap(),
        1
    );
    let names: Vec<String> = store
        .list(&ListQuery::new().sort(["name".parse().unwrap()]))
        .unwrap()
        .into_iter()
        .map(|lead| lead.name)
        .collect();
    assert_eq!(names[..2], ["lead 02", "lead 03"]);
    #[cfg(feature = "http")]
    {
        let token = std::fs::read_to_string(Path::new(FIXTURE).join("token.txt")).unwrap();
        let principal = store
            .credentials()
            .authenticate(token.trim())
            .unwrap()
            .unwrap();
        assert_eq!(
            principal,
            leadstore::http::Principal::new([leadstore::http::Scope::Read]).bound_to("ada")
        );
    }
    let trashed = store.list_trash(&TrashQuery::new()).unwrap().items[0]
        .lead
        .id;
    store.restore(trashed).unwrap();
    store.create(NewLead::new("after")).unwrap();
    assert_eq!(
        store.list(&ListQuery::new()).unwrap().items[0].name,
        "after"
    );
}

/// Returns everything in a store as JSON text.
fn describe(store: &LeadStore) -> String {
    let leads = store.list(&ListQuery::new().per_page(100)).unwrap();
    let trash = store.list_trash(&TrashQuery::new().per_page(100)).unwrap();
    let all = BTreeMap::from([
        ("leads", serde_json::to_value(leads).unwrap()),
        ("trash", serde_json::to_value(trash).unwrap()),
    ]);
    serde_json::to_string_pretty(&all).unwrap() + "\n"
}

/// Regenerates the fixture: `LEADSTORE_TEST_WRITE_FIXTURE=1 cargo test --all-features
/// format::writes`. Allowed only until a version is released.
#[cfg(feature = "http")]
#[test]
fn writes_the_fixture_if_requested() {
    use leadstore::http::{NewCredential, Scope};

    if std::env::var_os("LEADSTORE_TEST_WRITE_FIXTURE").is_none() {
        return;
    }
    let test = TestStore::new();
    let list = CustomValue::List(vec!["x".into(), 1_i64.into(), 0.5.into(), true.into()]);
    let full = NewLead::new("Zoë Müller")
        .external_id("crm-1")
        .email("zoe@example.com")
        .phone("+1 555 0123")
        .company("Example Corp")
        .source("website")
        .owner_id("ada")
        .deal_value(Decimal::new(2_500_050, 2))
        .tags(["vip", "eu"])
        .custom_field("industry", "Technology")
        .custom_field("list", list);
    let full = test.store.create(full).unwrap();
    for number in 1..30 {
        test.clock.advance(std::time::Duration::from_secs(60));
        let lead = test
            .store
            .create(NewLead::new(format!("lead {number:02}")).status("contacted"))
            .unwrap();
        if number % 10 == 1 {
            test.store.delete(lead.id).unwrap();
        }
    }
    test.clock.set(day(2026, 2, 1));
    test.store.create(NewLead::new("out of order")).unwrap();
    test.store
        .update(full.id, LeadPatch::new().status("qualified"))
        .unwrap();
    let issued = test
        .store
        .credentials()
        .issue(NewCredential::api_key("Ada's phone", [Scope::Read]).owner_id("ada"));
    test.store.compact().unwrap();
    let description = describe(&test.store);
    test.store.clone().close().unwrap();
    std::fs::create_dir_all(FIXTURE).unwrap();
    std::fs::copy(
        test.path().join("leads.redb"),
        Path::new(FIXTURE).join("leads.redb"),
    )
    .unwrap();
    std::fs::write(Path::new(FIXTURE).join("leads.json"), description).unwrap();
    std::fs::write(
        Path::new(FIXTURE).join("token.txt"),
        issued.unwrap().token + "\n",
    )
    .unwrap();
}
