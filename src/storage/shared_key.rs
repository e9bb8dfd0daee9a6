//! A reference-counted key, shared by the overlay, its copies and the journal's redo operations.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::ops::Deref;
use std::sync::Arc;

use bincode::de::{BorrowDecode, BorrowDecoder};
use bincode::enc::{Encode, Encoder};
use bincode::error::{DecodeError, EncodeError};

/// A key as bytes on the heap, with a copy of its first eight bytes inline. If two `SharedKey`s
/// differ in these bytes, comparing them does not read the heap.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct SharedKey {
    head: u64,
    bytes: Arc<[u8]>,
}

impl From<&[u8]> for SharedKey {
    fn from(bytes: &[u8]) -> Self {
        let mut head = [0; 8];
        head.iter_mut()
            .zip(bytes)
            .for_each(|(target, byte)| *target = *byte);
        Self {
            head: u64::from_be_bytes(head),
            bytes: bytes.into(),
        }
    }
}

impl Deref for SharedKey {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Borrow<[u8]> for SharedKey {
    fn borrow(&self) -> &[u8] {
        &self.bytes
    }
}

impl Ord for SharedKey {
    fn cmp(&self, other: &Self) -> Ordering {
        self.head
            .cmp(&other.head)
            .then_with(|| self.bytes.cmp(&other.bytes))
    }
}

impl PartialOrd for SharedKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl std::fmt::Debug for SharedKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.bytes.fmt(f)
    }
}

impl Encode for SharedKey {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        self.bytes.encode(encoder)
    }
}

impl<'de, C> BorrowDecode<'de, C> for SharedKey {
    fn borrow_decode<D: BorrowDecoder<'de, Context = C>>(
        decoder: &mut D,
    ) -> Result<Self, DecodeError> {
        <&[u8]>::borrow_decode(decoder).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn shared_keys_order_like_their_bytes(a in proptest::collection::vec(0_u8..3, 0..12), b in proptest::collection::vec(0_u8..3, 0..12)) {
            let (first, second) = (SharedKey::from(a.as_slice()), SharedKey::from(b.as_slice()));
            prop_assert_eq!(first.cmp(&second), a.cmp(&b));
            prop_assert_eq!(first == second, a == b);
        }
    }
}
