//! The credentials of a store.

use chrono::{DateTime, Utc};

use crate::credential::{
    Credential, CredentialId, IssuedCredential, NewCredential, Principal, Scope, Token, TokenHash,
};
use crate::error::Result;
use crate::store::lead_store::LeadStore;

/// The credentials of a store, returned by [`LeadStore::credentials`].
///
/// They are stored with the leads, and a transaction can change both. Only the SHA-256 hash of a
/// token is stored.
///
/// ```
/// use leadstore::LeadStore;
/// use leadstore::http::Scope;
///
/// let store = LeadStore::in_memory()?;
/// let issued = store.credentials().create_api_key("website form", [Scope::Write])?;
/// println!("keep this, it is shown once: {}", issued.token);
///
/// assert!(store.credentials().authenticate(&issued.token)?.is_some());
/// store.credentials().revoke(issued.credential.id)?;
/// assert!(store.credentials().authenticate(&issued.token)?.is_none());
/// # Ok::<(), leadstore::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Credentials<'s> {
    store: &'s LeadStore,
}

impl<'s> Credentials<'s> {
    pub(crate) fn new(store: &'s LeadStore) -> Self {
        Self { store }
    }

    /// Issues an API key, `sk_live_…`, which is valid until it is revoked.
    ///
    /// # Errors
    ///
    /// See [`issue`](Self::issue).
    pub fn create_api_key(
        &self,
        label: impl Into<String>,
        scopes: impl IntoIterator<Item = Scope>,
    ) -> Result<IssuedCredential> {
        self.issue(NewCredential::api_key(label, scopes))
    }

    /// Issues an OAuth access token, `at_live_…`, which is rejected from `expires_at` on.
    ///
    /// # Errors
    ///
    /// See [`issue`](Self::issue).
    pub fn create_access_token(
        &self,
        label: impl Into<String>,
        scopes: impl IntoIterator<Item = Scope>,
        expires_at: DateTime<Utc>,
    ) -> Result<IssuedCredential> {
        self.issue(NewCredential::access_token(label, scopes, expires_at))
    }

    /// Issues a credential. The returned value is the only place where its token appears.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) for a label, owner or expiry that breaks a rule, or
    /// if there is no scope; [`Io`](crate::ErrorKind::Io) if the operating system provides no
    /// random bytes.
    pub fn issue(&self, new: NewCredential) -> Result<IssuedCredential> {
        self.store
            .write(move |transaction| transaction.credentials().issue(new))
    }

    /// Returns all credentials, including expired and revoked ones, oldest first.
    ///
    /// # Errors
    ///
    /// Only store errors, see [`LeadStore::get`].
    pub fn list(&self) -> Result<Vec<Credential>> {
        let mut all = Vec::new();
        self.store.read(|state| {
            state.each_credential(|stored| {
                all.push(stored?.credential);
                Ok(())
            })
        })?;
        all.sort_by_key(|credential| (credential.created_at, credential.id));
        Ok(all)
    }

    /// Returns the credential with this id, or `None` if there is no such credential.
    ///
    /// # Errors
    ///
    /// Only store errors, see [`LeadStore::get`].
    pub fn get(&self, id: CredentialId) -> Result<Option<Credential>> {
        Ok(self
            .store
            .read(|state| state.credential(id))?
            .map(|stored| stored.credential))
    }

    /// Revokes a credential: its token is rejected from now on. A credential that is already
    /// revoked is left unchanged.
    ///
    /// # Errors
    ///
    /// [`NotFound`](crate::ErrorKind::NotFound) if there is no credential with this id.
    pub fn revoke(&self, id: CredentialId) -> Result<Credential> {
        self.store
            .write(move |transaction| transaction.credentials().revoke(id))
    }

    /// Removes a credential, so that it is no longer listed. Its token is rejected from now on.
    ///
    /// # Errors
    ///
    /// [`NotFound`](crate::ErrorKind::NotFound) if there is no credential with this id.
    pub fn remove(&self, id: CredentialId) -> Result<()> {
        self.store
            .write(move |transaction| transaction.credentials().remove(id))
    }

    /// Returns the principal that a bearer token authenticates, or `None` if the token is unknown,
    /// expired or revoked. The comparison takes equally long for correct and incorrect tokens.
    ///
    /// # Errors
    ///
    /// Only store errors, see [`LeadStore::get`].
    pub fn authenticate(&self, token: &str) -> Result<Option<Principal>> {
        let token = Token::new(token);
        let now = self.store.now()?;
        let stored = self.store.read(|state| match token.claims() {
            Some(id) => state.credential(id),
            None => Ok(None),
        })?;
        let matches = token.matches(
            stored
                .as_ref()
                .map_or(TokenHash::NONE, |stored| stored.hash),
        );
        let credential = stored
            .map(|stored| stored.credential)
            .filter(|c| matches && c.is_valid_at(now));
        Ok(credential.map(|credential| {
            let principal = Principal::new(credential.scopes);
            match credential.owner_id {
                Some(owner_id) => principal.bound_to(owner_id),
                None => principal,
            }
        }))
    }
}
