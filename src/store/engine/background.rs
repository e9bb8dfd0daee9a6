//! The background threads of a store. One checkpoints the journal and sweeps the trash. If the
//! store is opened with [`Durability::Within`](super::Durability::Within), a second thread syncs
//! writes within the given time.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::error::{Error, ErrorKind, Result};
use crate::storage::CheckpointPolicy;
use crate::sync::lock;
use crate::sync::wait_timeout;
use crate::trash::SWEEP_INTERVAL;

/// Bounds of the interval at which the journal is synced.
const SYNC_INTERVAL_MIN: Duration = Duration::from_millis(1);
const SYNC_INTERVAL_MAX: Duration = Duration::from_secs(24 * 3_600);

/// The work of the threads. A failure is logged; the next run tries again.
pub(crate) struct BackgroundTasks {
    pub(crate) checkpoint: Box<dyn Fn() -> Result<()> + Send>,
    /// Purges one batch of expired leads and returns their number.
    pub(crate) sweep: Box<dyn Fn() -> Result<u64> + Send>,
    /// Makes all previous writes durable.
    pub(crate) sync: Box<dyn Fn() -> Result<()> + Send>,
}

/// A handle to the background threads, which end when it is stopped or dropped.
pub(crate) struct BackgroundThread {
    wakeup: Arc<Wakeup>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// The signal that wakes and stops the threads.
#[derive(Default)]
pub(crate) struct Wakeup {
    pending: Mutex<PendingWork>,
    wake: Condvar,
}

#[derive(Default)]
struct PendingWork {
    stop: bool,
    /// Times of the first and the last write that the tables may lack.
    written: Option<(Instant, Instant)>,
    wants_checkpoint: bool,
}

impl Wakeup {
    /// Records a write. A checkpoint follows at the idle deadline of [`CheckpointPolicy`], or at
    /// once if `wants_checkpoint` is true.
    pub(crate) fn written(&self, wants_checkpoint: bool) {
        let mut pending = lock(&self.pending);
        let now = Instant::now();
        let is_first = pending.written.is_none();
        pending.written = Some((pending.written.map_or(now, |(first, _)| first), now));
        pending.wants_checkpoint |= wants_checkpoint;
        if is_first || wants_checkpoint {
            self.wake.notify_all();
        }
    }

    fn stop(&self) {
        lock(&self.pending).stop = true;
        self.wake.notify_all();
    }

    /// Waits until the time that `due` returns, then returns true. Returns false if the thread
    /// should exit.
    fn wait(&self, mut due: impl FnMut(&mut PendingWork, Instant) -> Instant) -> bool {
        let mut pending = lock(&self.pending);
        loop {
            if pending.stop {
                return false;
            }
            let now = Instant::now();
            let rest = due(&mut pending, now).saturating_duration_since(now);
            if rest.is_zero() {
                return true;
            }
            pending = wait_timeout(&self.wake, pending, rest);
        }
    }
}

impl PendingWork {
    /// Returns the time at which the next checkpoint is due, or `None` if nothing was written since
    /// the last one began.
    fn checkpoint_at(&self) -> Option<Instant> {
        let (first, last) = self.written?;
        Some(if self.wants_checkpoint {
            last
        } else {
            CheckpointPolicy::idle_deadline(first, last)
        })
    }

    fn checkpoint_begins(&mut self) {
        (self.written, self.wants_checkpoint) = (None, false);
    }
}

impl BackgroundThread {
    /// Starts the thread that checkpoints and sweeps. If `sync_interval` is given, also starts the
    /// thread that syncs the journal.
    pub(crate) fn start(
        wakeup: Arc<Wakeup>,
        tasks: BackgroundTasks,
        sync_interval: Option<Duration>,
    ) -> Result<Self> {
        let BackgroundTasks {
            checkpoint,
            sweep,
            sync,
        } = tasks;
        let background = Self {
            wakeup: Arc::clone(&wakeup),
            threads: Mutex::default(),
        };
        let woken = Arc::clone(&wakeup);
        background.spawn("leadstore-background", move || {
            checkpoint_and_sweep(&woken, &checkpoint, &sweep);
        })?;
        if let Some(interval) = sync_interval {
            background.spawn("leadstore-sync", move || sync_at(&wakeup, interval, &sync))?;
        }
        Ok(background)
    }

    fn spawn(&self, name: &str, work: impl FnOnce() + Send + 'static) -> Result<()> {
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(work)
            .map_err(|error| {
                Error::new(
                    ErrorKind::Io,
                    format!("spawning a background thread failed: {error}"),
                )
                .caused_by(error)
            })?;
        lock(&self.threads).push(thread);
        Ok(())
    }

    pub(crate) fn stop(&self) {
        self.wakeup.stop();
        for thread in lock(&self.threads).drain(..) {
            // The result is ignored: a thread calls the store only through `attempt`, which catches
            // panics.
            let _ = thread.join();
        }
    }
}

impl Drop for BackgroundThread {
    fn drop(&mut self) {
        self.stop();
    }
}

fn checkpoint_and_sweep(
    wakeup: &Wakeup,
    checkpoint: &dyn Fn() -> Result<()>,
    sweep: &dyn Fn() -> Result<u64>,
) {
    let mut sweep_at = Instant::now();
    loop {
        let mut is_due = false;
        let continues = wakeup.wait(|pending, now| match pending.checkpoint_at() {
            Some(at) if at <= now => {
                pending.checkpoint_begins();
                is_due = true;
                now
            }
            at => at.unwrap_or(sweep_at).min(sweep_at),
        });
        if !continues {
            return;
        }
        if is_due {
            attempt("checkpointing the store", checkpoint);
        }
        if Instant::now() >= sweep_at {
            // Only one batch is purged per iteration, so that a large trash does not delay a
            // checkpoint.
            let mut purged = 0;
            attempt("sweeping the trash", || sweep().map(|leads| purged = leads));
            if purged == 0 {
                sweep_at = Instant::now() + SWEEP_INTERVAL;
            }
        }
    }
}

fn sync_at(wakeup: &Wakeup, interval: Duration, sync: &dyn Fn() -> Result<()>) {
    let interval = sync_interval(interval);
    let mut due = Instant::now() + interval;
    while wakeup.wait(|_, _| due) {
        attempt("syncing the journal", sync);
        due = Instant::now() + interval;
    }
}

/// Returns the interval at which the journal is synced so that every write is durable within
/// `time`. The lower bound prevents a busy loop if `time` is zero, and the upper bound keeps the
/// time of the next sync within the range of `Instant`.
fn sync_interval(time: Duration) -> Duration {
    time.clamp(SYNC_INTERVAL_MIN, SYNC_INTERVAL_MAX)
}

/// Runs one task and logs its failure, even if it is a panic, which must not end the thread.
fn attempt(what: &str, work: impl FnOnce() -> Result<()>) {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(())) => {}
        Ok(Err(error)) => log::error!("{what} failed: {error}"),
        Err(_) => log::error!("{what} panicked"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn any_sync_interval_leads_to_a_sync_and_none_panics() {
        for time in [Duration::MAX, Duration::from_secs(u64::MAX), Duration::ZERO] {
            let (wakeup, (called, calls)) = (Arc::<Wakeup>::default(), mpsc::channel());
            let thread = {
                let wakeup = Arc::clone(&wakeup);
                std::thread::spawn(move || {
                    sync_at(&wakeup, time, &|| {
                        let _ = called.send(());
                        Ok(())
                    })
                })
            };
            if time.is_zero() {
                calls.recv_timeout(Duration::from_secs(10)).unwrap();
            }
            wakeup.stop();
            thread.join().expect("the thread does not panic");
        }
    }
}
