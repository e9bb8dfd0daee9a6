//! `openapi.json` describes exactly what the API serves.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, OnceLock};

use jsonschema::Validator;
use leadstore::http::LeadsApi;
use serde_json::{Value, json};

use super::{Answer, Api};

fn document() -> &'static Value {
    static DOCUMENT: OnceLock<Value> = OnceLock::new();
    DOCUMENT.get_or_init(|| serde_json::from_str(LeadsApi::OPENAPI).unwrap())
}

/// Follows a reference within the document. Returns any other value unchanged.
fn resolve(value: &'static Value) -> &'static Value {
    match value["$ref"].as_str() {
        Some(reference) => document()
            .pointer(reference.strip_prefix('#').unwrap())
            .expect(reference),
        None => value,
    }
}

/// Validates `value` against `schema`.
fn validate(schema: &Value, value: &Value) -> Result<(), String> {
    static VALIDATORS: Mutex<BTreeMap<String, Validator>> = Mutex::new(BTreeMap::new());
    let mut validators = VALIDATORS
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let validator = validators.entry(schema.to_string()).or_insert_with(|| {
        let schema = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "allOf": [schema],
            "components": document()["components"],
        });
        jsonschema::options()
            .should_validate_formats(true)
            .build(&schema)
            .unwrap()
    });
    let errors: Vec<String> = validator
        .iter_errors(value)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    if errors.is_empty() {
        Ok(())
    } else {
        Err(errors.join("\n"))
    }
}

fn paths() -> impl Iterator<Item = (&'static String, &'static Value)> {
    document()["paths"].as_object().unwrap().iter()
}

/// Returns the path item for the path of a request, or `None` if the document has none.
fn template(path: &str) -> Option<&'static Value> {
    let path = path.split('?').next().unwrap();
    let fits = |template: &str| {
        let (expected, given): (Vec<_>, Vec<_>) =
            (template.split('/').collect(), path.split('/').collect());
        expected.len() == given.len()
            && expected
                .iter()
                .zip(&given)
                .all(|(expected, given)| *expected == "{id}" || expected == given)
    };
    let mut fitting: Vec<_> = paths().filter(|(template, _)| fits(template)).collect();
    fitting.sort_by_key(|(template, _)| template.contains('{'));
    fitting.first().map(|(_, path)| *path)
}

/// Panics unless the document describes the response. If the request succeeded, its body must match
/// the document too.
pub fn check(method: &str, path: &str, body: &[u8], answer: &Answer) {
    let what = format!("{method} {path}: {} {}", answer.status, answer.body);
    if method == "OPTIONS" && answer.status == 204 {
        return;
    }
    let is_head = method == "HEAD";
    // Method names are case-sensitive.
    let known = |name: &&String| method == name.to_uppercase() || is_head && *name == "get";
    let operations = template(path).and_then(Value::as_object);
    let operation = operations
        .and_then(|operations| operations.keys().find(known).map(|name| &operations[name]));
    let Some(operation) = operation else {
        let schema = match answer.status {
            401 => "Unauthorized",
            404 => "NotFound",
            405 => "MethodNotAllowed",
            _ => panic!("{what}: not documented"),
        };
        let schema = json!({ "$ref": format!("#/components/schemas/{schema}") });
        match is_head {
            true => assert!(answer.body.is_null(), "{what}"),
            false => {
                validate(&schema, &answer.body).unwrap_or_else(|error| panic!("{what}\n{error}"))
            }
        }
        return;
    };
    let response = operation["responses"].get(answer.status.to_string());
    let response = resolve(response.unwrap_or_else(|| panic!("{what}: undocumented status")));
    let headers = response.get("headers").and_then(Value::as_object);
    for (name, header) in headers.into_iter().flatten() {
        let header = resolve(header);
        match answer.headers.get(name) {
            Some(value) => {
                let value = Value::from(value.to_str().unwrap());
                validate(&header["schema"], &value)
                    .unwrap_or_else(|error| panic!("{what}, {name}\n{error}"));
            }
            None => assert_ne!(header["required"], true, "{what}: missing header {name}"),
        }
    }
    match response
        .get("content")
        .and_then(|content| content.get("application/json"))
    {
        Some(media) if !is_head => {
            assert_eq!(answer.header("content-type"), "application/json", "{what}");
            validate(&media["schema"], &answer.body)
                .unwrap_or_else(|error| panic!("{what}\n{error}"));
        }
        _ => assert!(answer.body.is_null(), "{what}: undocumented body"),
    }
    if answer.status < 300
        && let Some(content) = operation["requestBody"]["content"].as_object()
    {
        let body: Value = serde_json::from_slice(body).unwrap();
        let schema = &content["application/json"]["schema"];
        validate(schema, &body).unwrap_or_else(|error| {
            panic!("{what}: the API accepted a body that the document rejects: {body}\n{error}")
        });
    }
}

#[test]
fn document_lists_exactly_the_served_paths_and_methods() {
    let api = Api::new();
    for (path, operations) in paths() {
        let described: BTreeSet<String> = operations
            .as_object()
            .unwrap()
            .keys()
            .map(|method| method.to_uppercase())
            .collect();
        let answer = api.call("OPTIONS", path).send();
        let served = answer.header("allow").split(", ").map(str::to_owned);
        let served: BTreeSet<String> = served
            .filter(|method| method != "HEAD" && method != "OPTIONS")
            .collect();
        assert_eq!(served, described, "{path}");
    }
    assert_eq!(paths().count(), 6);
}

#[test]
fn body_examples_are_accepted_and_match_their_schemas() {
    let mut count = 0;
    for (path, operations) in paths() {
        for (method, operation) in operations.as_object().unwrap() {
            let content = operation["requestBody"]["content"].as_object();
            for (media_type, media) in content.into_iter().flatten() {
                for (name, example) in media["examples"].as_object().unwrap() {
                    let api = Api::new();
                    let lead = api.create(json!({"name": "Jane Doe"}));
                    let path = path.replace("/v1/leads/{id}", &lead);
                    let method = method.to_uppercase();
                    let body = example["value"].to_string();
                    let answer = api.call(&method, &path).raw(media_type, body).send();
                    assert!(
                        answer.status < 300,
                        "{method} {path} {name}: {}",
                        answer.body
                    );
                    validate(&media["schema"], &example["value"]).unwrap();
                    count += 1;
                }
            }
        }
    }
    assert_eq!(count, 4 + 3 + 2 * 3);
}

#[test]
fn parameter_examples_are_accepted_and_unknown_ones_rejected() {
    for (path, operations) in paths() {
        for (method, operation) in operations.as_object().unwrap() {
            let parameters = operation["parameters"]
                .as_array()
                .map(Vec::as_slice)
                .unwrap_or_default();
            let example = |parameter: &Value| match &parameter["example"] {
                Value::Array(texts) => texts
                    .iter()
                    .map(|text| text.as_str().unwrap())
                    .collect::<Vec<_>>()
                    .join(","),
                Value::String(text) => text.clone(),
                value => value.to_string(),
            };
            for parameter in parameters.iter().map(resolve) {
                let name = parameter["name"].as_str().unwrap();
                match parameter["in"].as_str().unwrap() {
                    "query" if name == "cursor" => {}
                    "query" => {
                        let answer =
                            Api::new().get(&format!("{path}?{name}={}", example(parameter)));
                        assert_eq!(answer.status, 200, "{name}: {}", answer.body);
                        validate(&parameter["schema"], &parameter["example"]).unwrap();
                    }
                    "header" => {
                        let api = Api::new();
                        let lead = api.create(json!({"name": "Jane Doe"}));
                        if path.ends_with("/restore") {
                            api.delete(&lead);
                        }
                        let path = path.replace("/v1/leads/{id}", &lead);
                        let method = method.to_uppercase();
                        let call = api.call(&method, &path).header(name, example(parameter));
                        let answer = if method == "PATCH" {
                            call.json(&json!({})).send()
                        } else {
                            call.send()
                        };
                        assert!(
                            answer.status < 300,
                            "{method} {path} {name}: {}",
                            answer.body
                        );
                    }
                    location => assert_eq!((location, name), ("path", "id")),
                }
            }
            let (api, method, path) = (
                Api::new(),
                method.to_uppercase(),
                format!("{path}?colour=red"),
            );
            let answer = api
                .call(&method, &path)
                .raw("application/json", "{}")
                .send();
            assert_eq!(
                (answer.status, answer.error()),
                (422, "validation_failed"),
                "{method} {path}"
            );
            assert!(
                answer.details().contains(&("colour", "unknown")),
                "{method} {path}: {}",
                answer.body
            );
        }
    }
}

#[test]
fn every_documented_error_status_is_known_and_has_a_schema() {
    let statuses = [
        "bad body", "401", "403", "404", "409", "412", "413", "415", "422", "500", "503",
    ];
    for (path, operations) in paths() {
        for (method, operation) in operations.as_object().unwrap() {
            for (status, response) in operation["responses"].as_object().unwrap() {
                if status.as_str() < "400" {
                    continue;
                }
                let response = resolve(response);
                assert!(
                    status == "400" || statuses.contains(&status.as_str()),
                    "{method} {path} {status}"
                );
                assert!(
                    response["content"]["application/json"]["schema"].is_object(),
                    "{method} {path} {status}"
                );
            }
        }
    }
    // Guards against schemas that accept everything because they were not resolved.
    assert!(
        validate(
            &json!({"$ref": "#/components/schemas/Lead"}),
            &json!({"name": "Jane"})
        )
        .is_err()
    );
    let mut lead = document()["components"]["schemas"]["Lead"]["examples"][0].clone();
    validate(&json!({"$ref": "#/components/schemas/Lead"}), &lead).unwrap();
    lead["colour"] = json!("red");
    assert!(validate(&json!({"$ref": "#/components/schemas/Lead"}), &lead).is_err());
}

#[test]
fn document_accepts_what_the_api_accepts_in_any_script() {
    let api = Api::new();
    for phone in ["٠٥٠ ١٢٣٤", "０４２-１２３", "  110 "] {
        // `check` compares each accepted body with the document.
        let answer = api.post("/v1/leads", json!({"name": "Jane", "phone": phone}));
        assert_eq!(answer.status, 201, "{phone}: {}", answer.body);
    }
    // White space in the sense of Unicode, which the API trims, includes U+0085 but not U+FEFF. `\s`
    // differs from it, and between languages.
    for company in ["\u{feff}", "\u{85}", "\u{85}X\u{3000}", "\u{1d}X"] {
        let answer = api.post("/v1/leads", json!({"name": "Jane", "company": company}));
        assert_eq!(answer.status, 201, "{company:?}: {}", answer.body);
    }
    let any = r"[\\s\\S]";
    assert!(!LeadsApi::OPENAPI.replace(any, "").contains(r"\\s"));
    // Validators that divide binary fractions, such as ajv, would reject 0.3 as no multiple of
    // 0.0001.
    assert!(!LeadsApi::OPENAPI.contains("multipleOf"));
}
