//! The stored record of a credential. It is separate from [`Credential`], whose fields are the
//! API's, so that each can change independently.

use bincode::{BorrowDecode, Encode};
use chrono::{DateTime, Utc};

use crate::credential::{Credential, CredentialId, CredentialKind, Scope, TokenHash};
use crate::error::{Error, Result};
use crate::storage::record::codec::{self, RecordKind};

/// A credential as stored, with the hash of its token.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct StoredCredential {
    pub(crate) credential: Credential,
    pub(crate) hash: TokenHash,
}

const CREDENTIAL: RecordKind = RecordKind {
    name: "credential record",
    format: 1,
};

#[derive(Encode, BorrowDecode)]
struct CredentialRecord<'a> {
    id: [u8; 16],
    hash: [u8; 32],
    kind: KindRecord,
    /// One bit per scope: 1 read, 2 write, 4 delete.
    scopes: u8,
    label: &'a str,
    owner_id: Option<&'a str>,
    created_at: i64,
    expires_at: Option<i64>,
    revoked_at: Option<i64>,
}

#[derive(Encode, BorrowDecode)]
enum KindRecord {
    ApiKey,
    AccessToken,
}

fn bit(scope: Scope) -> u8 {
    match scope {
        Scope::Read => 1,
        Scope::Write => 2,
        Scope::Delete => 4,
    }
}

pub(crate) fn encode(stored: &StoredCredential) -> Result<Vec<u8>> {
    let StoredCredential { credential, hash } = stored;
    let micros = |time: DateTime<Utc>| time.timestamp_micros();
    let record = CredentialRecord {
        id: credential.id.to_bytes(),
        hash: hash.0,
        kind: match credential.kind {
            CredentialKind::ApiKey => KindRecord::ApiKey,
            CredentialKind::AccessToken => KindRecord::AccessToken,
        },
        scopes: credential.scopes.iter().map(|scope| bit(*scope)).sum(),
        label: &credential.label,
        owner_id: credential.owner_id.as_deref(),
        created_at: micros(credential.created_at),
        expires_at: credential.expires_at.map(micros),
        revoked_at: credential.revoked_at.map(micros),
    };
    Ok(codec::encode(CREDENTIAL, &record)?)
}

pub(crate) fn decode(bytes: &[u8]) -> Result<StoredCredential> {
    let record: CredentialRecord<'_> = codec::decode(CREDENTIAL, bytes)?;
    if record.scopes > Scope::ALL.into_iter().map(bit).sum::<u8>() {
        return Err(Error::corrupted(
            "leads.redb is corrupted: a credential has an unknown scope",
        ));
    }
    let time = |micros| codec::time(CREDENTIAL, micros);
    let credential = Credential {
        id: CredentialId::from_bytes(record.id),
        kind: match record.kind {
            KindRecord::ApiKey => CredentialKind::ApiKey,
            KindRecord::AccessToken => CredentialKind::AccessToken,
        },
        label: record.label.to_owned(),
        scopes: Scope::ALL
            .into_iter()
            .filter(|scope| record.scopes & bit(*scope) != 0)
            .collect(),
        owner_id: record.owner_id.map(str::to_owned),
        created_at: time(record.created_at)?,
        expires_at: record.expires_at.map(time).transpose()?,
        revoked_at: record.revoked_at.map(time).transpose()?,
    };
    Ok(StoredCredential {
        credential,
        hash: TokenHash(record.hash),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::from_micros;

    #[test]
    fn credential_encoding_is_stable() {
        let stored = StoredCredential {
            credential: Credential {
                id: CredentialId::from_bytes([1; 16]),
                kind: CredentialKind::AccessToken,
                label: "a".to_owned(),
                scopes: [Scope::Read, Scope::Delete].into(),
                owner_id: Some("b".to_owned()),
                created_at: from_micros(1),
                expires_at: Some(from_micros(-1)),
                revoked_at: None,
            },
            hash: TokenHash([2; 32]),
        };
        let bytes = encode(&stored).unwrap();
        let mut expected = vec![1];
        expected.extend([1; 16]);
        expected.extend([2; 32]);
        expected.extend([1, 5, 1, b'a', 1, 1, b'b', 2, 1, 1, 0]);
        assert_eq!(bytes, expected);
        assert_eq!(decode(&bytes).unwrap(), stored);
        let mut unknown_scope = bytes;
        unknown_scope[50] = 8;
        assert!(decode(&unknown_scope).is_err());
    }
}
