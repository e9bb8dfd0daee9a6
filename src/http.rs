//! The Leads API as a function from HTTP request to response, for web front ends that run offline and for servers: the
//! feature `http`. The only module that knows HTTP; it opens no socket and needs no runtime.
//!
//! `route` is the table of paths and methods; `operations`, `trash_operations` and `search_operation` have a function for
//! each, which parses (`params`, `criteria`, `json`, `lead_body`), calls the store and presents (`answer`, `links`), or
//! gives a `fault`.
#![doc = include_str!("http/recipes.md")]

mod api_error;
mod authenticator;
mod call;
mod cors;
mod encrypted_cursor;
mod entity_tag;
mod json;
mod lead_body;
mod links;
mod list_params;
mod media_type;
mod operations;
mod params;
mod response;
mod route;
mod search_operation;
mod trash_operations;

use std::sync::Arc;

use ::http::request::Parts;
use ::http::{Method, Request, Response};

use self::api_error::{ApiError, ApiErrorCode};
pub use self::authenticator::Authenticator;
use self::call::Call;
use self::cors::Cors;
use self::route::Route;
pub use crate::credential::{
    Credential, CredentialId, CredentialKind, IssuedCredential, NewCredential, Principal, Scope,
};
pub use crate::store::Credentials;
use crate::store::LeadStore;

pub use ::http;

/// A larger body is refused.
const MAX_BODY_BYTES: usize = 1 << 20;

/// The Leads API over a store: [`handle`](Self::handle) answers a request.
///
/// A handle, as the store is: clones share everything, from any number of threads.
///
/// ```
/// use leadstore::LeadStore;
/// use leadstore::http::{LeadsApi, Scope, http::Request};
///
/// let store = LeadStore::in_memory()?;
/// let key = store.credentials().create_api_key("website form", Scope::ALL)?.token;
/// let api = LeadsApi::new(store);
///
/// let request = Request::post("/v1/leads")
///     .header("Authorization", format!("Bearer {key}"))
///     .header("Content-Type", "application/json")
///     .body(r#"{"name": "Jane Doe", "deal_value": 25000}"#)?;
/// let response = api.handle(request);
/// assert_eq!(response.status(), 201);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct LeadsApi {
    store: LeadStore,
    authenticator: Arc<dyn Authenticator>,
    cors: Cors,
}

impl LeadsApi {
    /// What is served, as an [OpenAPI](https://spec.openapis.org/oas/v3.1.0) 3.1 document.
    pub const OPENAPI: &'static str = include_str!("http/openapi.json");

    /// The types of all bodies for front ends in TypeScript.
    pub const TYPESCRIPT: &'static str = include_str!("http/leads.d.ts");

    /// The API over this store, for who has one of its [`credentials`](LeadStore::credentials).
    pub fn new(store: LeadStore) -> Self {
        Self {
            authenticator: Arc::new(store.clone()),
            store,
            cors: Cors::default(),
        }
    }

    /// Has somebody else than the store tell whom a bearer token belongs to.
    pub fn authenticator(mut self, authenticator: impl Authenticator) -> Self {
        self.authenticator = Arc::new(authenticator);
        self
    }

    /// Lets pages of one more origin, such as `https://app.example.com`, call the API from a browser
    /// ([CORS](https://fetch.spec.whatwg.org/#http-cors-protocol)); `*` stands for all. None may by default.
    pub fn allow_origin(mut self, origin: impl Into<String>) -> Self {
        self.cors.allow(origin.into());
        self
    }

    /// Answers a request. Only its URI's path and query count; a host that mounts the API below a path of its own strips
    /// that first. Blocks for as long as the store does.
    pub fn handle<B: AsRef<[u8]>>(&self, request: Request<B>) -> Response<Vec<u8>> {
        let (head, body) = request.into_parts();
        let mut response = self
            .answer(&head, body.as_ref())
            .unwrap_or_else(ApiError::into_response);
        if head.method == Method::HEAD {
            response::drop_body(&mut response);
        }
        self.cors.mark(&head.headers, &mut response);
        response
    }

    /// Judges what can be wrong in the order that section 8 of the API's contract sets: credentials, path, method, scope,
    /// size, media type; all else is up to the operation.
    fn answer(&self, head: &Parts, body: &[u8]) -> Result<Response<Vec<u8>>, ApiError> {
        let route = Route::find(head.uri.path());
        if let (&Method::OPTIONS, Some((route, _))) = (&head.method, &route) {
            // A browser asks before it sends credentials.
            return Ok(self.cors.preflight(&head.headers, route));
        }
        let principal = self.principal(head)?;
        let (route, id) = route.ok_or_else(|| ApiError::not_found("path"))?;
        let operation = route
            .operation(&head.method)
            .ok_or_else(|| ApiError::method_not_allowed(route.allow()))?;
        if !principal.allows(operation.scope) {
            return Err(ApiError::missing_scope(operation.scope));
        }
        if body.len() > MAX_BODY_BYTES {
            return Err(ApiError::new(
                ApiErrorCode::TooLarge,
                format!("the body has more than {MAX_BODY_BYTES} bytes"),
            ));
        }
        operation.body.check(&head.headers)?;
        let query = head.uri.query().unwrap_or_default();
        (operation.run)(&Call {
            store: &self.store,
            principal,
            id,
            query,
            headers: &head.headers,
            body,
        })
    }

    fn principal(&self, head: &Parts) -> Result<Principal, ApiError> {
        let token = authenticator::bearer_token(&head.headers)?;
        let principal = self
            .authenticator
            .authenticate(token)
            .map_err(|error| ApiError::of_the_server(&error))?;
        // Bound to nobody, it would see what nobody owns.
        let is_somebody = |principal: &Principal| {
            principal
                .owner_id()
                .is_none_or(|owner_id| !owner_id.trim().is_empty())
        };
        principal
            .filter(is_somebody)
            .ok_or_else(ApiError::bad_credentials)
    }
}

impl std::fmt::Debug for LeadsApi {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LeadsApi")
            .field("store", &self.store)
            .field("cors", &self.cors)
            .finish_non_exhaustive()
    }
}
