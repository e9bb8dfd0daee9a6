//! A cache of the decoded bitmaps of one committed state.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use roaring::RoaringBitmap;

use crate::error::Result;
use crate::sync::lock;

/// Maximum total size of the cached bitmaps, in bytes. With a million leads, a bitmap takes up to
/// about 128 KiB.
const CACHE_BYTES_MAX: usize = 8 << 20;

/// Approximate memory of a cached bitmap in addition to its key and rows, in bytes.
const BITMAP_OVERHEAD: usize = 200;

/// Decoded bitmaps by key. No entry becomes stale, because the tables of a commit never change.
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
        let size = BITMAP_OVERHEAD + bitmap.len() + rows.serialized_size();
        let mut cached = self.lock();
        if cached.bytes + size > CACHE_BYTES_MAX {
            // Evicts everything. The next requests refill the cache with the bitmaps that are in
            // use now.
            *cached = CachedBitmaps::default();
        }
        if size <= CACHE_BYTES_MAX
            && cached
                .bitmaps
                .insert(bitmap.into(), Arc::clone(&rows))
                .is_none()
        {
            cached.bytes += size;
        }
        Ok(rows)
    }

    /// Locks the cache, even if the lock is poisoned. This is safe, because no panic can occur
    /// between a change to the map and the update of the byte count.
    fn lock(&self) -> std::sync::MutexGuard<'_, CachedBitmaps> {
        lock(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Requests a bitmap of `bytes` bytes. Returns true on a cache miss.
    fn is_miss(cache: &BitmapCache, bitmap: &str, bytes: usize) -> bool {
        let mut read = false;
        let got = cache.get_or_insert(bitmap.as_bytes(), || {
            read = true;
            // The rows of an array container take 2 bytes each, plus 8 bytes for each chunk and 8
            // bytes for the bitmap.
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
    fn cache_stays_within_its_byte_limit() {
        let cache = BitmapCache::default();
        let half = CACHE_BYTES_MAX / 2 - BITMAP_OVERHEAD - 1;
        assert!(is_miss(&cache, "a", half) && is_miss(&cache, "b", half));
        assert!(
            !is_miss(&cache, "a", half) && !is_miss(&cache, "b", half),
            "both are kept"
        );
        let bytes = |cache: &BitmapCache| cache.lock().bytes;
        assert!(
            (CACHE_BYTES_MAX - 4..=CACHE_BYTES_MAX).contains(&bytes(&cache)),
            "{}",
            bytes(&cache)
        );
        assert!(
            is_miss(&cache, "c", 1_000),
            "a third bitmap exceeds the limit …"
        );
        assert!(
            !is_miss(&cache, "c", 1_000) && is_miss(&cache, "a", half),
            "… and evicts both"
        );
        assert!(
            is_miss(&cache, "d", CACHE_BYTES_MAX),
            "a bitmap above the limit"
        );
        assert!(is_miss(&cache, "d", CACHE_BYTES_MAX), "is never kept");
        assert_eq!(bytes(&cache), 0);
    }

    #[test]
    fn duplicate_insert_counts_once_and_empty_bitmap_is_not_cached() {
        let cache = BitmapCache::default();
        let rows: Arc<RoaringBitmap> = Arc::new([1, 2].into_iter().collect());
        let put =
            || cache.get_or_insert(b"a", || cache.get_or_insert(b"a", || Ok(Arc::clone(&rows))));
        assert_eq!(put().unwrap(), rows);
        assert_eq!(
            cache.lock().bytes,
            BITMAP_OVERHEAD + 1 + rows.serialized_size()
        );
        cache.get_or_insert(b"b", || Ok(Arc::default())).unwrap();
        assert_eq!(cache.lock().bitmaps.len(), 1);
        assert!(
            cache
                .get_or_insert(b"b", || Err(crate::error::Error::corrupted("a reason")))
                .is_err()
        );
    }
}
