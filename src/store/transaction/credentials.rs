//! Writes on credentials.

use crate::credential::{Credential, CredentialId, IssuedCredential, NewCredential};
use crate::error::{Error, ErrorKind, Result};
use crate::storage::StoredCredential;
use crate::store::transaction::Transaction;

impl<'a> Transaction<'a> {
    /// Returns a handle for writes on the store's credentials. They take effect together with the
    /// other writes of this transaction.
    pub fn credentials(&mut self) -> TransactionCredentials<'_, 'a> {
        TransactionCredentials { transaction: self }
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

/// Writes on credentials within a transaction, see [`Transaction::credentials`].
#[derive(Debug)]
pub struct TransactionCredentials<'t, 'a> {
    transaction: &'t mut Transaction<'a>,
}

impl TransactionCredentials<'_, '_> {
    /// Issues a credential. See [`Credentials::issue`](crate::http::Credentials::issue).
    ///
    /// # Errors
    ///
    /// The same errors as that method.
    pub fn issue(&mut self, new: NewCredential) -> Result<IssuedCredential> {
        self.transaction.run(|transaction, now| {
            let (issued, hash) = new.into_issued(now)?;
            let stored = StoredCredential {
                credential: issued.credential.clone(),
                hash,
            };
            transaction.set_credential(issued.credential.id, Some(&stored))?;
            Ok(issued)
        })
    }

    /// Revokes a credential. See [`Credentials::revoke`](crate::http::Credentials::revoke).
    ///
    /// # Errors
    ///
    /// The same errors as that method.
    pub fn revoke(&mut self, id: CredentialId) -> Result<Credential> {
        self.transaction.run(|transaction, now| {
            let mut stored = transaction
                .state()
                .credential(id)?
                .ok_or_else(|| no_credential(id))?;
            if stored.credential.revoked_at.is_none() {
                stored.credential.revoked_at = Some(now);
                transaction.set_credential(id, Some(&stored))?;
            }
            Ok(stored.credential)
        })
    }

    /// Removes a credential. See [`Credentials::remove`](crate::http::Credentials::remove).
    ///
    /// # Errors
    ///
    /// The same errors as that method.
    pub fn remove(&mut self, id: CredentialId) -> Result<()> {
        self.transaction.run(|transaction, _| {
            transaction
                .state()
                .credential(id)?
                .ok_or_else(|| no_credential(id))?;
            transaction.set_credential(id, None)
        })
    }
}

fn no_credential(id: CredentialId) -> Error {
    Error::new(ErrorKind::NotFound, format!("there is no credential {id}"))
}
