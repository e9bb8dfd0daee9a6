//! A cache of the blocks that were read from index files.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, Weak};

use lru::LruCache;

use crate::sync::lock;

/// Data of consecutive blocks of index files. Data that is used again and again, such as a common
/// word's posting list, is neither read nor verified again, nor copied. Data is found by its first
/// and last block: tantivy reads a posting list or a dictionary as a whole.
///
/// Data larger than an eighth of the cache's limit is not kept. Data that is not kept, or no longer,
/// is found as long as it is in use. An open index uses the term dictionaries of its segments, so
/// the index that is opened after a commit shares those of the segments that it still has.
pub(crate) struct BlockCache {
    /// Maximum number of bytes that are kept.
    limit: usize,
    contents: Mutex<Contents>,
}

struct Contents {
    numbers: HashMap<PathBuf, FileNumber>,
    next_number: u64,
    kept: LruCache<Key, Arc<[u8]>>,
    kept_bytes: usize,
    /// Data that is not kept, but may be in use.
    used: HashMap<Key, Weak<[u8]>>,
}

/// A number for a file. A file that was deleted and created again has another number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct FileNumber(u64);

/// Identifies consecutive blocks of a file.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    file: FileNumber,
    blocks: Range<u64>,
}

/// Approximate memory of kept data in addition to its bytes.
const OVERHEAD: usize = 128;

impl fmt::Debug for BlockCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockCache").finish_non_exhaustive()
    }
}

impl BlockCache {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            contents: Mutex::new(Contents {
                numbers: HashMap::new(),
                next_number: 0,
                kept: LruCache::unbounded(),
                kept_bytes: 0,
                used: HashMap::new(),
            }),
        }
    }

    /// Returns the number of a file.
    pub(crate) fn number_of(&self, path: &Path) -> FileNumber {
        let mut contents = self.contents();
        if let Some(number) = contents.numbers.get(path) {
            return *number;
        }
        let number = FileNumber(contents.next_number);
        contents.next_number += 1;
        contents.numbers.insert(path.to_owned(), number);
        number
    }

    /// Removes what is cached of a file, because the file is being deleted.
    pub(crate) fn forget(&self, path: &Path) {
        let mut contents = self.contents();
        let Some(number) = contents.numbers.remove(path) else {
            return;
        };
        contents.used.retain(|key, _| key.file != number);
        let keys = contents.kept.iter().map(|(key, _)| key.clone());
        for key in keys.filter(|key| key.file == number).collect::<Vec<_>>() {
            let removed = contents.kept.pop(&key);
            contents.kept_bytes -= removed.map_or(0, |data| size(&data));
        }
    }

    /// Returns the data of consecutive blocks of a file, which `read` reads if they are not in the
    /// cache.
    pub(crate) fn get_or_read(
        &self,
        file: FileNumber,
        blocks: Range<u64>,
        read: impl FnOnce() -> io::Result<Arc<[u8]>>,
    ) -> io::Result<Arc<[u8]>> {
        let key = Key { file, blocks };
        if let Some(data) = self.contents().get(&key) {
            return Ok(data);
        }
        let data = read()?;
        self.contents().add(key, &data, self.limit);
        Ok(data)
    }

    fn contents(&self) -> MutexGuard<'_, Contents> {
        lock(&self.contents)
    }
}

impl Contents {
    fn get(&mut self, key: &Key) -> Option<Arc<[u8]>> {
        let kept = self.kept.get(key).cloned();
        kept.or_else(|| self.used.get(key)?.upgrade())
    }

    fn add(&mut self, key: Key, data: &Arc<[u8]>, limit: usize) {
        // A weak reference keeps the memory of its data allocated.
        self.used.retain(|_, data| data.strong_count() > 0);
        if size(data) > limit / 8 {
            self.used.insert(key, Arc::downgrade(data));
            return;
        }
        self.kept_bytes += size(data);
        let replaced = self.kept.push(key, Arc::clone(data));
        self.kept_bytes -= replaced.map_or(0, |(_, data)| size(&data));
        while self.kept_bytes > limit
            && let Some((key, evicted)) = self.kept.pop_lru()
        {
            self.kept_bytes -= size(&evicted);
            if Arc::strong_count(&evicted) > 1 {
                self.used.insert(key, Arc::downgrade(&evicted));
            }
        }
    }
}

fn size(data: &[u8]) -> usize {
    data.len() + OVERHEAD
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Requests `count` blocks of 1,000 bytes each. Returns true if they were read.
    fn is_miss(cache: &BlockCache, file: FileNumber, first: u64, count: u64) -> bool {
        let mut read = false;
        let blocks = first..first + count;
        let got = cache.get_or_read(file, blocks, || {
            read = true;
            Ok(vec![0; count as usize * 1_000].into())
        });
        assert_eq!(got.unwrap().len(), count as usize * 1_000);
        read
    }

    #[test]
    fn cache_keeps_what_was_used_last_within_its_limit() {
        let cache = BlockCache::new(20_000);
        let file = cache.number_of(Path::new("a"));
        for block in 0..17 {
            assert!(is_miss(&cache, file, block, 1));
        }
        assert!(!is_miss(&cache, file, 0, 1), "all are kept");
        assert!(is_miss(&cache, file, 20, 2), "the limit is exceeded");
        assert!(cache.contents().kept_bytes <= 20_000);
        assert!(!is_miss(&cache, file, 0, 1), "used a moment ago");
        assert!(is_miss(&cache, file, 1, 1), "used longest ago");
    }

    #[test]
    fn large_data_is_found_only_while_it_is_in_use() {
        let cache = BlockCache::new(20_000);
        let file = cache.number_of(Path::new("a"));
        let read = || cache.get_or_read(file, 0..30, || Ok(vec![1; 30_000].into()));
        let used = read().unwrap();
        assert!(!is_miss(&cache, file, 0, 30));
        assert_eq!(cache.contents().kept_bytes, 0);
        drop(used);
        assert!(is_miss(&cache, file, 0, 30));
    }

    #[test]
    fn evicted_data_is_found_while_it_is_in_use_and_then_released() {
        let cache = BlockCache::new(20_000);
        let file = cache.number_of(Path::new("a"));
        let read = || cache.get_or_read(file, 0..1, || Ok(vec![1; 1_000].into()));
        let used = read().unwrap();
        for block in 1..30 {
            assert!(is_miss(&cache, file, block, 1));
        }
        assert!(!is_miss(&cache, file, 0, 1), "in use");
        drop(used);
        assert!(is_miss(&cache, file, 30, 1));
        assert!(cache.contents().used.is_empty());
        assert!(is_miss(&cache, file, 0, 1), "evicted");
    }

    #[test]
    fn nothing_of_a_deleted_file_is_found() {
        let cache = BlockCache::new(20_000);
        let (a, b) = (Path::new("a"), Path::new("b"));
        let (old, other) = (cache.number_of(a), cache.number_of(b));
        assert_eq!(cache.number_of(a), old);
        assert!(is_miss(&cache, old, 0, 1) && is_miss(&cache, other, 0, 1));
        cache.forget(a);
        assert_eq!(cache.contents().kept_bytes, 1_000 + OVERHEAD);
        assert!(!is_miss(&cache, other, 0, 1));
        let new = cache.number_of(a);
        assert!(new != old && is_miss(&cache, new, 0, 1));
    }

    #[test]
    fn failed_read_is_not_cached() {
        let cache = BlockCache::new(20_000);
        let file = cache.number_of(Path::new("a"));
        let failed = cache.get_or_read(file, 0..1, || Err(io::Error::other("no disk")));
        assert!(failed.is_err() && is_miss(&cache, file, 0, 1));
    }
}
