//! The thread that looks after the store when nobody does: it sweeps the trash, and with
//! [`Durability::Within`](super::Durability::Within) makes writes durable in time.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::engine::{Core, lock};
use crate::{Error, ErrorKind, Result};

/// How often the trash is looked at.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

pub(super) struct Keeper {
    stop: Arc<(Mutex<bool>, Condvar)>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Keeper {
    pub(super) fn start(core: Arc<Core>, sync_every: Option<Duration>) -> Result<Self> {
        let stop = Arc::new((Mutex::new(false), Condvar::new()));
        let signal = Arc::clone(&stop);
        let thread = std::thread::Builder::new()
            .name("leadstore-keeper".to_owned())
            .spawn(move || run(&core, sync_every, &signal))
            .map_err(|error| {
                Error::new(ErrorKind::Io, format!("starting the store's thread: {error}")).caused_by(error)
            })?;
        Ok(Self { stop, thread: Mutex::new(Some(thread)) })
    }

    pub(super) fn stop(&self) {
        *lock(&self.stop.0) = true;
        self.stop.1.notify_all();
        if let Some(thread) = lock(&self.thread).take() {
            // It does nothing that could panic but to call the store, whose panics are its own.
            let _ = thread.join();
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.stop();
    }
}

fn run(core: &Core, sync_every: Option<Duration>, (stop, wake): &(Mutex<bool>, Condvar)) {
    // A floor, so that no time means no busy loop.
    let sync_every = sync_every.map(|time| time.max(Duration::from_millis(1)));
    let mut sweep_at = Instant::now();
    loop {
        if sync_every.is_some() {
            attempt("made durable in time", || core.sync().inspect_err(|error| core.note_failure(error)));
        }
        // One step a round, so that neither the sync nor the end waits for a large trash.
        let mut purged = 0;
        if Instant::now() >= sweep_at {
            attempt("swept", || core.sweep_step().map(|leads| purged = leads));
            if purged == 0 {
                sweep_at = Instant::now() + SWEEP_EVERY;
            }
        }
        let until_sweep = sweep_at.saturating_duration_since(Instant::now());
        let pause = if purged > 0 { Duration::ZERO } else { until_sweep.min(sync_every.unwrap_or(SWEEP_EVERY)) };
        let stopped = lock(stop);
        if *stopped {
            return;
        }
        let (stopped, _) = wake.wait_timeout(stopped, pause).unwrap_or_else(PoisonError::into_inner);
        if *stopped {
            return;
        }
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
