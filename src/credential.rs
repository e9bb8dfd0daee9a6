//! Credentials for access to the store over HTTP: API keys and access tokens, what they allow, and
//! how a token is verified. This module depends neither on HTTP nor on the store.

mod id;
mod new_credential;
mod principal;
mod scope;
mod token;

use std::collections::BTreeSet;
use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

pub use id::CredentialId;
pub use new_credential::NewCredential;
pub use principal::Principal;
pub use scope::Scope;

pub(crate) use token::{Token, TokenHash};

use crate::lead::{rfc3339, serialize_rfc3339};

/// The kind of a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CredentialKind {
    /// An API key, `sk_live_…`, which is valid until it is revoked.
    ApiKey,
    /// An OAuth access token, `at_live_…`, which expires.
    AccessToken,
}

/// An API key or access token as the store keeps it, without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Credential {
    /// The id. A token contains the id after its prefix, so the beginning of a token tells which
    /// credential it belongs to.
    pub id: CredentialId,
    /// The kind: API key or access token.
    pub kind: CredentialKind,
    /// The display name.
    pub label: String,
    /// The scopes that the credential grants.
    pub scopes: BTreeSet<Scope>,
    /// The owner to whose leads the credential is restricted, or `None` if it can access all leads.
    pub owner_id: Option<String>,
    /// The time at which the credential was issued.
    #[serde(serialize_with = "serialize_rfc3339")]
    pub created_at: DateTime<Utc>,
    /// The time from which the token is rejected, if it expires.
    #[serde(serialize_with = "serialize_optional_time")]
    pub expires_at: Option<DateTime<Utc>>,
    /// The time at which the credential was revoked, if it was.
    #[serde(serialize_with = "serialize_optional_time")]
    pub revoked_at: Option<DateTime<Utc>>,
}

impl Credential {
    /// Returns true if the token of the credential is accepted at `now`.
    pub fn is_valid_at(&self, now: DateTime<Utc>) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|expires_at| now < expires_at)
    }
}

/// A credential that was just issued, with its token.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct IssuedCredential {
    /// The credential as the store keeps it.
    pub credential: Credential,
    /// The bearer token. The store keeps only its hash, so the token cannot be obtained again.
    /// `Debug` output omits it.
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
