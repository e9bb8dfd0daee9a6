//! Checks, repairs and backups of a simulated store, of which none may tell what is not so, nor harm what is there.

use leadstore::chrono::{DateTime, Utc};
use leadstore::testing::{self, Corruption, SimulatedDisk};
use leadstore::{Error, ErrorKind, LeadId, LeadStore, OpenOptions};

use super::states::{Contents, States};
use crate::model::oracle::Oracle;

/// The copy of a store in a directory of its own on the same disk.
#[derive(Default)]
pub struct Backup {
    /// What it holds, if it is there.
    may_hold: Vec<Oracle>,
    is_acknowledged: bool,
}

fn place(disk: &SimulatedDisk) -> SimulatedDisk {
    disk.directory("backup")
}

/// Checks a store in which nothing is wrong.
pub fn check(store: &LeadStore, disk: &SimulatedDisk) -> Result<(), Error> {
    let failed_reads = disk.failed_reads();
    let report = store.check(|_, _| ())?;
    assert!(report.is_ok(), "a false alarm: {:?}", report.problems);
    assert_eq!(
        disk.failed_reads(),
        failed_reads,
        "what could not be read is said to be sound"
    );
    Ok(())
}

/// Makes something wrong, and has it repaired.
pub fn repair(
    store: &LeadStore,
    states: &mut States,
    id: LeadId,
    spoilt: Corruption,
) -> Result<(), Error> {
    states.is_spoilt = true;
    testing::corrupt(store, id, spoilt)?;
    mend(store, states)
}

/// Repairs what was made wrong, if anything is.
pub fn mend(store: &LeadStore, states: &mut States) -> Result<(), Error> {
    if states.is_spoilt {
        let report = store.repair(|_, _| ())?;
        assert!(report.is_ok(), "not repaired: {:?}", report.problems);
        states.is_spoilt = false;
    }
    Ok(())
}

/// Backs the store up, to where a backup may be already unless that is to be anew.
pub fn back_up(
    store: &LeadStore,
    disk: &SimulatedDisk,
    states: &mut States,
    anew: bool,
) -> Result<(), Error> {
    if anew {
        place(disk).wipe();
        states.backup = Backup::default();
    }
    let newest = states.newest().clone();
    let backup = &mut states.backup;
    match testing::back_up_on(store, &place(disk)) {
        Ok(()) => {
            assert!(
                !backup.is_acknowledged,
                "a backup was written over another one"
            );
            *backup = Backup {
                may_hold: vec![newest],
                is_acknowledged: true,
            };
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            assert!(!backup.may_hold.is_empty(), "there is none: {error}");
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

/// Looks at the backup while the disk works, and removes it: it is whole, or was not acknowledged and is no store.
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
    let place = place(disk);
    let held = match testing::open_on(options().read_only(true), &place) {
        Ok(copy) => {
            let held = Contents::read(&copy).unwrap();
            assert!(
                may_hold
                    .iter()
                    .any(|state| held == Contents::of(state, now)),
                "a backup is of no state: {held:?}"
            );
            held
        }
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
            assert!(!is_acknowledged, "a backup is lost");
            Contents::of(&Oracle::default(), now)
        }
    };
    // Without a backup this makes a new store of what is left there.
    let copy = testing::open_on(options(), &place).unwrap();
    check(&copy, &place).unwrap();
    assert_eq!(Contents::read(&copy).unwrap(), held);
    copy.close().unwrap();
    place.wipe();
}
