//! Merge patches ([RFC 7396](https://www.rfc-editor.org/rfc/rfc7396)): the cases of appendix A that
//! apply to a lead, whose free-form object is `custom_fields`.

use serde_json::{Value, json};

use super::Api;

/// Applies a patch to a lead with these custom fields. Returns the resulting custom fields, or the
/// error body.
fn patched(original: Value, patch: Value) -> Result<Value, Value> {
    let api = Api::new();
    let path = api.create(json!({"name": "Jane", "custom_fields": original}));
    let answer = api
        .call("PATCH", &path)
        .raw("application/merge-patch+json", patch.to_string())
        .send();
    let lead = api.get(&path);
    if answer.status != 200 {
        assert_eq!(lead.body["version"], 1, "a rejected patch changed the lead");
        return Err(answer.body);
    }
    assert_eq!(lead.body, answer.body);
    Ok(answer.body["custom_fields"].clone())
}

#[test]
fn custom_fields_merge_as_in_rfc_7396_appendix_a() {
    for (original, patch, result) in [
        (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
        (
            json!({"a": "b"}),
            json!({"b": "c"}),
            json!({"a": "b", "b": "c"}),
        ),
        (json!({"a": "b"}), json!({"a": null}), json!({})),
        (
            json!({"a": "b", "b": "c"}),
            json!({"a": null}),
            json!({"b": "c"}),
        ),
        (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
        (json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]})),
        (
            json!({"a": [1, 2]}),
            json!({"a": ["c"]}),
            json!({"a": ["c"]}),
        ),
        (json!({"e": 1}), json!({"a": 1}), json!({"e": 1, "a": 1})),
        (json!({}), json!({"a": null}), json!({})),
        (json!({"a": "b"}), json!({}), json!({"a": "b"})),
    ] {
        assert_eq!(
            patched(original.clone(), json!({"custom_fields": patch})),
            Ok(result),
            "{original} {patch}"
        );
    }
    // A member that is `null` removes one custom field, and `"custom_fields": null` removes all.
    assert_eq!(
        patched(json!({"a": "b"}), json!({"custom_fields": null})),
        Ok(json!({}))
    );
    assert_eq!(
        patched(json!({"a": "b"}), json!({"name": "J."})),
        Ok(json!({"a": "b"}))
    );
}

#[test]
fn appendix_a_cases_that_do_not_fit_a_lead_are_rejected() {
    // Each patch would give a lead or a custom field a type that it cannot have, or would add an
    // unknown member to a lead.
    for patch in [
        json!(["c"]),
        json!("bar"),
        json!(null),
        json!({"custom_fields": ["c"]}),
        json!({"custom_fields": "bar"}),
        json!({"custom_fields": {"a": {"b": "d", "c": null}}}),
        json!({"custom_fields": {"a": {"bb": {"ccc": null}}}}),
        json!({"custom_fields": {"a": [{"b": "c"}]}}),
        json!({"custom_fields": {"b": "x"}, "a": "z"}),
    ] {
        let error = patched(json!({"a": "b"}), patch.clone()).unwrap_err();
        assert_eq!(error["error"], "validation_failed", "{patch}");
    }
}

#[test]
fn patch_keeps_clears_and_sets_members() {
    let api = Api::new();
    let full = json!({"name": "Jane", "external_id": "x1", "email": "jane@example.com", "phone": "+1-555-0123",
        "company": "Example Corp", "source": "website", "owner_id": "ada", "deal_value": 1, "tags": ["a", "b"],
        "custom_fields": {"a": 1}});
    let path = api.create(full);
    let before = api.get(&path).body;
    let unchanged = api.patch(&path, json!({}));
    assert_eq!(
        (unchanged.status, &unchanged.body),
        (200, &before),
        "a patch without changes writes nothing"
    );
    let same = api.patch(
        &path,
        json!({"name": "Jane", "tags": ["a", "b"], "custom_fields": {"a": 1, "b": null}}),
    );
    assert_eq!(same.body, before);
    for member in [
        "external_id",
        "email",
        "phone",
        "company",
        "source",
        "owner_id",
        "deal_value",
    ] {
        let cleared = api.patch(&path, json!({member: null}));
        assert_eq!(cleared.body[member], Value::Null, "{member}");
        let again = api.patch(&path, json!({member: before[member]}));
        assert_eq!(again.body[member], before[member], "{member}");
        if member != "deal_value" {
            assert_eq!(
                api.patch(&path, json!({member: " "})).body[member],
                Value::Null,
                "a blank {member} clears the field"
            );
            api.patch(&path, json!({member: before[member]}));
        }
    }
    assert_eq!(
        api.patch(&path, json!({"tags": ["c"]})).body["tags"],
        json!(["c"]),
        "a list replaces the previous one"
    );
    assert_eq!(
        api.patch(&path, json!({"tags": null})).body["tags"],
        json!([])
    );
}
