//! Random bytes for ids and salts.

pub(crate) fn random_bytes() -> [u8; 16] {
    uuid::Uuid::new_v4().into_bytes()
}
