//! If a credential is bound to an owner, no request with it can change or reveal a lead that does
//! not belong to that owner.

use serde_json::{Value, json};

use super::{Answer, Api};

/// Leads with different owners or without one, live and in the trash. They differ only in their
/// owner and external id.
struct Fixture {
    api: Api,
    ada: String,
    /// Paths of live leads that do not belong to `ada`.
    others: Vec<String>,
    /// Paths of leads in the trash that do not belong to `ada`.
    others_trashed: Vec<String>,
    own: String,
    own_trashed: String,
}

impl Fixture {
    fn new() -> Self {
        let api = Api::new();
        let create = |owner: Value, external_id: Option<&str>| {
            api.create(json!({"name": "Jane Doe", "email": "jane@example.com", "owner_id": owner, "tags": ["vip"],
                "deal_value": 5, "external_id": external_id}))
        };
        let own = create(json!("ada"), None);
        let own_trashed = create(json!("ada"), None);
        let others = vec![
            create(json!("bob"), Some("x1")),
            create(Value::Null, None),
            create(json!("Ada"), None),
        ];
        let others_trashed = vec![create(json!("bob"), Some("x2")), create(Value::Null, None)];
        api.delete(&own_trashed);
        others_trashed
            .iter()
            .for_each(|path| drop(api.delete(path)));
        let ada = api.key_of("ada");
        Self {
            api,
            ada,
            others,
            others_trashed,
            own,
            own_trashed,
        }
    }

    fn as_ada(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        let call = self.api.call(method, path).key(&self.ada);
        match body {
            Some(body) => call.json(&body).send(),
            None => call.send(),
        }
    }
}

fn id(path: &str) -> &str {
    path.strip_prefix("/v1/leads/").unwrap()
}

#[test]
fn lists_searches_and_totals_cover_only_own_leads() {
    let fixture = Fixture::new();
    for query in [
        "",
        "?owner_id=ada",
        "?owner_id=ada,bob",
        "?status=new",
        "?tag=vip",
        "?sort=name",
        "?sort=-deal_value",
        "?created_after=2026-01-01",
        "?deal_value_min=1",
        "?per_page=1",
    ] {
        let page = fixture.as_ada("GET", &format!("/v1/leads{query}"), None);
        assert_eq!(
            (page.status, &page.body["pagination"]["total"]),
            (200, &json!(1)),
            "{query}"
        );
        assert_eq!(page.body["data"][0]["id"], id(&fixture.own), "{query}");
        assert_eq!(
            page.body["pagination"]["next_cursor"],
            Value::Null,
            "{query}"
        );
    }
    for query in [
        "?owner_id=bob",
        "?owner_id=",
        "?owner_id=Ada",
        "?owner_id=,bob",
        "?page=2",
    ] {
        let page = fixture.as_ada("GET", &format!("/v1/leads{query}"), None);
        assert_eq!(
            (page.status, page.body["data"].as_array().unwrap().len()),
            (200, 0),
            "{query}"
        );
        let total = if query == "?page=2" { 1 } else { 0 };
        assert_eq!(page.body["pagination"]["total"], total, "{query}");
    }
    for (body, total) in [
        (json!({"query": "jane"}), 1),
        (json!({"query": "jane@example.com", "fields": ["email"]}), 1),
        (json!({"query": "jnae"}), 1),
        (json!({"query": "jane", "owner_id": "bob"}), 0),
        (json!({"query": "jane", "owner_id": ["bob", "ada"]}), 1),
        (json!({"query": "jane", "owner_id": ""}), 0),
    ] {
        let found = fixture.as_ada("POST", "/v1/leads/search", Some(body.clone()));
        assert_eq!(
            (found.status, &found.body["pagination"]["total"]),
            (200, &json!(total)),
            "{body}"
        );
        for hit in found.body["data"].as_array().unwrap() {
            assert_eq!(hit["id"], id(&fixture.own), "{body}");
        }
    }
    let trash = fixture.as_ada("GET", "/v1/leads/trash", None);
    assert_eq!(trash.body["pagination"]["total"], 1);
    assert_eq!(trash.body["data"][0]["id"], id(&fixture.own_trashed));
    assert!(trash.headers.get("link").is_none());
    for sort in ["name", "-deleted_at", "deleted_at", "deal_value"] {
        let trash = fixture.as_ada("GET", &format!("/v1/leads/trash?sort={sort}"), None);
        assert_eq!(trash.body["pagination"]["total"], 1, "{sort}");
    }
    // If only leads of other owners contain the words of a query, typos are tolerated as if those
    // leads did not exist.
    fixture
        .api
        .create(json!({"name": "Jnae", "owner_id": "bob"}));
    let found = fixture.as_ada("POST", "/v1/leads/search", Some(json!({"query": "jnae "})));
    assert_eq!(found.body["pagination"]["total"], 1);
}

#[test]
fn other_owners_leads_are_indistinguishable_from_missing_ones() {
    let fixture = Fixture::new();
    let nowhere = "/v1/leads/lead_01h455vb4pex5vsknk084sn02q".to_owned();
    let before = fixture.api.contents();
    let tag = fixture
        .api
        .get(&fixture.others[0])
        .header("etag")
        .to_owned();
    let requests = |path: &str| {
        vec![
            ("GET", path.to_owned(), None),
            ("HEAD", path.to_owned(), None),
            ("PATCH", path.to_owned(), Some(json!({"name": "mine"}))),
            ("PATCH", path.to_owned(), Some(json!({"owner_id": "ada"}))),
            ("PATCH", path.to_owned(), Some(json!({}))),
            ("DELETE", path.to_owned(), None),
            ("POST", format!("{path}/restore"), None),
            ("DELETE", format!("/v1/leads/trash/{}", id(path)), None),
        ]
    };
    let expected: Vec<Answer> = requests(&nowhere)
        .into_iter()
        .map(|(method, path, body)| fixture.as_ada(method, &path, body))
        .collect();
    for path in fixture.others.iter().chain(&fixture.others_trashed) {
        for ((method, path, body), expected) in requests(path).into_iter().zip(&expected) {
            let answer = fixture.as_ada(method, &path, body.clone());
            assert_eq!(
                (answer.status, &answer.body),
                (404, &expected.body),
                "{method} {path}"
            );
            assert_eq!(answer.headers, expected.headers, "{method} {path}");
            // The response must not reveal whether a precondition holds.
            for condition in [tag.as_str(), "\"other\"", "*"] {
                for header in ["If-Match", "If-None-Match"] {
                    let call = fixture
                        .api
                        .call(method, &path)
                        .key(&fixture.ada)
                        .header(header, condition);
                    let answer = match &body {
                        Some(body) => call.json(body).send(),
                        None => call.send(),
                    };
                    assert_eq!(
                        (answer.status, &answer.body),
                        (404, &expected.body),
                        "{method} {path} {header}"
                    );
                }
            }
        }
    }
    assert_eq!(fixture.api.contents(), before);
}

#[test]
fn bound_credential_creates_and_keeps_only_own_leads() {
    let fixture = Fixture::new();
    for body in [
        json!({"name": "x"}),
        json!({"name": "x", "owner_id": "ada"}),
        json!({"name": "x", "owner_id": null}),
        json!({"name": "x", "owner_id": " "}),
        json!({"name": "x", "id": null, "external_id": null}),
    ] {
        let created = fixture.as_ada("POST", "/v1/leads", Some(body.clone()));
        assert_eq!(
            (created.status, &created.body["owner_id"]),
            (201, &json!("ada")),
            "{body}"
        );
    }
    let before = fixture.api.contents();
    for (body, status) in [
        (json!({"name": "x", "owner_id": "bob"}), 403),
        (json!({"name": "x", "owner_id": " ada "}), 403),
        (json!({"name": "", "owner_id": "bob"}), 403),
        (json!({"name": "x", "owner_id": 5}), 422),
        // An error for a taken id would reveal another owner's lead, so this credential cannot set
        // ids at all.
        (json!({"name": "x", "id": id(&fixture.others[0])}), 422),
        (
            json!({"name": "x", "id": "lead_01h455vb4pex5vsknk084sn02q"}),
            422,
        ),
        (json!({"name": "x", "external_id": "x1"}), 422),
        (json!({"name": "x", "external_id": "x9"}), 422),
    ] {
        let answer = fixture.as_ada("POST", "/v1/leads", Some(body.clone()));
        assert_eq!(answer.status, status, "{body}: {}", answer.body);
    }
    for (body, status) in [
        (json!({"owner_id": "bob"}), 403),
        (json!({"owner_id": null}), 403),
        (json!({"owner_id": ""}), 403),
        (json!({"external_id": "x1"}), 422),
        (json!({"external_id": null}), 422),
    ] {
        let answer = fixture.as_ada("PATCH", &fixture.own, Some(body.clone()));
        assert_eq!(answer.status, status, "{body}: {}", answer.body);
    }
    assert_eq!(fixture.api.contents(), before);
    let changed = fixture.as_ada(
        "PATCH",
        &fixture.own,
        Some(json!({"owner_id": "ada", "name": "changed"})),
    );
    assert_eq!(
        (changed.status, &changed.body["name"]),
        (200, &json!("changed"))
    );
}

#[test]
fn restore_purge_and_empty_trash_affect_only_own_leads() {
    let fixture = Fixture::new();
    let restored = fixture.as_ada("POST", &format!("{}/restore", fixture.own_trashed), None);
    assert_eq!(restored.status, 200);
    assert_eq!(fixture.as_ada("DELETE", &fixture.own, None).status, 204);
    assert_eq!(
        fixture.as_ada("DELETE", &fixture.own_trashed, None).status,
        204
    );
    let own = format!("/v1/leads/trash/{}", id(&fixture.own));
    assert_eq!(fixture.as_ada("DELETE", &own, None).status, 204);
    assert_eq!(
        fixture.as_ada("DELETE", "/v1/leads/trash", None).status,
        204
    );
    assert_eq!(
        fixture.as_ada("GET", "/v1/leads/trash", None).body["pagination"]["total"],
        0
    );
    let all = fixture.api.get("/v1/leads/trash").body;
    assert_eq!(
        all["pagination"]["total"],
        fixture.others_trashed.len(),
        "the trash of other owners is untouched"
    );
}

#[test]
fn reassigned_lead_disappears_for_its_former_owner() {
    let fixture = Fixture::new();
    let tag = fixture
        .as_ada("GET", &fixture.own, None)
        .header("etag")
        .to_owned();
    fixture.api.patch(&fixture.own, json!({"owner_id": "bob"}));
    let answer = fixture
        .api
        .call("GET", &fixture.own)
        .key(&fixture.ada)
        .header("If-None-Match", tag)
        .send();
    assert_eq!((answer.status, answer.error()), (404, "not_found"));
    assert_eq!(
        fixture.as_ada("GET", "/v1/leads", None).body["pagination"]["total"],
        0
    );
}
