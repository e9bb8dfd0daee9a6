//! Bearer tokens: generated from random bytes, stored as hashes, compared in constant time.
//!
//! ```text
//! sk_live_ (API key) or at_live_ (access token)
//! 26 base-32 digits: the credential's id
//! 43 characters: 32 random bytes in URL-safe Base64
//! ```
//!
//! 256 random bits cannot be guessed, so one pass of SHA-256 is enough; a password would need a
//! slow hash. The record is looked up by the id, so the time of the lookup reveals nothing about
//! the secret.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::credential::{CredentialId, CredentialKind};
use crate::error::{Error, ErrorKind, Result};
use crate::type_id::DIGITS;

const KINDS: [CredentialKind; 2] = [CredentialKind::ApiKey, CredentialKind::AccessToken];
/// A length in bytes that no token reaches. Longer texts are rejected without being hashed.
const MAX_BYTES: usize = 256;

fn prefix(kind: CredentialKind) -> &'static str {
    match kind {
        CredentialKind::ApiKey => "sk_live_",
        CredentialKind::AccessToken => "at_live_",
    }
}

/// The hash of a token, as the store keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TokenHash(pub(crate) [u8; 32]);

impl TokenHash {
    /// A hash that no token has. A token that belongs to no credential is compared with it, so that
    /// an unknown token is hashed and compared like a known one.
    pub(crate) const NONE: Self = Self([0; 32]);

    fn of(token: &str) -> Self {
        Self(Sha256::digest(token.as_bytes()).into())
    }
}

/// A bearer token as a client presents it, with the id of the credential that it claims to belong
/// to.
pub(crate) struct Token<'t> {
    text: &'t str,
    claims: Option<CredentialId>,
}

impl<'t> Token<'t> {
    pub(crate) fn new(text: &'t str) -> Self {
        let claim = |kind| {
            let prefix = prefix(kind);
            let head = text.get(..prefix.len() + DIGITS)?;
            CredentialId::parse_after(prefix, head)
        };
        Self {
            text,
            claims: KINDS.into_iter().find_map(claim),
        }
    }

    pub(crate) fn claims(&self) -> Option<CredentialId> {
        self.claims
    }

    /// Returns true if the token has this hash. The comparison takes constant time.
    pub(crate) fn matches(&self, hash: TokenHash) -> bool {
        self.text.len() <= MAX_BYTES && bool::from(TokenHash::of(self.text).0.ct_eq(&hash.0))
    }
}

/// Generates the id of a new credential, its token and the hash of the token.
pub(crate) fn generate(kind: CredentialKind) -> Result<(CredentialId, String, TokenHash)> {
    let id = CredentialId::from_bytes(random()?);
    let mut token = id.format_after(prefix(kind));
    URL_SAFE_NO_PAD.encode_string(random::<32>()?, &mut token);
    let hash = TokenHash::of(&token);
    Ok((id, token, hash))
}

fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| {
        Error::new(
            ErrorKind::Io,
            "the operating system gave no random bytes for a token",
        )
        .caused_by(error)
    })?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_matches_its_own_hash_only() {
        for kind in KINDS {
            let (id, text, hash) = generate(kind).unwrap();
            assert_eq!(
                (text.len(), Token::new(&text).claims()),
                (8 + 26 + 43, Some(id)),
                "{text}"
            );
            assert!(Token::new(&text).matches(hash));
            for end in 0..text.len() {
                assert!(!Token::new(&text[..end]).matches(hash));
            }
            let (_, other, other_hash) = generate(kind).unwrap();
            assert!(!Token::new(&other).matches(hash) && !Token::new(&text).matches(other_hash));
            let longer = format!("{text}x");
            assert_eq!(
                (
                    Token::new(&longer).claims(),
                    Token::new(&longer).matches(hash)
                ),
                (Some(id), false)
            );
        }
    }

    #[test]
    fn anything_else_claims_nothing_and_matches_nothing() {
        for text in [
            "",
            "sk_live_",
            "sk_live_0",
            "sk_live_é01h455vb4pex5vsknk084sn02q",
            &"x".repeat(1 << 20),
        ] {
            assert!(
                Token::new(text).claims().is_none() && !Token::new(text).matches(TokenHash::NONE),
                "{text:.20}"
            );
        }
    }
}
