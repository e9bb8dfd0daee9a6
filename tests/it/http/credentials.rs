//! Authentication and scopes.

use std::time::Duration;

use leadstore::chrono::TimeDelta;
use leadstore::http::{NewCredential, Scope};
use leadstore::{ErrorKind, LeadStore};
use serde_json::json;

use super::Api;
use crate::support::TestStore;

#[test]
fn requests_without_valid_credentials_are_rejected() {
    let api = Api::new();
    let bare = api.call("GET", "/v1/leads").without_key().send();
    assert_eq!(
        (bare.status, bare.header("www-authenticate")),
        (401, "Bearer realm=\"leads\"")
    );
    let key = &api.key;
    for header in ["", "Bearer", "Basic abc", key, &format!("Token {key}")] {
        let answer = api
            .call("GET", "/v1/leads")
            .without_key()
            .header("Authorization", header)
            .send();
        assert_eq!(
            (answer.status, answer.error()),
            (401, "unauthorized"),
            "{header}"
        );
    }
    let shorter = &key[..key.len() - 1];
    for token in [
        "",
        "x",
        "sk_live_",
        shorter,
        &format!("{key}x"),
        &key.to_uppercase(),
        &format!("at_live_{}", &key[8..]),
    ] {
        let answer = api.call("GET", "/v1/leads").key(token).send();
        assert_eq!(
            (answer.status, answer.error()),
            (401, "unauthorized"),
            "{token}"
        );
        assert!(
            answer
                .header("www-authenticate")
                .contains("error=\"invalid_token\""),
            "{token}"
        );
        assert!(
            !answer.body.to_string().contains("sk_live_0"),
            "the response repeats the token"
        );
    }
    let twice = api
        .call("GET", "/v1/leads")
        .header("Authorization", format!("Bearer {key}"))
        .send();
    assert_eq!(twice.status, 401, "two Authorization headers are ambiguous");
    for scheme in ["bearer", "BEARER", "Bearer "] {
        let answer = api
            .call("GET", "/v1/leads")
            .without_key()
            .header("Authorization", format!("{scheme} {key}"))
            .send();
        assert_eq!(answer.status, 200, "{scheme}");
    }
}

#[test]
fn each_operation_requires_its_scope() {
    let api = Api::new();
    for (method, path, body, required) in [
        ("GET", "/v1/leads", None, Scope::Read),
        (
            "POST",
            "/v1/leads",
            Some(json!({"name": "x"})),
            Scope::Write,
        ),
        (
            "POST",
            "/v1/leads/search",
            Some(json!({"query": "x"})),
            Scope::Read,
        ),
        ("GET", "/v1/leads/trash", None, Scope::Read),
        ("DELETE", "/v1/leads/trash", None, Scope::Delete),
        ("DELETE", "/v1/leads/trash/{id}", None, Scope::Delete),
        ("GET", "/v1/leads/{id}", None, Scope::Read),
        ("HEAD", "/v1/leads/{id}", None, Scope::Read),
        (
            "PATCH",
            "/v1/leads/{id}",
            Some(json!({"name": "y"})),
            Scope::Write,
        ),
        ("DELETE", "/v1/leads/{id}", None, Scope::Delete),
        ("POST", "/v1/leads/{id}/restore", None, Scope::Write),
    ] {
        for scope in Scope::ALL {
            let lead = api.create(json!({"name": "Jane"}));
            let (trash, restore) = (
                path.starts_with("/v1/leads/trash/"),
                path.ends_with("/restore"),
            );
            if trash || restore {
                api.delete(&lead);
            }
            let key = api
                .store
                .credentials()
                .create_api_key("one scope", [scope])
                .unwrap()
                .token;
            let path = path.replace("{id}", lead.strip_prefix("/v1/leads/").unwrap());
            let call = api.call(method, &path).key(&key);
            let answer = match &body {
                Some(body) => call.json(body).send(),
                None => call.send(),
            };
            if scope == required {
                assert!(
                    answer.status < 300,
                    "{method} {path} with {scope}: {}",
                    answer.body
                );
            } else {
                assert_eq!(answer.status, 403, "{method} {path} with {scope}");
                let challenge = answer.header("www-authenticate");
                assert!(
                    challenge.contains(&format!("insufficient_scope\", scope=\"{required}\"")),
                    "{challenge}"
                );
            }
        }
    }
}

#[test]
fn revocation_and_expiry_take_effect_on_the_next_request() {
    let api = Api::new();
    let credentials = api.store.credentials();
    let key = credentials.create_api_key("key", [Scope::Read]).unwrap();
    let expires_at = key.credential.created_at + TimeDelta::seconds(10);
    let token = credentials
        .create_access_token("token", [Scope::Read], expires_at)
        .unwrap();
    let status = |token: &str| api.call("GET", "/v1/leads").key(token).send().status;
    assert_eq!((status(&key.token), status(&token.token)), (200, 200));
    credentials.revoke(key.credential.id).unwrap();
    assert_eq!((status(&key.token), status(&token.token)), (401, 200));
    api.clock.advance(Duration::from_micros(9_999_999));
    assert_eq!(status(&token.token), 200);
    api.clock.advance(Duration::from_micros(1));
    assert_eq!(
        status(&token.token),
        401,
        "expired at exactly its expiry time"
    );
    credentials.remove(token.credential.id).unwrap();
    assert_eq!(status(&token.token), 401);
    assert_eq!(credentials.get(token.credential.id).unwrap(), None);
    assert_eq!(
        credentials.revoke(token.credential.id).unwrap_err().kind(),
        ErrorKind::NotFound
    );
}

#[test]
fn credentials_survive_reopen_and_crash_and_files_hold_no_secret() {
    let mut test = TestStore::new();
    let new = NewCredential::api_key("Ada's phone", [Scope::Read, Scope::Write]).owner_id("ada");
    let issued = test.store.credentials().issue(new).unwrap();
    assert!(
        !format!("{issued:?}").contains(&issued.token),
        "the Debug output contains the secret"
    );
    let secret = &issued.token.as_bytes()[34..];
    let in_files = |path: &std::path::Path| {
        let files = std::fs::read_dir(path)
            .unwrap()
            .map(|entry| entry.unwrap().path());
        files.filter(|file| file.is_file()).any(|file| {
            let bytes = std::fs::read(file).unwrap();
            bytes.windows(secret.len()).any(|window| window == secret)
        })
    };
    assert!(!in_files(&test.path()));
    // A killed process leaves the files as they are while the store is open.
    let crashed = test.directory.path().join("crashed");
    std::fs::create_dir(&crashed).unwrap();
    for entry in std::fs::read_dir(test.path())
        .unwrap()
        .map(Result::unwrap)
        .filter(|entry| entry.path().is_file())
    {
        std::fs::copy(entry.path(), crashed.join(entry.file_name())).unwrap();
    }
    let recovered = LeadStore::open(&crashed).unwrap();
    let all = std::slice::from_ref(&issued.credential);
    assert_eq!(recovered.credentials().list().unwrap(), all);
    test.reopen();
    assert!(!in_files(&test.path()));
    assert_eq!(test.store.credentials().list().unwrap(), all);
    let principal = test
        .store
        .credentials()
        .authenticate(&issued.token)
        .unwrap()
        .unwrap();
    assert_eq!(
        (principal.owner_id(), principal.allows(Scope::Delete)),
        (Some("ada"), false)
    );
    test.store
        .credentials()
        .revoke(issued.credential.id)
        .unwrap();
    test.reopen();
    assert_eq!(
        test.store
            .credentials()
            .authenticate(&issued.token)
            .unwrap(),
        None
    );
}

#[test]
fn invalid_credentials_are_rejected_and_not_stored() {
    let api = Api::new();
    let now = leadstore::Clock::now(&api.clock);
    let count = api.store.credentials().list().unwrap().len();
    let fields = |new: NewCredential| {
        let error = api.store.credentials().issue(new).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        error
            .violations()
            .iter()
            .map(|violation| violation.field.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(fields(NewCredential::api_key(" ", [])), ["label", "scopes"]);
    assert_eq!(
        fields(NewCredential::api_key("x".repeat(256), Scope::ALL)),
        ["label"]
    );
    assert_eq!(
        fields(NewCredential::api_key("x", Scope::ALL).owner_id("")),
        ["owner_id"]
    );
    assert_eq!(
        fields(NewCredential::api_key("x", Scope::ALL).owner_id("a b")),
        ["owner_id"]
    );
    assert_eq!(
        fields(NewCredential::access_token("x", Scope::ALL, now)),
        ["expires_at"]
    );
    assert_eq!(api.store.credentials().list().unwrap().len(), count);
}

#[test]
fn credentials_and_leads_share_transactions() {
    let api = Api::new();
    let count = |api: &Api| api.store.credentials().list().unwrap().len();
    let before = count(&api);
    let failed = api.store.transaction(|transaction| {
        transaction
            .credentials()
            .issue(NewCredential::api_key("x", Scope::ALL))?;
        transaction.create(leadstore::NewLead::new(""))
    });
    assert_eq!(
        (failed.unwrap_err().kind(), count(&api)),
        (ErrorKind::Invalid, before)
    );
    let issued = api.store.transaction(|transaction| {
        transaction.create(leadstore::NewLead::new("Jane"))?;
        transaction
            .credentials()
            .issue(NewCredential::api_key("x", Scope::ALL))
    });
    assert!(
        api.store
            .credentials()
            .authenticate(&issued.unwrap().token)
            .unwrap()
            .is_some()
    );
}

#[test]
fn host_can_supply_its_own_authenticator() {
    use leadstore::http::{LeadsApi, Principal};
    let mut api = Api::new();
    api.create(json!({"name": "of ada", "owner_id": "ada"}));
    api.create(json!({"name": "of bob", "owner_id": "bob"}));
    api.api = LeadsApi::new(api.store.clone()).authenticator(|token: &str| match token {
        "broken" => Err(leadstore::Error::abort(
            "the identity provider cannot be reached",
        )),
        token => Ok(token
            .strip_prefix("of-")
            .map(|owner| Principal::new([Scope::Read]).bound_to(owner))),
    });
    assert_eq!(
        api.call("GET", "/v1/leads").key("of-ada").send().names(),
        ["of ada"]
    );
    assert_eq!(
        api.call("DELETE", "/v1/leads/trash")
            .key("of-ada")
            .send()
            .status,
        403
    );
    assert_eq!(
        api.get("/v1/leads").status,
        401,
        "a custom authenticator replaces the store's own keys"
    );
    assert_eq!(
        api.call("GET", "/v1/leads").key("of- ").send().status,
        401,
        "a blank owner is rejected"
    );
    // Any error of an authenticator is a server error, regardless of its kind.
    let wrong_id = LeadsApi::new(api.store.clone()).authenticator(|_: &str| {
        "nonsense".parse::<leadstore::LeadId>()?;
        Ok(None)
    });
    let request = leadstore::http::http::Request::get("/v1/leads")
        .header("Authorization", "Bearer x")
        .body("")
        .unwrap();
    assert_eq!(wrong_id.handle(request).status(), 500);
    let broken = api.call("GET", "/v1/leads").key("broken").send();
    assert_eq!((broken.status, broken.error()), (500, "internal"));
    assert!(
        !broken.body.to_string().contains("identity"),
        "the response exposes internal details"
    );
}
