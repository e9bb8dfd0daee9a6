//! Cursors over HTTP. A client that follows them sees every unchanged lead exactly once, and learns
//! nothing from the text of a cursor.

use serde_json::json;

use super::Api;

fn next(body: &serde_json::Value) -> Option<String> {
    body["pagination"]["next_cursor"]
        .as_str()
        .map(str::to_owned)
}

#[test]
fn cursors_neither_skip_nor_repeat_unchanged_leads() {
    let api = Api::new();
    for number in 0..60 {
        api.create(json!({"name": format!("lead {number:02}"), "status": "new"}));
    }
    for sort in ["name", "-name", "-created_at", "created_at", "status,-name"] {
        let mut seen = Vec::new();
        let mut path = format!("/v1/leads?per_page=7&sort={sort}");
        let mut disturbing = Vec::new();
        loop {
            let page = api.get(&path);
            seen.extend(
                page.names()
                    .iter()
                    .filter(|name| name.len() == 7)
                    .map(|name| (*name).to_owned()),
            );
            // Meanwhile, create and delete other leads at both ends.
            disturbing.push(api.create(json!({"name": format!("a{}", seen.len())})));
            disturbing.push(api.create(json!({"name": format!("z{}", seen.len())})));
            if disturbing.len() % 3 == 0 {
                api.delete(&disturbing.remove(0));
            }
            let Some(cursor) = next(&page.body) else {
                break;
            };
            path = format!("/v1/leads?per_page=7&sort={sort}&cursor={cursor}");
        }
        disturbing.iter().for_each(|path| drop(api.delete(path)));
        let mut sorted = seen.clone();
        sorted.sort();
        sorted.dedup();
        assert_eq!((seen.len(), sorted.len()), (60, 60), "{sort}");
    }
}

#[test]
fn cursor_is_valid_only_for_its_query_owner_and_store() {
    let (api, other) = (Api::new(), Api::new());
    for owner in ["ada", "bob"] {
        for number in 0..3 {
            api.create(json!({"name": format!("{owner} {number}"), "owner_id": owner}));
            other.create(json!({"name": format!("{owner} {number}"), "owner_id": owner}));
        }
    }
    let (ada, bob) = (api.key_of("ada"), api.key_of("bob"));
    let page = api
        .call("GET", "/v1/leads?per_page=1&sort=name")
        .key(&ada)
        .send();
    let cursor = next(&page.body).unwrap();
    let status = |key: &str, query: &str| {
        let answer = api
            .call("GET", &format!("/v1/leads?{query}cursor={cursor}"))
            .key(key)
            .send();
        if answer.status != 200 {
            assert!(
                matches!(
                    answer.details()[..],
                    [("cursor", "invalid_format" | "not_allowed")]
                ),
                "{}",
                answer.body
            );
        }
        answer.status
    };
    assert_eq!(status(&ada, "sort=name&per_page=2&"), 200);
    assert_eq!(
        status(&ada, "sort=name&owner_id=ada&"),
        200,
        "the owner filter matches the owner of the credential"
    );
    assert_eq!(status(&bob, "sort=name&"), 422);
    assert_eq!(status(&api.key, "sort=name&"), 422);
    assert_eq!(status(&ada, ""), 422);
    assert_eq!(status(&ada, "sort=-name&"), 422);
    assert_eq!(status(&ada, "sort=name&status=new&"), 422);
    let elsewhere = other
        .call("GET", &format!("/v1/leads?sort=name&cursor={cursor}"))
        .key(&other.key_of("ada"))
        .send();
    assert_eq!(elsewhere.status, 422);
    for position in 0..cursor.len() {
        let mut forged = cursor.clone().into_bytes();
        forged[position] = if forged[position] == b'A' { b'B' } else { b'A' };
        let forged = String::from_utf8(forged).unwrap();
        let answer = api
            .call("GET", &format!("/v1/leads?sort=name&cursor={forged}"))
            .key(&ada)
            .send();
        // The last character has padding bits that do not decode to any byte.
        assert!(
            answer.status == 422 || (position == cursor.len() - 1 && answer.status == 200),
            "{position}"
        );
    }
}

#[test]
fn cursor_reveals_nothing_about_other_owners_leads() {
    let api = Api::new();
    api.create(json!({"name": "a", "owner_id": "ada"}));
    let ada = api.key_of("ada");
    let cursor_length = || {
        let page = api
            .call("GET", "/v1/leads?per_page=1&sort=name")
            .key(&ada)
            .send();
        next(&page.body).map(|cursor| cursor.len())
    };
    assert_eq!(cursor_length(), None);
    for _ in 0..300 {
        api.create(json!({"name": "of bob", "owner_id": "bob"}));
    }
    api.create(json!({"name": "a", "owner_id": "ada"}));
    let few = cursor_length();
    for _ in 0..70_000 / 100 {
        api.create(json!({"name": "of bob", "owner_id": "bob"}));
    }
    assert_eq!(
        cursor_length(),
        few,
        "the length of the cursor must not depend on the number of leads"
    );
    let page = api
        .call("GET", "/v1/leads?per_page=1&sort=name")
        .key(&ada)
        .send();
    let cursor = next(&page.body).unwrap();
    assert!(
        cursor.parse::<leadstore::Cursor>().is_err(),
        "the text must not be a cursor of the library"
    );
}
