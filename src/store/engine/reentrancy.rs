//! The reentrancy guard. A call on the store from inside a transaction returns `Nested` if it would
//! wait for that transaction, instead of deadlocking.

use std::sync::Mutex;
use std::thread::ThreadId;

use crate::error::{Error, ErrorKind, Result};
use crate::sync::lock;

/// The thread that runs the current transaction. There is at most one at a time.
#[derive(Default)]
pub(crate) struct ReentrancyGuard(Mutex<Option<ThreadId>>);

impl ReentrancyGuard {
    /// Fails with `Nested` if this thread runs the current transaction. Called before anything that
    /// waits for the transaction to end.
    pub(crate) fn refuse(&self) -> Result<()> {
        if *lock(&self.0) == Some(std::thread::current().id()) {
            let message = "this call on the store would wait for the transaction that it is made in; use the transaction instead";
            return Err(Error::new(ErrorKind::Nested, message));
        }
        Ok(())
    }

    /// Marks this thread as inside a transaction until the returned value is dropped.
    pub(crate) fn enter(&self) -> impl Drop + '_ {
        *lock(&self.0) = Some(std::thread::current().id());
        EnteredTransaction(self)
    }
}

struct EnteredTransaction<'a>(&'a ReentrancyGuard);

impl Drop for EnteredTransaction<'_> {
    fn drop(&mut self) {
        *lock(&self.0.0) = None;
    }
}
