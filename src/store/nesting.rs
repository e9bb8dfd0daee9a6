//! Which thread is within a transaction, so that a write within a write is told rather than hang.

use std::sync::Mutex;
use std::thread::ThreadId;

use super::engine::lock;
use crate::{Error, ErrorKind, Result};

/// The thread whose transaction is under way; there is one at a time.
#[derive(Default)]
pub(super) struct Nesting(Mutex<Option<ThreadId>>);

impl Nesting {
    /// `Nested` on the thread whose transaction is under way, for whatever would wait for the end of that.
    pub(super) fn refuse(&self) -> Result<()> {
        if *lock(&self.0) == Some(std::thread::current().id()) {
            let message =
                "a write on the store inside its own transaction; call it on the transaction";
            return Err(Error::new(ErrorKind::Nested, message));
        }
        Ok(())
    }

    /// Marks this thread until the guard is dropped.
    pub(super) fn enter(&self) -> impl Drop + '_ {
        *lock(&self.0) = Some(std::thread::current().id());
        Within(self)
    }
}

struct Within<'a>(&'a Nesting);

impl Drop for Within<'_> {
    fn drop(&mut self) {
        *lock(&self.0.0) = None;
    }
}
