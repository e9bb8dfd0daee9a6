//! Writers in company: writes that wait for the file at the same time share one commit. Each keeps its own result: one that is
//! refused has written nothing, and the others are committed without it.

use std::sync::{Arc, Mutex};

use super::engine::lock;
use super::transaction::Transaction;
use crate::{Error, ErrorKind, Result};

/// How many writes share a commit at most.
const MOST: usize = 256;

/// The writes that wait. Whoever gets the file next carries them out, its own among them.
#[derive(Default)]
pub(super) struct Queue(Mutex<Vec<Box<dyn Job>>>);

/// One write that waits for its turn.
trait Job: Send {
    fn run(&mut self, transaction: &mut Transaction<'_>);
    /// What was done was not committed, for this reason.
    fn fail(&mut self, error: &Error);
}

struct Write<T, W> {
    work: Option<W>,
    result: Arc<Mutex<Option<Result<T>>>>,
}

impl<T: Send, W: FnOnce(&mut Transaction<'_>) -> Result<T> + Send> Job for Write<T, W> {
    fn run(&mut self, transaction: &mut Transaction<'_>) {
        if let Some(work) = self.work.take() {
            *lock(&self.result) = Some(work(transaction));
        }
    }

    fn fail(&mut self, error: &Error) {
        let mut result = lock(&self.result);
        // A write that was refused stays refused for its own reason.
        if !matches!(&*result, Some(Err(_))) {
            *result = Some(Err(error.repeated()));
        }
    }
}

/// The result of a write that was queued.
pub(super) struct Waiting<T>(Arc<Mutex<Option<Result<T>>>>);

impl<T> Waiting<T> {
    /// The result, once somebody has carried the write out.
    pub(super) fn result(&self) -> Option<Result<T>> {
        lock(&self.0).take()
    }

    /// Whether the write is gone without a result.
    pub(super) fn was_dropped(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }
}

impl Queue {
    pub(super) fn add<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Transaction<'_>) -> Result<T> + Send + 'static,
    ) -> Waiting<T> {
        let result = Arc::new(Mutex::new(None));
        lock(&self.0).push(Box::new(Write { work: Some(work), result: Arc::clone(&result) }));
        Waiting(result)
    }

    /// Carries out what waits by `commit`, which runs a piece of work in a transaction.
    pub(super) fn carry_out(&self, commit: impl FnOnce(&mut dyn FnMut(&mut Transaction<'_>)) -> Result<()>) {
        let mut jobs: Vec<Box<dyn Job>> = {
            let mut waiting = lock(&self.0);
            let count = waiting.len().min(MOST);
            waiting.drain(..count).collect()
        };
        let done = commit(&mut |transaction| {
            for job in &mut jobs {
                job.run(transaction);
            }
        });
        if let Err(error) = done {
            jobs.iter_mut().for_each(|job| job.fail(&error));
        }
    }
}

/// The error of a write whose company was given up by a panic.
pub(super) fn panicked() -> Error {
    Error::new(ErrorKind::Aborted, "another write in the same commit panicked, so nothing of it was written; try again")
}
