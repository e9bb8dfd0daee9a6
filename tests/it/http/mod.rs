//! The Leads API over HTTP, in-process and through a real server. Every in-process response is
//! validated against `openapi.json`.

mod credentials;
mod cursors;
mod fault_order;
mod faults;
mod merge_patch;
mod openapi;
mod operations;
mod owners;
mod serve;

use leadstore::LeadStore;
use leadstore::http::http::{HeaderMap, Request};
use leadstore::http::{LeadsApi, NewCredential, Scope};
use leadstore::testing::ManualClock;
use serde_json::Value;

use crate::support::{day, options};

/// The API over an in-memory store with a manual clock, and a key with every scope.
pub struct Api {
    pub api: LeadsApi,
    pub store: LeadStore,
    pub clock: ManualClock,
    pub key: String,
}

/// A request under construction.
pub struct Call<'a> {
    api: &'a Api,
    method: &'a str,
    path: &'a str,
    headers: Vec<(&'a str, String)>,
    key: Option<String>,
    body: Vec<u8>,
}

pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    /// The JSON body, `null` if it is empty.
    pub body: Value,
}

impl Api {
    pub fn new() -> Self {
        let clock = ManualClock::at(day(2026, 3, 1));
        let store = options(&clock).in_memory().unwrap();
        let key = store
            .credentials()
            .create_api_key("all", Scope::ALL)
            .unwrap()
            .token;
        Self {
            api: LeadsApi::new(store.clone()),
            store,
            clock,
            key,
        }
    }

    pub fn call<'a>(&'a self, method: &'a str, path: &'a str) -> Call<'a> {
        Call {
            api: self,
            method,
            path,
            headers: Vec::new(),
            key: Some(self.key.clone()),
            body: Vec::new(),
        }
    }

    pub fn get(&self, path: &str) -> Answer {
        self.call("GET", path).send()
    }

    pub fn post(&self, path: &str, body: Value) -> Answer {
        self.call("POST", path).json(&body).send()
    }

    pub fn patch(&self, path: &str, body: Value) -> Answer {
        self.call("PATCH", path).json(&body).send()
    }

    pub fn delete(&self, path: &str) -> Answer {
        self.call("DELETE", path).send()
    }

    /// Creates a lead and returns its path.
    pub fn create(&self, body: Value) -> String {
        let created = self.post("/v1/leads", body);
        assert_eq!(created.status, 201, "{}", created.body);
        created.header("location").to_owned()
    }

    /// Creates an API key that has every scope and is bound to an owner.
    pub fn key_of(&self, owner_id: &str) -> String {
        let new = NewCredential::api_key(owner_id, Scope::ALL).owner_id(owner_id);
        self.store.credentials().issue(new).unwrap().token
    }

    /// Returns the leads, the trash and the credentials of the store, as text.
    pub fn contents(&self) -> String {
        let leads: Vec<_> = self
            .store
            .leads(&leadstore::Filter::new())
            .map(Result::unwrap)
            .collect();
        let trash = self
            .store
            .list_trash(&leadstore::TrashQuery::new().per_page(100))
            .unwrap();
        format!(
            "{leads:?} {trash:?} {:?}",
            self.store.credentials().list().unwrap()
        )
    }
}

impl<'a> Call<'a> {
    pub fn header(mut self, name: &'a str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub fn key(mut self, key: &str) -> Self {
        self.key = Some(key.to_owned());
        self
    }

    pub fn without_key(mut self) -> Self {
        self.key = None;
        self
    }

    pub fn json(self, body: &Value) -> Self {
        self.raw("application/json", body.to_string())
    }

    pub fn raw(mut self, media_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self.header("Content-Type", media_type)
    }

    pub fn send(self) -> Answer {
        let mut builder = Request::builder().method(self.method).uri(self.path);
        if let Some(key) = &self.key {
            builder = builder.header("Authorization", format!("Bearer {key}"));
        }
        for (name, value) in self.headers {
            builder = builder.header(name, value);
        }
        let response = self
            .api
            .api
            .handle(builder.body(self.body.clone()).unwrap());
        let (head, bytes) = response.into_parts();
        let body = if bytes.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&bytes).unwrap()
        };
        let answer = Answer {
            status: head.status.as_u16(),
            headers: head.headers,
            body,
        };
        openapi::check(self.method, self.path, &self.body, &answer);
        answer
    }
}

impl Answer {
    /// Returns the value of a header that must occur exactly once.
    pub fn header(&self, name: &str) -> &str {
        let values: Vec<_> = self.headers.get_all(name).iter().collect();
        assert_eq!(values.len(), 1, "{name} in {:?}", self.headers);
        values[0].to_str().unwrap()
    }

    pub fn error(&self) -> &str {
        self.body["error"].as_str().unwrap_or_default()
    }

    /// Returns the field and the code of each violation.
    pub fn details(&self) -> Vec<(&str, &str)> {
        let details = self.body["details"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        details
            .iter()
            .map(|detail| {
                (
                    detail["field"].as_str().unwrap(),
                    detail["code"].as_str().unwrap(),
                )
            })
            .collect()
    }

    pub fn names(&self) -> Vec<&str> {
        self.body["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|lead| lead["name"].as_str().unwrap())
            .collect()
    }
}
