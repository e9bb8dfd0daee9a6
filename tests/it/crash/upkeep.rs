//! The checks, repairs and backups of a simulated store. Their reports must be correct, and none of
//! them may harm the store.

use leadstore::chrono::{DateTime, Utc};
use leadstore::testing::{self, Corruption, SimulatedDisk};
use leadstore::{Error, ErrorKind, LeadId, LeadStore, OpenOptions};

use super::states::{Contents, States};
use crate::model::oracle::Oracle;

/// A backup of the store, in a separate directory on the same disk.
#[derive(Default)]
pub struct Backup {
    /// The states that the backup may contain, if it exists. Empty if no backup was attempted.
    may_hold: Vec<Oracle>,
    is_acknowledged: bool,
}

fn backup_directory(disk: &SimulatedDisk) -> SimulatedDisk {
    disk.directory("backup")
}

/// Runs a check on a store that is not corrupted, and asserts that it reports no problem.
pub fn check(store: &LeadStore, disk: &SimulatedDisk) -> Result<(), Error> {
    let failed_reads = disk.failed_reads();
    let report = store.check(|_| ())?;
    assert!(
        report.is_ok(),
        "problems reported in a healthy store: {:?}",
        report.problems
    );
    assert_eq!(
        disk.failed_reads(),
        failed_reads,
        "the check reported no problem although reads failed"
    );
    Ok(())
}

/// Corrupts the stored data of a lead and repairs it.
pub fn repair(
    store: &LeadStore,
    states: &mut States,
    id: LeadId,
    corruption: Corruption,
) -> Result<(), Error> {
    states.may_be_corrupted = true;
    testing::corrupt(store, id, corruption)?;
    repair_if_corrupted(store, states)
}

/// Repairs the store if it may be corrupted.
pub fn repair_if_corrupted(store: &LeadStore, states: &mut States) -> Result<(), Error> {
    if states.may_be_corrupted {
        let report = store.repair(|_| ())?;
        assert!(report.is_ok(), "not repaired: {:?}", report.problems);
        states.may_be_corrupted = false;
    }
    Ok(())
}

/// Backs up the store. There may already be a backup, which is removed first if `replace` is true.
pub fn back_up(
    store: &LeadStore,
    disk: &SimulatedDisk,
    states: &mut States,
    replace: bool,
) -> Result<(), Error> {
    if replace {
        backup_directory(disk).wipe();
        states.backup = Backup::default();
    }
    let newest = states.newest().clone();
    let backup = &mut states.backup;
    match testing::back_up_on(store, &backup_directory(disk)) {
        Ok(()) => {
            assert!(!backup.is_acknowledged, "a backup overwrote another one");
            *backup = Backup {
                may_hold: vec![newest],
                is_acknowledged: true,
            };
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            assert!(!backup.may_hold.is_empty(), "there is no backup: {error}");
        }
        Err(error) => {
            if !backup.is_acknowledged {
                backup.may_hold.push(newest);
            }
            return Err(error);
        }
    }
    Ok(())
}

/// Checks the backup on a working disk, then removes it. The backup must be complete. It may be
/// missing only if it was not acknowledged.
pub fn check_backup(
    disk: &SimulatedDisk,
    states: &mut States,
    options: impl Fn() -> OpenOptions,
    now: DateTime<Utc>,
) {
    let Backup {
        may_hold,
        is_acknowledged,
    } = std::mem::take(&mut states.backup);
    if may_hold.is_empty() {
        return;
    }
    let backup_directory = backup_directory(disk);
    let held = match testing::open_on(options().read_only(true), &backup_directory) {
        Ok(copy) => {
            let held = Contents::read(&copy).unwrap();
            assert!(
                may_hold
                    .iter()
                    .any(|state| held == Contents::of(state, now)),
                "the backup matches no state of the store: {held:?}"
            );
            held
        }
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
            assert!(!is_acknowledged, "an acknowledged backup is lost");
            Contents::of(&Oracle::default(), now)
        }
    };
    // Without a backup, this creates a new store over what the failed backup left behind.
    let copy = testing::open_on(options(), &backup_directory).unwrap();
    check(&copy, &backup_directory).unwrap();
    assert_eq!(Contents::read(&copy).unwrap(), held);
    copy.close().unwrap();
    backup_directory.wipe();
}
