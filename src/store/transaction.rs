//! Writes on leads, and reads that see them before they are committed. Every write on the store
//! runs here, either in the caller's transaction or in a transaction that the store makes for one
//! or more concurrent writes. A write makes all its checks before it changes anything, so a
//! rejected write has written nothing. If a write fails halfway, its transaction cannot be
//! committed.

#[cfg(feature = "http")]
mod credentials;

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::clock::{self, Clock};
use crate::error::{Error, ErrorKind, Result};
use crate::lead::{Lead, LeadId, LeadPatch, LeadVersion, NewLead, StatusSet, TrashedLead};
use crate::query;
use crate::row::{Row, RowSet};
use crate::schema::keys::BitmapId;
use crate::schema::{self, Catalogue, LeadChange, StoreState};
use crate::storage::{ChangeKind, StoredLead, WriteTxn};
use crate::store::engine::failure::FailureLatch;
use crate::trash;

#[cfg(feature = "http")]
pub use self::credentials::TransactionCredentials;

/// A group of writes that is committed or rolled back as a unit. See
/// [`LeadStore::transaction`](super::LeadStore::transaction).
///
/// Its reads see its own uncommitted writes. Searches are not available. Code in a transaction must
/// not wait for a write of another thread: it would wait forever.
pub struct Transaction<'a> {
    txn: WriteTxn<'a>,
    rules: &'a Rules,
    failure: &'a FailureLatch,
    /// The error of a write that failed halfway, after which the transaction can no longer be
    /// committed.
    broken: Option<(ErrorKind, String)>,
}

/// Settings that writes depend on, in addition to the content of the store.
pub(crate) struct Rules {
    pub(crate) clock: std::sync::Arc<dyn Clock>,
    pub(crate) statuses: StatusSet,
    pub(crate) trash_retention: Duration,
    pub(crate) catalogue: std::sync::Arc<Catalogue>,
}

impl Rules {
    pub(crate) fn now(&self) -> DateTime<Utc> {
        clock::microseconds(self.clock.now())
    }
}

impl<'a> Transaction<'a> {
    pub(crate) fn new(txn: WriteTxn<'a>, rules: &'a Rules, failure: &'a FailureLatch) -> Self {
        Self {
            txn,
            rules,
            failure,
            broken: None,
        }
    }

    /// Calls `corrupt` with the write transaction and a lead's row and record, so that a test can
    /// make the lead inconsistent by writes that no operation makes.
    #[cfg(feature = "unstable-testing")]
    pub(crate) fn corrupt(
        &mut self,
        id: LeadId,
        corrupt: impl FnOnce(&mut WriteTxn<'a>, Row, &StoredLead) -> Result<()>,
    ) -> Result<()> {
        let (row, stored) = query::stored(self.state(), id)?.ok_or_else(|| Error::not_found(id))?;
        corrupt(&mut self.txn, row, &stored)
    }

    /// Borrows the state as this transaction sees it.
    pub(crate) fn state(&self) -> StoreState<'_> {
        StoreState::new(self.txn.state(), &self.rules.catalogue)
    }

    /// Returns the writes to commit. Fails if a write failed halfway, or if the store has failed.
    pub(crate) fn into_write_txn(self) -> Result<WriteTxn<'a>> {
        self.failure.check()?;
        match self.broken {
            None => Ok(self.txn),
            Some((kind, cause)) => Err(Error::new(
                kind,
                format!(
                    "the transaction cannot be committed because one of its writes failed halfway: {cause}"
                ),
            )),
        }
    }

    /// Creates a lead. See [`LeadStore::create`](super::LeadStore::create).
    ///
    /// # Errors
    ///
    /// The same errors as that method.
    pub fn create(&mut self, lead: NewLead) -> Result<Lead> {
        self.run(|transaction, now| transaction.create_lead(lead, now))
    }

    fn create_lead(&mut self, lead: NewLead, now: DateTime<Utc>) -> Result<Lead> {
        let newest = self.state().meta.newest_created_at;
        let created_at = clock::held(now, newest);
        let requested_id = lead.requested_id();
        let lead = lead.into_lead(created_at, &self.rules.statuses)?;
        let mut expired = Vec::new();
        if let Some(id) = requested_id
            && let Some((row, stored)) = query::stored(self.state(), id)?
        {
            expired.push((row, expired_or_taken(stored, now, format_args!("this id"))?));
        }
        self.check_external_id(&lead, now, &mut expired)?;
        let stored = StoredLead {
            lead,
            out_of_order: created_at < newest,
            trash: None,
        };
        self.purge_for(&stored, expired)?;
        let row = self.txn.allocate_row()?;
        self.apply(&LeadChange {
            kind: ChangeKind::Created,
            row,
            before: None,
            after: Some(&stored),
        })?;
        Ok(stored.lead)
    }

    /// Updates a lead. See [`LeadStore::update`](super::LeadStore::update).
    ///
    /// # Errors
    ///
    /// The same errors as that method.
    pub fn update(&mut self, id: LeadId, patch: LeadPatch) -> Result<Lead> {
        self.run(|transaction, now| transaction.update_lead(id, patch, now))
    }

    fn update_lead(&mut self, id: LeadId, patch: LeadPatch, now: DateTime<Utc>) -> Result<Lead> {
        let (row, before) = self.live(id, now)?;
        check_version(&before.lead, patch.expected_version())?;
        let mut lead = patch.apply_to(&before.lead, &self.rules.statuses)?;
        if lead == before.lead {
            return Ok(lead);
        }
        let mut expired = Vec::new();
        if lead.external_id != before.lead.external_id {
            self.check_external_id(&lead, now, &mut expired)?;
        }
        lead.updated_at = self.next_update(&before.lead, now);
        lead.version = lead.version.next();
        let after = StoredLead {
            lead,
            ..before.clone()
        };
        self.purge_for(&after, expired)?;
        self.apply(&LeadChange {
            kind: ChangeKind::Updated,
            row,
            before: Some(&before),
            after: Some(&after),
        })?;
        Ok(after.lead)
    }

    /// Moves a lead to the trash. See [`LeadStore::delete`](super::LeadStore::delete).
    ///
    /// # Errors
    ///
    /// The same errors as that method.
    pub fn delete(&mut self, id: LeadId) -> Result<TrashedLead> {
        self.run(|transaction, now| transaction.delete_expecting(id, None, now))
    }

    /// Moves a lead to the trash if it has this version. See
    /// [`LeadStore::delete_if`](super::LeadStore::delete_if).
    ///
    /// # Errors
    ///
    /// The same errors as that method.
    pub fn delete_if(&mut self, id: LeadId, version: LeadVersion) -> Result<TrashedLead> {
        self.run(|transaction, now| transaction.delete_expecting(id, Some(version), now))
    }

    /// Restores a lead from the trash. See [`LeadStore::restore`](super::LeadStore::restore).
    ///
    /// # Errors
    ///
    /// The same errors as that method.
    pub fn restore(&mut self, id: LeadId) -> Result<Lead> {
        self.run(|transaction, now| transaction.restore_expecting(id, None, now))
    }

    /// Restores a lead from the trash if it has this version. See
    /// [`LeadStore::restore_if`](super::LeadStore::restore_if).
    ///
    /// # Errors
    ///
    /// The same errors as that method.
    pub fn restore_if(&mut self, id: LeadId, version: LeadVersion) -> Result<Lead> {
        self.run(|transaction, now| transaction.restore_expecting(id, Some(version), now))
    }

    /// Permanently removes a lead that is in the trash. See
    /// [`LeadStore::purge`](super::LeadStore::purge).
    ///
    /// # Errors
    ///
    /// The same errors as that method.
    pub fn purge(&mut self, id: LeadId) -> Result<()> {
        self.run(|transaction, now| {
            let (row, stored) = transaction.trashed(id, now)?;
            transaction.purge_row(row, &stored)
        })
    }

    /// Permanently removes every lead in the trash. See
    /// [`LeadStore::empty_trash`](super::LeadStore::empty_trash).
    ///
    /// # Errors
    ///
    /// The same errors as that method.
    pub fn empty_trash(&mut self) -> Result<u64> {
        let rows = self.read(|state| state.in_trash().rows(&BitmapId::All))?;
        self.purge_trashed(&rows, None)
    }

    /// Purges those leads of `rows` that are in the trash and, if an owner is given, belong to that
    /// owner. Returns the number of purged leads that had not expired.
    pub(crate) fn purge_trashed(&mut self, rows: &RowSet, owner_id: Option<&str>) -> Result<u64> {
        self.run(|transaction, now| {
            let mut visible = 0;
            for row in rows
                .and(&transaction.state().in_trash().rows(&BitmapId::All)?)
                .iter()
            {
                let stored = transaction.state().lead_at(row)?;
                if owner_id.is_some() && stored.lead.owner_id.as_deref() != owner_id {
                    continue;
                }
                transaction.purge_row(row, &stored)?;
                let is_visible = |stamp| !trash::is_expired(stamp, now);
                visible += u64::from(stored.trash.is_some_and(is_visible));
            }
            Ok(visible)
        })
    }

    /// Purges up to `limit` leads in the trash that have expired by the time `until`, and returns
    /// their number.
    pub(crate) fn sweep(&mut self, until: DateTime<Utc>, limit: usize) -> Result<usize> {
        self.run(|transaction, _| {
            let rows = trash::expired_rows(transaction.state(), until, limit)?;
            for row in &rows {
                let stored = transaction.state().lead_at(*row)?;
                transaction.purge_row(*row, &stored)?;
            }
            Ok(rows.len())
        })
    }

    /// Makes the transaction commit the trusted time, even if it changes nothing else.
    pub(crate) fn remember_time(&mut self) {
        self.txn.remember_time();
    }

    pub(crate) fn now(&self) -> Result<DateTime<Utc>> {
        Ok(self.rules.now())
    }

    /// Runs a read on the state as this transaction sees it.
    pub(crate) fn read<T>(&self, read: impl FnOnce(StoreState<'_>) -> Result<T>) -> Result<T> {
        self.failure.guard(|| read(self.state()))
    }

    /// Runs a write at the current time. An I/O error in the write, or in a read that it makes, is
    /// latched, and so is a panic in redb.
    fn run<T>(&mut self, write: impl FnOnce(&mut Self, DateTime<Utc>) -> Result<T>) -> Result<T> {
        // Called outside the guard: the clock is application code, so a panic in the clock must not
        // be reported as corruption.
        let now = self.rules.now();
        let failure = self.failure;
        failure.guard(|| write(self, now))
    }

    fn delete_expecting(
        &mut self,
        id: LeadId,
        expected: Option<LeadVersion>,
        now: DateTime<Utc>,
    ) -> Result<TrashedLead> {
        let (row, before) = self.live(id, now)?;
        check_version(&before.lead, expected)?;
        let stamp = trash::stamp(now, self.rules.trash_retention);
        let mut after = StoredLead {
            trash: Some(stamp),
            ..before.clone()
        };
        after.lead.version = after.lead.version.next();
        self.apply(&LeadChange {
            kind: ChangeKind::Deleted,
            row,
            before: Some(&before),
            after: Some(&after),
        })?;
        Ok(TrashedLead {
            lead: after.lead,
            deleted_at: stamp.deleted_at,
            expires_at: stamp.expires_at,
        })
    }

    fn restore_expecting(
        &mut self,
        id: LeadId,
        expected: Option<LeadVersion>,
        now: DateTime<Utc>,
    ) -> Result<Lead> {
        let (row, before) = self.trashed(id, now)?;
        check_version(&before.lead, expected)?;
        let mut after = StoredLead {
            trash: None,
            ..before.clone()
        };
        after.lead.updated_at = self.next_update(&before.lead, now);
        after.lead.version = after.lead.version.next();
        self.apply(&LeadChange {
            kind: ChangeKind::Restored,
            row,
            before: Some(&before),
            after: Some(&after),
        })?;
        Ok(after.lead)
    }

    /// Returns the live lead with this id, and its row.
    fn live(&self, id: LeadId, now: DateTime<Utc>) -> Result<(Row, StoredLead)> {
        let (row, stored) = query::stored(self.state(), id)?.ok_or_else(|| Error::not_found(id))?;
        match stored.trash {
            None => Ok((row, stored)),
            Some(stamp) if trash::is_expired(stamp, now) => Err(Error::not_found(id)),
            Some(stamp) => Err(Error::in_trash(id, stamp.expires_at)),
        }
    }

    /// Returns the lead with this id and its row if it is in the trash and has not expired.
    fn trashed(&self, id: LeadId, now: DateTime<Utc>) -> Result<(Row, StoredLead)> {
        let (row, stored) = query::stored(self.state(), id)?.ok_or_else(|| Error::not_found(id))?;
        match stored.trash {
            None => Err(Error::not_in_trash(id)),
            Some(stamp) if trash::is_expired(stamp, now) => Err(Error::not_found(id)),
            Some(_) => Ok((row, stored)),
        }
    }

    /// Rejects an external id that another lead has. If that lead has expired in the trash, adds it
    /// to `expired` instead, so that it is purged before the id is reused.
    fn check_external_id(
        &self,
        lead: &Lead,
        now: DateTime<Utc>,
        expired: &mut Vec<(Row, StoredLead)>,
    ) -> Result<()> {
        let Some(external_id) = &lead.external_id else {
            return Ok(());
        };
        let Some(row) = self.state().row_by_external_id(external_id)? else {
            return Ok(());
        };
        if expired.iter().any(|(other, _)| *other == row) {
            return Ok(());
        }
        let other = self.state().lead_at(row)?;
        let what = format_args!("the external id {external_id}");
        expired.push((row, expired_or_taken(other, now, what)?));
        Ok(())
    }

    /// Returns the `updated_at` of a lead that changes now.
    fn next_update(&self, before: &Lead, now: DateTime<Utc>) -> DateTime<Utc> {
        clock::held(now, self.state().meta.newest_created_at)
            .max(before.updated_at)
            .max(before.created_at)
    }

    /// Purges the expired leads that hold the id or external id of `stored`. If `stored` is too
    /// large, rejects it before anything is purged.
    fn purge_for(&mut self, stored: &StoredLead, expired: Vec<(Row, StoredLead)>) -> Result<()> {
        if !expired.is_empty() {
            stored.check_size()?;
        }
        expired
            .into_iter()
            .try_for_each(|(row, stored)| self.purge_row(row, &stored))
    }

    fn purge_row(&mut self, row: Row, stored: &StoredLead) -> Result<()> {
        self.apply(&LeadChange {
            kind: ChangeKind::Purged,
            row,
            before: Some(stored),
            after: None,
        })
    }

    fn apply(&mut self, change: &LeadChange<'_>) -> Result<()> {
        let applied = schema::apply(&mut self.txn, &self.rules.catalogue, change);
        self.note_broken(applied)
    }

    /// Records a write that failed halfway, so that the transaction cannot be committed.
    fn note_broken(&mut self, written: Result<()>) -> Result<()> {
        if let Err(error) = &written {
            // A lead that is too large is rejected before anything is written.
            if error.kind() != ErrorKind::Invalid {
                self.broken = Some((error.kind(), error.to_string()));
            }
        }
        written
    }
}

impl std::fmt::Debug for Transaction<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transaction")
            .field("changes", &self.txn.change_count())
            .finish_non_exhaustive()
    }
}

fn check_version(lead: &Lead, expected: Option<LeadVersion>) -> Result<()> {
    match expected {
        Some(expected) if expected != lead.version => {
            Err(Error::conflict(lead.id, expected, lead.version))
        }
        _ => Ok(()),
    }
}

/// Returns `stored` if it has expired in the trash and can be purged. Otherwise fails with the
/// error that `what` is taken.
fn expired_or_taken(
    stored: StoredLead,
    now: DateTime<Utc>,
    what: std::fmt::Arguments<'_>,
) -> Result<StoredLead> {
    match stored.trash {
        Some(stamp) if trash::is_expired(stamp, now) => Ok(stored),
        stamp => {
            let expires_at = stamp.map(|stamp| stamp.expires_at);
            Err(Error::already_exists(stored.lead.id, what, expires_at))
        }
    }
}
