//! Rows that compare leadstore with something other than SQLite.

use std::path::Path;
use std::time::Instant;

use fastrand::Rng;

use crate::footprint;
use crate::generated::{BATCH, Fields};
use crate::measure::{Report, compare, summarize};
use crate::native::Native;
use crate::ours::Ours;
use crate::peer::{CACHE_BYTES, Peer, SearchCase};

/// Measures the cost of search in leadstore. Compares searches right after a write with searches at
/// rest, and the time to create a lead with and without a search index. Also reports the size of
/// the index and the time of searches with typos.
pub fn searches_alone(
    report: &mut Report,
    directory: &Path,
    leads: usize,
    rounds: usize,
    path: &Path,
    case: &SearchCase,
) {
    let bytes = footprint::megabytes(&path.join("search")) * 1e6 / leads as f64;
    report.limits.push((
        "search index, bytes a lead".to_owned(),
        format!("{bytes:.0}"),
    ));
    let mut ours = Ours::open(path, CACHE_BYTES);
    let mut samples = Vec::new();
    for text in ["jannifer ", "michale", "wiliam smieht "] {
        // The total can be 0 in a small store.
        let total = ours.search_mistyped(text);
        let begun = Instant::now();
        for _ in 0..rounds {
            ours.search_mistyped(text);
        }
        let each = begun.elapsed().as_secs_f64() * 1e3 / rounds as f64;
        report.limits.push((
            format!("search with a typo, {text:?}, {total} hits"),
            format!("{each:.2} ms"),
        ));
    }
    let mut rng = Rng::with_seed(9);
    for round in 0..rounds * 5 {
        ours.search(case);
        let begun = Instant::now();
        ours.search(case);
        let at_rest = begun.elapsed().as_secs_f64() * 1e6;
        ours.update(rng.usize(..leads), round as i64);
        let begun = Instant::now();
        ours.search(case);
        samples.push((begun.elapsed().as_secs_f64() * 1e6, at_rest));
    }
    report.rows.push(summarize(
        "search alone: right after a write",
        leads,
        "leadstore at rest",
        samples,
    ));
    let without_path = directory.join("without-search");
    let mut without = Ours::open_without_search(&without_path, CACHE_BYTES);
    let all: Vec<(usize, Fields)> = (0..leads)
        .map(|number| (number, Fields::random(&mut rng, number)))
        .collect();
    all.chunks(BATCH).for_each(|batch| without.import(batch));
    let first = ours.count();
    let (mut our_next, mut their_next) = (first, leads);
    let mut samples = Vec::new();
    // The loop is long enough for the index to catch up several times.
    for _ in 0..rounds * 10 {
        let create = |peer: &mut Ours, next: &mut usize| {
            let begun = Instant::now();
            for _ in 0..200 {
                peer.create(*next, &all[*next % all.len()].1);
                *next += 1;
            }
            begun.elapsed().as_secs_f64() * 1e6 / 200.0
        };
        samples.push((
            create(&mut ours, &mut our_next),
            create(&mut without, &mut their_next),
        ));
    }
    report.rows.push(summarize(
        "search alone: durable create while the index follows",
        leads,
        "leadstore without search",
        samples,
    ));
    Box::new(ours).close();
    Box::new(without).close();
}

/// Measures the rows that native_db supports.
pub fn native(report: &mut Report, directory: &Path, leads: usize, rounds: usize, our_path: &Path) {
    let native = Native::open(&directory.join("native"));
    let mut rng = Rng::with_seed(1);
    let all: Vec<(usize, Fields)> = (0..leads)
        .map(|number| (number, Fields::random(&mut rng, number)))
        .collect();
    for batch in all.chunks(BATCH) {
        native.import(batch);
    }
    let mut ours = Ours::open(our_path, CACHE_BYTES);
    let numbers: Vec<usize> = (0..10_000).map(|_| rng.usize(..leads)).collect();
    for number in &numbers[..100] {
        assert_eq!(ours.get(*number), native.get(*number));
    }
    let row = compare(
        "native: get, at random",
        leads,
        "native_db",
        rounds,
        &mut |call| drop(ours.get(numbers[call % numbers.len()])),
        &mut |call| drop(native.get(numbers[call % numbers.len()])),
    );
    report.rows.push(row);
    let fresh: Vec<Fields> = (0..5_000)
        .map(|number| Fields::random(&mut rng, leads + number))
        .collect();
    let first = ours.count();
    let (mut our_next, mut their_next) = (first, leads);
    let row = compare(
        "native: durable create",
        leads,
        "native_db",
        rounds,
        &mut |call| {
            ours.create(our_next, &fresh[call % fresh.len()]);
            our_next += 1;
        },
        &mut |call| {
            native.create(their_next, &fresh[call % fresh.len()]);
            their_next += 1;
        },
    );
    report.rows.push(row);
    Box::new(ours).close();
}
