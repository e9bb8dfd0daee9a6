//! Every kind of invalid request gets its documented status, code and details, and changes nothing.

use serde_json::{Value, json};

use super::{Answer, Api};

const UNKNOWN: &str = "/v1/leads/lead_01h455vb4pex5vsknk084sn02q";

/// Asserts the status, code and details of an error response, and that the store is unchanged.
fn assert_error(
    api: &Api,
    before: &str,
    what: &str,
    answer: &Answer,
    status: u16,
    error: &str,
    details: &[(&str, &str)],
) {
    assert_eq!(
        (answer.status, answer.error()),
        (status, error),
        "{what}: {}",
        answer.body
    );
    assert_eq!(answer.details(), details, "{what}: {}", answer.body);
    assert!(
        !answer.body["message"].as_str().unwrap().is_empty(),
        "{what}"
    );
    assert_eq!(api.contents(), before, "{what} changed the store");
}

#[test]
fn every_invalid_query_parameter_is_reported() {
    let api = Api::new();
    api.create(json!({"name": "Jane"}));
    let before = api.contents();
    let table: &[(&str, &[(&str, &str)])] = &[
        ("page=0", &[("page", "out_of_range")]),
        ("page=-1", &[("page", "invalid_format")]),
        ("page=1.0", &[("page", "invalid_format")]),
        ("page=+1", &[("page", "invalid_format")]),
        ("page=", &[("page", "invalid_format")]),
        ("page=one", &[("page", "invalid_format")]),
        ("page=18446744073709551616", &[("page", "out_of_range")]),
        ("page=٣", &[("page", "invalid_format")]),
        ("per_page=0", &[("per_page", "out_of_range")]),
        ("per_page=101", &[("per_page", "out_of_range")]),
        ("per_page=4294967297", &[("per_page", "out_of_range")]),
        ("per_page=NaN", &[("per_page", "invalid_format")]),
        (
            "page=0&per_page=0",
            &[("page", "out_of_range"), ("per_page", "out_of_range")],
        ),
        ("page=1&page=2", &[("page", "duplicate")]),
        ("page=1&%70age=1", &[("page", "duplicate")]),
        ("status=New", &[("status", "invalid_character")]),
        ("status=", &[("status", "required")]),
        ("status=new,", &[("status", "required")]),
        ("status=new&status=lost", &[("status", "duplicate")]),
        ("source=", &[("source", "required")]),
        ("source=a%0Ab", &[("source", "invalid_character")]),
        ("owner_id=a%20b", &[("owner_id", "invalid_character")]),
        ("owner_id=%C3%A9", &[("owner_id", "invalid_character")]),
        ("tag=", &[("tag", "required")]),
        ("tag=a,,b", &[("tag", "required")]),
        ("sort=", &[("sort", "not_allowed")]),
        ("sort=colour", &[("sort", "not_allowed")]),
        ("sort=--name", &[("sort", "not_allowed")]),
        ("sort=Name", &[("sort", "not_allowed")]),
        ("sort=deleted_at", &[("sort", "not_allowed")]),
        ("sort=name,name", &[("sort", "duplicate")]),
        ("sort=name,email,company,status", &[("sort", "too_long")]),
        (
            "created_after=yesterday",
            &[("created_after", "invalid_format")],
        ),
        (
            "created_after=2026-02-30",
            &[("created_after", "invalid_format")],
        ),
        (
            "created_after=2026-03-01T12:00:00",
            &[("created_after", "invalid_format")],
        ),
        // A `+` that is not encoded is a space.
        (
            "created_after=2026-03-01T12:00:00+01:00",
            &[("created_after", "invalid_format")],
        ),
        ("created_before=", &[("created_before", "invalid_format")]),
        (
            "created_before=2026-3-01",
            &[("created_before", "invalid_format")],
        ),
        (
            "created_before=+2026-03-01",
            &[("created_before", "invalid_format")],
        ),
        ("updated_after=1e9", &[("updated_after", "invalid_format")]),
        (
            "updated_before=NaN",
            &[("updated_before", "invalid_format")],
        ),
        (
            "deal_value_min=NaN",
            &[("deal_value_min", "invalid_format")],
        ),
        (
            "deal_value_min=Infinity",
            &[("deal_value_min", "invalid_format")],
        ),
        (
            "deal_value_max=0x10",
            &[("deal_value_max", "invalid_format")],
        ),
        (
            "deal_value_max=1e999",
            &[("deal_value_max", "invalid_format")],
        ),
        (
            "deal_value_max=123456789012345678901234567890",
            &[("deal_value_max", "invalid_format")],
        ),
        ("cursor=", &[("cursor", "invalid_format")]),
        ("cursor=AAAA", &[("cursor", "invalid_format")]),
        ("cursor=%2B%2F%3D", &[("cursor", "invalid_format")]),
        ("page=1&cursor=AAAA", &[("cursor", "not_allowed")]),
        ("colour=red", &[("colour", "unknown")]),
        ("=", &[("", "unknown")]),
        ("%70er_page=0", &[("per_page", "out_of_range")]),
        (
            "page=x&sort=x&colour=x",
            &[
                ("sort", "not_allowed"),
                ("page", "invalid_format"),
                ("colour", "unknown"),
            ],
        ),
    ];
    for (query, details) in table {
        let path = format!("/v1/leads?{query}");
        assert_error(
            &api,
            &before,
            &path,
            &api.get(&path),
            422,
            "validation_failed",
            details,
        );
    }
    for (query, details) in [
        ("page=0", ("page", "out_of_range")),
        ("sort=colour", ("sort", "not_allowed")),
        ("status=new", ("status", "unknown")),
    ] {
        let path = format!("/v1/leads/trash?{query}");
        assert_error(
            &api,
            &before,
            &path,
            &api.get(&path),
            422,
            "validation_failed",
            &[details],
        );
    }
    for query in [
        "a=%",
        "a=%4",
        "a=%zz",
        "%=a",
        "a=%ff",
        "a=%C3",
        "a=%ED%A0%80",
    ] {
        let path = format!("/v1/leads?{query}");
        assert_error(
            &api,
            &before,
            &path,
            &api.get(&path),
            400,
            "malformed_request",
            &[],
        );
    }
    for query in [
        "per_page=%32",
        "%70er_page=2",
        "status=n%65w",
        "&&page=1&",
        "source=%F0%9F%9A%80",
        "tag=%2525",
    ] {
        assert_eq!(
            api.get(&format!("/v1/leads?{query}")).status,
            200,
            "{query}"
        );
    }
    let name = "x".repeat(10_000);
    let answer = api.get(&format!("/v1/leads?{name}=1"));
    assert!(
        answer.details()[0].0.chars().count() <= 65,
        "an overlong parameter name must be truncated"
    );
}

/// Invalid bodies with the violations that both a create and a patch report for them.
fn invalid_bodies() -> Vec<(Value, Vec<(&'static str, &'static str)>)> {
    let long = |count: usize| "x".repeat(count);
    vec![
        (json!({"name": ""}), vec![("name", "required")]),
        (json!({"name": " \t "}), vec![("name", "required")]),
        (json!({"name": null}), vec![("name", "required")]),
        (json!({"name": 1}), vec![("name", "invalid_type")]),
        (json!({"name": ["Jane"]}), vec![("name", "invalid_type")]),
        (json!({"name": {}}), vec![("name", "invalid_type")]),
        (json!({"name": true}), vec![("name", "invalid_type")]),
        (json!({"name": long(256)}), vec![("name", "too_long")]),
        (
            json!({"name": "a\u{7}b"}),
            vec![("name", "invalid_character")],
        ),
        (
            json!({"name": "Jane", "email": "jane"}),
            vec![("email", "invalid_format")],
        ),
        (
            json!({"name": "Jane", "email": "a@b@c"}),
            vec![("email", "invalid_format")],
        ),
        (
            json!({"name": "Jane", "email": 5}),
            vec![("email", "invalid_type")],
        ),
        (
            json!({"name": "Jane", "email": long(250) + "@b.de"}),
            vec![("email", "too_long")],
        ),
        (
            json!({"name": "Jane", "phone": "12"}),
            vec![("phone", "invalid_format")],
        ),
        (
            json!({"name": "Jane", "phone": long(65)}),
            vec![("phone", "too_long"), ("phone", "invalid_format")],
        ),
        (
            json!({"name": "Jane", "company": long(256)}),
            vec![("company", "too_long")],
        ),
        (
            json!({"name": "Jane", "status": "NEW"}),
            vec![("status", "invalid_character")],
        ),
        (
            json!({"name": "Jane", "status": []}),
            vec![("status", "invalid_type")],
        ),
        (
            json!({"name": "Jane", "source": "a,b"}),
            vec![("source", "invalid_character")],
        ),
        (
            json!({"name": "Jane", "owner_id": "a b"}),
            vec![("owner_id", "invalid_character")],
        ),
        (
            json!({"name": "Jane", "external_id": "é"}),
            vec![("external_id", "invalid_character")],
        ),
        (
            json!({"name": "Jane", "external_id": long(129)}),
            vec![("external_id", "too_long")],
        ),
        (
            json!({"name": "Jane", "deal_value": -1}),
            vec![("deal_value", "out_of_range")],
        ),
        (
            json!({"name": "Jane", "deal_value": "5"}),
            vec![("deal_value", "invalid_type")],
        ),
        (
            json!({"name": "Jane", "tags": "vip"}),
            vec![("tags", "invalid_type")],
        ),
        (
            json!({"name": "Jane", "tags": ["a", 1, null]}),
            vec![("tags[1]", "invalid_type"), ("tags[2]", "invalid_type")],
        ),
        (
            json!({"name": "Jane", "tags": ["a", "", "a"]}),
            vec![("tags[1]", "required"), ("tags[2]", "duplicate")],
        ),
        (
            json!({"name": "Jane", "tags": (0..51).map(|n| n.to_string()).collect::<Vec<_>>()}),
            vec![("tags", "too_long")],
        ),
        (
            json!({"name": "Jane", "custom_fields": []}),
            vec![("custom_fields", "invalid_type")],
        ),
        (
            json!({"name": "Jane", "custom_fields": {"": 1}}),
            vec![("custom_fields.", "required")],
        ),
        (
            json!({"name": "Jane", "custom_fields": {"a": {}}}),
            vec![("custom_fields.a", "invalid_type")],
        ),
        (
            json!({"name": "Jane", "custom_fields": {"a": [1, null]}}),
            vec![("custom_fields.a[1]", "invalid_type")],
        ),
        (
            json!({"name": "Jane", "custom_fields": {"a": [[1]]}}),
            vec![("custom_fields.a[0]", "invalid_type")],
        ),
        (
            json!({"name": "Jane", "custom_fields": {"a": long(4_097)}}),
            vec![("custom_fields.a", "too_long")],
        ),
        (
            json!({"name": "Jane", "custom_fields": (0..101).map(|n| (n.to_string(), json!(1))).collect::<serde_json::Map<_, _>>()}),
            vec![("custom_fields", "too_long")],
        ),
        (
            json!({"name": "Jane", "created_at": "2026-01-01T00:00:00Z"}),
            vec![("created_at", "not_allowed")],
        ),
        (
            json!({"name": "Jane", "version": 7}),
            vec![("version", "not_allowed")],
        ),
        (
            json!({"name": "Jane", "colour": "red"}),
            vec![("colour", "unknown")],
        ),
        (
            json!({"name": "", "email": "x", "deal_value": [], "x": 1}),
            vec![
                ("deal_value", "invalid_type"),
                ("x", "unknown"),
                ("name", "required"),
                ("email", "invalid_format"),
            ],
        ),
    ]
}

#[test]
fn every_violation_in_a_body_is_reported() {
    let api = Api::new();
    let path = api.create(json!({"name": "Jane"}));
    let before = api.contents();
    for (body, details) in invalid_bodies() {
        let sorted = |mut details: Vec<(&'static str, &'static str)>| {
            details.sort();
            details
        };
        for answer in [
            api.post("/v1/leads", body.clone()),
            api.patch(&path, body.clone()),
        ] {
            assert_eq!(
                (answer.status, answer.error()),
                (422, "validation_failed"),
                "{body}: {}",
                answer.body
            );
            let mut named = answer.details();
            named.sort();
            assert_eq!(named, sorted(details.clone()), "{body}");
        }
        assert_eq!(api.contents(), before, "{body} changed the store");
    }
    let only_new = [
        (json!({}), ("name", "required")),
        (
            json!({"name": "Jane", "id": "lead_1"}),
            ("id", "invalid_format"),
        ),
        (json!({"name": "Jane", "id": 5}), ("id", "invalid_type")),
    ];
    for (body, detail) in only_new {
        assert_error(
            &api,
            &before,
            &body.to_string(),
            &api.post("/v1/leads", body.clone()),
            422,
            "validation_failed",
            &[detail],
        );
    }
    let only_patch = [
        (json!({"status": null}), ("status", "required")),
        (json!({"status": ""}), ("status", "required")),
        (
            json!({"id": "lead_01h455vb4pex5vsknk084sn02q"}),
            ("id", "not_allowed"),
        ),
    ];
    for (body, detail) in only_patch {
        assert_error(
            &api,
            &before,
            &body.to_string(),
            &api.patch(&path, body.clone()),
            422,
            "validation_failed",
            &[detail],
        );
    }
    // A patch that is invalid only together with the stored fields.
    let ninety = (0..90)
        .map(|n| (format!("a{n}"), json!(1)))
        .collect::<serde_json::Map<_, _>>();
    assert_eq!(
        api.patch(&path, json!({"custom_fields": ninety})).status,
        200
    );
    let before = api.contents();
    let twenty = (0..20)
        .map(|n| (format!("b{n}"), json!(1)))
        .collect::<serde_json::Map<_, _>>();
    let answer = api.patch(&path, json!({"custom_fields": twenty}));
    assert_error(
        &api,
        &before,
        "too many fields in total",
        &answer,
        422,
        "validation_failed",
        &[("custom_fields", "too_long")],
    );
}

#[test]
fn numbers_are_parsed_exactly_or_rejected() {
    let api = Api::new();
    let path = api.create(json!({"name": "Jane"}));
    for (written, read) in [
        ("25000", "25000"),
        ("25000.0", "25000"),
        ("0.1", "0.1"),
        ("2.5e4", "25000"),
        ("1E-4", "0.0001"),
        ("-0", "0"),
        ("99999999999.9999", "99999999999.9999"),
        ("0e99999999999", "0"),
        ("10000000000000000000e-10", "1000000000"),
    ] {
        let body = format!("{{\"deal_value\": {written}}}");
        let answer = api
            .call("PATCH", &path)
            .raw("application/json", body)
            .send();
        assert_eq!(answer.status, 200, "{written}: {}", answer.body);
        assert_eq!(answer.body["deal_value"].to_string(), read, "{written}");
    }
    let before = api.contents();
    for written in [
        "12345678901234567890",
        "100000000000",
        "99999999999.99999",
        "-0.0001",
        "1e400",
        "1e-400",
        "0.00001",
        "1e99999999999999999999",
    ] {
        let body = format!("{{\"deal_value\": {written}}}");
        let answer = api
            .call("PATCH", &path)
            .raw("application/json", body)
            .send();
        assert_eq!(
            (answer.status, answer.error()),
            (422, "validation_failed"),
            "{written}: {}",
            answer.body
        );
        assert!(
            answer
                .details()
                .iter()
                .all(|detail| *detail == ("deal_value", "out_of_range")),
            "{written}"
        );
        assert_eq!(api.contents(), before, "{written}");
    }
    for written in [
        "NaN",
        "Infinity",
        "-Infinity",
        "01",
        "+1",
        ".5",
        "1.",
        "0x10",
        "1_000",
        "1e",
    ] {
        let body = format!("{{\"deal_value\": {written}}}");
        let answer = api
            .call("PATCH", &path)
            .raw("application/json", body)
            .send();
        assert_error(
            &api,
            &before,
            written,
            &answer,
            400,
            "malformed_request",
            &[],
        );
    }
    for (written, read) in [
        ("9223372036854775807", Some("9223372036854775807")),
        ("-9223372036854775808", Some("-9223372036854775808")),
        ("9223372036854775808", None),
        ("12345678901234567890", None),
        ("1e400", None),
        ("-1e400", None),
        ("1.5", Some("1.5")),
        ("1e2", Some("100.0")),
    ] {
        let body = format!("{{\"custom_fields\": {{\"n\": {written}, \"list\": [{written}]}}}}");
        let answer = api
            .call("PATCH", &path)
            .raw("application/json", body)
            .send();
        match read {
            Some(read) => assert_eq!(
                answer.body["custom_fields"]["n"].to_string(),
                read,
                "{written}"
            ),
            None => assert_eq!(
                answer.details(),
                [
                    ("custom_fields.n", "out_of_range"),
                    ("custom_fields.list[0]", "out_of_range")
                ]
            ),
        }
    }
}

#[test]
fn bodies_that_are_not_json_objects_are_rejected() {
    let api = Api::new();
    let path = api.create(json!({"name": "Jane"}));
    let before = api.contents();
    let malformed: [&[u8]; 14] = [
        b"",
        b"{",
        b"{\"name\": \"Jane\"} x",
        b"{name: 1}",
        b"{'name': 'Jane'}",
        b"{\"name\": \"Jane\",}",
        b"nul",
        b"\xff",
        b"{\"name\": \"\xff\"}",
        b"{\"name\": \"a\nb\"}",
        b"\xef\xbb\xbf{\"name\": \"Jane\"}",
        b"{\"name\": \"\\x41\"}",
        b"\0",
        b"{\"name\"}",
    ];
    let deep = [
        b"{\"custom_fields\": {\"a\": ".as_slice(),
        "[".repeat(50_000).as_bytes(),
    ]
    .concat();
    for body in malformed.into_iter().chain([deep.as_slice()]) {
        let what = String::from_utf8_lossy(&body[..body.len().min(80)]).into_owned();
        for (method, path) in [
            ("POST", "/v1/leads"),
            ("PATCH", path.as_str()),
            ("POST", "/v1/leads/search"),
        ] {
            let answer = api.call(method, path).raw("application/json", body).send();
            assert_error(
                &api,
                &before,
                &format!("{method} {what}"),
                &answer,
                400,
                "malformed_request",
                &[],
            );
        }
    }
    for body in [
        "null",
        "[]",
        "\"Jane\"",
        "5",
        "true",
        "[{\"name\": \"Jane\"}]",
    ] {
        for (method, path) in [
            ("POST", "/v1/leads"),
            ("PATCH", path.as_str()),
            ("POST", "/v1/leads/search"),
        ] {
            let answer = api.call(method, path).raw("application/json", body).send();
            assert_error(
                &api,
                &before,
                body,
                &answer,
                422,
                "validation_failed",
                &[("body", "invalid_type")],
            );
        }
    }
    for (body, details) in [
        (r#"{"name": "\ud800"}"#, ("name", "invalid_character")),
        (
            r#"{"name": "Jane", "email": "\udc00@b"}"#,
            ("email", "invalid_character"),
        ),
        (
            r#"{"name": "Jane", "tags": ["\ud800"]}"#,
            ("tags[0]", "invalid_character"),
        ),
        (
            r#"{"name": "Jane", "custom_fields": {"a": "\ud800"}}"#,
            ("custom_fields.a", "invalid_character"),
        ),
        (
            r#"{"name": "Jane", "custom_fields": {"\ud800": 1}}"#,
            ("custom_fields", "invalid_character"),
        ),
        (
            r#"{"name": "Jane", "\ud800": 1}"#,
            ("body", "invalid_character"),
        ),
        (r#"{"name": "Jane", "name": "Jane"}"#, ("name", "duplicate")),
        (
            r#"{"name": "Jane", "n\u0061me": "Jane"}"#,
            ("name", "duplicate"),
        ),
        (
            r#"{"name": "Jane", "custom_fields": {"a": 1, "a": 2}}"#,
            ("custom_fields.a", "duplicate"),
        ),
    ] {
        for (method, path) in [("POST", "/v1/leads"), ("PATCH", path.as_str())] {
            let answer = api.call(method, path).raw("application/json", body).send();
            assert_error(
                &api,
                &before,
                body,
                &answer,
                422,
                "validation_failed",
                &[details],
            );
        }
    }
}

#[test]
fn every_invalid_member_of_a_search_is_reported() {
    let api = Api::new();
    let before = api.contents();
    let words = "a ".repeat(33);
    for (body, details) in [
        (json!({}), vec![("query", "required")]),
        (json!({"query": null}), vec![("query", "required")]),
        (json!({"query": " "}), vec![("query", "required")]),
        (json!({"query": 5}), vec![("query", "invalid_type")]),
        (json!({"query": [5]}), vec![("query[0]", "invalid_type")]),
        (
            json!({"query": "x".repeat(513)}),
            vec![("query", "too_long")],
        ),
        (json!({"query": words}), vec![("query", "too_long")]),
        (
            json!({"query": "x", "fields": "email"}),
            vec![("fields", "invalid_type")],
        ),
        (
            json!({"query": "x", "fields": [1]}),
            vec![("fields[0]", "invalid_type")],
        ),
        (
            json!({"query": "x", "fields": ["colour"]}),
            vec![("fields", "not_allowed")],
        ),
        (
            json!({"query": "x", "typos": "maybe"}),
            vec![("typos", "not_allowed")],
        ),
        (
            json!({"query": "x", "typos": false}),
            vec![("typos", "invalid_type")],
        ),
        (
            json!({"query": "x", "page": 0}),
            vec![("page", "out_of_range")],
        ),
        (
            json!({"query": "x", "page": -1}),
            vec![("page", "invalid_format")],
        ),
        (
            json!({"query": "x", "page": "1"}),
            vec![("page", "invalid_type")],
        ),
        (
            json!({"query": "x", "per_page": 101}),
            vec![("per_page", "out_of_range")],
        ),
        (
            json!({"query": "x", "status": 5}),
            vec![("status", "invalid_type")],
        ),
        (
            json!({"query": "x", "status": ["new", 5]}),
            vec![("status[1]", "invalid_type")],
        ),
        (
            json!({"query": "x", "created_after": "x"}),
            vec![("created_after", "invalid_format")],
        ),
        (
            json!({"query": "x", "deal_value_min": "5"}),
            vec![("deal_value_min", "invalid_type")],
        ),
        (
            json!({"query": "x", "sort": "name"}),
            vec![("sort", "unknown")],
        ),
        (
            json!({"page": 0, "x": 1}),
            vec![
                ("x", "unknown"),
                ("query", "required"),
                ("page", "out_of_range"),
            ],
        ),
    ] {
        let answer = api.post("/v1/leads/search", body.clone());
        assert_error(
            &api,
            &before,
            &body.to_string(),
            &answer,
            422,
            "validation_failed",
            &details,
        );
    }
    let twice = r#"{"query": "x", "query": "y", "fields": [], "fields": []}"#;
    let answer = api
        .call("POST", "/v1/leads/search")
        .raw("application/json", twice)
        .send();
    assert_error(
        &api,
        &before,
        twice,
        &answer,
        422,
        "validation_failed",
        &[("query", "duplicate"), ("fields", "duplicate")],
    );
    let answer = api
        .call("POST", "/v1/leads/search?query=x")
        .json(&json!({"query": "x"}))
        .send();
    assert_error(
        &api,
        &before,
        "a parameter",
        &answer,
        422,
        "validation_failed",
        &[("query", "unknown")],
    );
}

#[test]
fn oversized_bodies_and_unsupported_types_are_rejected() {
    let api = Api::new();
    let path = api.create(json!({"name": "Jane"}));
    let before = api.contents();
    let large = format!("{{\"name\": \"{}\"}}", "x".repeat(1 << 20));
    for (method, path) in [
        ("POST", "/v1/leads"),
        ("PATCH", path.as_str()),
        ("POST", "/v1/leads/search"),
        ("DELETE", path.as_str()),
    ] {
        let answer = api
            .call(method, path)
            .raw("application/json", large.as_str())
            .send();
        assert_error(&api, &before, method, &answer, 413, "too_large", &[]);
    }
    // A body of the maximum size is accepted, and validation then rejects its name as too long.
    let largest = format!("{{\"name\": \"{}\"}}", "x".repeat((1 << 20) - 12));
    assert_eq!(largest.len(), 1 << 20);
    assert_eq!(
        api.call("POST", "/v1/leads")
            .raw("application/json", largest)
            .send()
            .details(),
        [("name", "too_long")]
    );
    for media_type in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/json; charset=latin1",
        "application/xml",
        "",
    ] {
        for (method, path) in [
            ("POST", "/v1/leads"),
            ("PATCH", path.as_str()),
            ("POST", "/v1/leads/search"),
        ] {
            let answer = api
                .call(method, path)
                .raw(media_type, "{\"name\": \"Jane\"}")
                .send();
            assert_error(
                &api,
                &before,
                media_type,
                &answer,
                415,
                "unsupported_media_type",
                &[],
            );
        }
    }
    let answer = api
        .call("POST", "/v1/leads")
        .raw("application/merge-patch+json", "{\"name\": \"Jane\"}")
        .send();
    assert_error(
        &api,
        &before,
        "a merge patch cannot create a lead",
        &answer,
        415,
        "unsupported_media_type",
        &[],
    );
    let answer = api
        .call("POST", "/v1/leads")
        .raw("application/json", "{}")
        .header("Content-Encoding", "gzip")
        .send();
    assert_error(
        &api,
        &before,
        "gzip",
        &answer,
        415,
        "unsupported_media_type",
        &[],
    );
    let without = api.call("POST", "/v1/leads");
    assert_eq!(
        super::Call {
            body: b"{\"name\": \"Jane\"}".to_vec(),
            ..without
        }
        .send()
        .status,
        201,
        "a body without a Content-Type is JSON"
    );
}

#[test]
fn each_method_on_each_path_is_served_or_gets_405() {
    let api = Api::new();
    let lead = api.create(json!({"name": "Jane"}));
    let before = api.contents();
    for (path, allowed) in [
        ("/v1/leads", "GET, HEAD, POST, OPTIONS"),
        ("/v1/leads/search", "POST, OPTIONS"),
        ("/v1/leads/trash", "GET, HEAD, DELETE, OPTIONS"),
        (
            "/v1/leads/trash/lead_01h455vb4pex5vsknk084sn02q",
            "DELETE, OPTIONS",
        ),
        (lead.as_str(), "GET, HEAD, PATCH, DELETE, OPTIONS"),
        (&format!("{lead}/restore"), "POST, OPTIONS"),
    ] {
        for method in [
            "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "TRACE", "BREW", "get",
        ] {
            if allowed.split(", ").any(|allowed| allowed == method) {
                continue;
            }
            let answer = api.call(method, path).send();
            assert_eq!(
                (answer.status, answer.header("allow")),
                (405, allowed),
                "{method} {path}"
            );
            assert_eq!(
                answer.error(),
                if method == "HEAD" {
                    ""
                } else {
                    "method_not_allowed"
                }
            );
        }
        let preflight = api.call("OPTIONS", path).without_key().send();
        assert_eq!(
            (preflight.status, preflight.header("allow")),
            (204, allowed)
        );
    }
    assert_eq!(api.contents(), before);
    for path in [
        "/",
        "/v1",
        "/v2/leads",
        "/v1/leads/trash/x/y",
        "/v1/leads/x/y",
        "/v1/leads/restore/x",
        "/v1/lead",
    ] {
        for method in ["GET", "POST", "OPTIONS", "BREW"] {
            let answer = api.call(method, path).send();
            assert_error(&api, &before, path, &answer, 404, "not_found", &[]);
        }
    }
}

#[test]
fn missing_trashed_and_live_leads_get_distinct_errors() {
    let api = Api::new();
    let live = api.create(json!({"name": "live", "external_id": "x1"}));
    let trashed = api.create(json!({"name": "trashed", "external_id": "x2"}));
    api.delete(&trashed);
    let id = |path: &str| path.strip_prefix("/v1/leads/").unwrap().to_owned();
    let purge = |path: &str| format!("/v1/leads/trash/{}", id(path));
    let before = api.contents();
    for no_id in [
        UNKNOWN,
        "/v1/leads/nonsense",
        "/v1/leads/lead_8zzzzzzzzzzzzzzzzzzzzzzzzz",
        "/v1/leads/LEAD_01H455VB4PEX5VSKNK084SN02Q",
        "/v1/leads/%2F",
    ] {
        for answer in [
            api.get(no_id),
            api.patch(no_id, json!({})),
            api.delete(no_id),
            api.call("POST", &format!("{no_id}/restore")).send(),
            api.delete(&purge(no_id)),
        ] {
            assert_error(&api, &before, no_id, &answer, 404, "not_found", &[]);
        }
    }
    for answer in [
        api.get(&trashed),
        api.patch(&trashed, json!({})),
        api.delete(&trashed),
    ] {
        assert_error(&api, &before, "in the trash", &answer, 404, "in_trash", &[]);
        assert_eq!(answer.body["expires_at"], "2026-03-31T12:00:00.000000Z");
    }
    for answer in [
        api.call("POST", &format!("{live}/restore")).send(),
        api.delete(&purge(&live)),
    ] {
        assert_error(&api, &before, "live", &answer, 409, "not_in_trash", &[]);
    }
    for body in [
        json!({"name": "x", "id": id(&live)}),
        json!({"name": "x", "id": id(&trashed)}),
        json!({"name": "x", "external_id": "x1"}),
        json!({"name": "x", "external_id": "x2"}),
    ] {
        assert_error(
            &api,
            &before,
            &body.to_string(),
            &api.post("/v1/leads", body.clone()),
            409,
            "already_exists",
            &[],
        );
    }
    assert_error(
        &api,
        &before,
        "taken",
        &api.patch(&live, json!({"external_id": "x2"})),
        409,
        "already_exists",
        &[],
    );
    // After its expiry the lead is gone.
    api.clock
        .advance(std::time::Duration::from_secs(31 * 86_400));
    for answer in [
        api.get(&trashed),
        api.call("POST", &format!("{trashed}/restore")).send(),
        api.delete(&purge(&trashed)),
    ] {
        assert_eq!((answer.status, answer.error()), (404, "not_found"));
    }
}

/// Quadratic validation time, or one error detail per byte of the body, would let a single request
/// take a server down.
#[test]
fn thousands_of_violations_get_a_fast_and_short_response() {
    let api = Api::new();
    let path = api.create(json!({"name": "Jane"}));
    let before = api.contents();
    let many = |item: &dyn Fn(u32) -> String| (0..45_000).map(item).collect::<Vec<_>>().join(",");
    let members = format!("{{{}}}", many(&|n| format!("\"a{n}\":0")));
    let tags = format!("{{\"tags\":[{}]}}", many(&|_| "0".to_owned()));
    let fields = format!(
        "{{\"query\":\"x\",\"fields\":[{}]}}",
        many(&|n| format!("\"custom_fields.{n}\""))
    );
    let statuses = format!(
        "{{\"query\":\"x\",\"status\":\"{}\"}}",
        many(&|n| n.to_string())
    );
    let begun = std::time::Instant::now();
    for (method, path, body) in [
        ("POST", "/v1/leads", &members),
        ("PATCH", path.as_str(), &members),
        ("PATCH", path.as_str(), &tags),
        ("POST", "/v1/leads/search", &members),
        ("POST", "/v1/leads/search", &fields),
        ("POST", "/v1/leads/search", &statuses),
    ] {
        assert!(body.len() < 1 << 20);
        let answer = api
            .call(method, path)
            .raw("application/json", body.as_str())
            .send();
        assert_eq!(
            (answer.status, answer.error()),
            (422, "validation_failed"),
            "{method} {path}"
        );
        assert!(
            answer.details().len() <= 1_000 && answer.body.to_string().len() < 300_000,
            "{method} {path}"
        );
    }
    let query = format!(
        "/v1/leads?{}",
        (0..6_000)
            .map(|n| format!("a{n}"))
            .collect::<Vec<_>>()
            .join("&")
    );
    assert_eq!(api.get(&query).details().len(), 1_000);
    assert_eq!(api.contents(), before);
    // If validation took quadratic time, each of these requests would take minutes.
    assert!(begun.elapsed().as_secs() < 60, "{:?}", begun.elapsed());
}
