//! Checking, repairing and backing up an open store.

use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;

use crate::check::{Component, Problem, Report};
use crate::error::{Error, ErrorKind, Result};
use crate::progress::Progress;
use crate::schema::{Catalogue, StoreState};
use crate::search::{SearchState, SearchStatus};
#[cfg(feature = "unstable-testing")]
use crate::simulated_disk::SimulatedDisk;
use crate::storage::{self, DiskSnapshot, Location, ReadView, catch_corruption_panic};
use crate::store::engine::Engine;
use crate::store::engine::open_store::OpenStore;
use crate::store::lead_store::{LeadStore, StoreLifecycle};
use crate::sync::lock;
use crate::{schema, search};

/// Maximum number of times that a check is attempted while large transactions keep writing to the
/// file.
const CHECK_ATTEMPTS: usize = 3;

impl LeadStore {
    /// Returns the state of the search index and the number of leads that it lacks.
    pub fn search_status(&self) -> SearchStatus {
        self.with_engine(|engine| Ok(engine.search_status()))
            .unwrap_or(SearchStatus {
                state: SearchState::Closed,
                unindexed: 0,
            })
    }

    /// Makes all previous writes durable. Only needed with
    /// [`Durability::Within`](crate::Durability::Within).
    ///
    /// # Errors
    ///
    /// [`Nested`](ErrorKind::Nested) inside a transaction; [`Io`](ErrorKind::Io).
    pub fn sync(&self) -> Result<()> {
        self.with_engine(|engine| engine.sync())
    }

    /// Gives the space of purged leads back to the file system, and merges the search index into
    /// one segment without purged leads. Each step takes about a second for 100,000 leads. Reads
    /// and writes wait for the first step, but not for the second. Searches are fastest afterwards,
    /// so a compaction pays off after a large import.
    ///
    /// # Errors
    ///
    /// [`Busy`](ErrorKind::Busy) while a [`Snapshot`](crate::Snapshot) or a lead iterator is held
    /// or a backup is made, or if a read that began earlier does not end within 10 seconds;
    /// [`Unavailable`](ErrorKind::Unavailable) if the search index could not be merged, and so may
    /// still contain text of purged leads; [`Nested`](ErrorKind::Nested) inside a transaction;
    /// [`ReadOnly`](ErrorKind::ReadOnly); [`Io`](ErrorKind::Io).
    pub fn compact(&self) -> Result<()> {
        self.with_engine(|engine| engine.compact())
    }

    /// Reads the entire file from disk, compares all derived data with the leads, and reports the
    /// problems found. Takes 0.4 seconds for 100,000 leads (`cargo bench --bench store --
    /// maintenance`). `progress` receives the number of leads checked so far and the total number
    /// of rows. Reads and writes continue meanwhile, but writers wait once the memory for their
    /// writes is full. `progress` must not use the store. If it panics, the panic resumes after the
    /// check is done.
    ///
    /// ```
    /// # let store = leadstore::LeadStore::in_memory()?;
    /// let report = store.check(|progress| println!("{} of {}", progress.done, progress.total))?;
    /// assert!(report.is_ok(), "{:?}", report.problems);
    /// # Ok::<(), leadstore::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Corruption is reported in the result, not as an error. [`Busy`](ErrorKind::Busy) if large
    /// transactions kept writing to the file, so that corruption cannot be distinguished from their
    /// writes; [`Nested`](ErrorKind::Nested) inside a transaction; [`Io`](ErrorKind::Io).
    pub fn check(&self, progress: impl FnMut(Progress)) -> Result<Report> {
        defer_panics(progress, |progress| {
            self.engine_even_if_corrupted()?.check(progress)
        })
    }

    /// Checks the store and, if there are problems, rebuilds everything that is derived from the
    /// leads, including the search index. The result is written to a new file that then replaces
    /// the old one, so the repair needs as much free disk space as the old file takes. During the
    /// rebuild, other calls return [`Unavailable`](ErrorKind::Unavailable), and open snapshots are
    /// closed. The rebuilt store is checked again. Returns the report of the last check, which
    /// lists the remaining problems and, in [`Report::repaired`], the repaired problems. `progress`
    /// must not use the store. If it panics, the panic resumes after the repair is done.
    ///
    /// # Errors
    ///
    /// [`Corrupted`](ErrorKind::Corrupted) if leads or credentials cannot be read. In this case
    /// nothing is changed, and only a backup can restore the store. [`Busy`](ErrorKind::Busy) as in
    /// [`check`](Self::check);
    /// [`Nested`](ErrorKind::Nested) inside a transaction; [`ReadOnly`](ErrorKind::ReadOnly);
    /// [`Io`](ErrorKind::Io). If writing the new file fails, the old file is unchanged. After a
    /// later error, either the old or the new file is in place, and that file is complete. If the
    /// store could not be opened again, it stays closed until [`reopen`](Self::reopen) succeeds.
    pub fn repair(&self, progress: impl FnMut(Progress)) -> Result<Report> {
        defer_panics(progress, |progress| self.repair_with_progress(progress))
    }

    fn repair_with_progress(&self, progress: &mut dyn FnMut(Progress)) -> Result<Report> {
        self.shared.reentrancy.refuse()?;
        let _turn = lock(&self.shared.lifecycle);
        let engine = self.engine_even_if_corrupted()?;
        engine.refuse_read_only()?;
        let report = engine.check(progress)?;
        drop(engine);
        if report.is_ok() {
            return Ok(report);
        }
        if report.has_data_loss {
            let lost = report.problems.iter().rev().find(|problem| {
                matches!(problem.component, Component::Leads | Component::Credentials)
            });
            let lost = lost.map(ToString::to_string).unwrap_or_default();
            let message =
                format!("data that cannot be rebuilt is corrupted ({lost}); restore a backup");
            return Err(Error::corrupted(message));
        }
        let rebuilt = match self.replace_state(StoreLifecycle::Reopening).into_open() {
            Some(open) => open.rebuild(&self.shared.location, progress),
            None => Err(Error::closed()),
        };
        let reopened = self.open_again();
        rebuilt.and(reopened)?;
        let mut after = self.engine()?.check(progress)?;
        let is_repaired = |problem: &Problem| !after.problems.contains(problem);
        after.repaired = report.problems.into_iter().filter(is_repaired).collect();
        Ok(after)
    }

    /// Copies the store to another directory, and creates that directory if it does not exist. The
    /// copy contains the complete state as of this call, opens like any other store, and builds its
    /// search index at the first open. Other threads can read and write meanwhile. Takes 0.3
    /// seconds for 100,000 leads (`cargo bench --bench store -- maintenance`). `progress` receives
    /// the number of leads copied so far and the total number of rows. It must not use the store,
    /// and if it panics, the panic resumes after the backup is done. During the backup, new writes
    /// make the store's file grow, and [`compact`](Self::compact) returns
    /// [`Busy`](ErrorKind::Busy).
    ///
    /// ```
    /// # let directory = tempfile::tempdir().unwrap();
    /// # let path = directory.path().join("backup");
    /// # let store = leadstore::LeadStore::in_memory()?;
    /// store.backup_to(&path, |_| ())?;
    /// let copy = leadstore::LeadStore::open(&path)?;
    /// # Ok::<(), leadstore::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`AlreadyExists`](ErrorKind::AlreadyExists) if the directory contains a store;
    /// [`AlreadyOpen`](ErrorKind::AlreadyOpen) if that store is open; [`Nested`](ErrorKind::Nested)
    /// inside a transaction; [`Corrupted`](ErrorKind::Corrupted), [`Io`](ErrorKind::Io). A failed
    /// backup leaves no incomplete store behind. If only the last step failed, which syncs the
    /// directory, the copy is in place and complete. If an earlier step failed, empty directories
    /// and, in a directory that existed before, the lock file may remain.
    pub fn backup_to(&self, path: impl AsRef<Path>, progress: impl FnMut(Progress)) -> Result<()> {
        let path = path.as_ref();
        let copy =
            |view: &ReadView, progress: &mut dyn FnMut(u64)| storage::back_up(view, path, progress);
        defer_panics(progress, |progress| {
            self.back_up(path.display(), copy, progress)
        })
    }

    #[cfg(feature = "unstable-testing")]
    pub(crate) fn back_up_on(&self, disk: &SimulatedDisk) -> Result<()> {
        let copy = |view: &ReadView, progress: &mut dyn FnMut(u64)| {
            storage::back_up_on(view, disk, progress)
        };
        self.back_up("a simulated disk", copy, &mut |_| ())
    }

    #[cfg(feature = "unstable-testing")]
    pub(crate) fn sweep(&self) -> Result<u64> {
        let engine = self.engine()?;
        let mut purged = 0;
        loop {
            match engine.sweep_step()? {
                0 => return Ok(purged),
                step => purged += step,
            }
        }
    }

    #[cfg(feature = "unstable-testing")]
    pub(crate) fn index(&self) -> Result<()> {
        self.engine()?.index()
    }

    #[cfg(feature = "unstable-testing")]
    pub(crate) fn checkpoint_while(&self, meanwhile: impl FnMut()) -> Result<()> {
        self.engine()?.checkpoint_while(meanwhile)
    }

    fn back_up(
        &self,
        target: impl Display,
        copy: impl FnOnce(&ReadView, &mut dyn FnMut(u64)) -> Result<()>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<()> {
        let engine = self.engine()?;
        engine.refuse_nested()?;
        // Makes a concurrent compaction return `Busy` at once.
        let _reading = self.snapshot()?;
        let view = {
            let _no_checkpoint = engine.hold_checkpoints();
            engine.checkpoint_and_read()?
        };
        let rows = u64::from(view.meta().next_row);
        catch_corruption_panic(|| copy(&view, &mut |copied| progress(Progress::new(copied, rows))))
            .map_err(|error| {
                engine
                    .failure
                    .as_corruption(error)
                    .while_doing(format_args!("backing up to {target}"))
            })
    }
}

/// Runs `work`, and defers a panic in the caller's `progress` until `work` is done. Without this,
/// the panic would be mistaken for a panic in redb, or would leave the work half done.
fn defer_panics<T>(
    mut progress: impl FnMut(Progress),
    work: impl FnOnce(&mut dyn FnMut(Progress)) -> Result<T>,
) -> Result<T> {
    let mut panicked = None;
    let done = work(&mut |done| {
        if panicked.is_none() {
            panicked = catch_unwind(AssertUnwindSafe(|| progress(done))).err();
        }
    });
    match panicked {
        Some(panic) => resume_unwind(panic),
        None => done,
    }
}

impl Engine {
    fn check(&self, progress: &mut dyn FnMut(Progress)) -> Result<Report> {
        self.refuse_nested()?;
        let mut checks = 1;
        loop {
            let (report, is_current) = self.check_once(progress)?;
            // If a large transaction wrote to the file during the check, the check may have taken
            // the pages that it overwrote for corrupted ones, so the check is repeated.
            if report.is_ok() || is_current {
                return Ok(report);
            }
            if checks == CHECK_ATTEMPTS {
                let message = "large transactions kept writing to leads.redb, so corruption could not be ruled out; try again";
                return Err(Error::new(ErrorKind::Busy, message));
            }
            checks += 1;
        }
    }

    /// Runs one check. Returns its report, and whether that report is current: false if a large
    /// transaction was committed to the tables meanwhile.
    fn check_once(&self, progress: &mut dyn FnMut(Progress)) -> Result<(Report, bool)> {
        let _no_checkpoint = self.hold_checkpoints();
        let mut report = Report::default();
        match self.checkpoint_and_read() {
            Err(error) if error.kind() == ErrorKind::Corrupted => {
                report.add(Component::File, error)
            }
            result => drop(result?),
        }
        let (disk, seq) = match self.disk_snapshot() {
            Err(error) if error.kind() == ErrorKind::Corrupted => {
                report.add(Component::File, error);
                return Ok((report, true));
            }
            result => result?,
        };
        examine(&disk, &self.rules.catalogue, &mut report, progress)?;
        let view = self.view()?;
        search::check(view.state(), view.search(), &mut report);
        Ok((report, self.last_checkpoint()? == seq))
    }
}

/// Checks the store as it is on disk, and adds the problems found to `report`. Fails only if the
/// disk cannot be read.
fn examine(
    disk: &DiskSnapshot,
    catalogue: &Catalogue,
    report: &mut Report,
    progress: &mut dyn FnMut(Progress),
) -> Result<()> {
    match catch_corruption_panic(|| disk.verify()) {
        Ok(true) => {}
        Ok(false) => report.add(Component::File, "redb's integrity check failed"),
        Err(error) => report.add(Component::File, unless_io(error)?),
    }
    let checked = catch_corruption_panic(|| {
        disk.read(|view| {
            let rows = u64::from(view.meta().next_row);
            schema::check(
                StoreState::new(view.state(), catalogue),
                report,
                &mut |seen| progress(Progress::new(seen, rows)),
            )
        })
    });
    if let Err(error) = checked {
        report.add(Component::File, unless_io(error)?);
        if let Err(error) = catch_corruption_panic(|| {
            disk.read(|view| schema::readable(StoreState::new(view.state(), catalogue)))
        }) {
            report.add_data_loss(
                Component::Leads,
                format_args!("some leads cannot be read: {}", unless_io(error)?),
            );
        }
    }
    Ok(())
}

/// Returns the error if it can be reported as corruption. An I/O error means that the disk cannot
/// be read now, so it makes the check fail instead.
fn unless_io(error: Error) -> Result<Error> {
    if error.kind() == ErrorKind::Io {
        Err(error)
    } else {
        Ok(error)
    }
}

impl OpenStore {
    /// Closes the store and rebuilds all derived data in its files. This `OpenStore` cannot be used
    /// afterwards; the caller opens the store again.
    fn rebuild(&self, location: &Location, progress: &mut dyn FnMut(Progress)) -> Result<()> {
        let catalogue = std::sync::Arc::clone(&self.engine().rules.catalogue);
        let database = self.end().ok_or_else(Error::closed)?;
        let rows = database
            .read()
            .map_or(0, |view| u64::from(view.meta().next_row));
        catch_corruption_panic(|| {
            database.rebuild(
                location,
                &|row, stored| schema::derive_index_entries(&catalogue, row, stored),
                &mut |copied| progress(Progress::new(copied, rows)),
            )
        })
        .map_err(|error| error.while_doing("repairing the store"))
    }
}
