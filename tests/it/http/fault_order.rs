//! A request with two errors gets the error that comes first in the contract: 401, unknown path
//! (404), 405, 403, 413, 415, 400, 422, unknown lead (404), 412.

use leadstore::http::Scope;
use serde_json::json;

use super::Api;

/// The errors of one `PATCH` that come before the 412, in the order in which they are checked.
const ERRORS: [(u16, &str); 9] = [
    (401, "unauthorized"),
    (404, "not_found"),
    (405, "method_not_allowed"),
    (403, "forbidden"),
    (413, "too_large"),
    (415, "unsupported_media_type"),
    (400, "malformed_request"),
    (422, "validation_failed"),
    (404, "not_found"),
];

#[test]
fn of_two_errors_the_first_in_the_contract_is_returned() {
    let api = Api::new();
    let reader = api
        .store
        .credentials()
        .create_api_key("reader", [Scope::Read])
        .unwrap()
        .token;
    let lead = api.create(json!({"name": "Jane"}));
    let before = api.contents();
    let mut pairs = 0;
    for (first, expected) in ERRORS.into_iter().enumerate() {
        for (second, other) in ERRORS.into_iter().enumerate().skip(first) {
            let wrong = |error: usize| error == first || error == second;
            // An unknown path has no lead, and a body that is not JSON has no members, so in some
            // pairs the second error cannot occur.
            let path = match (wrong(1), wrong(8)) {
                (true, _) => "/v1/nowhere".to_owned(),
                (_, true) => "/v1/leads/lead_01h455vb4pex5vsknk084sn02q".to_owned(),
                _ => lead.clone(),
            };
            let method = if wrong(2) { "PUT" } else { "PATCH" };
            let mut body = if wrong(7) {
                r#"{"name": ""}"#
            } else {
                r#"{"name": "J."}"#
            }
            .to_owned();
            if wrong(6) {
                body.push('x');
            }
            if wrong(4) {
                body = " ".repeat(1 << 20) + &body;
            }
            let media_type = if wrong(5) {
                "text/plain"
            } else {
                "application/json"
            };
            let mut call = api.call(method, &path).raw(media_type, body);
            if wrong(0) {
                call = call.key("sk_live_nonsense");
            } else if wrong(3) {
                call = call.key(&reader);
            }
            // The 412 comes last in the order, so it must never be returned here.
            let answer = call.header("If-Match", "\"other\"").send();
            assert_eq!(
                (answer.status, answer.error()),
                expected,
                "{expected:?} and {other:?}"
            );
            pairs += 1;
        }
    }
    assert_eq!(pairs, 45);
    let conflict = api
        .call("PATCH", &lead)
        .json(&json!({"name": "J."}))
        .header("If-Match", "\"other\"")
        .send();
    assert_eq!(
        (conflict.status, conflict.error()),
        (412, "version_conflict")
    );
    assert_eq!(api.contents(), before);
}
