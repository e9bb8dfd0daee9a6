//! The thread that looks after the store when nobody does: it brings writes from the journal into the tables, sweeps
//! the trash, and with [`Durability::Within`](super::Durability::Within) makes writes durable in time.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::engine::{Core, lock};
use crate::{Error, ErrorKind, Result};

/// How often the trash is looked at.
const SWEEP_EVERY: Duration = Duration::from_secs(60);
/// When nothing has been written for so long, what was written is brought into the tables.
const IDLE: Duration = Duration::from_secs(1);

pub(super) struct Keeper {
    signal: Arc<Signal>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What the keeper is told.
#[derive(Default)]
pub(super) struct Signal {
    told: Mutex<Told>,
    wake: Condvar,
}

#[derive(Default)]
struct Told {
    stop: bool,
    /// When something was last written that the tables may not have.
    written_at: Option<Instant>,
    wants_checkpoint: bool,
}

impl Signal {
    /// Tells of a write; the keeper makes a checkpoint soon, or at once if it is wanted.
    pub(super) fn written(&self, wants_checkpoint: bool) {
        let mut told = lock(&self.told);
        let first = told.written_at.replace(Instant::now()).is_none();
        told.wants_checkpoint |= wants_checkpoint;
        if first || wants_checkpoint {
            self.wake.notify_all();
        }
    }

    fn stop(&self) {
        lock(&self.told).stop = true;
        self.wake.notify_all();
    }
}

impl Told {
    /// When the next checkpoint is due.
    fn checkpoint_at(&self) -> Option<Instant> {
        let written_at = self.written_at?;
        Some(if self.wants_checkpoint { written_at } else { written_at + IDLE })
    }
}

impl Keeper {
    pub(super) fn start(core: &Arc<Core>, sync_every: Option<Duration>) -> Result<Self> {
        let (core, signal) = (Arc::clone(core), Arc::clone(core.signal()));
        let thread = std::thread::Builder::new()
            .name("leadstore-keeper".to_owned())
            .spawn(move || run(&core, sync_every))
            .map_err(|error| {
                Error::new(ErrorKind::Io, format!("starting the store's thread: {error}")).caused_by(error)
            })?;
        Ok(Self { signal, thread: Mutex::new(Some(thread)) })
    }

    pub(super) fn stop(&self) {
        self.signal.stop();
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

fn run(core: &Core, sync_every: Option<Duration>) {
    // A floor, so that no time means no busy loop.
    let sync_every = sync_every.map(|time| time.max(Duration::from_millis(1)));
    let signal = core.signal();
    let (mut sweep_at, mut sync_at) = (Instant::now(), Instant::now());
    loop {
        if let Some(time) = sync_every.filter(|_| Instant::now() >= sync_at) {
            attempt("made durable in time", || core.sync().inspect_err(|error| core.note_failure(error)));
            sync_at = Instant::now() + time;
        }
        if Instant::now() >= sweep_at {
            // One step a round, so that nothing else waits for a large trash.
            let mut purged = 0;
            attempt("swept", || core.sweep_step().map(|leads| purged = leads));
            if purged == 0 {
                sweep_at = Instant::now() + SWEEP_EVERY;
            }
        }
        let mut told = lock(&signal.told);
        loop {
            let now = Instant::now();
            if told.stop {
                return;
            }
            if told.checkpoint_at().is_some_and(|at| at <= now) {
                (told.written_at, told.wants_checkpoint) = (None, false);
                drop(told);
                attempt("brought up to date", || core.checkpoint());
                break;
            }
            let due = [Some(sweep_at), sync_every.map(|_| sync_at), told.checkpoint_at()];
            let due = due.into_iter().flatten().min().unwrap_or(now);
            let Some(rest) = due.checked_duration_since(now).filter(|rest| !rest.is_zero()) else { break };
            told = signal.wake.wait_timeout(told, rest).unwrap_or_else(PoisonError::into_inner).0;
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
