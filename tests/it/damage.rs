//! Whatever becomes of the bytes of a closed store, what it answers is true, or an error that says what is wrong.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use fastrand::Rng;
use leadstore::{ErrorKind, Filter, LeadPatch, ListQuery, NewLead, SearchQuery, TrashQuery};

use crate::support::{TestStore, options, scale, seed};

/// Ways in which a disk, a cable or a program spoils a file.
fn spoil(bytes: &mut Vec<u8>, rng: &mut Rng) -> String {
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
            // A block and its seal.
            let block = 512 + at.saturating_sub(512) / 4_100 * 4_100;
            let end = (block + 4_100).min(bytes.len());
            bytes[block..end].fill(0);
            format!("the block of byte {at} zeroed")
        }
        6 => {
            let count = bytes.len().saturating_sub(512) / 4_100;
            let (a, b) = (
                512 + rng.usize(..count) * 4_100,
                512 + rng.usize(..count) * 4_100,
            );
            let copied = bytes[a..a + 4_100].to_vec();
            bytes[b..b + 4_100].copy_from_slice(&copied);
            format!("the block at {a} written over the one at {b}")
        }
        7 => {
            bytes.truncate(at);
            format!("cut off at {at}")
        }
        _ => {
            let length = bytes.len();
            bytes[sector(at, length)]
                .iter_mut()
                .for_each(|byte| *byte = rng.u8(..));
            format!("the sector of byte {at} filled at random")
        }
    }
}

/// Everything that can be read of a store, or the first error.
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

#[test]
fn a_damaged_file_is_told_of_and_never_served() {
    let mut rng = Rng::with_seed(seed());
    let test = TestStore::new();
    for number in 0..400 {
        let lead = NewLead::new(format!("lead {number}"))
            .email(format!("lead{number}@example.com"))
            .company(format!("Company {}", number % 17))
            .external_id(format!("x {number}"))
            .deal_value(number)
            .tags([["a", "b", "c"][number as usize % 3]])
            .custom_field(
                "note",
                "x".repeat(if number % 50 == 0 { 4_000 } else { 30 }),
            );
        let id = test.store.create(lead).unwrap().id;
        match number % 10 {
            3 => drop(test.store.update(id, LeadPatch::new().status("won"))),
            7 => drop(test.store.delete(id)),
            _ => {}
        }
    }
    test.store.clone().close().unwrap();
    let whole = std::fs::read(test.path().join("leads.redb")).unwrap();
    let expected = answers(&test.path(), &test.clock).unwrap();
    let (mut told, mut unharmed) = (0, 0);
    std::panic::set_hook(Box::new(|_| {}));
    for run in 0..150 * scale() {
        let mut bytes = whole.clone();
        let what = spoil(&mut bytes, &mut rng);
        let path = test.directory.path().join(format!("spoilt {run}"));
        std::fs::create_dir(&path).unwrap();
        std::fs::write(path.join("leads.redb"), bytes).unwrap();
        match catch_unwind(AssertUnwindSafe(|| answers(&path, &test.clock))) {
            Ok(Ok(answers)) => {
                // Space that is not in use, or that was spoilt into what it was.
                unharmed += 1;
                if answers != expected {
                    drop(std::panic::take_hook());
                    panic!("{what}: answers that are not true");
                }
            }
            Ok(Err(error)) => {
                told += 1;
                let kinds = [ErrorKind::Corrupted, ErrorKind::UnsupportedFormat];
                if !kinds.contains(&error.kind()) {
                    drop(std::panic::take_hook());
                    panic!("{what}: {:?} {error}", error.kind());
                }
            }
            Err(_) => {
                drop(std::panic::take_hook());
                panic!("{what}: a panic");
            }
        }
        std::fs::remove_dir_all(path).unwrap();
    }
    drop(std::panic::take_hook());
    println!("{told} told, {unharmed} unharmed");
    assert!(told > unharmed, "{told} told, {unharmed} unharmed");
}

/// As a copy is that was broken off. redb panics over some of them.
#[test]
fn a_file_that_was_cut_off_is_told_of() {
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
    let (mut told, mut whole) = (0, 0);
    for (files, read_only) in [(&killed, false), (&closed, false), (&closed, true)] {
        let length = files[0].1.len();
        // In whole blocks, and within one.
        for kept in (0..length)
            .step_by(4_100)
            .chain((0..length).step_by(4_100 * 7).map(|kept| kept + 77))
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
                // What was cut off was not in use.
                Ok(Ok(leads)) if leads.len() == ids.len() => whole += 1,
                Ok(Err(error)) if error.kind() == ErrorKind::Corrupted => told += 1,
                // Who may only read is told to open it for writing, which finds out.
                Ok(Err(error)) if read_only && error.kind() == ErrorKind::Unavailable => told += 1,
                other => {
                    drop(std::panic::take_hook());
                    panic!("{kept} of {length} bytes: {other:?}");
                }
            }
        }
    }
    drop(std::panic::take_hook());
    println!("{told} told, {whole} whole");
    assert!(told > whole);
}
