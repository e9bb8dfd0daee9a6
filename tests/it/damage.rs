//! A store with a corrupted or truncated file either answers correctly or returns an error that
//! describes the problem.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use fastrand::Rng;
use leadstore::{ErrorKind, Filter, LeadPatch, ListQuery, NewLead, SearchQuery, TrashQuery};

use leadstore::testing::layout::{BLOCK, FIRST_BLOCK, write_checksum};

use crate::support::{TestStore, day, options, scale, seed, test_process};

/// Returns the offsets of all blocks except block 0, whose two copies precede the other blocks.
fn blocks(bytes: &[u8]) -> impl Iterator<Item = usize> + use<> {
    let end = bytes.len();
    (FIRST_BLOCK..end)
        .step_by(BLOCK)
        .filter(move |block| block + BLOCK <= end)
}

/// Corrupts the bytes of a file as a faulty disk, cable or program would. Returns a description of
/// the change.
fn corrupt(bytes: &mut Vec<u8>, rng: &mut Rng) -> String {
    let at = rng.usize(..bytes.len());
    let sector = |at: usize, length: usize| {
        let first = at / 512 * 512;
        first..(first + 512).min(length)
    };
    match rng.u32(0..9) {
        0..4 => {
            let bit = 1 << rng.u32(0..8);
            bytes[at] ^= bit;
            format!("bit {bit} of byte {at} flipped")
        }
        4 => {
            let length = bytes.len();
            bytes[sector(at, length)].fill(0);
            format!("the sector of byte {at} zeroed")
        }
        5 => {
            let block = blocks(bytes)
                .nth(rng.usize(..blocks(bytes).count()))
                .unwrap();
            bytes[block..block + BLOCK].fill(0);
            format!("the block at {block} zeroed")
        }
        6 => {
            let mut any = || {
                blocks(bytes)
                    .nth(rng.usize(..blocks(bytes).count()))
                    .unwrap()
            };
            let (a, b) = (any(), any());
            bytes.copy_within(a..a + BLOCK, b);
            format!("the block at {a} copied to {b}")
        }
        7 => {
            bytes.truncate(at);
            format!("truncated to {at} bytes")
        }
        _ => {
            let length = bytes.len();
            bytes[sector(at, length)]
                .iter_mut()
                .for_each(|byte| *byte = rng.u8(..));
            format!("the sector of byte {at} filled with random bytes")
        }
    }
}

/// Returns the answers of a store to many kinds of reads as one string, or the first error.
fn answers(path: &Path, clock: &leadstore::testing::ManualClock) -> leadstore::Result<String> {
    let store = options(clock).cache_bytes(1 << 20).open(path)?;
    let answers = || -> leadstore::Result<String> {
        let leads = store
            .leads(&Filter::new())
            .collect::<leadstore::Result<Vec<_>>>()?;
        let mut pages = Vec::new();
        for sort in [
            "name",
            "-email",
            "company",
            "deal_value",
            "updated_at",
            "status",
            "-source",
        ] {
            let query = ListQuery::new()
                .sort([sort.parse()?])
                .filter(Filter::new().status("new").tag("a"))
                .per_page(100);
            pages.push(store.list(&query)?);
        }
        let trash = store.list_trash(&TrashQuery::new().per_page(100))?;
        let facets = store.facets(&Filter::new())?;
        let found = store.search(&SearchQuery::new("lead 17").per_page(100))?;
        let by_id = store.get_many(&leads.iter().map(|lead| lead.id).collect::<Vec<_>>())?;
        let by_external_id = store.get_by_external_id("x 7")?;
        Ok(format!(
            "{leads:?} {pages:?} {trash:?} {facets:?} {found:?} {by_id:?} {by_external_id:?}"
        ))
    };
    let answers = answers();
    let closed = store.close();
    let answers = answers?;
    closed?;
    Ok(answers)
}

/// Writes to a store in many ways. Returns the first error, if there was one.
fn write_in_every_way(
    path: &Path,
    clock: &leadstore::testing::ManualClock,
) -> leadstore::Result<()> {
    let store = options(clock).cache_bytes(1 << 20).open(path)?;
    let write = || -> leadstore::Result<()> {
        let leads: Vec<_> = store.leads(&Filter::new()).filter_map(Result::ok).collect();
        let mut ids = leads.iter().step_by(7).map(|lead| lead.id);
        for id in ids.by_ref().take(20) {
            store.update(id, LeadPatch::new().status("lost").clear_phone())?;
        }
        for id in ids.by_ref().take(10) {
            store.delete(id)?;
        }
        store.create(NewLead::new("new").external_id("x 1000"))?;
        // This transaction is too large for the overlay, so it is written straight to the tables.
        store.transaction(|transaction| {
            for number in 0..300 {
                let note = "y".repeat(4_000);
                transaction
                    .create(NewLead::new(format!("n {number}")).custom_field("note", note))?;
            }
            transaction.empty_trash()
        })?;
        leadstore::testing::checkpoint(&store)?;
        store.compact()
    };
    let written = write();
    let closed = store.close();
    written.and(closed)
}

/// A closed store of 400 leads, the bytes of its file, and its answers.
struct Victim {
    test: TestStore,
    intact: Vec<u8>,
    expected: String,
}

impl Victim {
    fn new() -> Self {
        let test = TestStore::new();
        for number in 0..400 {
            let note = "x".repeat(if number % 50 == 0 { 4_000 } else { 30 });
            let lead = NewLead::new(format!("lead {number}"))
                .email(format!("lead{number}@example.com"))
                .company(format!("Company {}", number % 17))
                .external_id(format!("x {number}"))
                .deal_value(number)
                .tags([["a", "b", "c"][number as usize % 3]])
                .custom_field("note", note);
            let id = test.store.create(lead).unwrap().id;
            match number % 10 {
                3 => drop(test.store.update(id, LeadPatch::new().status("won"))),
                7 => drop(test.store.delete(id)),
                _ => {}
            }
        }
        test.store.clone().close().unwrap();
        let intact = std::fs::read(test.path().join("leads.redb")).unwrap();
        let expected = answers(&test.path(), &test.clock).unwrap();
        Self {
            test,
            intact,
            expected,
        }
    }

    /// Opens a store with these bytes and writes to it. Returns the error, if there was one.
    fn writes(&self, bytes: &[u8], what: &str) -> Option<leadstore::Error> {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("leads.redb"), bytes).unwrap();
        let write = || write_in_every_way(directory.path(), &self.test.clock);
        match catch_unwind(AssertUnwindSafe(write)) {
            Ok(written) => written.err(),
            Err(_) => panic!("{what}: the store panicked in a write"),
        }
    }

    /// Opens a store with these bytes and reads from it. Returns true if corruption or an
    /// unsupported format was reported, and false if every answer was right.
    fn reports(&self, bytes: &[u8], what: &str) -> bool {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("leads.redb"), bytes).unwrap();
        let read = || answers(directory.path(), &self.test.clock);
        match catch_unwind(AssertUnwindSafe(read)) {
            Ok(Ok(answers)) => {
                // The change hit unused space, or left the bytes as they were.
                assert!(answers == self.expected, "{what}: wrong answers");
                false
            }
            Ok(Err(error)) => {
                let kinds = [ErrorKind::Corrupted, ErrorKind::UnsupportedFormat];
                assert!(kinds.contains(&error.kind()), "{what}: {error}");
                true
            }
            Err(_) => panic!("{what}: the store panicked"),
        }
    }
}

#[test]
fn corruption_is_reported_and_never_returned_as_data() {
    let mut rng = Rng::with_seed(seed());
    let victim = Victim::new();
    let runs = 150 * scale();
    let mut reported = 0;
    for _ in 0..runs {
        let mut bytes = victim.intact.clone();
        let what = corrupt(&mut bytes, &mut rng);
        reported += usize::from(victim.reports(&bytes, &what));
    }
    println!("{reported} of {runs} corruptions were reported");
    assert!(reported > runs / 2, "{reported} of {runs}");
}

#[test]
fn writes_to_a_corrupted_store_return_an_error_that_says_so() {
    let mut rng = Rng::with_seed(seed());
    let victim = Victim::new();
    let runs = 40 * scale();
    let mut reported = 0;
    for _ in 0..runs {
        let mut bytes = victim.intact.clone();
        let what = corrupt(&mut bytes, &mut rng);
        if let Some(error) = victim.writes(&bytes, &what) {
            let kinds = [ErrorKind::Corrupted, ErrorKind::UnsupportedFormat];
            assert!(kinds.contains(&error.kind()), "{what}: {error}");
            reported += 1;
        }
    }
    println!("{reported} of {runs} corruptions were reported");
    assert!(reported > runs / 4, "{reported} of {runs}");
}

/// Corrupts blocks but gives them the right checksums, as a faulty program would. redb panics on
/// some of these blocks, and no such panic may reach the caller of a write. In its own table of
/// free pages, redb can panic in a destructor during a panic. That aborts the process, so each file
/// is written to in a process of its own.
#[test]
fn redb_panics_never_reach_the_caller_of_a_write() {
    let mut rng = Rng::with_seed(seed());
    let victim = Victim::new();
    let used: Vec<usize> = blocks(&victim.intact)
        .filter(|block| {
            victim.intact[*block..block + BLOCK]
                .iter()
                .any(|byte| *byte != 0)
        })
        .collect();
    let runs = 60 * scale();
    let (mut reported, mut aborted) = (0, 0);
    for _ in 0..runs {
        let mut bytes = victim.intact.clone();
        let block = used[rng.usize(..used.len())];
        let at = block + 4 + rng.usize(..64);
        bytes[at] ^= 1 << rng.u32(0..8);
        write_checksum(&mut bytes, block);
        match write_in_child(&bytes, &format!("byte {at}")) {
            ChildOutcome::Written => {}
            ChildOutcome::Reported => reported += 1,
            ChildOutcome::AbortedByRedb => aborted += 1,
        }
    }
    println!("{reported} of {runs} wrong blocks made a write fail, {aborted} aborted the process");
    assert!(reported > runs / 10, "{reported} of {runs}");
    assert!(aborted <= runs / 20, "{aborted} of {runs}");
}

/// What happened in a process that wrote to a corrupted store.
enum ChildOutcome {
    Written,
    Reported,
    /// A destructor of redb panicked while a panic of redb unwound.
    AbortedByRedb,
}

/// Environment variable with the path of the store that the child writes to.
const STORE: &str = "LEADSTORE_TEST_DAMAGED_STORE";
const CHILD_TIME_MAX: Duration = Duration::from_secs(60);

/// Writes to a store with these bytes in a process of its own.
fn write_in_child(bytes: &[u8], what: &str) -> ChildOutcome {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("leads.redb"), bytes).unwrap();
    let output = std::fs::File::create(directory.path().join("output")).unwrap();
    let (program, arguments) = test_process("damage::child_that_writes_to_a_damaged_store");
    let mut child = Command::new(program)
        .args(arguments)
        .env(STORE, directory.path())
        .env("RUST_BACKTRACE", "1")
        .stdout(output.try_clone().unwrap())
        .stderr(output)
        .spawn()
        .unwrap();
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if begun.elapsed() > CHILD_TIME_MAX {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("{what}: the write did not end");
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    let output = std::fs::read_to_string(directory.path().join("output")).unwrap();
    if status.success() {
        match output.contains("the write failed") {
            true => ChildOutcome::Reported,
            false => ChildOutcome::Written,
        }
    } else if output.contains("panic in a destructor during cleanup")
        && output.contains("extract_freed_pages")
    {
        ChildOutcome::AbortedByRedb
    } else {
        panic!("{what}: {output}");
    }
}

/// Not a test of its own: the process that `write_in_child` starts.
#[test]
fn child_that_writes_to_a_damaged_store() {
    let Some(path) = std::env::var_os(STORE) else {
        return;
    };
    let clock = leadstore::testing::ManualClock::at(day(2026, 3, 1));
    if let Err(error) = write_in_every_way(Path::new(&path), &clock) {
        println!("the write failed: {error}");
    }
}

#[test]
fn blocks_that_were_moved_are_reported_if_they_are_in_use() {
    let victim = Victim::new();
    let all: Vec<usize> = blocks(&victim.intact).collect();
    let at = |block: usize| &victim.intact[block..block + BLOCK];
    let used: Vec<usize> = all
        .iter()
        .copied()
        .filter(|block| at(*block).iter().any(|byte| *byte != 0))
        .collect();
    let (mut reported, mut moved) = (0, 0);
    for pair in used.windows(2).step_by(5) {
        let mut bytes = victim.intact.clone();
        let (a, b) = (pair[0], pair[1]);
        bytes[a..a + BLOCK].copy_from_slice(at(b));
        bytes[b..b + BLOCK].copy_from_slice(at(a));
        let what = format!("the blocks at {a} and {b} swapped");
        reported += usize::from(victim.reports(&bytes, &what));
        moved += 1;
    }
    println!("{reported} of {moved} swapped pairs were reported");
    assert!(moved > 10 && reported > moved / 2, "{reported} of {moved}");
}

/// Truncates the file as an interrupted copy would. redb panics on some of these files.
#[test]
fn truncation_is_reported_unless_only_unused_space_is_lost() {
    let test = TestStore::new();
    let ids: Vec<_> = (0..60)
        .map(|n| {
            test.store
                .create(NewLead::new(format!("lead {n}")))
                .unwrap()
                .id
        })
        .collect();
    test.store.compact().unwrap();
    test.store
        .update(ids[7], LeadPatch::new().status("won"))
        .unwrap();
    let files = || {
        ["leads.redb", "leads.journal.0", "leads.journal.1"]
            .map(|name| (name, test.path().join(name)))
    };
    let read = || files().map(|(name, path)| (name, std::fs::read(path).unwrap()));
    let killed = read();
    test.store.clone().close().unwrap();
    let closed = read();
    std::panic::set_hook(Box::new(|_| {}));
    let (mut reported, mut intact) = (0, 0);
    for (files, read_only) in [(&killed, false), (&closed, false), (&closed, true)] {
        let length = files[0].1.len();
        // Truncate the file at the end of each block, and within some of the blocks.
        for kept in (FIRST_BLOCK..length)
            .step_by(BLOCK)
            .chain((0..length).step_by(BLOCK * 7).map(|kept| kept + 77))
        {
            let directory = tempfile::tempdir().unwrap();
            for (name, bytes) in files {
                let kept = if *name == "leads.redb" {
                    kept.min(length)
                } else {
                    bytes.len()
                };
                std::fs::write(directory.path().join(name), &bytes[..kept]).unwrap();
            }
            let opened = catch_unwind(|| {
                options(&test.clock)
                    .read_only(read_only)
                    .open(directory.path())
            });
            let opened = opened.map(|store| {
                store.and_then(|store| store.leads(&Filter::new()).collect::<Result<Vec<_>, _>>())
            });
            match opened {
                // The missing part was not in use.
                Ok(Ok(leads)) if leads.len() == ids.len() => intact += 1,
                Ok(Err(error)) if error.kind() == ErrorKind::Corrupted => reported += 1,
                // A read-only open may report that the store must first be opened for writing.
                // Opening it for writing then detects the truncation.
                Ok(Err(error)) if read_only && error.kind() == ErrorKind::Unavailable => {
                    reported += 1
                }
                other => {
                    drop(std::panic::take_hook());
                    panic!("{kept} of {length} bytes: {other:?}");
                }
            }
        }
    }
    drop(std::panic::take_hook());
    println!("{reported} reported, {intact} intact");
    assert!(reported > intact);
}
