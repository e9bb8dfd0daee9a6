//! Writes on credentials.

use crate::credential::{Credential, CredentialId, IssuedCredential, NewCredential};
use crate::error::{Error, ErrorKind, Result};
use crate::storage::StoredCredential;
use crate::store::transaction::Transaction;

impl Transaction<'_> {
    /// Issues a credential. See [`Credentials::issue`](crate::http::Credentials::issue).
    ///
    /// # Errors
    ///
    /// The same.
    pub fn issue_credential(&mut self, new: NewCredential) -> Result<IssuedCredential> {
        let (issued, hash) = new.into_issued(self.rules.now())?;
        let stored = StoredCredential {
            credential: issued.credential.clone(),
            hash,
        };
        self.set_credential(issued.credential.id, Some(&stored))?;
        Ok(issued)
    }

    /// Revokes a credential. See [`Credentials::revoke`](crate::http::Credentials::revoke).
    ///
    /// # Errors
    ///
    /// The same.
    pub fn revoke_credential(&mut self, id: CredentialId) -> Result<Credential> {
        let mut stored = self
            .state()
            .credential(id)?
            .ok_or_else(|| no_credential(id))?;
        if stored.credential.revoked_at.is_none() {
            stored.credential.revoked_at = Some(self.rules.now());
            self.set_credential(id, Some(&stored))?;
        }
        Ok(stored.credential)
    }

    /// Removes a credential. See [`Credentials::remove`](crate::http::Credentials::remove).
    ///
    /// # Errors
    ///
    /// The same.
    pub fn remove_credential(&mut self, id: CredentialId) -> Result<()> {
        self.state()
            .credential(id)?
            .ok_or_else(|| no_credential(id))?;
        self.set_credential(id, None)
    }

    fn set_credential(
        &mut self,
        id: CredentialId,
        stored: Option<&StoredCredential>,
    ) -> Result<()> {
        let written = self.txn.set_credential(id, stored);
        self.note_broken(written)
    }
}

fn no_credential(id: CredentialId) -> Error {
    Error::new(ErrorKind::NotFound, format!("there is no credential {id}"))
}
