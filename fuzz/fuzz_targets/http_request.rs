//! Raw requests cause neither a panic nor a server error, every response body is JSON, and
//! credentials bound to an owner never receive a lead of another owner or without an owner.
#![no_main]

mod store;

use std::sync::OnceLock;

use leadstore::LeadStore;
use leadstore::http::http::{HeaderName, HeaderValue, Method, Request, Uri};
use leadstore::http::{LeadsApi, NewCredential, Scope};
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
struct Raw<'a> {
    method: Result<u8, &'a [u8]>,
    path: Result<(u8, u8), &'a [u8]>,
    query: Option<&'a str>,
    key: u8,
    headers: Vec<(&'a [u8], &'a [u8])>,
    media_type: u8,
    body: &'a [u8],
}

struct Served {
    api: LeadsApi,
    keys: [String; 3],
    ids: Vec<String>,
}

fn served() -> &'static Served {
    static SERVED: OnceLock<Served> = OnceLock::new();
    SERVED.get_or_init(|| {
        let store: LeadStore = store::options().in_memory().expect("the store should open");
        store::fill(&store);
        let all = store
            .credentials()
            .create_api_key("all", Scope::ALL)
            .expect("the key should be created")
            .token;
        let ada = NewCredential::api_key("ada", Scope::ALL).owner_id("ada");
        let ada = store.credentials().issue(ada).expect("the key should be created").token;
        let ids = store
            .leads(&leadstore::Filter::new())
            .map(|lead| lead.expect("the lead should be readable").id.to_string())
            .collect();
        let api = LeadsApi::new(store).allow_origin("https://app.example.com");
        Served {
            api,
            keys: [all, ada, "sk_live_wrong".to_owned()],
            ids,
        }
    })
}

fuzz_target!(|raw: Raw<'_>| {
    let served = served();
    let methods = ["GET", "POST", "PATCH", "DELETE", "HEAD", "OPTIONS"];
    let method = match raw.method {
        Ok(known) => Method::from_bytes(methods[known as usize % methods.len()].as_bytes()),
        Err(bytes) => Method::from_bytes(bytes),
    };
    let mut target = match raw.path {
        Ok((route, id)) => {
            let id = &served.ids[id as usize % served.ids.len()];
            match route % 6 {
                0 => "/v1/leads".to_owned(),
                1 => "/v1/leads/search".to_owned(),
                2 => "/v1/leads/trash".to_owned(),
                3 => format!("/v1/leads/{id}"),
                4 => format!("/v1/leads/{id}/restore"),
                _ => format!("/v1/leads/trash/{id}"),
            }
            .into_bytes()
        }
        Err(bytes) => bytes.to_vec(),
    };
    if let Some(query) = raw.query {
        target.push(b'?');
        target.extend(query.bytes());
    }
    let (Ok(method), Ok(uri)) = (method, Uri::try_from(target)) else {
        return;
    };
    let mut request = Request::builder().method(method.clone()).uri(uri);
    let key = &served.keys[raw.key as usize % served.keys.len()];
    request = request.header("Authorization", format!("Bearer {key}"));
    let media_types = [
        "application/json",
        "application/merge-patch+json",
        "text/plain",
    ];
    request = request.header(
        "Content-Type",
        media_types[raw.media_type as usize % media_types.len()],
    );
    for (name, value) in raw.headers {
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name), HeaderValue::from_bytes(value))
        {
            request = request.header(name, value);
        }
    }
    let Ok(request) = request.body(raw.body) else {
        return;
    };
    let what = format!("{request:?}");
    let response = served.api.handle(request);
    assert!(!response.status().is_server_error(), "{what}: {response:?}");
    if !response.body().is_empty() {
        let body: serde_json::Value = serde_json::from_slice(response.body()).expect("the body should be JSON");
        assert_eq!(
            response.status().is_client_error(),
            body.get("error").is_some(),
            "{what}: {body}"
        );
    }
    if key == &served.keys[1] && response.status().is_success() {
        let body = String::from_utf8_lossy(response.body());
        assert!(
            !body.contains("\"owner_id\":\"bob\"") && !body.contains("\"owner_id\":null"),
            "{what}: {body}"
        );
    }
});
