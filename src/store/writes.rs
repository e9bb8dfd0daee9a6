//! The write methods of `LeadStore`. Those for a single lead call the method of the same name on a
//! `Transaction`.

use crate::error::Result;
#[expect(unused_imports, reason = "linked from the documentation")]
use crate::error::{Error, ErrorKind};
use crate::lead::{Lead, LeadId, LeadPatch, LeadVersion, NewLead, TrashedLead};
use crate::row::RowSet;
use crate::schema::keys::BitmapId;
use crate::store::lead_store::LeadStore;
use crate::store::transaction::Transaction;
#[cfg(feature = "http")]
use crate::trash;

/// Number of leads that one commit purges when the trash is emptied.
const PURGE_BATCH: usize = 1_024;

impl LeadStore {
    /// Creates a lead.
    ///
    /// # Errors
    ///
    /// [`Invalid`](ErrorKind::Invalid) with every rule that the input breaks;
    /// [`AlreadyExists`](ErrorKind::AlreadyExists) for an id or external id that another lead has,
    /// even one in the trash. When a lead in the trash expires, both of its ids become free again.
    pub fn create(&self, lead: NewLead) -> Result<Lead> {
        self.write(move |transaction| transaction.create(lead))
    }

    /// Updates a lead and returns it. A patch that changes nothing writes nothing.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound), [`InTrash`](ErrorKind::InTrash);
    /// [`Conflict`](ErrorKind::Conflict) if the patch expects another version;
    /// [`Invalid`](ErrorKind::Invalid) with every rule that the input breaks;
    /// [`AlreadyExists`](ErrorKind::AlreadyExists) for an external id that another lead has.
    pub fn update(&self, id: LeadId, patch: LeadPatch) -> Result<Lead> {
        self.write(move |transaction| transaction.update(id, patch))
    }

    /// Moves a lead to the trash. Until it expires there, [`restore`](Self::restore) can bring it
    /// back.
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
    /// [`NotFound`](ErrorKind::NotFound), [`InTrash`](ErrorKind::InTrash),
    /// [`Conflict`](ErrorKind::Conflict).
    pub fn delete_if(&self, id: LeadId, version: LeadVersion) -> Result<TrashedLead> {
        self.write(move |transaction| transaction.delete_if(id, version))
    }

    /// Restores a lead from the trash, with its id, its fields and its `created_at`.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound), including for a lead that has expired;
    /// [`NotInTrash`](ErrorKind::NotInTrash).
    pub fn restore(&self, id: LeadId) -> Result<Lead> {
        self.write(move |transaction| transaction.restore(id))
    }

    /// Restores a lead from the trash if it has this version.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound), including for a lead that has expired;
    /// [`NotInTrash`](ErrorKind::NotInTrash), [`Conflict`](ErrorKind::Conflict).
    pub fn restore_if(&self, id: LeadId, version: LeadVersion) -> Result<Lead> {
        self.write(move |transaction| transaction.restore_if(id, version))
    }

    /// Permanently removes a lead that is in the trash.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound), including for a lead that has expired;
    /// [`NotInTrash`](ErrorKind::NotInTrash).
    pub fn purge(&self, id: LeadId) -> Result<()> {
        self.write(move |transaction| transaction.purge(id))
    }

    /// Permanently removes every lead in the trash, including expired ones that the sweep has not
    /// purged yet, and returns the number of removed leads that had not expired. A large trash is
    /// emptied in several commits of up to 1,024 leads each, so that other writers can write in
    /// between. If a commit fails, the earlier commits remain in effect.
    ///
    /// # Errors
    ///
    /// Only store errors, see [`transaction`](Self::transaction).
    pub fn empty_trash(&self) -> Result<u64> {
        self.purge_in_batches(
            self.read(|state| state.in_trash().rows(&BitmapId::All))?,
            None,
        )
    }

    /// Permanently removes the leads in the trash that belong to one owner and have not expired.
    /// Returns their number.
    #[cfg(feature = "http")]
    pub(crate) fn empty_trash_of(&self, owner_id: &str) -> Result<u64> {
        let now = self.now()?;
        let rows = self.read(|state| trash::visible_rows_of(state, now, owner_id))?;
        self.purge_in_batches(rows, Some(owner_id))
    }

    /// Purges those leads of `rows` that are still in the trash. If `owner_id` is given, purges
    /// only the leads of that owner. Returns the number of purged leads that had not expired. Other
    /// writers can write between the batches.
    fn purge_in_batches(&self, rows: RowSet, owner_id: Option<&str>) -> Result<u64> {
        let mut rows = rows.iter();
        let mut purged = 0;
        loop {
            let batch: RowSet = rows.by_ref().take(PURGE_BATCH).collect();
            let is_last = batch.len() < PURGE_BATCH as u64;
            let owner_id = owner_id.map(str::to_owned);
            // Even an empty batch is written, so that a store that cannot be written to returns an
            // error.
            purged += self
                .write(move |transaction| transaction.purge_trashed(&batch, owner_id.as_deref()))?;
            if is_last {
                return Ok(purged);
            }
        }
    }

    /// Runs `work` in a transaction. If `work` returns `Ok`, its writes are committed together; if
    /// it returns an error or panics, they are all rolled back. Transactions run one after another:
    /// other writers wait, readers do not.
    ///
    /// A write that is rejected, for example as [`Invalid`](ErrorKind::Invalid) or
    /// [`NotFound`](ErrorKind::NotFound), has written nothing, so `work` may continue after it.
    /// After an I/O error or corruption the transaction can no longer be committed.
    /// [`Error::abort`] carries an application error out of the transaction.
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
    /// The errors of `work`; [`Nested`](ErrorKind::Nested) for a transaction, or any other write on
    /// the store, inside another transaction on the same thread; [`ReadOnly`](ErrorKind::ReadOnly);
    /// [`Io`](ErrorKind::Io), for which [`outcome_unknown`](Error::outcome_unknown) returns true if
    /// the commit failed partway; and the other store errors, see [`get`](Self::get).
    pub fn transaction<T>(
        &self,
        work: impl FnOnce(&mut Transaction<'_>) -> Result<T>,
    ) -> Result<T> {
        self.engine()?.write(work)
    }

    /// Runs one write, which may share its commit with writes of other threads.
    pub(crate) fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Transaction<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.engine()?.write_grouped(work)
    }
}
