//! Ids, checked against the examples of the TypeID specification.

use leadstore::{ErrorKind, LeadId};
use serde::Deserialize;

use crate::support;

#[derive(Deserialize)]
struct Valid {
    name: String,
    typeid: String,
    prefix: String,
    uuid: uuid::Uuid,
}

#[derive(Deserialize)]
struct Invalid {
    name: String,
    typeid: String,
}

#[test]
fn valid_suffixes_of_the_specification_parse_as_ids() {
    let Some(path) = support::data("typeid-valid.json") else {
        return;
    };
    let examples: Vec<Valid> = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    assert!(examples.len() >= 5);
    for Valid {
        name,
        typeid,
        prefix,
        uuid,
    } in examples
    {
        let suffix = if prefix.is_empty() {
            &*typeid
        } else {
            typeid.strip_prefix(&format!("{prefix}_")).unwrap()
        };
        let id: LeadId = format!("lead_{suffix}")
            .parse()
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(id.to_bytes(), uuid.into_bytes(), "{name}");
        assert_eq!(
            LeadId::from_bytes(uuid.into_bytes()).to_string(),
            format!("lead_{suffix}"),
            "{name}"
        );
        assert!(
            prefix == "lead" || typeid.parse::<LeadId>().is_err(),
            "{name}: a foreign prefix must be rejected"
        );
    }
}

#[test]
fn invalid_examples_of_the_specification_are_rejected() {
    let Some(path) = support::data("typeid-invalid.json") else {
        return;
    };
    let examples: Vec<Invalid> = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    assert!(examples.len() >= 10);
    for Invalid { name, typeid } in examples {
        let as_lead = typeid
            .rsplit_once('_')
            .map_or_else(String::new, |(_, suffix)| format!("lead_{suffix}"));
        // If only the prefix is wrong, the suffix is valid with our prefix.
        let suffix_is_wrong = name.contains("suffix");
        for text in
            std::iter::once(typeid.as_str()).chain(suffix_is_wrong.then_some(as_lead.as_str()))
        {
            let error = text.parse::<LeadId>().expect_err(&name);
            assert_eq!(error.kind(), ErrorKind::Invalid, "{name}");
            assert_eq!(error.violations()[0].field, "id");
        }
    }
}
