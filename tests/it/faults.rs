//! What a store does when its disk, its clock or its callers misbehave.

use leadstore::testing::{self, Fault, SimulatedDisk};
use leadstore::{ErrorKind, LeadStore, NewLead, OpenOptions};

use crate::support;

fn options() -> OpenOptions {
    // Without a cache every read goes to the disk.
    testing::without_threads(LeadStore::options().cache_bytes(0))
}

#[test]
fn a_disk_that_fails_during_a_compaction_is_told_of_and_costs_nothing() {
    let seed = support::seed();
    let mut failed = 0;
    for at in 0..60 {
        let disk = SimulatedDisk::new(seed);
        let store = testing::open_on(options(), &disk).unwrap();
        let lead = store.create(NewLead::new("Jane")).unwrap();
        disk.plan(at, Fault::Broken);
        let Err(error) = store.compact() else { continue };
        assert_eq!(error.kind(), ErrorKind::Io, "{at}: {error}");
        assert_eq!(store.get(lead.id).unwrap_err().kind(), ErrorKind::Io, "{at}");
        disk.heal();
        store.reopen().unwrap();
        assert_eq!(store.get(lead.id).unwrap(), Some(lead));
        failed += 1;
    }
    assert!(failed > 5, "{failed} compactions failed");
}
