//! The strings of the Big List of Naughty Strings, which are known to break software, as values of
//! the fields of a lead, as ids and as queries.

use leadstore::{CustomValue, ErrorKind, LeadId, LeadPatch, LeadStore, NewLead, SearchQuery};

use unicode_normalization::UnicodeNormalization;

use crate::support::{self, TestStore};

#[test]
fn naughty_strings_round_trip_or_are_rejected_with_a_reason() {
    let Some(path) = support::data("blns.json") else {
        return;
    };
    let strings: Vec<String> = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    assert!(strings.len() > 400);
    let mut test = TestStore::new();
    let mut stored = Vec::new();
    let mut rejected = 0;
    for text in &strings {
        for (field, new) in leads_with(text) {
            match test.store.create(new) {
                Ok(lead) => stored.push((field, text, lead)),
                Err(error) => {
                    assert_eq!(
                        error.kind(),
                        ErrorKind::Invalid,
                        "{field} {text:?}: {error}"
                    );
                    assert!(
                        !error.violations().is_empty()
                            && error.violations().iter().all(|v| !v.message.is_empty())
                    );
                    rejected += 1;
                }
            }
        }
        assert!(text.parse::<LeadId>().is_err(), "{text:?}");
        assert_eq!(test.store.get_by_external_id(text).unwrap(), None);
        search(&test.store, text);
    }
    println!("{} stored, {rejected} rejected", stored.len());
    assert!(stored.len() > 4 * rejected);
    test.reopen();
    for (field, text, lead) in &stored {
        let read = test.store.get(lead.id).unwrap().unwrap();
        assert_eq!(read, *lead, "{field} {text:?}");
        let value = match *field {
            "name" => Some(read.name),
            "company" => read.company,
            "tag" => read.tags.first().cloned(),
            "custom value" => read.custom_fields.get("x").and_then(text_of),
            _ => read.custom_fields.keys().next().cloned(),
        };
        match *field {
            "name" | "company" => assert_eq!(value.unwrap_or_default(), text.trim(), "{field}"),
            _ => assert_eq!(value.as_ref(), Some(*text), "{field}"),
        }
    }
    // A name that consists of plain words is found by a search for it.
    for (_, text, lead) in stored.iter().filter(|(field, ..)| *field == "name") {
        if text.chars().all(|c| c.is_ascii_alphanumeric() || c == ' ') && text.len() < 60 {
            let quoted = format!("\"{text}\"");
            let snapshot = test.store.snapshot().unwrap();
            let pages = test
                .store
                .search(&SearchQuery::new(&*quoted).per_page(100))
                .unwrap()
                .total_pages();
            drop(snapshot);
            let mut hits = (1..=pages).flat_map(|page| {
                test.store
                    .search(&SearchQuery::new(&*quoted).per_page(100).page(page))
                    .unwrap()
            });
            assert!(hits.any(|hit| hit.lead.id == lead.id), "{text:?}");
        }
    }
}

fn text_of(value: &CustomValue) -> Option<String> {
    match value {
        CustomValue::Text(text) => Some(text.clone()),
        _ => None,
    }
}

fn leads_with(text: &str) -> Vec<(&'static str, NewLead)> {
    vec![
        ("name", NewLead::new(text)),
        ("company", NewLead::new("x").company(text)),
        ("tag", NewLead::new("x").tags([text])),
        ("custom value", NewLead::new("x").custom_field("x", text)),
        ("custom name", NewLead::new("x").custom_field(text, 1_i64)),
    ]
}

fn search(store: &LeadStore, text: &str) {
    match store.search(&SearchQuery::new(text)) {
        Ok(_) => {}
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Invalid, "{text:?}: {error}");
            // Some symbols fold to letters in brackets, and each of those letters is a word.
            let letters = text.nfkd().filter(|c| c.is_alphanumeric()).count();
            assert!(
                text.trim().is_empty() || text.len() > 512 || letters > 32,
                "{text:?} must be accepted"
            );
        }
    }
}

#[test]
fn naughty_patches_never_panic_and_write_nothing_if_rejected() {
    let Some(path) = support::data("blns.json") else {
        return;
    };
    let strings: Vec<String> = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let store = LeadStore::in_memory().unwrap();
    let lead = store.create(NewLead::new("Jane Doe")).unwrap();
    for text in &strings {
        let before = store.get(lead.id).unwrap().unwrap();
        let patch = LeadPatch::new()
            .name(text)
            .email(text)
            .phone(text)
            .status(text)
            .source(text)
            .owner_id(text);
        match store.update(lead.id, patch.external_id(text)) {
            Ok(after) => assert_eq!(after.version.get(), before.version.get() + 1),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Invalid, "{text:?}");
                assert_eq!(store.get(lead.id).unwrap().unwrap(), before, "{text:?}");
            }
        }
    }
}
