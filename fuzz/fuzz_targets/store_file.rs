//! A store whose files are corrupted returns answers or an error, and does not panic. If it was
//! closed cleanly, the answers are correct.
#![no_main]

mod store;

use std::path::Path;
use std::sync::OnceLock;

use leadstore::testing::without_search;
use leadstore::{ErrorKind, Filter, ListQuery, TrashQuery};
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;

const FILES: [&str; 3] = ["leads.redb", "leads.journal.0", "leads.journal.1"];

/// A modification of the bytes of a file.
#[derive(Arbitrary, Debug)]
enum Change<'a> {
    Overwrite { at: u32, bytes: &'a [u8] },
    Flip { at: u32, bit: u8 },
    Cut { at: u32 },
    Grow { bytes: &'a [u8] },
    Copy { from: u32, to: u32, blocks: u8 },
    Replace { bytes: &'a [u8] },
}

/// The files of a store that was closed or killed, with its answers.
struct Original {
    files: Vec<Vec<u8>>,
    answers: String,
}

fn originals() -> &'static [Original; 2] {
    static ORIGINALS: OnceLock<[Original; 2]> = OnceLock::new();
    ORIGINALS.get_or_init(|| {
        [true, false].map(|is_closed| {
            let directory = tempfile::tempdir().expect("the directory should be created");
            let path = directory.path().join("store");
            let store = without_search(store::options())
                .open(&path)
                .expect("the store should open");
            store::fill(&store);
            if is_closed {
                store.clone().close().expect("the store should close");
            }
            let files = FILES
                .map(|file| std::fs::read(path.join(file)).expect("the file should be accessible"))
                .to_vec();
            drop(store);
            let answers = answers(&path).expect("the intact store should answer");
            Original { files, answers }
        })
    })
}

fn answers(path: &Path) -> leadstore::Result<String> {
    // The store is opened without search, because rebuilding the search index would take most of
    // the time.
    let store = without_search(store::options()).open(path)?;
    let leads = store
        .leads(&Filter::new())
        .collect::<leadstore::Result<Vec<_>>>()?;
    let by_name = store.list(
        &ListQuery::new()
            .sort(["name".parse()?])
            .filter(Filter::new().status("new")),
    )?;
    let trash = store.list_trash(&TrashQuery::new())?;
    let facets = store.facets(&Filter::new())?;
    let answers = format!("{leads:?} {by_name:?} {trash:?} {facets:?}");
    if let Ok(report) = store.check(|_| ())
        && report.is_ok()
    {
        store.close()?;
    }
    Ok(answers)
}

/// Removes the panic hook of libFuzzer, which would end the process before the store catches a
/// panic in redb. Other panics still reach libFuzzer.
fn remove_panic_hook() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| drop(std::panic::take_hook()));
}

fuzz_target!(|input: (bool, Vec<(u8, Change<'_>)>)| {
    remove_panic_hook();
    let (is_closed, changes) = input;
    let original = &originals()[usize::from(!is_closed)];
    let mut files = original.files.clone();
    for (file, change) in &changes {
        let bytes = &mut files[*file as usize % FILES.len()];
        let length = bytes.len().max(1);
        match *change {
            Change::Overwrite { at, bytes: new } => {
                let at = at as usize % length;
                bytes
                    .iter_mut()
                    .skip(at)
                    .zip(new)
                    .for_each(|(place, byte)| *place = *byte);
            }
            Change::Flip { at, bit } => {
                if let Some(byte) = bytes.get_mut(at as usize % length) {
                    *byte ^= 1 << (bit % 8);
                }
            }
            Change::Cut { at } => bytes.truncate(at as usize % length),
            Change::Grow { bytes: new } => bytes.extend(new),
            Change::Copy { from, to, blocks } => {
                let (from, to) = (from as usize % length, to as usize % length);
                let copied: Vec<u8> = bytes
                    .iter()
                    .skip(from)
                    .take(usize::from(blocks) * 512)
                    .copied()
                    .collect();
                bytes
                    .iter_mut()
                    .skip(to)
                    .zip(copied)
                    .for_each(|(place, byte)| *place = byte);
            }
            Change::Replace { bytes: new } => *bytes = new.to_vec(),
        }
    }
    let directory = tempfile::tempdir().expect("the directory should be created");
    let path = directory.path().join("store");
    std::fs::create_dir(&path).expect("the directory should be created");
    for (name, bytes) in FILES.iter().zip(&files) {
        std::fs::write(path.join(name), bytes).expect("the file should be accessible");
    }
    match answers(&path) {
        // For a killed store, any answer is accepted: a corrupted journal can look like one that a
        // power cut truncated, so the newest writes may be missing.
        Ok(answers) if is_closed => assert_eq!(answers, original.answers, "{changes:?}"),
        Ok(_) => {}
        Err(error) => assert!(
            matches!(
                error.kind(),
                ErrorKind::Corrupted | ErrorKind::UnsupportedFormat
            ),
            "{:?} {error} {changes:?}",
            error.kind()
        ),
    }
});
