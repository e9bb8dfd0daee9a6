//! Every operation with its headers, called as in the examples of the Leads API.

use leadstore::SearchQuery;
use serde_json::{Value, json};

use super::Api;

fn jane() -> Value {
    json!({"name": "Jane Doe", "email": "jane@example.com", "phone": "+1-555-0123", "company": "Example Corp",
        "source": "website", "deal_value": 25000, "custom_fields": {"industry": "Technology", "employees": "50-200"}})
}

#[test]
fn lead_lifecycle_matches_the_leads_api_examples() {
    let api = Api::new();
    let created = api.post("/v1/leads", jane());
    assert_eq!(created.status, 201);
    let id = created.body["id"].as_str().unwrap();
    let path = format!("/v1/leads/{id}");
    assert_eq!(created.header("location"), path);
    assert_eq!(
        created.body,
        json!({"id": id, "external_id": null, "name": "Jane Doe", "email": "jane@example.com", "phone": "+1-555-0123",
            "company": "Example Corp", "job_title": null, "status": "new", "source": "website", "owner_id": null, "deal_value": 25000,
            "tags": [], "custom_fields": {"employees": "50-200", "industry": "Technology"},
            "created_at": "2026-03-01T12:00:00.000000Z", "updated_at": "2026-03-01T12:00:00.000000Z", "version": 1})
    );

    let listed = api.get("/v1/leads?page=1&per_page=25&status=new&sort=-created_at");
    assert_eq!(listed.status, 200);
    assert_eq!(listed.body["data"], json!([created.body]));
    let pagination =
        json!({"page": 1, "per_page": 25, "total": 1, "total_pages": 1, "next_cursor": null});
    assert_eq!(listed.body["pagination"], pagination);
    assert_eq!(
        api.get("/v1/leads?status=lost").body["pagination"]["total"],
        0
    );

    assert_eq!(api.get(&path).body, created.body);

    let changed = api.patch(&path, json!({"status": "qualified", "deal_value": 50000}));
    assert_eq!(
        (
            changed.status,
            &changed.body["status"],
            &changed.body["deal_value"]
        ),
        (200, &json!("qualified"), &json!(50000))
    );
    assert_ne!(changed.header("etag"), created.header("etag"));

    let search = json!({"query": "example.com", "fields": ["email", "company"]});
    let found = api.post("/v1/leads/search", search.clone());
    assert_eq!(found.status, 200);
    assert_eq!(found.body["pagination"], pagination);
    let mut hit = changed.body.clone();
    hit["matches"] = json!([{"field": "email", "item": null, "ranges": [[5, 16]]}]);
    assert_eq!(found.body["data"], json!([hit]));

    let deleted = api.delete(&path);
    assert_eq!((deleted.status, &deleted.body), (204, &Value::Null));
    let gone = api.get(&path);
    assert_eq!((gone.status, gone.error()), (404, "in_trash"));
    assert_eq!(gone.body["expires_at"], "2026-03-31T12:00:00.000000Z");
    assert_eq!(
        api.post("/v1/leads/search", search.clone()).body["pagination"]["total"],
        0
    );
    let trash = api.get("/v1/leads/trash");
    assert_eq!(trash.body["data"][0]["id"], id);
    assert_eq!(
        trash.body["data"][0]["expires_at"],
        "2026-03-31T12:00:00.000000Z"
    );
    assert_eq!(trash.body["pagination"]["total"], 1);

    let restored = api.call("POST", &format!("{path}/restore")).send();
    assert_eq!(
        (restored.status, &restored.body["version"]),
        (200, &json!(4))
    );
    assert_eq!(api.get(&path).body, restored.body);
    assert_eq!(api.get(&path).header("etag"), restored.header("etag"));

    api.delete(&path);
    assert_eq!(api.delete(&format!("/v1/leads/trash/{id}")).status, 204);
    assert_eq!(api.get(&path).error(), "not_found");
    let other = api.create(jane());
    api.delete(&other);
    assert_eq!(api.delete("/v1/leads/trash").status, 204);
    assert_eq!(api.get("/v1/leads/trash").body["pagination"]["total"], 0);
}

#[test]
fn match_ranges_count_utf16_code_units() {
    let api = Api::new();
    // The rocket is two UTF-16 code units, but four bytes.
    api.create(json!({"name": "🚀 Zoë Straße"}));
    let found = api.post("/v1/leads/search", json!({"query": "strasse zoe "}));
    let utf16: Vec<u16> = "🚀 Zoë Straße".encode_utf16().collect();
    let cut = |range: &Value| {
        let end = |index: usize| range[index].as_u64().unwrap() as usize;
        String::from_utf16(&utf16[end(0)..end(1)]).unwrap()
    };
    let ranges = &found.body["data"][0]["matches"][0]["ranges"];
    assert_eq!([cut(&ranges[0]), cut(&ranges[1])], ["Zoë", "Straße"]);
    assert_eq!(
        api.store.search(&SearchQuery::new("zoe ")).unwrap().items[0].matches[0]
            .ranges
            .first(),
        Some(&(5..9))
    );
}

#[test]
fn lists_and_searches_accept_every_filter_and_sort() {
    let api = Api::new();
    for (name, status, owner, source, tags, value) in [
        (
            "a",
            "new",
            json!("ada"),
            "web",
            json!(["vip", "eu"]),
            json!(1),
        ),
        (
            "b",
            "contacted",
            json!("bob"),
            "web",
            json!(["eu"]),
            json!(2.5),
        ),
        (
            "c",
            "lost",
            Value::Null,
            "a fair, no",
            json!([]),
            json!(null),
        ),
    ] {
        let source = source.replace(", no", "");
        api.create(json!({"name": name, "status": status, "owner_id": owner, "source": source, "tags": tags, "deal_value": value}));
        api.clock.advance(std::time::Duration::from_secs(86_400));
    }
    for (query, names) in [
        ("", vec!["c", "b", "a"]),
        ("?", vec!["c", "b", "a"]),
        ("?sort=name", vec!["a", "b", "c"]),
        ("?sort=-deal_value,name", vec!["b", "a", "c"]),
        ("?status=new,lost", vec!["c", "a"]),
        ("?status=new%2Clost", vec!["c", "a"]),
        ("?owner_id=", vec!["c"]),
        ("?owner_id=,ada", vec!["c", "a"]),
        ("?owner_id=bob&status=contacted", vec!["b"]),
        ("?source=a+fair", vec!["c"]),
        ("?source=a%20fair,web&tag=vip", vec!["a"]),
        ("?tag=eu", vec!["b", "a"]),
        ("?created_after=2026-03-02", vec!["c", "b"]),
        (
            "?created_after=2026-03-02T12:00:00Z&created_before=2026-03-03T12:00:00Z",
            vec!["b"],
        ),
        ("?created_before=2026-03-02T13:00:00%2B01:00", vec!["a"]),
        ("?updated_before=2026-03-02", vec!["a"]),
        ("?updated_after=2026-03-03T12:00:00.000000Z", vec!["c"]),
        ("?deal_value_min=1&deal_value_max=2.5", vec!["b", "a"]),
        ("?deal_value_min=1.0001", vec!["b"]),
        ("?page=2&per_page=2", vec!["a"]),
        ("?page=900000000000", vec![]),
    ] {
        let path = format!("/v1/leads{query}");
        let answer = api.get(&path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        assert_eq!(answer.names(), names, "{path}");
    }
    let search = |mut body: Value| {
        body["query"] = json!("web");
        api.post("/v1/leads/search", body)
    };
    assert_eq!(search(json!({})).names(), ["b", "a"]);
    assert_eq!(
        search(json!({"tag": ["vip"], "status": "new,lost", "owner_id": ["ada", "bob"]})).names(),
        ["a"]
    );
    assert_eq!(
        search(json!({"deal_value_min": 2, "created_after": "2026-03-01"})).names(),
        ["b"]
    );
    assert_eq!(search(json!({"per_page": 1, "page": 2})).names(), ["a"]);
    assert_eq!(
        search(json!({"fields": ["name"]})).names(),
        Vec::<&str>::new()
    );
    assert_eq!(
        api.post(
            "/v1/leads/search",
            json!({"query": "wbe", "typos": "never"})
        )
        .names(),
        Vec::<&str>::new()
    );
}

/// Job titles may contain commas, unlike the values of the other filters.
#[test]
fn job_titles_with_commas_can_be_filtered_by() {
    let api = Api::new();
    for (name, title) in [
        ("a", "VP, Sales"),
        ("b", "VP"),
        ("c", "Sales"),
        ("d", "CTO"),
    ] {
        api.create(json!({"name": name, "job_title": title, "status": "open", "tags": ["x"]}));
    }
    for (query, names) in [
        ("job_title=VP%2C%20Sales", vec!["a"]),
        ("job_title=VP%2C+Sales,CTO", vec!["d", "a"]),
        ("job_title=VP,Sales", vec!["c", "b"]),
        ("status=open%2Cnew&job_title=CTO", vec!["d"]),
    ] {
        let page = api.get(&format!("/v1/leads?{query}"));
        assert_eq!(page.names(), names, "{query}");
    }
    for (filter, names) in [
        (json!("VP, Sales"), vec!["a"]),
        (json!(["VP, Sales", "CTO"]), vec!["d", "a"]),
        (json!([]), vec!["d", "c", "b", "a"]),
    ] {
        let search = json!({"query": "x", "fields": ["tags"], "job_title": filter});
        let page = api.post("/v1/leads/search", search);
        assert_eq!(page.names(), names, "{filter}");
    }
}

/// With an empty array of values, a filter counts as absent, so it excludes no lead.
#[test]
fn empty_array_of_a_filter_counts_as_absent() {
    let api = Api::new();
    api.create(json!({"name": "Jane", "owner_id": "ada", "status": "open"}));
    for member in ["owner_id", "status", "source", "tag", "job_title"] {
        let search = json!({"query": "jane", member: []});
        let page = api.post("/v1/leads/search", search);
        assert_eq!(page.names(), ["Jane"], "{member}: {}", page.body);
    }
}

#[test]
fn pages_link_to_their_neighbours() {
    let api = Api::new();
    for number in 0..5 {
        let lead = api.create(json!({"name": format!("lead {number}"), "tags": ["a b"]}));
        if number < 3 {
            api.delete(&lead);
        }
    }
    let second = api.get("/v1/leads?per_page=1&page=2&tag=a%20b");
    assert_eq!(
        second.header("link"),
        "</v1/leads?per_page=1&tag=a%20b&page=1>; rel=\"prev\""
    );
    let first = api.get("/v1/leads?per_page=1&tag=a%20b");
    let cursor = first.body["pagination"]["next_cursor"].as_str().unwrap();
    assert_eq!(
        first.header("link"),
        format!("</v1/leads?per_page=1&tag=a%20b&cursor={cursor}>; rel=\"next\"")
    );
    assert!(api.get("/v1/leads").headers.get("link").is_none());
    let trash = api.get("/v1/leads/trash?per_page=1&page=2&sort=deleted_at");
    assert_eq!(trash.names(), ["lead 1"]);
    assert_eq!(
        trash.header("link"),
        "</v1/leads/trash?per_page=1&sort=deleted_at&page=3>; rel=\"next\", \
         </v1/leads/trash?per_page=1&sort=deleted_at&page=1>; rel=\"prev\""
    );
}

#[test]
fn etag_preconditions_are_enforced() {
    let api = Api::new();
    let path = api.create(jane());
    let tag = api.get(&path).header("etag").to_owned();
    for (condition, status) in [
        (tag.clone(), 304),
        (format!("W/{tag}"), 304),
        (format!("\"other\", {tag}"), 304),
        ("*".to_owned(), 304),
        ("\"other\"".to_owned(), 200),
    ] {
        let answer = api
            .call("GET", &path)
            .header("If-None-Match", &condition)
            .send();
        assert_eq!(
            (answer.status, answer.header("etag")),
            (status, tag.as_str()),
            "{condition}"
        );
        assert_eq!(
            api.call("HEAD", &path)
                .header("If-None-Match", &condition)
                .send()
                .status,
            status,
            "{condition}"
        );
    }
    let patch = |condition: &str, body: Value| {
        api.call("PATCH", &path)
            .header("If-Match", condition)
            .json(&body)
            .send()
    };
    for condition in ["\"other\"", &format!("W/{tag}"), "nonsense", ""] {
        let refused = patch(condition, json!({"name": "J."}));
        assert_eq!(
            (refused.status, refused.error()),
            (412, "version_conflict"),
            "{condition}"
        );
        let refused = api
            .call("DELETE", &path)
            .header("If-Match", condition)
            .send();
        assert_eq!(
            (refused.status, refused.error()),
            (412, "version_conflict"),
            "{condition}"
        );
    }
    assert_eq!(patch(&tag, json!({"name": "J."})).status, 200);
    assert_eq!(
        patch(&tag, json!({"name": "J. D."})).status,
        412,
        "the lead has changed since"
    );
    assert_eq!(patch("*", json!({"name": "J. D."})).status, 200);
    api.delete(&path);
    let restore = format!("{path}/restore");
    assert_eq!(
        api.call("POST", &restore)
            .header("If-Match", &tag)
            .send()
            .status,
        412
    );
    assert_eq!(
        api.call("POST", &restore)
            .header("If-Match", "*")
            .send()
            .status,
        200
    );
    assert_eq!(
        api.call("POST", &restore)
            .header("If-Match", "\"other\"")
            .send()
            .status,
        409,
        "the state of the lead is checked before the condition"
    );
}

#[test]
fn reused_id_gets_a_different_etag() {
    let api = Api::new();
    let path = api.create(jane());
    let id = path.strip_prefix("/v1/leads/").unwrap();
    let tag = api.get(&path).header("etag").to_owned();
    api.delete(&path);
    api.delete(&format!("/v1/leads/trash/{id}"));
    // The clock stands still, as it seems to do after it was set back.
    api.create(json!({"id": id, "name": "another"}));
    let answer = api.call("GET", &path).header("If-None-Match", &tag).send();
    assert_eq!((answer.status, &answer.body["version"]), (200, &json!(1)));
    let patch = api.call("PATCH", &path).header("If-Match", &tag);
    assert_eq!(patch.json(&json!({"name": "J."})).send().status, 412);
}

#[test]
fn head_is_get_without_the_body() {
    let api = Api::new();
    let path = api.create(jane());
    for path in [path.as_str(), "/v1/leads?per_page=1", "/v1/leads/trash"] {
        let (get, head) = (api.get(path), api.call("HEAD", path).send());
        assert_eq!((head.status, &head.body), (200, &Value::Null));
        let length: usize = head.header("content-length").parse().unwrap();
        assert_eq!(
            serde_json::from_str::<Value>(&get.body.to_string()).unwrap(),
            get.body
        );
        assert!(length > 50, "{path}");
        for name in ["content-type", "etag", "link"] {
            assert_eq!(
                head.headers.get(name),
                get.headers.get(name),
                "{path} {name}"
            );
        }
    }
    let gone = api
        .call("HEAD", "/v1/leads/lead_01h455vb4pex5vsknk084sn02q")
        .send();
    assert_eq!((gone.status, &gone.body), (404, &Value::Null));
}

#[test]
fn only_allowed_origins_get_cors_headers() {
    let mut api = Api::new();
    let origin = "https://app.example.com";
    let closed = api
        .call("OPTIONS", "/v1/leads")
        .without_key()
        .header("Origin", origin)
        .send();
    assert_eq!(
        (closed.status, closed.header("allow")),
        (204, "GET, HEAD, POST, OPTIONS")
    );
    assert!(
        closed
            .headers
            .keys()
            .all(|name| !name.as_str().starts_with("access-control"))
    );

    api.api = api
        .api
        .clone()
        .allow_origin(origin)
        .allow_origin("tauri://localhost");
    let preflight = api
        .call("OPTIONS", "/v1/leads/lead_01h455vb4pex5vsknk084sn02q")
        .without_key()
        .header("Origin", origin)
        .header("Access-Control-Request-Method", "PATCH")
        .send();
    assert_eq!(preflight.status, 204);
    assert_eq!(preflight.header("access-control-allow-origin"), origin);
    assert_eq!(
        preflight.header("access-control-allow-methods"),
        "GET, HEAD, PATCH, DELETE, OPTIONS"
    );
    let headers = preflight
        .header("access-control-allow-headers")
        .to_lowercase();
    for header in ["authorization", "content-type", "if-match", "if-none-match"] {
        assert!(
            headers.split(", ").any(|allowed| allowed == header),
            "{header}"
        );
    }
    // Every response to an allowed origin has the CORS headers, errors included.
    for (method, path, status) in [
        ("GET", "/v1/leads", 200),
        ("GET", "/nowhere", 404),
        ("PUT", "/v1/leads", 405),
        ("GET", "/v1/leads?page=0", 422),
    ] {
        for (from, allowed) in [
            (Some(origin), true),
            (Some("tauri://localhost"), true),
            (Some("https://evil.example"), false),
            (None, false),
        ] {
            let call = api.call(method, path);
            let answer = match from {
                Some(from) => call.header("Origin", from).send(),
                None => call.send(),
            };
            assert_eq!(answer.status, status);
            assert_eq!(answer.header("vary"), "Origin");
            let named = answer
                .headers
                .get("access-control-allow-origin")
                .map(|value| value.to_str().unwrap());
            assert_eq!(named, from.filter(|_| allowed), "{method} {path}");
            assert_eq!(
                answer.headers.contains_key("access-control-expose-headers"),
                allowed
            );
        }
    }
    let refused = api
        .call("GET", "/v1/leads")
        .without_key()
        .header("Origin", origin)
        .send();
    assert_eq!(
        (
            refused.status,
            refused.header("access-control-allow-origin")
        ),
        (401, origin)
    );
    assert!(
        refused
            .header("access-control-expose-headers")
            .contains("ETag")
    );
    api.api = api.api.clone().allow_origin("*");
    let any = api
        .call("GET", "/v1/leads")
        .header("Origin", "https://any.example")
        .send();
    assert_eq!(
        any.header("access-control-allow-origin"),
        "https://any.example"
    );
}

#[test]
fn percent_encoded_paths_are_decoded() {
    let api = Api::new();
    let path = api.create(jane());
    assert_eq!(api.get(&path.replace("lead_", "%6Cead%5f")).status, 200);
    for path in [
        "/v1/leads/",
        "/v1/leads//",
        "//v1/leads",
        "/v1",
        "/",
        "/v1/leads/%ff",
        "/v1/leads/%",
        "/V1/leads",
    ] {
        let answer = api.get(path);
        assert_eq!(
            (answer.status, answer.error()),
            (404, "not_found"),
            "{path}"
        );
    }
}

#[test]
fn closed_store_is_unavailable() {
    let api = Api::new();
    let path = api.create(jane());
    api.store.clone().close().unwrap();
    for answer in [
        api.get(&path),
        api.get("/v1/leads"),
        api.post("/v1/leads/search", json!({"query": "x"})),
    ] {
        assert_eq!((answer.status, answer.error()), (503, "unavailable"));
        assert_eq!(answer.header("retry-after"), "1");
        assert!(
            !answer.body["message"].as_str().unwrap().contains("close"),
            "{}",
            answer.body
        );
    }
}
