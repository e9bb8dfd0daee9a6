//! Authentication of requests by bearer tokens.

use http::HeaderMap;
use http::header::AUTHORIZATION;

use crate::credential::Principal;
use crate::error::Result;
use crate::http::response::api_error::ApiError;
use crate::store::LeadStore;

/// An authenticator of bearer tokens. A [`LeadStore`] uses its own credentials; an application with
/// an identity provider passes a closure or its own type to
/// [`LeadsApi::authenticator`](crate::http::LeadsApi::authenticator).
///
/// ```
/// use leadstore::LeadStore;
/// use leadstore::http::{LeadsApi, Principal, Scope, http::Request};
///
/// let api = LeadsApi::new(LeadStore::in_memory()?).authenticator(|token: &str| {
///     // Here an application would verify the token, for example a JWT.
///     Ok((token == "of-ada").then(|| Principal::new(Scope::ALL).bound_to("ada")))
/// });
/// let request = Request::get("/v1/leads").header("Authorization", "Bearer of-ada").body("")?;
/// assert_eq!(api.handle(request).status(), 200);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Authenticator: Send + Sync + 'static {
    /// Returns the principal of a token, or `None` to reject it as unknown, expired or revoked.
    /// Checking a wrong token should take as long as checking a valid one.
    ///
    /// # Errors
    ///
    /// An error of any kind if the token cannot be checked. The client receives a server error
    /// without the message.
    fn authenticate(&self, token: &str) -> Result<Option<Principal>>;
}

impl<F: Fn(&str) -> Result<Option<Principal>> + Send + Sync + 'static> Authenticator for F {
    fn authenticate(&self, token: &str) -> Result<Option<Principal>> {
        self(token)
    }
}

impl Authenticator for LeadStore {
    fn authenticate(&self, token: &str) -> Result<Option<Principal>> {
        self.credentials().authenticate(token)
    }
}

/// Returns the token of the `Authorization: Bearer` header ([RFC
/// 6750](https://www.rfc-editor.org/rfc/rfc6750), section 2.1). A request must not have a second
/// `Authorization` header.
pub(crate) fn bearer_token(headers: &HeaderMap) -> Result<&str, ApiError> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err(ApiError::no_credentials());
    };
    let (scheme, token) = value
        .to_str()
        .ok()
        .and_then(|text| text.split_once(' '))
        .ok_or_else(ApiError::no_credentials)?;
    if scheme.eq_ignore_ascii_case("bearer") {
        Ok(token.trim())
    } else {
        Err(ApiError::no_credentials())
    }
}
