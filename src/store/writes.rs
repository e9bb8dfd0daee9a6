//! The writes on a store. Each is a transaction of its own; what it does is in `transaction`.

use crate::error::Result;
#[expect(unused_imports, reason = "linked from the documentation")]
use crate::error::{Error, ErrorKind};
use crate::lead::{Lead, LeadId, LeadPatch, NewLead, TrashedLead, Version};
use crate::store::lead_store::LeadStore;
use crate::store::transaction::Transaction;

impl LeadStore {
    /// Creates a lead.
    ///
    /// # Errors
    ///
    /// [`Invalid`](ErrorKind::Invalid) with every rule that the input breaks;
    /// [`AlreadyExists`](ErrorKind::AlreadyExists) for an id or external id that a lead has, be it in the trash. An id
    /// whose lead has expired there is free again.
    pub fn create(&self, lead: NewLead) -> Result<Lead> {
        self.write(move |transaction| transaction.create(lead))
    }

    /// Changes a lead. A patch that changes nothing writes nothing, and gives the lead as it is.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound), [`InTrash`](ErrorKind::InTrash); [`Conflict`](ErrorKind::Conflict) if the
    /// patch demands another version; [`Invalid`](ErrorKind::Invalid) with every rule that the input breaks;
    /// [`AlreadyExists`](ErrorKind::AlreadyExists) for an external id that another lead has.
    pub fn update(&self, id: LeadId, patch: LeadPatch) -> Result<Lead> {
        self.write(move |transaction| transaction.update(id, patch))
    }

    /// Moves a lead to the trash. Until it expires there, [`restore`](Self::restore) brings it back as it was.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound), [`InTrash`](ErrorKind::InTrash).
    pub fn delete(&self, id: LeadId) -> Result<TrashedLead> {
        self.write(move |transaction| transaction.delete(id))
    }

    /// Moves a lead to the trash if it has this version.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound), [`InTrash`](ErrorKind::InTrash), [`Conflict`](ErrorKind::Conflict).
    pub fn delete_if(&self, id: LeadId, version: Version) -> Result<TrashedLead> {
        self.write(move |transaction| transaction.delete_if(id, version))
    }

    /// Takes a lead out of the trash, with its id, its fields and its `created_at`.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) also once it has expired; [`NotInTrash`](ErrorKind::NotInTrash).
    pub fn restore(&self, id: LeadId) -> Result<Lead> {
        self.write(move |transaction| transaction.restore(id))
    }

    /// Takes a lead out of the trash if it has this version.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) also once it has expired; [`NotInTrash`](ErrorKind::NotInTrash),
    /// [`Conflict`](ErrorKind::Conflict).
    pub fn restore_if(&self, id: LeadId, version: Version) -> Result<Lead> {
        self.write(move |transaction| transaction.restore_if(id, version))
    }

    /// Removes a lead in the trash for good.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) also once it has expired; [`NotInTrash`](ErrorKind::NotInTrash).
    pub fn purge(&self, id: LeadId) -> Result<()> {
        self.write(move |transaction| transaction.purge(id))
    }

    /// Removes every lead in the trash for good, and tells how many that were.
    ///
    /// # Errors
    ///
    /// Only those of the store itself.
    pub fn empty_trash(&self) -> Result<u64> {
        self.transaction(|transaction| transaction.empty_trash())
    }

    /// Runs `work` in a transaction: what it writes is committed together if it gives `Ok`, and not at all if it gives
    /// an error or panics. Transactions run one after another, so other writers wait; readers do not.
    ///
    /// A write that fails has written nothing, so `work` may go on after it. An error of the application's own is
    /// carried out by [`Error::abort`].
    ///
    /// ```
    /// use leadstore::{LeadPatch, LeadStore, NewLead};
    ///
    /// let store = LeadStore::in_memory()?;
    /// let merged = store.transaction(|t| {
    ///     let kept = t.create(NewLead::new("Jane Doe"))?;
    ///     let duplicate = t.create(NewLead::new("J. Doe").phone("555 0123"))?;
    ///     t.delete(duplicate.id)?;
    ///     t.update(kept.id, LeadPatch::new().phone("555 0123"))
    /// })?;
    /// assert_eq!(merged.version.get(), 2);
    /// # Ok::<(), leadstore::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of `work`; [`Nested`](ErrorKind::Nested) for a transaction within another on the same thread, and for any
    /// other write on the store there; [`ReadOnly`](ErrorKind::ReadOnly); [`Io`](ErrorKind::Io), where
    /// [`outcome_unknown`](Error::outcome_unknown) tells if the commit itself failed.
    pub fn transaction<T>(
        &self,
        work: impl FnOnce(&mut Transaction<'_>) -> Result<T>,
    ) -> Result<T> {
        self.engine()?.write(work)
    }

    /// One write, which may share its commit with those of other threads.
    pub(crate) fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Transaction<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.engine()?.write_grouped(work)
    }
}
