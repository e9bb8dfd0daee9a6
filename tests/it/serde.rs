//! Public types round-trip through JSON: deserializing a serialized value returns an equal value.

use std::fmt::Debug;

use leadstore::rust_decimal::Decimal;
use leadstore::{
    CustomNumber, CustomValue, ErrorKind, Facets, Filter, Lead, LeadId, NewLead, Progress,
    SearchField, SearchStatus, SortKey, TrashedLead, Violation,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::support::{TestStore, day};

#[track_caller]
fn assert_survives<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) {
    let json = serde_json::to_string(value).unwrap();
    assert_eq!(&serde_json::from_str::<T>(&json).unwrap(), value, "{json}");
}

fn full_lead() -> NewLead {
    let list = CustomValue::List(vec!["x".into(), 1_i64.into(), 0.5.into(), true.into()]);
    NewLead::new("Zoë Müller")
        .external_id("crm-1")
        .email("zoe@example.com")
        .phone("+1 555 0123")
        .company("Example Corp")
        .source("website")
        .owner_id("ada")
        .deal_value(Decimal::new(999_999_999_999_999, 4))
        .tags(["vip", "eu"])
        .custom_field("employees", i64::MAX)
        .custom_field("score", 1e21)
        .custom_field("list", list)
}

#[test]
fn leads_survive_json() {
    let test = TestStore::new();
    let lead = test.store.create(full_lead()).unwrap();
    assert_survives(&lead);
    assert_survives(&test.store.create(NewLead::new("Ada")).unwrap());
    let trashed: TrashedLead = test.store.delete(lead.id).unwrap();
    assert_survives(&trashed);
}

#[test]
fn lead_is_read_from_json_that_leaves_out_optional_members() {
    let json = r#"{"id": "lead_01h455vb4pex5vsknk084sn02q", "name": "Ada", "status": "new",
        "created_at": "2026-03-01T12:00:00Z", "updated_at": "2026-03-01T12:00:00Z", "version": 1}"#;
    let lead: Lead = serde_json::from_str(json).unwrap();
    let id: LeadId = "lead_01h455vb4pex5vsknk084sn02q".parse().unwrap();
    assert_eq!(lead, Lead::new(id, "Ada", day(2026, 3, 1)));
    assert!(serde_json::from_str::<Lead>(r#"{"name": "Ada"}"#).is_err());
}

#[test]
fn results_survive_json() {
    let test = TestStore::new();
    test.store.create(full_lead()).unwrap();
    let facets: Facets = test.store.facets(&Filter::new()).unwrap();
    assert_survives(&facets);
    assert_survives(&test.store.check(|_| ()).unwrap());
    let status: SearchStatus = test.store.search_status();
    assert_survives(&status);
    assert_survives(&Progress::new(1, 2));
    assert_survives(&vec![SortKey::CreatedAt, SortKey::OwnerId]);
    assert_survives(&vec![CustomNumber::Integer(-1), CustomNumber::Float(0.25)]);
    assert_survives(&vec![
        SearchField::Name,
        SearchField::CustomField("a.b".into()),
    ]);
    #[cfg(feature = "http")]
    {
        use leadstore::http::{NewCredential, Scope};
        let new = NewCredential::access_token("tauri", Scope::ALL, day(2126, 3, 1));
        let issued = test.store.credentials().issue(new).unwrap();
        assert_survives(&issued.credential);
    }
    let error = test.store.create(NewLead::new("")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    let violations: Vec<Violation> = error.violations().to_vec();
    assert_survives(&violations);
}
