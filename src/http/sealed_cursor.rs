//! Cursors that tell their holder nothing. A list's cursor holds the number of a row, which counts the leads of every
//! owner, so what a client gets is encrypted, and authenticated together with the owner that it was made for.
//!
//! ```text
//! 16 bytes: tag = SHA-256(key, "tag", owner's length as u64, owner, cursor), cut   the rest: cursor XOR stream
//! stream of block i = SHA-256(key, "stream", tag, i as u64)
//! ```
//!
//! All that in URL-safe base 64. It is the synthetic-IV construction of
//! [RFC 5297](https://www.rfc-editor.org/rfc/rfc5297) with SHA-256 under a secret prefix as the pseudo-random function;
//! that half of the hash is cut keeps it from being extended. The key comes of the store's random id, so that a cursor
//! outlives the process.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::query::Cursor;

const TAG: usize = 16;

/// Seals and opens the cursors of one store for one owner, or for who sees all.
pub(super) struct CursorSeal<'o> {
    key: [u8; 32],
    owner_id: Option<&'o str>,
}

impl<'o> CursorSeal<'o> {
    pub(super) fn new(store_id: [u8; 16], owner_id: Option<&'o str>) -> Self {
        let key = Sha256::new().chain_update(b"leadstore cursor").chain_update(store_id).finalize().into();
        Self { key, owner_id }
    }

    pub(super) fn seal(&self, cursor: &Cursor) -> String {
        let mut bytes = cursor.to_bytes();
        let tag = self.tag(&bytes);
        self.apply_stream(tag, &mut bytes);
        URL_SAFE_NO_PAD.encode([tag.as_slice(), &bytes].concat())
    }

    /// The cursor in `text`, if it was sealed for this owner.
    pub(super) fn open(&self, text: &str) -> Option<Cursor> {
        let sealed = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (tag, bytes) = sealed.split_first_chunk::<TAG>()?;
        let mut bytes = bytes.to_vec();
        self.apply_stream(*tag, &mut bytes);
        if !bool::from(self.tag(&bytes).ct_eq(tag)) {
            return None;
        }
        Cursor::from_bytes(&bytes)
    }

    fn tag(&self, bytes: &[u8]) -> [u8; TAG] {
        // No owner has an empty id.
        let owner_id = self.owner_id.unwrap_or_default();
        let hash = Sha256::new()
            .chain_update(self.key)
            .chain_update(b"tag")
            .chain_update((owner_id.len() as u64).to_le_bytes())
            .chain_update(owner_id)
            .chain_update(bytes)
            .finalize();
        let mut tag = [0; TAG];
        tag.iter_mut().zip(hash).for_each(|(place, byte)| *place = byte);
        tag
    }

    fn apply_stream(&self, tag: [u8; TAG], bytes: &mut [u8]) {
        for (index, block) in (0_u64..).zip(bytes.chunks_mut(32)) {
            let stream = Sha256::new()
                .chain_update(self.key)
                .chain_update(b"stream")
                .chain_update(tag)
                .chain_update(index.to_le_bytes())
                .finalize();
            block.iter_mut().zip(stream).for_each(|(byte, mask)| *byte ^= mask);
        }
    }
}
