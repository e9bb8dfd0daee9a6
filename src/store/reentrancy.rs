//! Which thread is within a transaction, so that a write within a write is told rather than hang.

use std::sync::Mutex;
use std::thread::ThreadId;

use crate::error::{Error, ErrorKind, Result};
use crate::sync::lock;

/// The thread whose transaction is under way; there is one at a time.
#[derive(Default)]
pub(crate) struct ReentrancyGuard(Mutex<Option<ThreadId>>);

impl ReentrancyGuard {
    /// `Nested` on the thread whose transaction is under way, for whatever would wait for the end of that.
    pub(crate) fn refuse(&self) -> Result<()> {
        if *lock(&self.0) == Some(std::thread::current().id()) {
            let message =
                "a write on the store inside its own transaction; call it on the transaction";
            return Err(Error::new(ErrorKind::Nested, message));
        }
        Ok(())
    }

    /// Marks this thread until the guard is dropped.
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
