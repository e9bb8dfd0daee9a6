//! A process that runs out of file descriptors, or out of space on a real file system, gets errors
//! and loses nothing. No search index that is intact is rebuilt.

use std::path::Path;
use std::process::Command;

use leadstore::{ErrorKind, Filter, LeadStore, NewLead, SearchQuery};

use crate::support::{TestStore, scale, test_process};

/// Environment variable with the path of the store that the child uses.
const STORE: &str = "LEADSTORE_TEST_FEW_DESCRIPTORS";

/// Not a test of its own: the process that `with_descriptors` starts. Prints a line for each lead
/// that it has created.
#[test]
fn child_with_few_file_descriptors() {
    let Some(path) = std::env::var_os(STORE) else {
        return;
    };
    println!("begun");
    if let Err(error) = use_store(Path::new(&path)) {
        let kinds = [ErrorKind::Io, ErrorKind::Unavailable];
        assert!(kinds.contains(&error.kind()), "{error}");
        println!("failed: {error}");
    }
}

/// Writes, searches, reopens and backs up. Continues after an error, and returns the first one.
fn use_store(path: &Path) -> leadstore::Result<()> {
    let rebuild = |_| println!("rebuilt the search index");
    let store = LeadStore::options().on_search_rebuild(rebuild).open(path)?;
    let mut first = Ok(());
    let mut note = |done: leadstore::Result<()>| {
        if first.is_ok() {
            first = done;
        }
    };
    let mut snapshots = Vec::new();
    for number in 0..12 {
        let created = store.create(NewLead::new("Jane Doe"));
        note(created.map(|lead| println!("wrote {}", lead.id)));
        note(store.search(&SearchQuery::new("jane")).map(drop));
        note(store.snapshot().map(|snapshot| snapshots.push(snapshot)));
        if number == 6 {
            snapshots.clear();
            note(store.reopen());
        }
    }
    drop(snapshots);
    note(store.backup_to(path.with_extension("backup"), |_| ()));
    note(store.compact());
    note(store.close());
    first
}

/// Runs the child with a limit of open files. Returns its output, or `None` if it could not even
/// start, or if limits cannot be set here.
fn with_descriptors(count: u32, path: &Path) -> Option<String> {
    let (program, arguments) = test_process("resources::child_with_few_file_descriptors");
    let output = Command::new("sh")
        .args(["-c", r#"ulimit -n "$0" && exec "$@""#, &count.to_string()])
        .arg(program)
        .args(arguments)
        .env(STORE, path)
        .output()
        .ok()?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    if !out.contains("begun") {
        return None;
    }
    assert!(
        output.status.success() && !err.contains("panicked"),
        "{count} descriptors: {out}{err}"
    );
    Some(out)
}

#[cfg(unix)]
#[test]
fn store_without_file_descriptors_reports_errors_and_loses_nothing() {
    let mut test = TestStore::new();
    for number in 0..200 {
        let name = format!("Jane number {number}");
        test.store.create(NewLead::new(name)).unwrap();
    }
    let mut total = 200;
    let (mut failed, mut worked) = (0, 0);
    for count in (5..90).step_by(if scale() > 1 { 1 } else { 4 }) {
        test.store.clone().close().unwrap();
        let Some(output) = with_descriptors(count, &test.path()) else {
            continue;
        };
        let _ = std::fs::remove_dir_all(test.path().with_extension("backup"));
        test.store = LeadStore::open(test.path()).unwrap();
        let written = output
            .lines()
            .filter_map(|line| line.strip_prefix("wrote "));
        for id in written.clone() {
            let lead = test.store.get(id.parse().unwrap()).unwrap();
            assert!(lead.is_some(), "{count} descriptors: {id} is lost");
        }
        // A write that returned an error of unknown outcome may be there as well.
        let there = test.store.count(&Filter::new()).unwrap();
        assert!(
            there >= total + written.count() as u64,
            "{count} descriptors"
        );
        total = there;
        let found = test.store.search(&SearchQuery::new("jane")).unwrap();
        assert_eq!(found.total, total, "{count} descriptors");
        let report = test.store.check(|_| ()).unwrap();
        assert!(report.is_ok(), "{count} descriptors: {report:?}");
        assert!(
            !output.contains("rebuilt the search index"),
            "{count} descriptors: {output}"
        );
        match output.contains("failed: ") {
            true => failed += 1,
            false => worked += 1,
        }
    }
    println!("{failed} processes had too few descriptors, {worked} enough");
    assert!(failed > 2 && worked > 2, "{failed}, {worked}");
}

/// Environment variable with the path of the small file system that the child fills.
const SMALL: &str = "LEADSTORE_TEST_SMALL_FILE_SYSTEM";
/// Environment variable with the number of bytes that the child frees when the file system is full.
const RESERVE: &str = "LEADSTORE_TEST_RESERVE";

/// Not a test of its own: the process that fills a small file system. It writes until there is no
/// space left, makes space, and checks that each acknowledged write is there and that the store
/// works again.
#[test]
fn child_that_fills_a_small_file_system() {
    let Some(path) = std::env::var_os(SMALL) else {
        return;
    };
    let path = Path::new(&path);
    let reserve = std::env::var(RESERVE).unwrap().parse().unwrap();
    let ballast = path.join("ballast");
    std::fs::write(&ballast, vec![1; reserve]).unwrap();
    let store = LeadStore::open(path.join("store")).unwrap();
    let note = "x".repeat(4_000);
    let mut written = Vec::new();
    let error = loop {
        let lead = NewLead::new("Jane Doe").custom_field("note", note.as_str());
        match store.create(lead) {
            Ok(lead) => written.push(lead.id),
            Err(error) => break error,
        }
        assert!(written.len() < 10_000, "the file system is never full");
    };
    assert_eq!(error.kind(), ErrorKind::Io, "{error}");
    println!("full: {error}");
    // Without space, reopening may fail, but must not make anything worse.
    let _ = store.reopen();
    std::fs::remove_file(&ballast).unwrap();
    store.reopen().unwrap();
    for id in &written {
        assert!(store.get(*id).unwrap().is_some(), "{id} is lost");
    }
    let there = store.count(&Filter::new()).unwrap();
    // The outcome of the write that failed may have been unknown.
    assert!(there - written.len() as u64 <= 1, "{there}");
    store.create(NewLead::new("Jane Doe")).unwrap();
    let found = store.search(&SearchQuery::new("jane")).unwrap();
    assert_eq!(found.total, there + 1);
    assert!(store.check(|_| ()).unwrap().is_ok());
    store.close().unwrap();
    println!("{} leads, then space again", written.len());
}

#[test]
fn store_on_a_full_file_system_reports_errors_and_loses_nothing() {
    let mut filled = 0;
    for kibibytes in [4_000, 6_000, 9_000, 16_000, 30_000] {
        let directory = tempfile::tempdir().unwrap();
        let (program, arguments) = test_process("resources::child_that_fills_a_small_file_system");
        let mount = format!(r#"mount -t tmpfs -o size={kibibytes}k none "$0" && exec "$@""#);
        let output = Command::new("unshare")
            .args(["--user", "--map-root-user", "--mount", "sh", "-c", &mount])
            .arg(directory.path())
            .arg(program)
            .args(arguments)
            .env(SMALL, directory.path())
            .env(RESERVE, (kibibytes * 512).to_string())
            .output();
        let Ok(output) = output else {
            return println!("SKIPPED: unshare is not installed");
        };
        let out = String::from_utf8_lossy(&output.stdout);
        if !out.contains("running 1 test") {
            return println!("SKIPPED: a file system cannot be mounted here");
        }
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{kibibytes} KiB: {out}{err}");
        println!("{kibibytes} KiB: {}", out.replace('\n', " "));
        filled += u32::from(out.contains("then space again"));
    }
    assert!(filled > 2, "only {filled} file systems could be filled");
}
