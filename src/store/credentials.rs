//! The credentials of a store.

use chrono::{DateTime, Utc};

use crate::credential::{
    Credential, CredentialId, IssuedCredential, NewCredential, Principal, Scope, Token, TokenHash,
};
use crate::error::Result;
use crate::store::lead_store::LeadStore;

/// The credentials of a store: [`LeadStore::credentials`].
///
/// They lie in the store beside the leads, under the same transactions. Of a token only its SHA-256 hash is kept.
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

    /// Issues an API key, `sk_live_…`, which is good until it is revoked.
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

    /// Issues an OAuth access token, `at_live_…`, which is refused from `expires_at` on.
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

    /// Issues a credential. Its token is in what this returns, and nowhere else.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::error::ErrorKind::Invalid) for a label, an owner or an expiry that breaks a rule, or no scope;
    /// [`Io`](crate::error::ErrorKind::Io) if the operating system has no random bytes.
    pub fn issue(&self, new: NewCredential) -> Result<IssuedCredential> {
        self.store
            .write(move |transaction| transaction.issue_credential(new))
    }

    /// Every credential, expired and revoked ones too, the oldest first.
    ///
    /// # Errors
    ///
    /// Only those of the store itself.
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

    /// The credential with this id.
    ///
    /// # Errors
    ///
    /// Only those of the store itself.
    pub fn get(&self, id: CredentialId) -> Result<Option<Credential>> {
        Ok(self
            .store
            .read(|state| state.credential(id))?
            .map(|stored| stored.credential))
    }

    /// Revokes a credential: its token is refused from now on. One that is revoked already stays as it is.
    ///
    /// # Errors
    ///
    /// [`NotFound`](crate::error::ErrorKind::NotFound) if there is none of this id.
    pub fn revoke(&self, id: CredentialId) -> Result<Credential> {
        self.store
            .write(move |transaction| transaction.revoke_credential(id))
    }

    /// Removes a credential, whose token is refused from now on, so that nothing tells that it ever was.
    ///
    /// # Errors
    ///
    /// [`NotFound`](crate::error::ErrorKind::NotFound) if there is none of this id.
    pub fn remove(&self, id: CredentialId) -> Result<()> {
        self.store
            .write(move |transaction| transaction.remove_credential(id))
    }

    /// On whose behalf a request with this bearer token is made; `None` if the token is unknown, expired or revoked. The
    /// comparison takes the same time whether the token is right or wrong.
    ///
    /// # Errors
    ///
    /// Only those of the store itself.
    pub fn authenticate(&self, token: &str) -> Result<Option<Principal>> {
        let token = Token::new(token);
        let (stored, now) = self.store.with_engine(|engine| {
            let stored = token
                .claims()
                .map(|id| engine.view()?.state().credential(id))
                .transpose()?;
            Ok((stored.flatten(), engine.now()))
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
