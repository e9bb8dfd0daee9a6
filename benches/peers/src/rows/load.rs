//! The import into both engines, and the row that reports it.

use std::path::Path;
use std::time::Instant;

use fastrand::Rng;

use crate::generated::{BATCH, Fields};
use crate::measure::{Report, summarize};
use crate::ours::Ours;
use crate::peer::{CACHE_BYTES, Peer, words};
use crate::sqlite::Sqlite;

/// Loads both engines in parts. Each part is timed until it is searchable and the store is closed,
/// so that no work of one engine continues while the other is timed. Returns the number of the next
/// lead.
pub fn load(
    report: &mut Report,
    rng: &mut Rng,
    paths: [&Path; 2],
    leads: usize,
    selected: &dyn Fn(&str) -> bool,
) -> usize {
    const PARTS: usize = 5;
    let (mut samples, mut totals, mut next) = (Vec::new(), (0.0, 0.0), 0);
    while next < leads {
        let end = leads.min(next + leads.div_ceil(PARTS));
        let part: Vec<_> = (next..end)
            .map(|number| (number, Fields::random(rng, number)))
            .collect();
        let time = |mut peer: Box<dyn Peer>| {
            let begun = Instant::now();
            part.chunks(BATCH).for_each(|batch| peer.import(batch));
            peer.search(&words(&[&part[0].1.email], Some("email")));
            peer.close();
            begun.elapsed().as_secs_f64() * 1e6
        };
        let ours = || Box::new(Ours::open(paths[0], CACHE_BYTES));
        let theirs = || Box::new(Sqlite::open(paths[1], CACHE_BYTES));
        let sample = if samples.len() % 2 == 0 {
            let our_time = time(ours());
            (our_time, time(theirs()))
        } else {
            let their_time = time(theirs());
            (time(ours()), their_time)
        };
        totals = (totals.0 + sample.0, totals.1 + sample.1);
        let count = part.len() as f64;
        samples.push((sample.0 / count, sample.1 / count));
        next = end;
        eprintln!(
            "{next} leads loaded; the last {count} took leadstore {:.0} s and SQLite {:.0} s",
            sample.0 / 1e6,
            sample.1 / 1e6
        );
    }
    if selected("bulk load") {
        let count = leads as f64;
        let mut row = summarize(
            "bulk load, search included, per lead",
            leads,
            "SQLite",
            samples,
        );
        (row.ours_us, row.peer_us, row.ratio) =
            (totals.0 / count, totals.1 / count, totals.1 / totals.0);
        report.rows.push(row);
    }
    next
}
