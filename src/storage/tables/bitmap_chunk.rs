//! A chunk of a bitmap as the tables hold it.

use roaring::RoaringBitmap;

use crate::error::{Error, Result};

pub(crate) fn decode_chunk(bytes: &[u8]) -> Result<RoaringBitmap> {
    RoaringBitmap::deserialize_from(bytes).map_err(|error| damaged_chunk().caused_by(error))
}

pub(crate) fn damaged_chunk() -> Error {
    Error::corrupted("the store's file is damaged: a bitmap cannot be read")
}
