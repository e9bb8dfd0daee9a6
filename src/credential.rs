//! Who may use the store over HTTP: API keys and access tokens, what they allow, and how a token
//! proves to be one. Knows neither HTTP nor the store.

mod id;
mod new_credential;
mod principal;
mod scope;
mod token;

use std::collections::BTreeSet;
use std::fmt;

use chrono::{DateTime, Utc};
use serde::Serialize;

pub use id::CredentialId;
pub use new_credential::NewCredential;
pub use principal::Principal;
pub use scope::Scope;

pub(crate) use token::{Token, TokenHash};

use crate::lead::{rfc3339, serialize_rfc3339};

/// Which kind of token a credential has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CredentialKind {
    /// An API key, `sk_live_…`, which is good until it is revoked.
    ApiKey,
    /// An OAuth access token, `at_live_…`, which expires.
    AccessToken,
}

/// What the store knows of an API key or access token. Its secret is not among it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Credential {
    /// Its identity. The token begins with it, after its prefix, so that a token can be told by its
    /// first characters.
    pub id: CredentialId,
    /// Which kind of token it has.
    pub kind: CredentialKind,
    /// What people call it.
    pub label: String,
    /// What it allows.
    pub scopes: BTreeSet<Scope>,
    /// The owner whose leads it is bound to; without one it sees all leads.
    pub owner_id: Option<String>,
    /// When it was issued.
    #[serde(serialize_with = "serialize_rfc3339")]
    pub created_at: DateTime<Utc>,
    /// From when on it is refused, if it expires.
    #[serde(serialize_with = "serialize_optional_time")]
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was revoked, if it was.
    #[serde(serialize_with = "serialize_optional_time")]
    pub revoked_at: Option<DateTime<Utc>>,
}

impl Credential {
    /// Whether its token is accepted at `now`.
    pub fn is_valid_at(&self, now: DateTime<Utc>) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|expires_at| now < expires_at)
    }
}

/// A credential that was just issued, with its token.
#[derive(Clone)]
#[non_exhaustive]
pub struct IssuedCredential {
    /// What the store knows of it.
    pub credential: Credential,
    /// The bearer token. The store keeps a hash only: this is the one time that it is shown.
    /// `Debug` leaves it out.
    pub token: String,
}

impl fmt::Debug for IssuedCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IssuedCredential")
            .field("credential", &self.credential)
            .finish_non_exhaustive()
    }
}

fn serialize_optional_time<S: serde::Serializer>(
    time: &Option<DateTime<Utc>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    time.map(rfc3339).serialize(serializer)
}
