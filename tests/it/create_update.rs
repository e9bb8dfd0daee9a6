//! Validation of the fields of a lead, and the effects of creating and updating one.

use std::time::Duration;

use leadstore::chrono::TimeDelta;
use leadstore::rust_decimal::Decimal;
use leadstore::{
    Clock, CustomNumber, CustomValue, Error, ErrorKind, Filter, LeadPatch, LeadStore, LeadVersion,
    ListQuery, NewLead, ViolationCode,
};

use crate::support::{TestStore, day, options};

fn violations(error: &Error) -> Vec<(&str, ViolationCode)> {
    assert_eq!(error.kind(), ErrorKind::Invalid);
    error
        .violations()
        .iter()
        .map(|violation| (violation.field.as_str(), violation.code))
        .collect()
}

#[test]
fn all_violations_are_reported_at_once_and_nothing_is_written() {
    use ViolationCode::{
        Duplicate, InvalidCharacter, InvalidFormat, NotAllowed, OutOfRange, Required, TooLong,
    };
    let store = LeadStore::in_memory().unwrap();
    let nested = CustomValue::List(vec![CustomValue::List(vec![])]);
    let new = NewLead::new(" \t")
        .external_id("é")
        .email("no at sign")
        .phone("12")
        .company("c".repeat(256))
        .status("New!")
        .source("a,b")
        .owner_id("two words")
        .deal_value(Decimal::new(-1, 5))
        .tags(["x", "x", "a,b", " "])
        .custom_field("", 1_i64)
        .custom_field("infinite", f64::INFINITY)
        .custom_field("long", "x".repeat(4_097))
        .custom_field("nested", nested);
    let error = store.create(new).unwrap_err();
    assert_eq!(
        violations(&error),
        [
            ("name", Required),
            ("external_id", InvalidCharacter),
            ("email", InvalidFormat),
            ("phone", InvalidFormat),
            ("company", TooLong),
            ("source", InvalidCharacter),
            ("owner_id", InvalidCharacter),
            ("status", InvalidCharacter),
            ("deal_value", OutOfRange),
            ("deal_value", OutOfRange),
            ("tags[1]", Duplicate),
            ("tags[2]", InvalidCharacter),
            ("tags[3]", Required),
            ("custom_fields.", Required),
            ("custom_fields.infinite", OutOfRange),
            ("custom_fields.long", TooLong),
            ("custom_fields.nested[0]", NotAllowed),
        ]
    );
    assert!(
        error.to_string().contains("email: must have exactly one @"),
        "{error}"
    );
    assert_eq!(store.count(&Filter::new()).unwrap(), 0);
}

#[test]
fn values_at_the_limits_are_accepted_and_above_rejected() {
    let store = LeadStore::in_memory().unwrap();
    let at = |extra: usize| -> Vec<(&str, NewLead)> {
        let x = |count: usize| "x".repeat(count + extra);
        let new = || NewLead::new("n");
        let tags = (0..50 + extra).map(|number| format!("t{number}"));
        let fields = (0..100 + extra).fold(new(), |new, number| {
            new.custom_field(format!("f{number}"), true)
        });
        vec![
            ("name", NewLead::new("ü".repeat(255 + extra))),
            ("external_id", new().external_id(x(128))),
            ("email", new().email(format!("{}@x", x(252)))),
            ("phone", new().phone(format!("123{}", x(61)))),
            ("company", new().company(x(255))),
            ("status", new().status(x(64))),
            ("source", new().source(x(64))),
            ("owner_id", new().owner_id(x(64))),
            ("tags", new().tags(tags)),
            ("tags[0]", new().tags([x(50)])),
            ("custom_fields", fields),
            ("custom text", new().custom_field("f", x(4_096))),
            ("custom name", new().custom_field(x(64), "f")),
        ]
    };
    for (what, new) in at(0) {
        store
            .create(new)
            .unwrap_or_else(|error| panic!("{what}: {error}"));
    }
    for (what, new) in at(1) {
        let error = store.create(new).expect_err(what);
        assert_eq!(violations(&error)[0].1, ViolationCode::TooLong, "{what}");
    }
    for value in ["99999999999.9999", "0", "0.0001"] {
        store
            .create(NewLead::new("n").deal_value(value.parse::<Decimal>().unwrap()))
            .unwrap();
    }
    for value in ["100000000000", "0.00001", "-0.01"] {
        let error = store
            .create(NewLead::new("n").deal_value(value.parse::<Decimal>().unwrap()))
            .unwrap_err();
        assert_eq!(
            violations(&error)[0],
            ("deal_value", ViolationCode::OutOfRange),
            "{value}"
        );
    }
}

#[test]
fn lead_over_1_mib_is_rejected_and_the_transaction_continues() {
    let store = LeadStore::in_memory().unwrap();
    let texts: Vec<CustomValue> = (0..300)
        .map(|_| CustomValue::from("x".repeat(4_000)))
        .collect();
    store
        .transaction(|t| {
            let error = t
                .create(NewLead::new("large").custom_field("all", CustomValue::List(texts)))
                .unwrap_err();
            assert_eq!(
                violations(&error),
                [("custom_fields", ViolationCode::TooLong)]
            );
            t.create(NewLead::new("small"))
        })
        .unwrap();
    assert_eq!(store.count(&Filter::new()).unwrap(), 1);
}

#[test]
fn rejected_create_purges_nothing() {
    // The store has no background threads, because one of them could sweep during the test.
    let clock = leadstore::testing::ManualClock::at(day(2026, 3, 1));
    let store = leadstore::testing::without_threads(options(&clock))
        .in_memory()
        .unwrap();
    let lead = store.create(NewLead::new("A")).unwrap();
    store.delete(lead.id).unwrap();
    clock.advance(Duration::from_secs(31 * 86_400));
    let texts: Vec<CustomValue> = (0..300)
        .map(|_| CustomValue::from("x".repeat(4_000)))
        .collect();
    let large = NewLead::new("large")
        .id(lead.id)
        .custom_field("all", CustomValue::List(texts));
    store
        .transaction(|t| {
            assert_eq!(
                violations(&t.create(large).unwrap_err())[0].1,
                ViolationCode::TooLong
            );
            t.create(NewLead::new("B"))
        })
        .unwrap();
    // The rejected create did not purge the expired lead, so the sweep does.
    assert_eq!(leadstore::testing::sweep(&store).unwrap(), 1);
}

#[test]
fn texts_are_trimmed_and_blank_texts_are_absent() {
    let store = LeadStore::in_memory().unwrap();
    let new = NewLead::new("  Jane Doe\u{a0}")
        .email(" jane@example.com ")
        .phone("")
        .company("  ")
        .status(" ")
        .owner_id("\t");
    let lead = store.create(new.external_id("").source("")).unwrap();
    assert_eq!(
        (lead.name.as_str(), lead.email.as_deref()),
        ("Jane Doe", Some("jane@example.com"))
    );
    assert_eq!(
        (
            lead.phone,
            lead.company,
            lead.source,
            lead.owner_id,
            lead.external_id
        ),
        (None, None, None, None, None)
    );
    assert_eq!(lead.status, "new");
    let lead = store.update(lead.id, LeadPatch::new().email(" ")).unwrap();
    assert_eq!(lead.email, None, "a blank text in a patch clears the field");
    let error = store
        .update(lead.id, LeadPatch::new().name(" ").status(""))
        .unwrap_err();
    assert_eq!(
        violations(&error),
        [
            ("name", ViolationCode::Required),
            ("status", ViolationCode::Required)
        ]
    );
}

#[test]
fn patch_changes_only_the_fields_it_names() {
    let test = TestStore::new();
    let lead = test
        .store
        .create(
            NewLead::new("Jane Doe")
                .email("jane@example.com")
                .tags(["a", "b"])
                .custom_field("industry", "Technology")
                .custom_field("employees", "50-200"),
        )
        .unwrap();
    test.clock.advance(Duration::from_secs(60));
    let patch = LeadPatch::new()
        .status("qualified")
        .deal_value(50_000)
        .custom_field("employees", 200_i64);
    let changed = test.store.update(lead.id, patch).unwrap();
    assert_eq!(
        (changed.name.as_str(), changed.email.as_deref()),
        ("Jane Doe", Some("jane@example.com"))
    );
    assert_eq!(changed.deal_value, Some(Decimal::from(50_000)));
    assert_eq!(changed.custom_fields["industry"], "Technology".into());
    assert_eq!(
        changed.custom_fields["employees"],
        CustomValue::Number(CustomNumber::Integer(200))
    );
    assert_eq!(
        (changed.version, changed.created_at),
        (LeadVersion::new(2), lead.created_at)
    );
    assert_eq!(changed.updated_at, lead.created_at + TimeDelta::seconds(60));
    let patch = LeadPatch::new()
        .clear_tags()
        .remove_custom_field("industry")
        .remove_custom_field("none");
    let cleared = test.store.update(lead.id, patch).unwrap();
    assert_eq!((cleared.tags.len(), cleared.custom_fields.len()), (0, 1));
}

#[test]
fn patch_without_changes_writes_nothing() {
    let test = TestStore::new();
    let lead = test
        .store
        .create(NewLead::new("Jane Doe").deal_value(Decimal::new(100, 1)))
        .unwrap();
    test.clock.advance(Duration::from_secs(1));
    let same = LeadPatch::new()
        .name(" Jane Doe")
        .deal_value(10)
        .clear_email()
        .remove_custom_field("x");
    assert_eq!(test.store.update(lead.id, same).unwrap(), lead);
    let outdated = LeadPatch::new().if_version(LeadVersion::new(2));
    let error = test.store.update(lead.id, outdated).unwrap_err();
    assert_eq!(
        (error.kind(), error.current_version()),
        (ErrorKind::Conflict, Some(LeadVersion::FIRST))
    );
    assert_eq!(error.lead_id(), Some(lead.id));
}

#[test]
fn patch_between_two_leads_turns_one_into_the_other() {
    let store = LeadStore::in_memory().unwrap();
    let full = NewLead::new("A")
        .email("a@b")
        .company("C")
        .tags(["x"])
        .custom_field("f", 1_i64)
        .deal_value(3)
        .owner_id("o");
    let old = store
        .create(full.source("s").phone("123").external_id("e1"))
        .unwrap();
    let new = store
        .create(
            NewLead::new("B")
                .status("lost")
                .phone("456")
                .custom_field("g", true)
                .tags(["y", "x"]),
        )
        .unwrap();
    for (from, to) in [(&old, &new), (&new, &old)] {
        let copy = LeadPatch::between(from, to);
        if to.external_id.is_some() {
            // The external id is still taken by the lead that is copied.
            let error = store.update(from.id, copy.clone()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::AlreadyExists);
        }
        let made = store.update(from.id, copy.clear_external_id()).unwrap();
        let mut expected = to.clone();
        expected.external_id = None;
        (expected.id, expected.created_at, expected.updated_at) =
            (made.id, made.created_at, made.updated_at);
        expected.version = made.version;
        assert_eq!(made, expected);
        store
            .update(from.id, LeadPatch::between(&made, from))
            .unwrap();
    }
    assert_eq!(
        store
            .update(old.id, LeadPatch::between(&old, &old))
            .unwrap()
            .custom_fields,
        old.custom_fields
    );
}

#[test]
fn ids_and_external_ids_are_unique() {
    let store = LeadStore::in_memory().unwrap();
    let lead = store
        .create(NewLead::new("A").external_id("crm 7"))
        .unwrap();
    for taken in [
        NewLead::new("B").id(lead.id),
        NewLead::new("B").external_id("crm 7"),
    ] {
        let error = store.create(taken.clone()).unwrap_err();
        assert_eq!(
            (error.kind(), error.lead_id()),
            (ErrorKind::AlreadyExists, Some(lead.id))
        );
        store.delete(lead.id).unwrap();
        assert_eq!(
            store.create(taken).unwrap_err().kind(),
            ErrorKind::AlreadyExists,
            "the ids of a trashed lead stay taken"
        );
        store.restore(lead.id).unwrap();
    }
    assert_eq!(
        store
            .get_by_external_id("crm 7")
            .unwrap()
            .map(|found| found.id),
        Some(lead.id)
    );
    store
        .update(lead.id, LeadPatch::new().clear_external_id())
        .unwrap();
    assert_eq!(store.get_by_external_id("crm 7").unwrap(), None);
    store
        .create(NewLead::new("B").external_id("crm 7"))
        .unwrap();
}

#[test]
fn statuses_can_be_restricted() {
    let store = LeadStore::options()
        .statuses(["open", "won", "lost"])
        .in_memory()
        .unwrap();
    let lead = store.create(NewLead::new("A")).unwrap();
    assert_eq!(
        lead.status, "open",
        "the first status is the default, because `new` is not allowed"
    );
    let error = store
        .update(lead.id, LeadPatch::new().status("new"))
        .unwrap_err();
    assert_eq!(violations(&error), [("status", ViolationCode::NotAllowed)]);
    assert_eq!(
        error.violations()[0].message,
        "must be one of open, won, lost"
    );
    assert_eq!(
        LeadStore::options()
            .statuses(["won", "new"])
            .in_memory()
            .unwrap()
            .create(NewLead::new("A"))
            .unwrap()
            .status,
        "new"
    );
    for (wrong, field) in [
        (vec![], "statuses"),
        (vec!["new", "Won"], "statuses[1]"),
        (vec![" "], "statuses[0]"),
    ] {
        let error = LeadStore::options()
            .statuses(wrong)
            .in_memory()
            .unwrap_err();
        assert_eq!(violations(&error)[0].0, field);
    }
}

#[test]
fn small_clock_setback_is_ignored_and_a_large_one_is_followed() {
    let test = TestStore::new();
    let first = test.store.create(NewLead::new("first")).unwrap();
    test.clock.set(first.created_at - TimeDelta::minutes(5));
    let held = test.store.create(NewLead::new("held")).unwrap();
    assert_eq!(held.created_at, first.created_at);
    test.clock.set(first.created_at - TimeDelta::days(1));
    let early = test.store.create(NewLead::new("early")).unwrap();
    assert_eq!(early.created_at, test.clock.now());
    let names: Vec<String> = test
        .store
        .list(&ListQuery::new())
        .unwrap()
        .into_iter()
        .map(|lead| lead.name)
        .collect();
    assert_eq!(names, ["held", "first", "early"]);
    let changed = test
        .store
        .update(first.id, LeadPatch::new().company("C"))
        .unwrap();
    assert_eq!(
        changed.updated_at, first.updated_at,
        "updated_at never decreases"
    );
    let filtered = test
        .store
        .list(&ListQuery::new().filter(Filter::new().created(..first.created_at)))
        .unwrap();
    assert_eq!(
        (filtered.total, filtered.items[0].name.as_str()),
        (1, "early")
    );
}

#[test]
fn ids_sort_in_creation_order() {
    let test = TestStore::new();
    let mut last = None;
    for number in 0..50 {
        test.clock.advance(Duration::from_micros(number % 3 + 1));
        let id = test.store.create(NewLead::new("n")).unwrap().id;
        assert!(last < Some(id));
        last = Some(id);
    }
}

#[test]
fn store_works_at_the_minimum_and_maximum_time() {
    let directory = tempfile::tempdir().unwrap();
    for (name, now) in [
        (
            "min",
            leadstore::chrono::DateTime::<leadstore::chrono::Utc>::MIN_UTC,
        ),
        (
            "max",
            leadstore::chrono::DateTime::<leadstore::chrono::Utc>::MAX_UTC,
        ),
    ] {
        let clock = leadstore::testing::ManualClock::at(now);
        let store = options(&clock).open(directory.path().join(name)).unwrap();
        let lead = store.create(NewLead::new("A")).unwrap();
        store.delete(lead.id).unwrap();
        leadstore::testing::sweep(&store).unwrap();
        if name == "min" {
            clock.set(day(2026, 1, 1));
            assert_eq!(
                store.restore(lead.id).unwrap_err().kind(),
                ErrorKind::NotFound
            );
        }
        store.list(&ListQuery::new()).unwrap();
        store.close().unwrap();
    }
}
