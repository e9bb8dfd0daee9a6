//! Writers in company: writes that wait for the file at the same time share one commit. Each keeps its own result: one
//! that is refused has written nothing, and the others are committed without it.
//!
//! One of the waiting threads leads: it carries out all that waits once it has the file. The others sleep until their
//! result is there, rather than queue for the file, which the leader would get again before any of them woke up.

use std::sync::{Arc, Condvar, Mutex, PoisonError};

use crate::error::{Error, ErrorKind, Result};
use crate::store::engine::lock;
use crate::store::transaction::Transaction;

/// How many writes share a commit at most.
const MOST: usize = 256;

/// The writes that wait for a commit.
#[derive(Default)]
pub(crate) struct Queue {
    state: Mutex<State>,
    /// Wakes the waiting threads when a commit is done.
    done: Condvar,
}

#[derive(Default)]
struct State {
    waiting: Vec<Box<dyn Job>>,
    /// Whether a thread is about to carry out what waits.
    is_led: bool,
}

/// One write that waits for its turn.
trait Job: Send {
    fn run(&mut self, transaction: &mut Transaction<'_>);
    /// What was done was not committed, for this reason.
    fn fail(&mut self, error: &Error);
}

type Slot<T> = Arc<Mutex<Option<Result<T>>>>;

struct Write<T, W> {
    work: Option<W>,
    slot: Slot<T>,
}

impl<T: Send, W: FnOnce(&mut Transaction<'_>) -> Result<T> + Send> Job for Write<T, W> {
    fn run(&mut self, transaction: &mut Transaction<'_>) {
        if let Some(work) = self.work.take() {
            *lock(&self.slot) = Some(work(transaction));
        }
    }

    fn fail(&mut self, error: &Error) {
        let mut result = lock(&self.slot);
        // A write that was refused stays refused for its own reason.
        if !matches!(&*result, Some(Err(_))) {
            *result = Some(Err(error.repeated()));
        }
    }
}

impl Queue {
    /// Carries `work` out, with what else waits, by `commit`, which runs a piece of work in a transaction on the file.
    pub(crate) fn carry_out<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Transaction<'_>) -> Result<T> + Send + 'static,
        commit: impl Fn(&mut dyn FnMut(&mut Transaction<'_>)) -> Result<()>,
    ) -> Result<T> {
        let slot: Slot<T> = Arc::default();
        let mut state = lock(&self.state);
        state.waiting.push(Box::new(Write {
            work: Some(work),
            slot: Arc::clone(&slot),
        }));
        loop {
            // While it is waiting or carried out, the write holds the slot, too: what is in it then is not committed
            // yet.
            if Arc::strong_count(&slot) == 1 {
                return lock(&slot).take().unwrap_or_else(|| Err(panicked()));
            }
            if state.is_led {
                state = self
                    .done
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            state.is_led = true;
            drop(state);
            let leading = Leading(self);
            self.lead(&commit);
            drop(leading);
            state = lock(&self.state);
        }
    }

    fn lead(&self, commit: &impl Fn(&mut dyn FnMut(&mut Transaction<'_>)) -> Result<()>) {
        let mut company = Company::default();
        let done = commit(&mut |transaction| {
            // Only now, so that whatever came while the file was busy takes part.
            company.jobs = self.take();
            for job in &mut company.jobs {
                job.run(transaction);
            }
        });
        match done {
            Ok(()) => company.jobs.clear(),
            Err(error) => {
                if company.jobs.is_empty() {
                    company.jobs = self.take();
                }
                company.fail(&error);
            }
        }
    }

    fn take(&self) -> Vec<Box<dyn Job>> {
        let mut state = lock(&self.state);
        let count = state.waiting.len().min(MOST);
        state.waiting.drain(..count).collect()
    }
}

/// The writes of one commit. Dropped by a panic, none of them was committed, whatever their results say.
#[derive(Default)]
struct Company {
    jobs: Vec<Box<dyn Job>>,
}

impl Company {
    fn fail(&mut self, error: &Error) {
        for mut job in self.jobs.drain(..) {
            job.fail(error);
        }
    }
}

impl Drop for Company {
    fn drop(&mut self) {
        self.fail(&panicked());
    }
}

/// Ends the lead, also when the leader panics.
struct Leading<'a>(&'a Queue);

impl Drop for Leading<'_> {
    fn drop(&mut self) {
        lock(&self.0.state).is_led = false;
        self.0.done.notify_all();
    }
}

fn panicked() -> Error {
    Error::new(
        ErrorKind::Aborted,
        "another write in the same commit panicked, so nothing of it was written; try again",
    )
}
