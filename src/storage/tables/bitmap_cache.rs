//! Bitmaps that were decoded, of one state of the tables.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use roaring::RoaringBitmap;

use crate::error::Result;
use crate::sync::lock;

/// How many bytes of bitmaps are kept. At a million leads one takes at most 128 KiB.
const MOST_BYTES: usize = 8 << 20;

/// What a bitmap takes besides its key and rows, about.
const PER_BITMAP: usize = 200;

/// Decoded bitmaps by their keys. They never change: neither do the tables of a commit.
#[derive(Default)]
pub(crate) struct BitmapCache(Mutex<CachedBitmaps>);

#[derive(Default)]
struct CachedBitmaps {
    bitmaps: HashMap<Box<[u8]>, Arc<RoaringBitmap>>,
    bytes: usize,
}

impl BitmapCache {
    pub(crate) fn get_or_insert(
        &self,
        bitmap: &[u8],
        read: impl FnOnce() -> Result<Arc<RoaringBitmap>>,
    ) -> Result<Arc<RoaringBitmap>> {
        if let Some(rows) = self.lock().bitmaps.get(bitmap) {
            return Ok(Arc::clone(rows));
        }
        let rows = read()?;
        if rows.is_empty() {
            return Ok(rows);
        }
        let size = PER_BITMAP + bitmap.len() + rows.serialized_size();
        let mut kept = self.lock();
        if kept.bytes + size > MOST_BYTES {
            // The next ones will be those that are asked for now.
            *kept = CachedBitmaps::default();
        }
        if size <= MOST_BYTES
            && kept
                .bitmaps
                .insert(bitmap.into(), Arc::clone(&rows))
                .is_none()
        {
            kept.bytes += size;
        }
        Ok(rows)
    }

    /// What is kept is whole between any two statements, so a panic elsewhere spoils nothing.
    fn lock(&self) -> std::sync::MutexGuard<'_, CachedBitmaps> {
        lock(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asks for a bitmap of so many bytes; whether it had to be read.
    fn is_read(cache: &BitmapCache, bitmap: &str, bytes: usize) -> bool {
        let mut read = false;
        let got = cache.get_or_insert(bitmap.as_bytes(), || {
            read = true;
            // Rows far from each other take two bytes each, and eight for each chunk with another eight for all.
            let mut rows: RoaringBitmap = (0..bytes as u32 / 2)
                .map(|row| row % 4_000 * 2 + ((row / 4_000) << 16))
                .collect();
            while rows.serialized_size() > bytes {
                rows.remove_biggest(1);
            }
            Ok(Arc::new(rows))
        });
        got.unwrap();
        read
    }

    #[test]
    fn bitmaps_are_kept_while_they_take_no_more_than_there_is_room() {
        let cache = BitmapCache::default();
        let half = MOST_BYTES / 2 - PER_BITMAP - 1;
        assert!(is_read(&cache, "a", half) && is_read(&cache, "b", half));
        assert!(
            !is_read(&cache, "a", half) && !is_read(&cache, "b", half),
            "both are kept"
        );
        let bytes = |cache: &BitmapCache| cache.lock().bytes;
        assert!(
            (MOST_BYTES - 4..=MOST_BYTES).contains(&bytes(&cache)),
            "{}",
            bytes(&cache)
        );
        assert!(is_read(&cache, "c", 1_000), "a third finds no room …");
        assert!(
            !is_read(&cache, "c", 1_000) && is_read(&cache, "a", half),
            "… and takes that of both"
        );
        assert!(
            is_read(&cache, "d", MOST_BYTES),
            "one that is larger than all the room"
        );
        assert!(is_read(&cache, "d", MOST_BYTES), "is never kept");
        assert_eq!(bytes(&cache), 0);
    }

    #[test]
    fn a_bitmap_that_two_readers_have_put_in_is_counted_once_and_an_empty_one_not_kept() {
        let cache = BitmapCache::default();
        let rows: Arc<RoaringBitmap> = Arc::new([1, 2].into_iter().collect());
        let put =
            || cache.get_or_insert(b"a", || cache.get_or_insert(b"a", || Ok(Arc::clone(&rows))));
        assert_eq!(put().unwrap(), rows);
        assert_eq!(cache.lock().bytes, PER_BITMAP + 1 + rows.serialized_size());
        cache.get_or_insert(b"b", || Ok(Arc::default())).unwrap();
        assert_eq!(cache.lock().bitmaps.len(), 1);
        assert!(
            cache
                .get_or_insert(b"b", || Err(crate::error::Error::corrupted("a reason")))
                .is_err()
        );
    }
}
