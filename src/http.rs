//! The Leads API as a function from an HTTP request to a response, for web front ends that run
//! offline and for servers (feature `http`). The module opens no socket and needs no async runtime.
#![doc = include_str!("http/recipes.md")]
// `route` is the table of paths and methods. `operations` has one function per operation. Each
// function parses the request (`request`) and calls the store. It then builds the response
// (`response`). If a step fails, it returns an `ApiError`.

mod authenticator;
mod call;
mod operations;
mod request;
mod response;
mod route;

use std::sync::Arc;

use ::http::request::Parts;
use ::http::{Method, Request, Response};

pub use self::authenticator::Authenticator;
use self::call::Call;
use self::response::api_error::{ApiError, ApiErrorCode};
use self::response::cors::Cors;
use self::route::Route;
pub use crate::credential::{
    Credential, CredentialId, CredentialKind, IssuedCredential, NewCredential, Principal, Scope,
};
use crate::store::LeadStore;
pub use crate::store::{Credentials, TransactionCredentials};

pub use ::http;

/// Maximum size of a request body, in bytes.
const MAX_BODY_BYTES: usize = 1 << 20;

/// The Leads API of a store: [`handle`](Self::handle) returns the response to a request.
///
/// Clones share the store and can be used from any number of threads.
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
    /// The description of the API as an [OpenAPI](https://spec.openapis.org/oas/v3.1.0) 3.1
    /// document.
    pub const OPENAPI: &'static str = include_str!("http/openapi.json");

    /// TypeScript types of all request and response bodies.
    pub const TYPESCRIPT: &'static str = include_str!("http/leads.d.ts");

    /// Creates the API of a store. Requests are authenticated by the store's
    /// [`credentials`](LeadStore::credentials).
    pub fn new(store: LeadStore) -> Self {
        Self {
            authenticator: Arc::new(store.clone()),
            store,
            cors: Cors::default(),
        }
    }

    /// Makes the API authenticate bearer tokens with `authenticator` instead of the store's
    /// credentials.
    pub fn authenticator(mut self, authenticator: impl Authenticator) -> Self {
        self.authenticator = Arc::new(authenticator);
        self
    }

    /// Allows pages of another origin, such as `https://app.example.com`, to call the API from a
    /// browser ([CORS](https://fetch.spec.whatwg.org/#http-cors-protocol)). `*` allows all origins.
    /// By default none is allowed.
    pub fn allow_origin(mut self, origin: impl Into<String>) -> Self {
        self.cors.allow(origin.into());
        self
    }

    /// Handles a request and returns the response. Only the path and query of the request's URI are
    /// used; a server that mounts the API under a prefix must strip the prefix first. Blocks until
    /// the store has answered.
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

    /// Answers an `OPTIONS` request for a known path. For any other request, checks credentials,
    /// path, method, scope, size and media type, in this order, and then runs the operation.
    fn answer(&self, head: &Parts, body: &[u8]) -> Result<Response<Vec<u8>>, ApiError> {
        let route = Route::find(head.uri.path());
        if let (&Method::OPTIONS, Some((route, _))) = (&head.method, &route) {
            // Browsers send preflight requests without credentials.
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
                format!("the body is larger than {MAX_BODY_BYTES} bytes"),
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
        // A principal with a blank owner id would create leads without an owner, which it could not
        // see.
        let has_valid_owner = |principal: &Principal| {
            principal
                .owner_id()
                .is_none_or(|owner_id| !owner_id.trim().is_empty())
        };
        principal
            .filter(has_valid_owner)
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
