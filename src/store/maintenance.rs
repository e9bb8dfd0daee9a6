//! Checking, repairing and backing up a store that is open.

use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;

use crate::check::{Component, Problem, Report};
use crate::error::{Error, ErrorKind, Result};
use crate::schema::{Catalogue, StoreState};
use crate::search::{SearchState, SearchStatus};
#[cfg(feature = "unstable-testing")]
use crate::simulated_disk::SimulatedDisk;
use crate::storage::{self, DiskSnapshot, Location, ReadView, catch_corruption_panic};
use crate::store::engine::Engine;
use crate::store::lead_store::{LeadStore, State};
use crate::store::open_store::OpenStore;
use crate::sync::lock;
use crate::{schema, search};

/// How often a check is repeated where a large transaction wrote to the file meanwhile.
const CHECKS: usize = 3;

impl LeadStore {
    /// How far the search index is.
    pub fn search_status(&self) -> SearchStatus {
        self.with_engine(|engine| Ok(engine.search_status()))
            .unwrap_or(SearchStatus {
                state: SearchState::Closed,
                unindexed: 0,
            })
    }

    /// Makes every write so far durable. Only [`Durability::Within`] leaves anything to do.
    ///
    /// # Errors
    ///
    /// [`Nested`](ErrorKind::Nested) within a transaction; [`Io`](ErrorKind::Io).
    pub fn sync(&self) -> Result<()> {
        self.with_engine(|engine| engine.sync())
    }

    /// Gives the space of purged leads back to the file system, and makes the search index one piece, in which nothing is
    /// left of them: about a second for 100,000 leads each. Reads and writes wait for the first, not for the second.
    /// Searches are quickest after it, which is worth while after a large import.
    ///
    /// # Errors
    ///
    /// [`Busy`](ErrorKind::Busy) while a [`Snapshot`] or an iterator over leads is held; [`Nested`](ErrorKind::Nested)
    /// within a transaction; [`ReadOnly`](ErrorKind::ReadOnly); [`Io`](ErrorKind::Io).
    pub fn compact(&self) -> Result<()> {
        self.with_engine(|engine| engine.compact())
    }

    /// Reads the whole file from the disk, compares everything that is derived with the leads, and tells what is wrong;
    /// 0.4 seconds for 100,000 leads (`cargo bench --bench store -- maintenance`). `progress` is told how many leads were
    /// seen, and of how many rows. Reads and writes go on meanwhile, but writers wait once what they have written outgrows
    /// memory. `progress` must not use the store; a panic of it goes on once the check is done.
    ///
    /// ```
    /// # let store = leadstore::LeadStore::in_memory()?;
    /// let report = store.check(|done, total| println!("{done} of {total}"))?;
    /// assert!(report.is_sound(), "{:?}", report.problems);
    /// # Ok::<(), leadstore::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Damage is in the report, not an error. [`Busy`](ErrorKind::Busy) if large transactions went to the file all the time
    /// and damage cannot be told from what they wrote; [`Nested`](ErrorKind::Nested) within a transaction;
    /// [`Io`](ErrorKind::Io).
    pub fn check(&self, progress: impl FnMut(u64, u64)) -> Result<Report> {
        outliving_panics(progress, |progress| {
            self.engine_even_if_corrupted()?.check(progress)
        })
    }

    /// Checks the store and, if anything is wrong, makes everything that is derived anew from the leads, the search index
    /// included, in a new file that then takes the place of the old one, for which it takes as much disk space again. Calls
    /// are [`Unavailable`](ErrorKind::Unavailable) meanwhile; snapshots end. The report is of a check after that: it names
    /// what is wrong still, and in [`Report::repaired`] what was. `progress` must not use the store; a panic of it goes on
    /// once the repair is done.
    ///
    /// # Errors
    ///
    /// [`Corrupted`](ErrorKind::Corrupted) if leads or credentials cannot be read, in which case nothing is changed and a
    /// backup is what helps. [`Nested`](ErrorKind::Nested) within a transaction; [`ReadOnly`](ErrorKind::ReadOnly);
    /// [`Io`](ErrorKind::Io), after which the store is as it was.
    pub fn repair(&self, progress: impl FnMut(u64, u64)) -> Result<Report> {
        outliving_panics(progress, |progress| self.repair_telling(progress))
    }

    fn repair_telling(&self, progress: &mut dyn FnMut(u64, u64)) -> Result<Report> {
        self.shared.reentrancy.refuse()?;
        let _turn = lock(&self.shared.turn);
        let engine = self.engine_even_if_corrupted()?;
        engine.refuse_read_only()?;
        let report = engine.check(progress)?;
        drop(engine);
        if report.is_ok() {
            return Ok(report);
        }
        if report.has_lost {
            let lost =
                report.problems.iter().rev().find(|problem| {
                    matches!(problem.part, Component::Leads | Component::Credentials)
                });
            let lost = lost.map(ToString::to_string).unwrap_or_default();
            let message = format!(
                "what cannot be made anew is damaged ({lost}); put a backup in the store's place"
            );
            return Err(Error::corrupted(message));
        }
        let rebuilt = match self.replace_state(State::Reopening).into_open() {
            Some(open) => open.rebuild(&self.shared.location, progress),
            None => Err(Error::closed()),
        };
        let reopened = self.open_again();
        rebuilt.and(reopened)?;
        let mut mended = self.engine()?.check(progress)?;
        let is_mended = |problem: &Problem| !mended.problems.contains(problem);
        mended.repaired = report.problems.into_iter().filter(is_mended).collect();
        Ok(mended)
    }

    /// Makes a copy of the store in a directory of its own, which is made: the state as of this call, whole, while others
    /// read and write. It is a store that opens like any other; its search index is made when it is first opened.
    /// It takes 0.3 seconds for 100,000 leads (`cargo bench --bench store -- maintenance`). `progress` is told how many leads
    /// were copied, and of how many rows; it must not use the store, and a panic of it goes on once the backup is done.
    /// Meanwhile the store's file grows by what is written, and [`compact`](Self::compact) is [`Busy`](ErrorKind::Busy).
    ///
    /// ```
    /// # let directory = tempfile::tempdir().unwrap();
    /// # let path = directory.path().join("backup");
    /// # let store = leadstore::LeadStore::in_memory()?;
    /// store.backup_to(&path, |_, _| ())?;
    /// let copy = leadstore::LeadStore::open(&path)?;
    /// # Ok::<(), leadstore::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`AlreadyExists`](ErrorKind::AlreadyExists) if there is a store in the directory;
    /// [`Corrupted`](ErrorKind::Corrupted), [`Io`](ErrorKind::Io). It leaves no part of a copy behind,
    /// but perhaps empty directories.
    pub fn backup_to(&self, path: impl AsRef<Path>, progress: impl FnMut(u64, u64)) -> Result<()> {
        let path = path.as_ref();
        let copy =
            |view: &ReadView, progress: &mut dyn FnMut(u64)| storage::back_up(view, path, progress);
        outliving_panics(progress, |progress| {
            self.back_up(path.display(), copy, progress)
        })
    }

    #[cfg(feature = "unstable-testing")]
    pub(crate) fn back_up_on(&self, disk: &SimulatedDisk) -> Result<()> {
        let copy = |view: &ReadView, progress: &mut dyn FnMut(u64)| {
            storage::back_up_on(view, disk, progress)
        };
        self.back_up("a simulated disk", copy, &mut |_, _| ())
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
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<()> {
        let engine = self.engine()?;
        engine.refuse_nested()?;
        // So that a compaction is told at once that somebody reads.
        let _reading = self.snapshot()?;
        let view = {
            let _no_checkpoint = engine.hold_checkpoints();
            engine.checkpoint_and_read()?
        };
        let rows = u64::from(view.meta().next_row);
        catch_corruption_panic(|| copy(&view, &mut |copied| progress(copied, rows))).map_err(
            |error| {
                engine
                    .failure
                    .as_corruption(error)
                    .while_doing(format_args!("backing up to {target}"))
            },
        )
    }
}

/// Runs `work`, and lets a panic of the caller's `progress` go on only once that is done: on the way it would be taken for
/// one of redb's, or leave half of the work.
fn outliving_panics<T>(
    mut progress: impl FnMut(u64, u64),
    work: impl FnOnce(&mut dyn FnMut(u64, u64)) -> Result<T>,
) -> Result<T> {
    let mut panicked = None;
    let done = work(&mut |done, total| {
        if panicked.is_none() {
            panicked = catch_unwind(AssertUnwindSafe(|| progress(done, total))).err();
        }
    });
    match panicked {
        Some(panic) => resume_unwind(panic),
        None => done,
    }
}

impl Engine {
    fn check(&self, progress: &mut dyn FnMut(u64, u64)) -> Result<Report> {
        self.refuse_nested()?;
        let mut checks = 1;
        loop {
            let (report, is_current) = self.check_once(progress)?;
            // What a large transaction has written over meanwhile is no damage.
            if report.is_ok() || is_current {
                return Ok(report);
            }
            if checks == CHECKS {
                let message = "large transactions are written all the time, beside which damage cannot be told; try again";
                return Err(Error::new(ErrorKind::Busy, message));
            }
            checks += 1;
        }
    }

    /// What a check finds, and whether nothing was written to the file meanwhile.
    fn check_once(&self, progress: &mut dyn FnMut(u64, u64)) -> Result<(Report, bool)> {
        let _no_checkpoint = self.hold_checkpoints();
        let mut report = Report::default();
        match self.checkpoint_and_read() {
            Err(error) if error.kind() == ErrorKind::Corrupted => {
                report.add(Component::File, error)
            }
            whole => drop(whole?),
        }
        let (disk, seq) = self.disk_snapshot()?;
        examine(&disk, &self.rules.catalogue, &mut report, progress)?;
        let view = self.view()?;
        search::check(view.state(), view.search(), &mut report);
        Ok((report, self.last_checkpoint()? == seq))
    }
}

/// Adds to `report` what is wrong with the store as it lies on the disk. That it cannot be read is an error.
fn examine(
    disk: &DiskSnapshot,
    catalogue: &Catalogue,
    report: &mut Report,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<()> {
    match catch_corruption_panic(|| disk.verify()) {
        Ok(true) => {}
        Ok(false) => report.add(Component::File, "its pages do not fit each other"),
        Err(error) => report.add(Component::File, damage(error)?),
    }
    let checked = catch_corruption_panic(|| {
        disk.read(|view| {
            let rows = u64::from(view.meta().next_row);
            schema::check(
                StoreState::new(view.state(), catalogue),
                report,
                &mut |seen| progress(seen, rows),
            )
        })
    });
    if let Err(error) = checked {
        report.add(Component::File, damage(error)?);
        if let Err(error) = catch_corruption_panic(|| {
            disk.read(|view| schema::readable(StoreState::new(view.state(), catalogue)))
        }) {
            report.add_lost(
                Component::Leads,
                format_args!("not all can be read: {}", damage(error)?),
            );
        }
    }
    Ok(())
}

/// An error that tells of damage, if it does not tell of a disk that cannot be read now.
fn damage(error: Error) -> Result<Error> {
    if error.kind() == ErrorKind::Io {
        Err(error)
    } else {
        Ok(error)
    }
}

impl OpenStore {
    /// Closes the store for good, with everything that is derived made anew in its files.
    fn rebuild(&self, location: &Location, progress: &mut dyn FnMut(u64, u64)) -> Result<()> {
        let catalogue = std::sync::Arc::clone(&self.engine().rules.catalogue);
        let database = self.end().ok_or_else(Error::closed)?;
        let rows = database
            .read()
            .map_or(0, |view| u64::from(view.meta().next_row));
        catch_corruption_panic(|| {
            database.rebuild(
                location,
                &|row, stored| schema::derive_index_entries(&catalogue, row, stored),
                &mut |copied| progress(copied, rows),
            )
        })
        .map_err(|error| error.while_doing("repairing the store"))
    }
}
