//! Descriptions of credentials to issue.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use crate::credential::scope::Scope;
use crate::credential::token::{self, TokenHash};
use crate::credential::{Credential, CredentialKind, IssuedCredential};
use crate::error::Result;
use crate::lead::{ViolationCode, Violations, rule};

/// A description of a credential to issue.
///
/// ```
/// use leadstore::LeadStore;
/// use leadstore::http::{NewCredential, Scope};
///
/// let store = LeadStore::in_memory()?;
/// let key = NewCredential::api_key("Ada's phone", [Scope::Read, Scope::Write]).owner_id("ada");
/// let issued = store.credentials().issue(key)?;
/// assert!(issued.token.starts_with("sk_live_"));
/// # Ok::<(), leadstore::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a new credential does nothing until it is issued"]
pub struct NewCredential {
    kind: CredentialKind,
    label: String,
    scopes: BTreeSet<Scope>,
    owner_id: Option<String>,
    expires_at: Option<DateTime<Utc>>,
}

impl NewCredential {
    /// Describes an API key, which is valid until it is revoked. `label` is its display name: 1 to
    /// 255 characters without control characters. `scopes` must contain at least one scope.
    pub fn api_key(label: impl Into<String>, scopes: impl IntoIterator<Item = Scope>) -> Self {
        Self {
            kind: CredentialKind::ApiKey,
            label: label.into(),
            scopes: scopes.into_iter().collect(),
            owner_id: None,
            expires_at: None,
        }
    }

    /// Describes an OAuth access token, which is rejected from `expires_at` on. `expires_at` must
    /// be in the future.
    pub fn access_token(
        label: impl Into<String>,
        scopes: impl IntoIterator<Item = Scope>,
        expires_at: DateTime<Utc>,
    ) -> Self {
        Self {
            kind: CredentialKind::AccessToken,
            expires_at: Some(expires_at),
            ..Self::api_key(label, scopes)
        }
    }

    /// Binds the credential to an owner: it can read, create and change only leads of that
    /// `owner_id`.
    pub fn owner_id(mut self, owner_id: impl Into<String>) -> Self {
        self.owner_id = Some(owner_id.into());
        self
    }

    /// Creates the credential and its token at the time `now`. Returns both, and the hash of the
    /// token. If the description is invalid, returns all violations.
    pub(crate) fn into_issued(self, now: DateTime<Utc>) -> Result<(IssuedCredential, TokenHash)> {
        let mut violations = Violations::default();
        let label = rule::LABEL.normalise(self.label.clone(), &mut violations);
        if self.label.trim().is_empty() {
            violations.add(
                rule::LABEL.field,
                ViolationCode::Required,
                "must not be blank",
            );
        }
        if self.scopes.is_empty() {
            violations.add(
                "scopes",
                ViolationCode::Required,
                "must contain at least one scope",
            );
        }
        // Ignoring a blank owner would give access to all leads.
        if self
            .owner_id
            .as_deref()
            .is_some_and(|owner_id| owner_id.trim().is_empty())
        {
            violations.add(
                rule::OWNER_ID.field,
                ViolationCode::Required,
                "must not be blank",
            );
        }
        let owner_id = self
            .owner_id
            .and_then(|raw| rule::OWNER_ID.normalise(raw, &mut violations));
        let expires_at = self.expires_at.map(crate::clock::microseconds);
        if expires_at.is_some_and(|expires_at| expires_at <= now) {
            violations.add(
                "expires_at",
                ViolationCode::OutOfRange,
                "must be in the future",
            );
        }
        violations.into_result()?;
        let (id, token, hash) = token::generate(self.kind)?;
        let credential = Credential {
            id,
            kind: self.kind,
            label: label.unwrap_or_default(),
            scopes: self.scopes,
            owner_id,
            created_at: now,
            expires_at,
            revoked_at: None,
        };
        Ok((IssuedCredential { credential, token }, hash))
    }
}
