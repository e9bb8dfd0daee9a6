//! Disk usage, memory usage and open times of the stores.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use fastrand::Rng;
use leadstore::LeadStore;

use crate::generated::{BATCH, Fields};
use crate::measure::{Report, summarize};
use crate::ours::Ours;
use crate::peer::CACHE_BYTES;
use crate::peer::{ListCase, Peer, SearchCase, SortBy};
use crate::sqlite::Sqlite;

/// Returns the disk usage of everything below a directory, in millions of bytes. On Unix this is
/// what `du` reports: a file that was extended but not yet written uses less than its length.
pub fn megabytes(directory: &Path) -> f64 {
    #[cfg(unix)]
    let taken =
        |metadata: std::fs::Metadata| std::os::unix::fs::MetadataExt::blocks(&metadata) * 512;
    #[cfg(not(unix))]
    let taken = |metadata: std::fs::Metadata| metadata.len();
    let size = |entry: std::fs::DirEntry| {
        let metadata = entry.metadata().unwrap();
        if metadata.is_dir() {
            megabytes(&entry.path())
        } else {
            taken(metadata) as f64 / 1e6
        }
    };
    std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| size(entry.unwrap()))
        .sum()
}

fn open_ours(path: &Path) -> f64 {
    let begun = Instant::now();
    let store = LeadStore::options()
        .cache_bytes(CACHE_BYTES)
        .open(path)
        .unwrap();
    let time = begun.elapsed().as_secs_f64() * 1e6;
    store.close().unwrap();
    time
}

/// Returns how long it takes to open a SQLite store, in microseconds. This includes a trivial
/// query, because SQLite opens its file lazily.
fn open_theirs(path: &Path) -> f64 {
    let begun = Instant::now();
    let mut sqlite = Sqlite::open(path, CACHE_BYTES);
    sqlite.get(0);
    let time = begun.elapsed().as_secs_f64() * 1e6;
    Box::new(sqlite).close();
    time
}

pub fn open_after_a_clean_close(
    report: &mut Report,
    leads: usize,
    rounds: usize,
    ours: &Path,
    theirs: &Path,
) {
    let samples = (0..rounds)
        .map(|_| (open_ours(ours), open_theirs(theirs)))
        .collect();
    report.rows.push(summarize(
        "open after a clean close",
        leads,
        "SQLite",
        samples,
    ));
}

/// Measures how long the stores take to open after a crash: before each opening, a child process
/// writes leads, with one durable write per lead, and aborts.
pub fn open_after_a_crash(report: &mut Report, leads: usize, ours: &Path, theirs: &Path) {
    let crash = |peer: &str, path: &Path| {
        let output = process(peer, leads, path).output().unwrap();
        assert!(!output.status.success(), "the process should have aborted");
    };
    let samples = (0..5).map(|_| {
        crash("ours-crashes", ours);
        let our_time = open_ours(ours);
        crash("sqlite-crashes", theirs);
        (our_time, open_theirs(theirs))
    });
    report.rows.push(summarize(
        "open after a crash",
        leads,
        "SQLite",
        samples.collect(),
    ));
}

/// Returns the command that runs this program again for one engine.
fn process(peer: &str, leads: usize, path: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args([
            "--child",
            peer,
            "--leads",
            &leads.to_string(),
            "--directory",
        ])
        .arg(path);
    command
}

/// Measures the peak memory of a separate process that imports, lists and searches. Linux only.
pub fn peak_memory(report: &mut Report, leads: usize, directory: &Path) {
    let peak = |peer: &str| {
        let output = process(peer, leads, &directory.join("peak").join(peer))
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout)
            .trim()
            .parse::<f64>()
            .unwrap()
    };
    let sample = (peak("ours"), peak("sqlite"));
    report.rows.push(summarize(
        "peak memory of import, lists and searches, MB",
        leads,
        "SQLite",
        vec![sample],
    ));
}

/// Number of leads that a process writes before it aborts.
const LEADS_BEFORE_ABORT: usize = 3_000;

/// Runs as a child process for one engine: either writes leads and then aborts, or imports, lists
/// and searches leads and then prints its peak memory in megabytes.
pub fn child(peer: &str, directory: &Path, leads: usize) {
    let mut store: Box<dyn Peer> = match peer {
        "ours" | "ours-crashes" => Box::new(Ours::open(directory, CACHE_BYTES)),
        _ => Box::new(Sqlite::open(directory, CACHE_BYTES)),
    };
    let mut rng = Rng::with_seed(1);
    if peer.ends_with("-crashes") {
        // The first number is random, so that a collision with the leads of an earlier child
        // process is very unlikely.
        let first = 2 * leads + Rng::new().usize(..4_000_000);
        for number in first..first + LEADS_BEFORE_ABORT {
            store.create(number, &Fields::random(&mut rng, number));
        }
        std::process::abort();
    }
    for start in (0..leads).step_by(BATCH) {
        let batch: Vec<_> = (start..leads.min(start + BATCH))
            .map(|number| (number, Fields::random(&mut rng, number)))
            .collect();
        store.import(&batch);
    }
    let word = |word: &str| SearchCase {
        words: vec![word.to_owned()],
        field: None,
        phrase: false,
        prefix: true,
        ranked: true,
    };
    for round in 0..20 {
        for sort in [SortBy::NewestFirst, SortBy::Name, SortBy::DealValue] {
            let offset = leads as u64 / 20 * round;
            store.list(&ListCase {
                status: Some("new"),
                sort,
                offset,
                ..ListCase::default()
            });
        }
        store.search(&word(["ma", "sys", "jan", "exa"][round as usize % 4]));
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    let kib: f64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    println!("{}", kib * 1_024.0 / 1e6);
}
