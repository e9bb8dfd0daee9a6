//! What the tests share: seeds, scale, data, and a store in a directory of its own.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use leadstore::chrono::{DateTime, TimeZone, Utc};
use leadstore::testing::ManualClock;
use leadstore::{LeadStore, OpenOptions};
use tempfile::TempDir;

/// The seed of random tests: `LEADSTORE_TEST_SEED`, or a new one. Each test prints it, which shows when it fails.
pub fn seed() -> u64 {
    let given = std::env::var("LEADSTORE_TEST_SEED")
        .ok()
        .and_then(|text| text.parse().ok());
    let seed = given.unwrap_or_else(|| fastrand::u64(..));
    println!("repeat with LEADSTORE_TEST_SEED={seed}");
    seed
}

/// By how much random tests are longer than in the normal run: `LEADSTORE_TEST_SCALE`, 1 by default.
pub fn scale() -> usize {
    std::env::var("LEADSTORE_TEST_SCALE")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(1)
}

/// A file of the real data that `LEADSTORE_TEST_DATA` names; without it the caller is to skip its test.
pub fn data(file: &str) -> Option<PathBuf> {
    let Some(directory) = std::env::var_os("LEADSTORE_TEST_DATA") else {
        println!("SKIPPED: LEADSTORE_TEST_DATA does not name the directory that holds {file}");
        return None;
    };
    let path = PathBuf::from(directory).join(file);
    assert!(path.exists(), "{} is missing", path.display());
    Some(path)
}

/// Sets a flag once it is dropped, be it by a failing assertion: threads that go on until then would keep the test from
/// ever failing.
pub struct Ending<'f>(pub &'f AtomicBool);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

pub fn day(year: i32, month: u32, day: u32) -> DateTime<Utc> {
    Utc.with_ymd_and_hms(year, month, day, 12, 0, 0).unwrap()
}

/// A store in a directory that goes when this does, with a clock that stands until it is set.
pub struct TestStore {
    pub store: LeadStore,
    pub clock: ManualClock,
    pub directory: TempDir,
    cache_bytes: usize,
}

impl TestStore {
    pub fn new() -> Self {
        Self::with_cache_bytes(64 << 20)
    }

    /// With little memory, checkpoints are made all the time.
    pub fn with_cache_bytes(cache_bytes: usize) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let clock = ManualClock::at(day(2026, 3, 1));
        let store = options(&clock)
            .cache_bytes(cache_bytes)
            .open(directory.path().join("store"))
            .unwrap();
        Self {
            store,
            clock,
            directory,
            cache_bytes,
        }
    }

    pub fn path(&self) -> PathBuf {
        self.directory.path().join("store")
    }

    /// Closes the store and opens it again.
    pub fn reopen(&mut self) {
        self.store.clone().close().unwrap();
        self.store = options(&self.clock)
            .cache_bytes(self.cache_bytes)
            .open(self.path())
            .unwrap();
    }
}

pub fn options(clock: &ManualClock) -> OpenOptions {
    LeadStore::options().clock(clock.clone())
}

/// Waits until something is so, and fails after half a minute.
pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = std::time::Instant::now();
    while !is_so() {
        assert!(begun.elapsed().as_secs() < 30, "{what} took too long");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}
