//! Memory and disk footprint of a process that holds a store: `cargo bench --bench footprint`. The
//! bench fills a store and then opens it in a second process, so that the memory used for filling
//! is not counted. Linux only, because it reads `/proc`.

mod generated;

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use leadstore::{LeadStore, ListQuery, SearchQuery};

fn main() {
    // Cargo passes `--bench`, and filters that select measurements. Both are ignored, because this
    // bench has only one measurement.
    let mut arguments = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench");
    if arguments.next().as_deref() == Some("hold") {
        let path = arguments.next().expect("missing path of the store");
        hold(Path::new(&path));
        return;
    }
    let leads = std::env::var("LEADSTORE_BENCH_LEADS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(100_000);
    let directory = tempfile::tempdir().unwrap();
    let path = generated::store(directory.path(), leads).unwrap();
    println!(
        "{leads} leads: leads.redb {} MB, search {} MB",
        megabytes(&path.join("leads.redb")),
        megabytes(&path.join("search"))
    );
    let itself = std::env::current_exe().unwrap();
    assert!(
        Command::new(itself)
            .arg("hold")
            .arg(&path)
            .status()
            .unwrap()
            .success()
    );
}

fn hold(path: &Path) {
    println!("resident at the start: {}", resident());
    let begun = Instant::now();
    let store = LeadStore::open(path).unwrap();
    println!(
        "opened in {:.1} ms, resident {}",
        begun.elapsed().as_secs_f64() * 1e3,
        resident()
    );
    let begun = Instant::now();
    store.search(&SearchQuery::new("mary")).unwrap();
    println!(
        "first search, with the verification of the index: {:.1} ms, resident {}",
        begun.elapsed().as_secs_f64() * 1e3,
        resident()
    );
    for page in 1..=1_000 {
        store
            .list(&ListQuery::new().page(page).per_page(100))
            .unwrap();
    }
    println!("after 1,000 pages of 100: resident {}", resident());
    generated::import(&store, 1_000).unwrap();
    println!("after 1,000 creates: resident {}", resident());
}

fn resident() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = |name: &str| {
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .unwrap_or("?")
            .trim();
        line.trim_end_matches(" kB")
            .parse::<u64>()
            .map_or_else(|_| line.to_owned(), |kib| format!("{} MB", kib / 1_000))
    };
    format!("{} (file-backed: {})", line("VmRSS:"), line("RssFile:"))
}

fn megabytes(path: &Path) -> u64 {
    if !path.is_dir() {
        return path
            .metadata()
            .map_or(0, |metadata| metadata.len() / 1_000_000);
    }
    let entries = std::fs::read_dir(path).unwrap().filter_map(Result::ok);
    entries
        .map(|entry| entry.metadata().map_or(0, |metadata| metadata.len()))
        .sum::<u64>()
        / 1_000_000
}
