//! Group commit: writes that are waiting for the file at the same time share one commit. Each write
//! has its own result. A write that is rejected has written nothing, and the others are committed
//! without it. If a write panics or fails halfway, none of the writes is committed.
//!
//! One of the waiting threads becomes the leader and runs all waiting writes once it has locked the
//! file. The others sleep until their results are ready. If they waited for the file's lock
//! instead, the leader's next write could take that lock before any of them woke up.

use std::sync::{Arc, Condvar, Mutex};

use crate::error::{Error, ErrorKind, Result};
use crate::store::transaction::Transaction;
use crate::sync::lock;
use crate::sync::wait;

/// Maximum number of writes in a group commit.
const COMMIT_GROUP_MAX: usize = 256;

/// The queue of writes that are waiting for a commit.
#[derive(Default)]
pub(crate) struct CommitQueue {
    state: Mutex<QueueState>,
    /// Wakes the waiting threads after each commit.
    done: Condvar,
}

#[derive(Default)]
struct QueueState {
    waiting: Vec<Box<dyn Job>>,
    /// True while a thread is the leader: it is about to run the waiting writes, or is running
    /// them.
    has_leader: bool,
}

/// A queued write.
trait Job: Send {
    fn run(&mut self, transaction: &mut Transaction<'_>);
    /// Sets `error` as the result, because the commit failed.
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
        // A rejected write keeps its own error.
        if !matches!(&*result, Some(Err(_))) {
            *result = Some(Err(error.repeated()));
        }
    }
}

impl CommitQueue {
    /// Runs `work`, together with other queued writes, and returns its result. `commit` runs a
    /// closure in a transaction on the file.
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
            // The queued write holds a second reference to the slot, and drops it once the commit
            // has succeeded or failed. Until then, the slot may hold the result of a write that is
            // not committed yet.
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
            // The writes are taken from the queue only now, so that the group includes those that
            // were queued while the file was locked.
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

/// The writes of one commit. If a panic drops the group, none of them was committed, so each gets
/// an error in place of its result.
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

/// A guard that ends a thread's leadership when it is dropped, even if a panic drops it.
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
        "another write in the same commit panicked, so the commit was rolled back; try again",
    )
}
