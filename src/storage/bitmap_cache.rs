//! Bitmaps that were decoded, of one state of the tables.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use roaring::RoaringBitmap;

use crate::Result;

/// How many bytes of bitmaps are kept. At a million leads one takes at most 128 KiB.
const MOST_BYTES: usize = 8 << 20;

/// What a bitmap takes besides its key and rows, about.
const PER_BITMAP: usize = 200;

/// Decoded bitmaps by their keys. They never change: neither do the tables of a commit.
#[derive(Default)]
pub(super) struct BitmapCache(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    bitmaps: HashMap<Box<[u8]>, Arc<RoaringBitmap>>,
    bytes: usize,
}

impl BitmapCache {
    pub(super) fn get_or_insert(
        &self,
        posting: &[u8],
        read: impl FnOnce() -> Result<Arc<RoaringBitmap>>,
    ) -> Result<Arc<RoaringBitmap>> {
        if let Some(rows) = self.lock().bitmaps.get(posting) {
            return Ok(Arc::clone(rows));
        }
        let rows = read()?;
        if rows.is_empty() {
            return Ok(rows);
        }
        let size = PER_BITMAP + posting.len() + rows.serialized_size();
        let mut kept = self.lock();
        if kept.bytes + size > MOST_BYTES {
            // The next ones will be those that are asked for now.
            *kept = Kept::default();
        }
        if size <= MOST_BYTES && kept.bitmaps.insert(posting.into(), Arc::clone(&rows)).is_none() {
            kept.bytes += size;
        }
        Ok(rows)
    }

    /// What is kept is whole between any two statements, so a panic elsewhere spoils nothing.
    fn lock(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
