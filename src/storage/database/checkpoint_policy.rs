//! Decides when a checkpoint is made. Everything that is not in the tables yet costs memory, and
//! lengthens recovery after a crash.

use std::time::{Duration, Instant};

/// Size in bytes of the entries in the active journal file at which a checkpoint is due. It bounds
/// the time for recovery, which reads the whole journal.
pub(crate) const JOURNAL_BYTES: u64 = 64 << 20;
/// Number of commits at which a checkpoint is due. It bounds the time for recovery, which takes
/// about 8 µs per commit.
pub(crate) const COMMITS: u64 = 4_000;
/// The overlay may take `1 / OVERLAY_FRACTION` of the memory budget, but at most
/// `OVERLAY_BYTES_MAX` bytes.
const OVERLAY_FRACTION: usize = 6;
const OVERLAY_BYTES_MAX: usize = 40 << 20;
/// A checkpoint is due once nothing has been written for this long.
const AFTER_IDLE: Duration = Duration::from_secs(1);
/// Maximum time from the first write after a checkpoint until the next checkpoint is due.
const AFTER_WRITE: Duration = Duration::from_secs(30);

/// The limits of a store, derived from its cache size.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CheckpointPolicy {
    overlay_bytes: usize,
}

/// The size of everything that is committed but not in the tables yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backlog {
    pub(crate) overlay_bytes: usize,
    pub(crate) journal_bytes: u64,
    pub(crate) commits: u64,
}

impl CheckpointPolicy {
    /// Returns the policy of a store that may keep `cache_bytes` bytes in memory.
    pub(crate) fn for_cache(cache_bytes: usize) -> Self {
        Self {
            overlay_bytes: (cache_bytes / OVERLAY_FRACTION).min(OVERLAY_BYTES_MAX),
        }
    }

    #[cfg(test)]
    pub(crate) fn with_overlay_bytes(overlay_bytes: usize) -> Self {
        Self { overlay_bytes }
    }

    /// Returns the policy of a store that is opened read-only.
    pub(crate) fn read_only() -> Self {
        Self { overlay_bytes: 0 }
    }

    /// Returns the number of bytes that the overlay may take. If a transaction needs more, it
    /// writes to the tables directly.
    pub(crate) fn overlay_bytes(self) -> usize {
        self.overlay_bytes
    }

    /// Returns true if a checkpoint should start: the journal or the number of commits has reached
    /// its limit, or the overlay takes half of the bytes that it may take. The other half is left
    /// for commits made during the checkpoint.
    pub(crate) fn is_due(self, backlog: Backlog) -> bool {
        self.is_exceeded(backlog, 1)
    }

    /// Returns true if writers have to wait for a checkpoint, because checkpoints do not keep up
    /// with them.
    pub(crate) fn needs_backpressure(self, backlog: Backlog) -> bool {
        self.is_exceeded(backlog, 2)
    }

    fn is_exceeded(self, backlog: Backlog, factor: usize) -> bool {
        backlog.overlay_bytes >= self.overlay_bytes / 2 * factor
            || backlog.journal_bytes >= JOURNAL_BYTES * factor as u64
            || backlog.commits >= COMMITS * factor as u64
    }

    /// Returns the time at which a checkpoint becomes due even if no limit has been reached.
    /// `first_write` and `last_write` are the times of the first and the last write since the last
    /// checkpoint.
    pub(crate) fn idle_deadline(first_write: Instant, last_write: Instant) -> Instant {
        (last_write + AFTER_IDLE).min(first_write + AFTER_WRITE)
    }
}
