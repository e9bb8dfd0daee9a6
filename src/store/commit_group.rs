//! Writers in company: writes that wait for the file at the same time share one commit. Each keeps its own result: one
//! that is refused has written nothing, and the others are committed without it.
//!
//! One of the waiting threads leads: it carries out all that waits once it has the file. The others sleep until their
//! result is there, rather than queue for the file, which the leader would get again before any of them woke up.

use std::sync::{Arc, Condvar, Mutex};

use crate::error::{Error, ErrorKind, Result};
use crate::store::transaction::Transaction;
use crate::sync::lock;
use crate::sync::wait;

/// How many writes share a commit at most.
const COMMIT_GROUP_MAX: usize = 256;

/// The writes that wait for a commit.
#[derive(Default)]
pub(crate) struct CommitQueue {
    state: Mutex<QueueState>,
    /// Wakes the waiting threads when a commit is done.
    done: Condvar,
}

#[derive(Default)]
struct QueueState {
    waiting: Vec<Box<dyn Job>>,
    /// Whether a thread is about to carry out what waits.
    has_leader: bool,
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

impl CommitQueue {
    /// Carries `work` out, with what else waits, by `commit`, which runs a piece of work in a transaction on the file.
    pub(crate) fn run<T: Send + 'static>(
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
            if state.has_leader {
                state = wait(&self.done, state);
                continue;
            }
            state.has_leader = true;
            drop(state);
            let leader = LeaderGuard(self);
            self.run_batch(&commit);
            drop(leader);
            state = lock(&self.state);
        }
    }

    fn run_batch(&self, commit: &impl Fn(&mut dyn FnMut(&mut Transaction<'_>)) -> Result<()>) {
        let mut group = CommitGroup::default();
        let done = commit(&mut |transaction| {
            // Only now, so that whatever came while the file was busy takes part.
            group.jobs = self.take();
            for job in &mut group.jobs {
                job.run(transaction);
            }
        });
        match done {
            Ok(()) => group.jobs.clear(),
            Err(error) => {
                if group.jobs.is_empty() {
                    group.jobs = self.take();
                }
                group.fail(&error);
            }
        }
    }

    fn take(&self) -> Vec<Box<dyn Job>> {
        let mut state = lock(&self.state);
        let count = state.waiting.len().min(COMMIT_GROUP_MAX);
        state.waiting.drain(..count).collect()
    }
}

/// The writes of one commit. Dropped by a panic, none of them was committed, whatever their results say.
#[derive(Default)]
struct CommitGroup {
    jobs: Vec<Box<dyn Job>>,
}

impl CommitGroup {
    fn fail(&mut self, error: &Error) {
        for mut job in self.jobs.drain(..) {
            job.fail(error);
        }
    }
}

impl Drop for CommitGroup {
    fn drop(&mut self) {
        self.fail(&panicked());
    }
}

/// Ends the lead, also when the leader panics.
struct LeaderGuard<'a>(&'a CommitQueue);

impl Drop for LeaderGuard<'_> {
    fn drop(&mut self) {
        lock(&self.0.state).has_leader = false;
        self.0.done.notify_all();
    }
}

fn panicked() -> Error {
    Error::new(
        ErrorKind::Aborted,
        "another write in the same commit panicked, so nothing of it was written; try again",
    )
}
