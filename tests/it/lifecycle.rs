//! The life cycle of a store: creating, opening, closing, reopening and compacting it, and the
//! errors of each.

use std::io::Write as _;
use std::time::Duration;

use leadstore::{
    Durability, ErrorKind, Filter, LeadId, LeadStore, ListQuery, NewLead, OpenOptions, SearchQuery,
    SearchState, TrashQuery,
};

use crate::support::{self, TestStore, options, wait_until};

#[test]
fn second_open_returns_already_open() {
    let test = TestStore::new();
    let open = || LeadStore::open(test.path()).map(drop).unwrap_err();
    assert_eq!(open().kind(), ErrorKind::AlreadyOpen);
    assert!(open().to_string().contains("store in"), "{}", open());
    let read_only = LeadStore::options()
        .read_only(true)
        .open(test.path())
        .unwrap_err();
    assert_eq!(read_only.kind(), ErrorKind::AlreadyOpen);
    let clone = test.store.clone();
    drop(test.store);
    assert_eq!(
        LeadStore::open(test.directory.path().join("store"))
            .map(drop)
            .unwrap_err()
            .kind(),
        ErrorKind::AlreadyOpen
    );
    drop(clone);
    LeadStore::open(test.directory.path().join("store")).unwrap();
}

#[test]
fn file_that_is_not_a_store_is_reported_and_not_modified() {
    let directory = tempfile::tempdir().unwrap();
    let mut rng = fastrand::Rng::with_seed(support::seed());
    let noise: Vec<u8> = std::iter::repeat_with(|| rng.u8(..))
        .take(100_000)
        .collect();
    for (name, bytes) in [
        ("noise", noise.as_slice()),
        ("empty", b""),
        ("text", b"name,email\nJane,jane@example.com\n"),
    ] {
        let path = directory.path().join(name);
        std::fs::create_dir(&path).unwrap();
        std::fs::write(path.join("leads.redb"), bytes).unwrap();
        for read_only in [false, true] {
            let error = LeadStore::options()
                .read_only(read_only)
                .open(&path)
                .map(drop)
                .unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupted, "{name}: {error}");
        }
        assert_eq!(
            std::fs::read(path.join("leads.redb")).unwrap(),
            bytes,
            "{name}"
        );
    }
}

#[test]
fn foreign_databases_and_newer_formats_are_rejected() {
    let test = TestStore::new();
    test.store.create(NewLead::new("Jane")).unwrap();
    test.store.clone().close().unwrap();
    let set_format = |format| leadstore::testing::set_format(test.path(), format).unwrap();
    for (format, kind) in [
        (Some(u32::MAX), ErrorKind::UnsupportedFormat),
        (None, ErrorKind::Corrupted),
    ] {
        set_format(format);
        for read_only in [false, true] {
            let error = LeadStore::options()
                .read_only(read_only)
                .open(test.path())
                .map(drop)
                .unwrap_err();
            assert_eq!(error.kind(), kind, "{error}");
        }
    }
    set_format(Some(6));
    assert_eq!(
        LeadStore::open(test.path())
            .unwrap()
            .count(&Filter::new())
            .unwrap(),
        1
    );

    let other = tempfile::tempdir().unwrap();
    drop(redb::Database::create(other.path().join("leads.redb")).unwrap());
    assert_eq!(
        LeadStore::open(other.path()).map(drop).unwrap_err().kind(),
        ErrorKind::Corrupted
    );
}

#[test]
fn create_new_fails_if_the_store_exists() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a").join("b");
    let store = LeadStore::options().create_new(true).open(&path).unwrap();
    store.create(NewLead::new("Jane")).unwrap();
    store.reopen().unwrap();
    assert_eq!(store.count(&Filter::new()).unwrap(), 1);
    store.close().unwrap();
    let error = LeadStore::options()
        .create_new(true)
        .open(&path)
        .map(drop)
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    assert_eq!(
        LeadStore::open(&path)
            .unwrap()
            .count(&Filter::new())
            .unwrap(),
        1
    );
}

#[test]
fn create_can_be_turned_off_and_contradicting_options_are_rejected() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("leads");
    let kind = |options: OpenOptions| options.open(&path).map(drop).unwrap_err().kind();
    assert_eq!(
        kind(LeadStore::options().create(false)),
        ErrorKind::NotFound
    );
    assert!(!path.exists());
    let contradiction = || LeadStore::options().read_only(true).create_new(true);
    assert_eq!(kind(contradiction()), ErrorKind::Invalid);
    LeadStore::open(&path).unwrap().close().unwrap();
    assert_eq!(kind(contradiction()), ErrorKind::Invalid);
    let store = LeadStore::options().create(false).open(&path).unwrap();
    store.create(NewLead::new("Jane")).unwrap();
}

#[test]
fn interrupted_creation_is_restarted() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("leads.redb.new"), b"half a file").unwrap();
    let store = LeadStore::open(directory.path()).unwrap();
    store.create(NewLead::new("Jane")).unwrap();
    assert!(!directory.path().join("leads.redb.new").exists());
}

#[test]
fn read_only_store_can_be_searched_and_writes_no_file() {
    let test = TestStore::new();
    let lead = test.store.create(NewLead::new("Jane Doe")).unwrap();
    let trashed = test.store.create(NewLead::new("Gone")).unwrap();
    test.store.delete(trashed.id).unwrap();
    test.store.clone().close().unwrap();
    for without_index in [false, true] {
        if without_index {
            std::fs::remove_dir_all(test.path().join("search")).unwrap();
        }
        let before = files(&test);
        // Delayed durability has no effect on a read-only store.
        let delayed = Durability::Within(Duration::from_millis(1));
        let open = || {
            options(&test.clock)
                .read_only(true)
                .durability(delayed)
                .open(test.path())
                .unwrap()
        };
        let (store, second) = (open(), open());
        assert_eq!(store.get(lead.id).unwrap().as_ref(), Some(&lead));
        assert_eq!(
            store.search(&SearchQuery::new("jane")).unwrap().items[0].lead,
            lead
        );
        assert_eq!(second.list_trash(&TrashQuery::new()).unwrap().total, 1);
        for error in [
            store.create(NewLead::new("A")).map(drop),
            store.empty_trash().map(drop),
            store.compact(),
            store.transaction(|_| Ok(())),
        ] {
            assert_eq!(error.unwrap_err().kind(), ErrorKind::ReadOnly);
        }
        store.sync().unwrap();
        store.close().unwrap();
        second.close().unwrap();
        assert_eq!(files(&test), before);
    }
    let nowhere = test.directory.path().join("nowhere");
    let error = LeadStore::options()
        .read_only(true)
        .open(&nowhere)
        .map(drop)
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(!nowhere.exists());
}

/// Returns every file and directory with its length and modification time.
fn files(test: &TestStore) -> Vec<(std::path::PathBuf, u64, std::time::SystemTime)> {
    let mut files = Vec::new();
    let mut directories = vec![test.path()];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).unwrap().map(Result::unwrap) {
            let metadata = entry.metadata().unwrap();
            if metadata.is_dir() {
                directories.push(entry.path());
            }
            files.push((entry.path(), metadata.len(), metadata.modified().unwrap()));
        }
    }
    files.sort();
    files
}

#[test]
fn closed_store_and_its_snapshots_return_closed() {
    let test = TestStore::new();
    let lead = test.store.create(NewLead::new("Jane")).unwrap();
    let (clone, snapshot) = (test.store.clone(), test.store.snapshot().unwrap());
    let mut leads = test.store.leads(&Filter::new());
    test.store.clone().close().unwrap();
    let kind = |result: leadstore::Result<()>| result.unwrap_err().kind();
    for result in [
        clone.get(lead.id).map(drop),
        clone.create(NewLead::new("A")).map(drop),
        clone.list(&ListQuery::new()).map(drop),
        clone.search(&SearchQuery::new("jane")).map(drop),
        clone.snapshot().map(drop),
        clone.sync(),
        clone.compact(),
        snapshot.get(lead.id).map(drop),
        snapshot.search(&SearchQuery::new("jane")).map(drop),
        leads.next().unwrap().map(drop),
        clone.leads(&Filter::new()).next().unwrap().map(drop),
    ] {
        assert_eq!(kind(result), ErrorKind::Closed);
    }
    assert!(leads.next().is_none());
    assert_eq!(clone.search_status().state, SearchState::Closed);
    clone.clone().close().unwrap();
    // The store can be opened again although a snapshot still exists.
    LeadStore::open(test.path()).unwrap().close().unwrap();
    clone.reopen().unwrap();
    assert_eq!(clone.get(lead.id).unwrap(), Some(lead.clone()));
    assert_eq!(
        test.store.get(lead.id).unwrap(),
        Some(lead.clone()),
        "reopen() makes every handle usable again"
    );
    assert_eq!(
        kind(snapshot.get(lead.id).map(drop)),
        ErrorKind::Closed,
        "a snapshot stays closed"
    );
}

#[test]
fn reopen_does_not_recreate_a_missing_store() {
    let test = TestStore::new();
    let lead = test.store.create(NewLead::new("Jane")).unwrap();
    let aside = test.directory.path().join("aside");
    test.store.clone().close().unwrap();
    std::fs::rename(test.path(), &aside).unwrap();
    assert_eq!(test.store.reopen().unwrap_err().kind(), ErrorKind::NotFound);
    assert!(!test.path().exists());
    // The directory exists again, but is empty.
    std::fs::create_dir(test.path()).unwrap();
    assert_eq!(test.store.reopen().unwrap_err().kind(), ErrorKind::NotFound);
    assert!(!test.path().join("leads.redb").exists());
    assert_eq!(
        test.store.get(lead.id).unwrap_err().kind(),
        ErrorKind::Closed
    );
    std::fs::remove_dir_all(test.path()).unwrap();
    std::fs::rename(&aside, test.path()).unwrap();
    test.store.reopen().unwrap();
    assert_eq!(test.store.get(lead.id).unwrap(), Some(lead));
}

#[test]
fn file_failure_is_latched_until_reopen() {
    let test = TestStore::new();
    test.store.clone().close().unwrap();
    // Without a cache, reads go to the file.
    let store = options(&test.clock)
        .cache_bytes(0)
        .open(test.path())
        .unwrap();
    let fill = |t: &mut leadstore::Transaction<'_>| {
        (0..2_000)
            .map(|n| t.create(NewLead::new(format!("Jane no{n}"))))
            .collect::<leadstore::Result<Vec<_>>>()
    };
    let leads = store.transaction(fill).unwrap();
    store.search(&SearchQuery::new("jane")).unwrap();
    let path = test.path().join("leads.redb");
    let intact = std::fs::read(&path).unwrap();
    let mut file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(8_192).unwrap();
    let failed = leads
        .iter()
        .find_map(|lead| store.get(lead.id).err())
        .expect("a read past the end of the file should fail");
    assert_eq!(failed.kind(), ErrorKind::Io, "{failed}");
    for error in [
        store.get(leads[0].id).map(drop),
        store.create(NewLead::new("A")).map(drop),
        store.transaction(|_| Ok(())),
        store.snapshot().map(drop),
        store.sync(),
    ] {
        let error = error.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Io);
        assert!(error.to_string().contains("reopen()"), "{error}");
    }
    file.write_all(&intact).unwrap();
    store.reopen().unwrap();
    for lead in &leads {
        assert_eq!(store.get(lead.id).unwrap().as_ref(), Some(lead));
    }
    assert_eq!(
        store.search(&SearchQuery::new("jane ")).unwrap().total,
        2_000
    );
    store.create(NewLead::new("A")).unwrap();
}

#[test]
fn foreign_io_error_in_a_transaction_does_not_fail_the_store() {
    let test = TestStore::new();
    let nowhere = test.path().join("leads.lock").join("store");
    let error = test
        .store
        .transaction(|_| LeadStore::open(&nowhere).map(drop))
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io, "{error}");
    test.store.create(NewLead::new("A")).unwrap();
}

#[test]
fn in_memory_store_keeps_its_leads_across_reopen() {
    let store = LeadStore::in_memory().unwrap();
    let lead = store.create(NewLead::new("Jane")).unwrap();
    store.reopen().unwrap();
    assert_eq!(store.get(lead.id).unwrap(), Some(lead));
    assert_eq!(store.search(&SearchQuery::new("jane")).unwrap().total, 1);
}

#[cfg(unix)]
#[test]
fn files_are_accessible_only_to_their_owner() {
    use std::os::unix::fs::PermissionsExt;
    let test = TestStore::new();
    test.store.create(NewLead::new("Jane")).unwrap();
    test.store.search(&SearchQuery::new("jane")).unwrap();
    let mode = |path: &str| {
        std::fs::metadata(test.path().join(path))
            .unwrap()
            .permissions()
            .mode()
            & 0o777
    };
    assert_eq!((mode(""), mode("search")), (0o700, 0o700));
    for file in [
        "leads.redb",
        "leads.lock",
        "leads.journal.0",
        "leads.journal.1",
    ] {
        assert_eq!(mode(file), 0o600, "{file}");
    }
}

#[test]
fn compaction_frees_space_and_is_busy_while_a_snapshot_exists() {
    let mut test = TestStore::new();
    let kept = test.store.create(NewLead::new("kept")).unwrap();
    let ids: Vec<LeadId> = test
        .store
        .transaction(|t| {
            let large =
                |n: u32| NewLead::new(format!("n{n}")).custom_field("text", "x".repeat(4_000));
            (0..1_000)
                .map(|number| t.create(large(number)).map(|lead| lead.id))
                .collect()
        })
        .unwrap();
    // Closing writes the leads to leads.redb.
    test.reopen();
    test.store
        .transaction(|t| ids.iter().try_for_each(|id| t.delete(*id).map(drop)))
        .unwrap();
    test.store.empty_trash().unwrap();
    let path = test.path();
    let size = || std::fs::metadata(path.join("leads.redb")).unwrap().len();
    let before = size();
    let snapshot = test.store.snapshot().unwrap();
    assert_eq!(test.store.compact().unwrap_err().kind(), ErrorKind::Busy);
    drop(snapshot);
    test.store.compact().unwrap();
    println!("{before} bytes before, {} after", size());
    assert!(size() < before / 2);
    assert_eq!(test.store.get(kept.id).unwrap(), Some(kept));
    assert_eq!(test.store.search(&SearchQuery::new("n1")).unwrap().total, 0);
    assert_eq!(
        test.store.search(&SearchQuery::new("kept")).unwrap().total,
        1
    );
    assert_eq!(test.store.list(&ListQuery::new()).unwrap().total, 1);
}

#[test]
fn compaction_erases_all_traces_of_purged_leads() {
    let mut test = TestStore::new();
    let mut ids = Vec::new();
    for part in 0..3 {
        let names = (0..100).map(|number| NewLead::new(format!("Secretperson {part} {number}")));
        ids.extend(names.map(|new| test.store.create(new).unwrap().id));
        test.store.create(NewLead::new("Openperson")).unwrap();
        // Closing puts each batch into a segment of its own. The last lead of a batch is not
        // deleted below.
        test.reopen();
    }
    test.store
        .transaction(|t| ids.iter().try_for_each(|id| t.delete(*id).map(drop)))
        .unwrap();
    test.store.empty_trash().unwrap();
    let path = test.path();
    let holds = |text: &str| {
        let files = [path.clone(), path.join("search")].into_iter();
        let files = files
            .flat_map(|directory| std::fs::read_dir(directory).unwrap())
            .map(|entry| entry.unwrap().path());
        let has = |path: &std::path::PathBuf| {
            std::fs::read(path)
                .unwrap()
                .windows(text.len())
                .any(|window| window == text.as_bytes())
        };
        files
            .filter(|path| path.is_file())
            .filter(has)
            .collect::<Vec<_>>()
    };
    let segments = || {
        let files = std::fs::read_dir(path.join("search"))
            .unwrap()
            .map(|entry| entry.unwrap().path());
        files
            .filter(|path| {
                path.extension()
                    .is_some_and(|extension| extension == "term")
            })
            .count()
    };
    let none = Vec::<std::path::PathBuf>::new();
    wait_until("indexing", || {
        let status = test.store.search_status();
        status.state == SearchState::Ready && status.unindexed == 0
    });
    assert!(segments() > 1);
    assert!(holds("secretperson") != none && holds("Secretperson") != none);
    test.store.compact().unwrap();
    assert_eq!(
        test.store
            .search(&SearchQuery::new("openperson"))
            .unwrap()
            .total,
        3
    );
    assert_eq!(
        test.store
            .search(&SearchQuery::new("secretperson"))
            .unwrap()
            .total,
        0
    );
    assert_ne!(holds("openperson"), none);
    assert_eq!(segments(), 1);
    assert_eq!(
        (holds("secretperson"), holds("Secretperson")),
        (none.clone(), none)
    );
    assert_eq!(
        test.store
            .search(&SearchQuery::new("openperson"))
            .unwrap()
            .total,
        3
    );

    // Compaction also merges segments that have no deleted leads.
    test.store.create(NewLead::new("Openperson")).unwrap();
    test.reopen();
    assert_eq!(segments(), 2);
    test.store.compact().unwrap();
    assert_eq!(segments(), 1);
    assert_eq!(
        test.store
            .search(&SearchQuery::new("openperson"))
            .unwrap()
            .total,
        4
    );
}

#[test]
fn delayed_writes_survive_a_clean_close() {
    let mut test = TestStore::new();
    test.store.clone().close().unwrap();
    test.store = options(&test.clock)
        .durability(Durability::Within(Duration::from_millis(20)))
        .open(test.path())
        .unwrap();
    for number in 0..50 {
        test.store
            .create(NewLead::new(format!("Jane {number}")))
            .unwrap();
    }
    assert_eq!(
        test.store.search(&SearchQuery::new("jane ")).unwrap().total,
        50
    );
    test.store.sync().unwrap();
    test.store.create(NewLead::new("Jane last")).unwrap();
    std::thread::sleep(Duration::from_millis(60));
    test.store.create(NewLead::new("Jane very last")).unwrap();
    test.reopen();
    assert_eq!(
        test.store.search(&SearchQuery::new("jane ")).unwrap().total,
        52
    );
    assert_eq!(test.store.count(&Filter::new()).unwrap(), 52);
}
