//! Shared test support: seeds, scale, external data, and a store in a temporary directory.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use leadstore::chrono::{DateTime, TimeZone, Utc};
use leadstore::testing::ManualClock;
use leadstore::{LeadStore, OpenOptions};
use tempfile::TempDir;

/// Returns the seed of a randomized test: `LEADSTORE_TEST_SEED`, or a new one. Prints it, so that
/// the output of a failing test shows it.
pub fn seed() -> u64 {
    let given = std::env::var("LEADSTORE_TEST_SEED")
        .ok()
        .and_then(|text| text.parse().ok());
    let seed = given.unwrap_or_else(|| fastrand::u64(..));
    println!("repeat with LEADSTORE_TEST_SEED={seed}");
    seed
}

/// Returns the factor by which randomized tests run longer than usual: `LEADSTORE_TEST_SCALE`, 1 by
/// default.
pub fn scale() -> usize {
    std::env::var("LEADSTORE_TEST_SCALE")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(1)
}

/// Returns the path of a file in the directory named by `LEADSTORE_TEST_DATA`. Returns `None` if
/// the variable is not set, in which case the caller must skip its test.
pub fn data(file: &str) -> Option<PathBuf> {
    let Some(directory) = std::env::var_os("LEADSTORE_TEST_DATA") else {
        println!("SKIPPED: set LEADSTORE_TEST_DATA to the directory that holds {file}");
        return None;
    };
    let path = PathBuf::from(directory).join(file);
    assert!(path.exists(), "{} is missing", path.display());
    Some(path)
}

/// A guard that sets a flag on drop, even after a failed assertion. Without the guard, threads that
/// run until the flag is set would keep a failing test from ending.
pub struct StopOnDrop<'f>(pub &'f AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

pub fn day(year: i32, month: u32, day: u32) -> DateTime<Utc> {
    Utc.with_ymd_and_hms(year, month, day, 12, 0, 0).unwrap()
}

/// A store with a manual clock in a temporary directory, which is removed on drop.
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

    /// Opens a store with this cache size. A small cache forces constant checkpoints.
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

/// Returns a program and its arguments that run one test of this binary in a process of its own.
pub fn test_process(test: &str) -> (PathBuf, [&str; 3]) {
    let arguments = ["--exact", test, "--nocapture"];
    (std::env::current_exe().unwrap(), arguments)
}

/// Waits until the condition holds. Panics after 30 seconds.
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let begun = std::time::Instant::now();
    while !condition() {
        assert!(begun.elapsed().as_secs() < 30, "{what} took too long");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}
