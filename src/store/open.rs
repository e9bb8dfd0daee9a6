//! Opening a store with options.

use std::path::Path;

#[expect(unused_imports, reason = "linked from the documentation")]
use crate::error::ErrorKind;
use crate::error::Result;
#[cfg(feature = "unstable-testing")]
use crate::simulated_disk::SimulatedDisk;
use crate::storage::Location;
use crate::store::lead_store::LeadStore;
use crate::store::options::OpenOptions;

impl OpenOptions {
    /// Opens the store in this directory. If the store does not exist and the options allow it,
    /// creates the store and, if necessary, the directory.
    ///
    /// # Errors
    ///
    /// [`AlreadyOpen`](ErrorKind::AlreadyOpen) if this or another process has the store open,
    /// unless both open it [`read_only`](Self::read_only); [`Corrupted`](ErrorKind::Corrupted) or
    /// [`UnsupportedFormat`](ErrorKind::UnsupportedFormat) for a file that cannot be used as it is;
    /// with [`create_new`](Self::create_new), [`AlreadyExists`](ErrorKind::AlreadyExists) if the
    /// store exists; with `read_only` or with [`create(false)`](Self::create),
    /// [`NotFound`](ErrorKind::NotFound) if it does not exist; with `read_only`,
    /// [`Unavailable`](ErrorKind::Unavailable) if it was not closed cleanly;
    /// [`Invalid`](ErrorKind::Invalid) for statuses that no lead can have, or if `create_new` is
    /// combined with `read_only`; [`Io`](ErrorKind::Io).
    pub fn open(self, path: impl AsRef<Path>) -> Result<LeadStore> {
        LeadStore::open_with(self, Location::at(path.as_ref()))
    }

    /// Opens a new store in memory. Its contents are lost with the last handle. Until then a closed
    /// store can be reopened.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) for statuses that no lead can have, or if
    /// [`create_new`](Self::create_new) is combined with [`read_only`](Self::read_only).
    pub fn in_memory(self) -> Result<LeadStore> {
        LeadStore::open_with(self, Location::memory())
    }

    #[cfg(feature = "unstable-testing")]
    pub(crate) fn open_on(self, disk: SimulatedDisk) -> Result<LeadStore> {
        LeadStore::open_with(self, Location::on(disk))
    }
}
