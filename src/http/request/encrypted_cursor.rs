//! Encrypted cursors. The cursor of a list contains a row number, which reveals roughly how many
//! leads the store contains, including those of other owners. Clients therefore get the cursor
//! in encrypted form, authenticated together with the id of the owner for whom it was made.
//!
//! The cipher is AES-SIV ([RFC 5297](https://www.rfc-editor.org/rfc/rfc5297)) with 128-bit keys,
//! which needs no nonce. Its output, a 16-byte tag and the encrypted cursor, is written in URL-safe
//! Base64. The key is derived from the store's random id, so a cursor stays valid after a restart.

use aes_siv::KeyInit;
use aes_siv::siv::Aes128Siv;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use crate::error::{Error, ErrorKind, Result};
use crate::query::Cursor;

/// The cipher for the cursors of a store, for one owner or for principals that see all leads.
pub(crate) struct CursorCipher<'o> {
    key: [u8; 32],
    owner_id: Option<&'o str>,
}

impl<'o> CursorCipher<'o> {
    pub(crate) fn new(store_id: [u8; 16], owner_id: Option<&'o str>) -> Self {
        let key = Sha256::new()
            .chain_update(b"leadstore cursor")
            .chain_update(store_id)
            .finalize()
            .into();
        Self { key, owner_id }
    }

    pub(crate) fn seal(&self, cursor: &Cursor) -> Result<String> {
        let sealed = self
            .cipher()
            .encrypt(self.associated_data(), &cursor.to_bytes());
        let sealed = sealed
            .map_err(|_| Error::new(ErrorKind::Unavailable, "a cursor could not be encrypted"))?;
        Ok(URL_SAFE_NO_PAD.encode(sealed))
    }

    /// Decrypts the cursor in `text`. Returns `None` unless the cursor was encrypted by this store
    /// for this owner.
    pub(crate) fn open(&self, text: &str) -> Option<Cursor> {
        let sealed = URL_SAFE_NO_PAD.decode(text).ok()?;
        let bytes = self
            .cipher()
            .decrypt(self.associated_data(), &sealed)
            .ok()?;
        Cursor::from_bytes(&bytes)
    }

    fn cipher(&self) -> Aes128Siv {
        Aes128Siv::new(&self.key.into())
    }

    /// Returns the owner id, which is authenticated with the cursor. An empty id stands for
    /// principals that see all leads, since no owner's id is empty.
    fn associated_data(&self) -> [&[u8]; 1] {
        [self.owner_id.unwrap_or_default().as_bytes()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A cursor outlives the process, so a later version of the library may have to decrypt it.
    #[test]
    fn the_text_of_a_sealed_cursor_stays_what_it_is() {
        let mut bytes = [
            [1].as_slice(),
            &[7; 4],
            &25_u64.to_le_bytes(),
            &3_u32.to_le_bytes(),
            &[0],
        ]
        .concat();
        bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
        let cursor = Cursor::from_bytes(&bytes).unwrap();
        let [of_ada, of_all] = [Some("ada"), None].map(|owner| CursorCipher::new([9; 16], owner));
        let text = of_ada.seal(&cursor).unwrap();
        assert_eq!(text, "_pNMHo5vQmWM2u_UK-MjufEyQbQ_6dPCu9WhQNuBscOAp4bflUI");
        assert_eq!(of_ada.open(&text), Some(cursor));
        assert_eq!(of_all.open(&text), None);
    }
}
