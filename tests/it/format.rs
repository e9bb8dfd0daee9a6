//! Stores in older file formats can be opened and are migrated. One fixture has the current format,
//! so that its test fails if the format changes by mistake.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use leadstore::rust_decimal::Decimal;
use leadstore::{
    CustomValue, ErrorKind, Filter, LeadPatch, LeadStore, ListQuery, NewLead, SearchQuery,
    TrashQuery,
};

use crate::support::{TestStore, day, options};

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures");

#[test]
fn format_3_store_opens_with_its_complete_contents() {
    let copy = Copy::of("format-3");
    let store = copy.open();
    copy.assert_contents(&store);
    let engineer = Filter::new().job_title("Engineer");
    assert_eq!(store.count(&engineer).unwrap(), 0);
    store.transaction(add_engineer).unwrap();
    assert_eq!(store.count(&engineer).unwrap(), 1);
    assert!(store.check(|_| ()).unwrap().is_ok());
    drop(store);
    let store = copy.open();
    assert_eq!(store.count(&engineer).unwrap(), 1);
    let by_title = ListQuery::new().sort(["job_title".parse().unwrap()]);
    assert_eq!(store.list(&by_title).unwrap().items[0].name, "migrated");
    let found = store.search(&SearchQuery::new("engineer")).unwrap();
    assert_eq!(found.total, 1);
}

fn add_engineer(transaction: &mut leadstore::Transaction<'_>) -> leadstore::Result<()> {
    transaction.create(NewLead::new("migrated").job_title("Engineer"))?;
    Ok(())
}

#[test]
fn format_3_store_is_not_migrated_by_a_read_only_open() {
    let copy = Copy::of("format-3");
    let file = copy.path().join("leads.redb");
    let before = std::fs::read(&file).unwrap();
    let error = options(&leadstore::testing::ManualClock::at(day(2026, 3, 5)))
        .read_only(true)
        .open(copy.path())
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnsupportedFormat, "{error}");
    assert!(std::fs::read(&file).unwrap() == before);
}

#[test]
fn format_4_store_opens_with_its_complete_contents() {
    let copy = Copy::of("format-4");
    let store = copy.open();
    copy.assert_contents(&store);
    assert_eq!(store.count(&Filter::new().job_title("CTO")).unwrap(), 1);
    // Format 4 did not fold all apostrophes. A name with an unfolded apostrophe had a different
    // place in the list, and a search without the apostrophe did not find it.
    let names = |query: &ListQuery| {
        let page = store.list(query).unwrap();
        let names = page.items.into_iter().map(|lead| lead.name);
        names
            .filter(|name| !name.starts_with("lead") && name != "after")
            .collect::<Vec<_>>()
    };
    let by_name = ListQuery::new()
        .sort(["name".parse().unwrap()])
        .per_page(100);
    assert_eq!(
        names(&by_name),
        [
            "Obama",
            "O`Neill",
            "out of order",
            "Siobhán O´Brien",
            "Þór",
            "Zoë Müller"
        ]
    );
    for query in ["obrien", "oneill", "thor"] {
        let found = store.search(&SearchQuery::new(query)).unwrap();
        assert_eq!(found.total, 1, "{query}");
    }
    assert!(store.check(|_| ()).unwrap().is_ok());
}

#[test]
fn stores_of_format_5_and_later_open_with_their_complete_contents() {
    for fixture in ["format-5", "format-6"] {
        let copy = Copy::of(fixture);
        let store = copy.open();
        copy.assert_contents(&store);
        assert!(store.check(|_| ()).unwrap().is_ok(), "{fixture}");
    }
}

/// A copy of a fixture in a temporary directory.
struct Copy {
    directory: tempfile::TempDir,
    fixture: PathBuf,
}

impl Copy {
    fn of(name: &str) -> Self {
        let copy = Self {
            directory: tempfile::tempdir().unwrap(),
            fixture: Path::new(FIXTURES).join(name),
        };
        std::fs::create_dir(copy.path()).unwrap();
        let file = "leads.redb";
        std::fs::copy(copy.fixture.join(file), copy.path().join(file)).unwrap();
        copy
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("store")
    }

    fn open(&self) -> LeadStore {
        options(&leadstore::testing::ManualClock::at(day(2026, 3, 5)))
            .open(self.path())
            .unwrap()
    }

    /// Checks the leads, trash, filters, search and credentials of the store, then writes to it.
    fn assert_contents(&self, store: &LeadStore) {
        let expected = std::fs::read_to_string(self.fixture.join("leads.json")).unwrap();
        assert_eq!(describe(store), expected);
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
            let token = std::fs::read_to_string(self.fixture.join("token.txt")).unwrap();
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
}

/// Returns the leads and the trash of a store as JSON text.
fn describe(store: &LeadStore) -> String {
    let leads = store.list(&ListQuery::new().per_page(100)).unwrap();
    let trash = store.list_trash(&TrashQuery::new().per_page(100)).unwrap();
    let all = BTreeMap::from([
        ("leads", serde_json::to_value(leads).unwrap()),
        ("trash", serde_json::to_value(trash).unwrap()),
    ]);
    serde_json::to_string_pretty(&all).unwrap() + "\n"
}

/// Regenerates the fixture of the current format: `LEADSTORE_TEST_WRITE_FIXTURE=1 cargo test
/// --all-features format::writes`. Allowed only until a version with this format is released.
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
        .job_title("CTO")
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
    for name in ["Siobhán O´Brien", "O`Neill", "Obama", "Þór"] {
        test.store.create(NewLead::new(name)).unwrap();
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
    let fixture = Path::new(FIXTURES).join("format-6");
    std::fs::create_dir_all(&fixture).unwrap();
    std::fs::copy(test.path().join("leads.redb"), fixture.join("leads.redb")).unwrap();
    std::fs::write(fixture.join("leads.json"), description).unwrap();
    std::fs::write(fixture.join("token.txt"), issued.unwrap().token + "\n").unwrap();
}
