//! Processes that are killed while they write, at any moment and, where `strace` is installed, at each call by which they
//! change a file. Every write that was acknowledged is there, and the one in flight whole or not at all.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{ChildStdout, Command, Stdio};
use std::time::Duration;

use leadstore::{
    Error, ErrorKind, Filter, LeadPatch, LeadStore, NewLead, SearchQuery, Transaction,
};

use crate::support;

const STORE: &str = "LEADSTORE_TEST_KILLED_STORE";
const WRITES: &str = "LEADSTORE_TEST_KILLED_WRITES";
const IN_COMPANY: &str = "LEADSTORE_TEST_KILLED_IN_COMPANY";
/// How many threads write, where several do.
const WRITERS: u64 = 4;

/// Not a test of its own: the child that the others kill. It writes until then, or so often, and tells of each write that
/// returned.
#[test]
fn child_that_writes_until_it_is_killed() {
    let Some(path) = std::env::var_os(STORE) else {
        return;
    };
    let writes = std::env::var(WRITES).map_or(u64::MAX, |writes| writes.parse().unwrap());
    let written = if std::env::var_os(IN_COMPANY).is_some() {
        write_in_company(Path::new(&path))
    } else {
        write_and_tell(Path::new(&path), writes)
    };
    if let Err(error) = written {
        println!("failed: {error}");
    }
}

fn write_and_tell(path: &Path, writes: u64) -> Result<(), Error> {
    // Little memory, so that checkpoints are made all the time.
    let store = LeadStore::options().cache_bytes(256 << 10).open(path)?;
    let mut out = std::io::stdout().lock();
    let begun = store.count(&Filter::new())? / 2;
    for number in begun..begun.saturating_add(writes) {
        store.transaction(|t| write(t, number))?;
        writeln!(out, "wrote {number}").unwrap();
        out.flush().unwrap();
    }
    store.close()
}

/// Several threads at once, of which each numbers its own writes.
fn write_in_company(path: &Path) -> Result<(), Error> {
    let store = LeadStore::options().cache_bytes(256 << 10).open(path)?;
    std::thread::scope(|scope| {
        let store = &store;
        let writers = (0..WRITERS).map(|writer| {
            scope.spawn(move || {
                for number in written_by(store, writer)?.. {
                    let lead = NewLead::new("Jane Doe").external_id(format!("{writer} {number}"));
                    store.create(lead.owner_id(writer.to_string()))?;
                    println!("wrote {writer} {number}");
                }
                Ok(())
            })
        });
        let writers: Vec<_> = writers.collect();
        writers
            .into_iter()
            .try_for_each(|writer| writer.join().unwrap())
    })
}

fn written_by(store: &LeadStore, writer: u64) -> Result<u64, Error> {
    store.count(&Filter::new().owner_id(writer.to_string()))
}

/// Two leads, and a third that says how many such pairs there are.
fn write(t: &mut Transaction<'_>, number: u64) -> Result<(), Error> {
    for part in ["a", "b"] {
        let lead = NewLead::new(format!("Jane no{number}")).external_id(format!("{part}{number}"));
        t.create(
            lead.deal_value(number)
                .tags(["pair"])
                .custom_field("text", "x".repeat(500)),
        )?;
    }
    match t.get_by_external_id("count")? {
        Some(count) => t
            .update(count.id, LeadPatch::new().deal_value(number + 1))
            .map(drop),
        None => t
            .create(
                NewLead::new("Count")
                    .external_id("count")
                    .deal_value(number + 1),
            )
            .map(drop),
    }
}

/// Checks a store that was left by a child which told of the writes up to `acknowledged`.
fn check(path: &Path, acknowledged: u64, what: &str) {
    let store = LeadStore::open(path).unwrap_or_else(|error| panic!("{what}: {error}"));
    let pairs = store.count(&Filter::new()).unwrap() / 2;
    assert!(
        (acknowledged..=acknowledged + 1).contains(&pairs),
        "{what}: {pairs} written, {acknowledged} acknowledged"
    );
    for name in (0..pairs).flat_map(|number| [format!("a{number}"), format!("b{number}")]) {
        let lead = store
            .get_by_external_id(&name)
            .unwrap()
            .unwrap_or_else(|| panic!("{what}: {name} is lost"));
        assert_eq!(lead.name[7..], name[1..], "{what}");
    }
    let count = store
        .get_by_external_id("count")
        .unwrap()
        .and_then(|lead| lead.deal_value);
    assert_eq!(count.unwrap_or_default(), pairs.into(), "{what}");
    assert_eq!(
        store.count(&Filter::new().tag("pair")).unwrap(),
        2 * pairs,
        "{what}"
    );
    assert_eq!(
        store.search(&SearchQuery::new("jane ")).unwrap().total,
        2 * pairs,
        "{what}"
    );
    store.close().unwrap();
}

/// A command that runs a child, to be started on the store in `path`.
fn prepared<'c>(command: &'c mut Command, path: &Path) -> &'c mut Command {
    command
        .env(STORE, path)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
}

const CHILD: [&str; 3] = [
    "--exact",
    "killed::child_that_writes_until_it_is_killed",
    "--nocapture",
];

/// The test above that is no test, in a process of its own.
fn writing_child() -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(CHILD);
    command
}

/// Starts a child and kills it soon; what `read` makes of all that it told.
fn killed_at_random<T: Send + 'static>(
    rng: &mut fastrand::Rng,
    command: &mut Command,
    path: &Path,
    read: impl FnOnce(ChildStdout) -> T + Send + 'static,
) -> T {
    let mut killed = prepared(command, path).spawn().unwrap();
    let out = killed.stdout.take().unwrap();
    let reader = std::thread::spawn(move || read(out));
    std::thread::sleep(Duration::from_millis(rng.u64(0..150)));
    killed.kill().unwrap();
    killed.wait().unwrap();
    reader.join().unwrap()
}

/// How many writes a child tells of, the earlier ones included, until it ends.
fn told(out: impl std::io::Read, before: u64) -> u64 {
    let lines = BufReader::new(out).lines().map_while(Result::ok);
    let numbers = lines.filter_map(|line| {
        line.split("wrote ")
            .nth(1)
            .and_then(|number| number.parse::<u64>().ok())
    });
    numbers.last().map_or(before, |number| number + 1)
}

#[test]
fn every_write_that_returned_survives_a_killed_process() {
    let mut rng = fastrand::Rng::with_seed(support::seed());
    let (mut directory, mut written) = (tempfile::tempdir().unwrap(), 0);
    let mut most = 0;
    for run in 0..20 * support::scale() {
        if run % 5 == 4 {
            // So that creations are killed, too.
            (directory, written) = (tempfile::tempdir().unwrap(), 0);
        }
        let path = directory.path().join("store");
        let before = written;
        written = killed_at_random(&mut rng, &mut writing_child(), &path, move |out| {
            told(out, before)
        });
        most = most.max(written);
        if written > before {
            let read_only = LeadStore::options()
                .read_only(true)
                .open(&path)
                .map(drop)
                .unwrap_err();
            assert_eq!(read_only.kind(), ErrorKind::Unavailable, "{read_only}");
        }
        check(&path, written, &format!("run {run}"));
        // The one in flight may be there, too.
        written = LeadStore::open(&path)
            .unwrap()
            .count(&Filter::new())
            .unwrap()
            / 2;
    }
    assert!(most > 0, "no child got to write anything");
}

#[test]
fn every_write_that_returned_to_one_of_several_threads_survives_a_killed_process() {
    let mut rng = fastrand::Rng::with_seed(support::seed());
    let (mut directory, mut before) = (tempfile::tempdir().unwrap(), [0; WRITERS as usize]);
    let mut most = 0;
    for run in 0..10 * support::scale() {
        if run % 5 == 4 {
            (directory, before) = (tempfile::tempdir().unwrap(), [0; WRITERS as usize]);
        }
        let path = directory.path().join("store");
        let mut child = writing_child();
        let told = killed_at_random(&mut rng, child.env(IN_COMPANY, "1"), &path, move |out| {
            told_by_each(out, before)
        });
        let store = LeadStore::open(&path).unwrap();
        for (writer, told) in (0..).zip(told) {
            let written = written_by(&store, writer).unwrap();
            assert!(
                (told..=told + 1).contains(&written),
                "run {run}: {writer} told of {told}, and {written} are there"
            );
            for number in 0..written {
                let lead = store
                    .get_by_external_id(&format!("{writer} {number}"))
                    .unwrap();
                assert!(
                    lead.is_some(),
                    "run {run}: {writer} lost {number} of {written}"
                );
            }
            before[writer as usize] = written;
        }
        most = most.max(before.iter().sum());
        assert!(store.check(|_, _| ()).unwrap().is_ok(), "run {run}");
        store.close().unwrap();
    }
    assert!(most > 0, "no child got to write anything");
}

/// How many writes each thread of a child has told of, those `before` included.
fn told_by_each(
    out: impl std::io::Read,
    before: [u64; WRITERS as usize],
) -> [u64; WRITERS as usize] {
    let mut told = before;
    for line in BufReader::new(out).lines().map_while(Result::ok) {
        let mut words = line
            .split("wrote ")
            .nth(1)
            .unwrap_or_default()
            .split(' ')
            .map(str::parse::<u64>);
        // What was cut off is no line.
        if let (Some(Ok(writer)), Some(Ok(number))) = (words.next(), words.next()) {
            told[writer as usize] = number + 1;
        }
    }
    told
}

/// Runs a child in which one of the calls of a kind, the one with this number, ends in `fate`; tells whether that
/// happened.
fn inject(path: &Path, call: &str, number: u64, fate: &str) -> u64 {
    let inject = format!("inject={call}:{fate}:when={number}");
    let exe = std::env::current_exe().unwrap();
    let mut command = Command::new("strace");
    command.args([
        "-f",
        "-qq",
        "-o",
        "/dev/null",
        "-e",
        &format!("trace={call}"),
        "-e",
        &inject,
    ]);
    command.arg(exe).args(CHILD).env(WRITES, "12");
    let mut traced = prepared(&mut command, path).spawn().unwrap();
    let written = told(traced.stdout.take().unwrap(), 0);
    traced.wait().unwrap();
    written
}

#[test]
fn every_write_that_returned_survives_a_process_that_ends_or_fails_at_any_call() {
    let works =
        |command: &mut Command| command.output().is_ok_and(|output| output.status.success());
    if !works(Command::new("strace").args(["-f", "-o", "/dev/null", "true"])) {
        println!("SKIPPED: strace is not installed, or may not trace");
        return;
    }
    let mut rng = fastrand::Rng::with_seed(support::seed());
    let calls = [
        "pwrite64",
        "fdatasync",
        "fsync",
        "rename",
        "ftruncate",
        "openat",
    ];
    let fates = ["signal=SIGKILL", "error=EIO", "error=ENOSPC"];
    let mut ended_early = 0;
    for run in 0..12 * support::scale() {
        let (call, fate) = (
            calls[run % calls.len()],
            fates[run / calls.len() % fates.len()],
        );
        let number = if call == "openat" {
            rng.u64(8..60)
        } else {
            rng.u64(1..40)
        };
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store");
        let written = inject(&path, call, number, fate);
        ended_early += u64::from(written < 12);
        check(&path, written, &format!("{fate} at {call} {number}"));
    }
    assert!(ended_early > 0, "no child met with anything");
}
