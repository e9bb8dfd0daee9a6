//! Processes are killed at a random moment while they write. If `strace` is installed, others are
//! killed, or get an error, in a random system call that changes a file. Afterwards every
//! acknowledged write must be there, and the write in flight must be there completely or not at
//! all.

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
const MULTI_THREADED: &str = "LEADSTORE_TEST_KILLED_MULTI_THREADED";
/// Number of threads that write in the multi-threaded case.
const WRITERS: u64 = 4;

/// Runs as the child process that the other tests kill. Writes until it is killed or has made the
/// given number of writes, and prints a line for each acknowledged write. Does nothing unless the
/// variable `STORE` is set.
#[test]
fn child_that_writes_until_it_is_killed() {
    let Some(path) = std::env::var_os(STORE) else {
        return;
    };
    let writes = std::env::var(WRITES).map_or(u64::MAX, |writes| writes.parse().unwrap());
    let written = if std::env::var_os(MULTI_THREADED).is_some() {
        write_from_several_threads(Path::new(&path))
    } else {
        write_from_one_thread(Path::new(&path), writes)
    };
    if let Err(error) = written {
        println!("failed: {error}");
    }
}

fn write_from_one_thread(path: &Path, writes: u64) -> Result<(), Error> {
    // The cache is so small that checkpoints run constantly.
    let store = LeadStore::options().cache_bytes(256 << 10).open(path)?;
    let mut out = std::io::stdout().lock();
    let first = store.count(&Filter::new())? / 2;
    for number in first..first.saturating_add(writes) {
        store.transaction(|t| write(t, number))?;
        writeln!(out, "wrote {number}").unwrap();
        out.flush().unwrap();
    }
    store.close()
}

/// Writes from several threads at once, each of which numbers its own writes.
fn write_from_several_threads(path: &Path) -> Result<(), Error> {
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

/// Creates two leads, and updates a third one that counts these pairs.
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

/// Checks a store left behind by a child that has acknowledged this many writes.
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

/// Configures a command that runs a child on the store at `path`.
fn configure<'c>(command: &'c mut Command, path: &Path) -> &'c mut Command {
    command
        .env(STORE, path)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
}

const CHILD: &str = "killed::child_that_writes_until_it_is_killed";

/// Returns a command that runs the child in a process of its own.
fn writing_child() -> Command {
    let (program, arguments) = support::test_process(CHILD);
    let mut command = Command::new(program);
    command.args(arguments);
    command
}

/// Starts a child and kills it after less than 150 ms. Returns the result of `read` for the child's
/// output.
fn kill_at_random<T: Send + 'static>(
    rng: &mut fastrand::Rng,
    command: &mut Command,
    path: &Path,
    read: impl FnOnce(ChildStdout) -> T + Send + 'static,
) -> T {
    let mut killed = configure(command, path).spawn().unwrap();
    let out = killed.stdout.take().unwrap();
    let reader = std::thread::spawn(move || read(out));
    std::thread::sleep(Duration::from_millis(rng.u64(0..150)));
    killed.kill().unwrap();
    killed.wait().unwrap();
    reader.join().unwrap()
}

/// Reads the output of a child to its end. Returns the number of writes that this child and all
/// earlier ones acknowledged. `before` is the number for the earlier ones alone.
fn acknowledged_writes(out: impl std::io::Read, before: u64) -> u64 {
    let lines = BufReader::new(out).lines().map_while(Result::ok);
    let numbers = lines.filter_map(|line| {
        line.split("wrote ")
            .nth(1)
            .and_then(|number| number.parse::<u64>().ok())
    });
    numbers.last().map_or(before, |number| number + 1)
}

#[test]
fn acknowledged_writes_survive_a_killed_process() {
    let mut rng = fastrand::Rng::with_seed(support::seed());
    let (mut directory, mut written) = (tempfile::tempdir().unwrap(), 0);
    let mut max_written = 0;
    for run in 0..20 * support::scale() {
        if run % 5 == 4 {
            // Start a new store now and then, so that some children are killed while they create
            // a store.
            (directory, written) = (tempfile::tempdir().unwrap(), 0);
        }
        let path = directory.path().join("store");
        let before = written;
        written = kill_at_random(&mut rng, &mut writing_child(), &path, move |out| {
            acknowledged_writes(out, before)
        });
        max_written = max_written.max(written);
        if written > before {
            let read_only = LeadStore::options()
                .read_only(true)
                .open(&path)
                .map(drop)
                .unwrap_err();
            assert_eq!(read_only.kind(), ErrorKind::Unavailable, "{read_only}");
        }
        check(&path, written, &format!("run {run}"));
        // The write in flight may be there as well.
        written = LeadStore::open(&path)
            .unwrap()
            .count(&Filter::new())
            .unwrap()
            / 2;
    }
    assert!(max_written > 0, "no child wrote anything");
}

#[test]
fn acknowledged_writes_of_several_threads_survive_a_kill() {
    let mut rng = fastrand::Rng::with_seed(support::seed());
    let (mut directory, mut before) = (tempfile::tempdir().unwrap(), [0; WRITERS as usize]);
    let mut max_written = 0;
    for run in 0..10 * support::scale() {
        if run % 5 == 4 {
            (directory, before) = (tempfile::tempdir().unwrap(), [0; WRITERS as usize]);
        }
        let path = directory.path().join("store");
        let mut child = writing_child();
        let acknowledged_writes = kill_at_random(
            &mut rng,
            child.env(MULTI_THREADED, "1"),
            &path,
            move |out| acknowledged_by_each(out, before),
        );
        let store = LeadStore::open(&path).unwrap();
        for (writer, acknowledged_writes) in (0..).zip(acknowledged_writes) {
            let written = written_by(&store, writer).unwrap();
            assert!(
                (acknowledged_writes..=acknowledged_writes + 1).contains(&written),
                "run {run}: writer {writer} acknowledged {acknowledged_writes} writes, {written} are there"
            );
            for number in 0..written {
                let lead = store
                    .get_by_external_id(&format!("{writer} {number}"))
                    .unwrap();
                assert!(
                    lead.is_some(),
                    "run {run}: writer {writer} lost write {number} of {written}"
                );
            }
            before[writer as usize] = written;
        }
        max_written = max_written.max(before.iter().sum());
        assert!(store.check(|_| ()).unwrap().is_ok(), "run {run}");
        store.close().unwrap();
    }
    assert!(max_written > 0, "no child wrote anything");
}

/// Reads the output of a child to its end. Returns the number of acknowledged writes of each
/// thread, including those of earlier children, whose numbers are in `before`.
fn acknowledged_by_each(
    out: impl std::io::Read,
    before: [u64; WRITERS as usize],
) -> [u64; WRITERS as usize] {
    let mut acknowledged_writes = before;
    for line in BufReader::new(out).lines().map_while(Result::ok) {
        let mut words = line
            .split("wrote ")
            .nth(1)
            .unwrap_or_default()
            .split(' ')
            .map(str::parse::<u64>);
        // Ignore a line that was cut off.
        if let (Some(Ok(writer)), Some(Ok(number))) = (words.next(), words.next()) {
            acknowledged_writes[writer as usize] = number + 1;
        }
    }
    acknowledged_writes
}

/// Runs a child under `strace`, which injects `effect` when the child makes the system call `call`
/// for the `number`th time. Returns the number of writes that the child has acknowledged.
fn inject(path: &Path, call: &str, number: u64, effect: &str) -> u64 {
    let inject = format!("inject={call}:{effect}:when={number}");
    let (program, arguments) = support::test_process(CHILD);
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
    command.arg(program).args(arguments).env(WRITES, "12");
    let mut traced = configure(&mut command, path).spawn().unwrap();
    let written = acknowledged_writes(traced.stdout.take().unwrap(), 0);
    traced.wait().unwrap();
    written
}

#[test]
fn acknowledged_writes_survive_a_kill_or_error_in_any_syscall() {
    let works =
        |command: &mut Command| command.output().is_ok_and(|output| output.status.success());
    if !works(Command::new("strace").args(["-f", "-o", "/dev/null", "true"])) {
        println!("SKIPPED: strace is not installed or is not allowed to trace");
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
    let effects = ["signal=SIGKILL", "error=EIO", "error=ENOSPC"];
    let mut ended_early = 0;
    for run in 0..12 * support::scale() {
        let (call, effect) = (
            calls[run % calls.len()],
            effects[run / calls.len() % effects.len()],
        );
        let number = if call == "openat" {
            rng.u64(8..60)
        } else {
            rng.u64(1..40)
        };
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store");
        let written = inject(&path, call, number, effect);
        ended_early += u64::from(written < 12);
        check(&path, written, &format!("{effect} at {call} {number}"));
    }
    assert!(
        ended_early > 0,
        "no child was stopped early by an injected fault"
    );
}
