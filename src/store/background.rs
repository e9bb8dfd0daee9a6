//! The threads that look after the store when nobody does: one brings writes from the journal into the tables and
//! sweeps the trash; with [`Durability::Within`](crate::store::Durability::Within) another makes writes durable in time.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::error::{Error, ErrorKind, Result};
use crate::store::engine::Core;
use crate::sync::lock;
use crate::sync::wait_timeout;

/// How often the trash is looked at.
const SWEEP_INTERVAL: Duration = Duration::from_secs(60);
/// When nothing has been written for so long, what was written is brought into the tables …
const CHECKPOINT_AFTER_IDLE: Duration = Duration::from_secs(1);
/// … and after so long in any case.
const CHECKPOINT_AFTER: Duration = Duration::from_secs(30);

pub(crate) struct BackgroundThread {
    wakeup: Arc<Wakeup>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// What the threads are told.
#[derive(Default)]
pub(crate) struct Wakeup {
    pending: Mutex<PendingWork>,
    wake: Condvar,
}

#[derive(Default)]
struct PendingWork {
    stop: bool,
    /// When something was first and last written that the tables may not have.
    written: Option<(Instant, Instant)>,
    wants_checkpoint: bool,
}

impl Wakeup {
    /// Tells of a write; a checkpoint follows soon, or at once if it is wanted.
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

    /// Waits until `due` says that it is time; `false` when the threads are to end.
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
    /// When the next checkpoint is due.
    fn checkpoint_at(&self) -> Option<Instant> {
        let (first, last) = self.written?;
        Some(if self.wants_checkpoint {
            last
        } else {
            (last + CHECKPOINT_AFTER_IDLE).min(first + CHECKPOINT_AFTER)
        })
    }

    fn checkpoint_begins(&mut self) {
        (self.written, self.wants_checkpoint) = (None, false);
    }
}

impl BackgroundThread {
    pub(crate) fn start(core: &Arc<Core>, sync_every: Option<Duration>) -> Result<Self> {
        let background = Self {
            wakeup: Arc::clone(core.wakeup()),
            threads: Mutex::default(),
        };
        let kept = Arc::clone(core);
        background.spawn("leadstore-keeper", move || checkpoint_and_sweep(&kept))?;
        if let Some(time) = sync_every {
            let synced = Arc::clone(core);
            background.spawn("leadstore-sync", move || sync(&synced, time))?;
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
                    format!("starting the store's threads: {error}"),
                )
                .caused_by(error)
            })?;
        lock(&self.threads).push(thread);
        Ok(())
    }

    pub(crate) fn stop(&self) {
        self.wakeup.stop();
        for thread in lock(&self.threads).drain(..) {
            // They do nothing that could panic but to call the store, whose panics are its own.
            let _ = thread.join();
        }
    }
}

impl Drop for BackgroundThread {
    fn drop(&mut self) {
        self.stop();
    }
}

fn checkpoint_and_sweep(core: &Core) {
    let mut sweep_at = Instant::now();
    loop {
        let mut is_due = false;
        let continues = core
            .wakeup()
            .wait(|pending, now| match pending.checkpoint_at() {
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
            attempt("brought up to date", || core.checkpoint());
        }
        if Instant::now() >= sweep_at {
            // One step a round, so that nothing else waits for a large trash.
            let mut purged = 0;
            attempt("swept", || core.sweep_step().map(|leads| purged = leads));
            if purged == 0 {
                sweep_at = Instant::now() + SWEEP_INTERVAL;
            }
        }
    }
}

fn sync(core: &Core, time: Duration) {
    // A floor, so that no time means no busy loop.
    let time = time.max(Duration::from_millis(1));
    let mut sync_at = Instant::now() + time;
    while core.wakeup().wait(|_, _| sync_at) {
        if core.check_failure().is_ok() {
            attempt("made durable in time", || {
                core.sync().map_err(|error| core.latch_failure(error))
            });
        }
        sync_at = Instant::now() + time;
    }
}

/// Does one thing; a failure or a panic in it must not end the others.
fn attempt(what: &str, work: impl FnOnce() -> Result<()>) {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(())) => {}
        Ok(Err(error)) => log::error!("the store could not be {what}: {error}"),
        Err(_) => log::error!("the store could not be {what}: a panic"),
    }
}
