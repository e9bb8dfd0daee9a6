//! A chunk of a bitmap as the tables hold it.

use roaring::RoaringBitmap;

use crate::error::{Error, Result};

pub(crate) fn decode_chunk(bytes: &[u8]) -> Result<RoaringBitmap> {
    RoaringBitmap::deserialize_from(bytes).map_err(|error| corrupted_chunk().caused_by(error))
}

pub(crate) fn corrupted_chunk() -> Error {
    Error::corrupted("leads.redb is corrupted: a bitmap cannot be decoded")
}
