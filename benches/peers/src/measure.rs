//! Interleaved timing and its report.

use std::fmt::Write;
use std::time::{Duration, Instant};

use serde::Serialize;

/// A row of the table. `ours_us` and `peer_us` are in microseconds, or in megabytes if the name of
/// the row ends in `MB`. The ratio is that of the peer's figure to leadstore's.
#[derive(Serialize)]
pub struct Row {
    pub row: String,
    pub leads: usize,
    pub peer: &'static str,
    pub ours_us: f64,
    pub peer_us: f64,
    pub ratio: f64,
    pub low: f64,
    pub high: f64,
}

#[derive(Default)]
pub struct Report {
    pub rows: Vec<Row>,
    /// Further lines of the table, each a name and a figure.
    pub limits: Vec<(String, String)>,
}

/// Target duration of a sample, so that the resolution of the clock and a single interruption
/// matter little.
const SAMPLE: Duration = Duration::from_millis(5);
const REPEATS_MAX: u32 = 2_000;

/// A timer for repeated work, in microseconds per call. It first times a single call to compute how
/// many calls take about [`SAMPLE`]. Every sample makes this number of calls. The work receives the
/// number of the call as its argument.
pub struct Sampler {
    repeats: u32,
    calls: usize,
}

impl Sampler {
    pub fn calibrated(work: &mut dyn FnMut(usize)) -> Self {
        settle_heap();
        let begun = Instant::now();
        work(0);
        let once = begun.elapsed().max(Duration::from_nanos(100));
        let repeats =
            (SAMPLE.as_secs_f64() / once.as_secs_f64()).clamp(1.0, f64::from(REPEATS_MAX)) as u32;
        Self { repeats, calls: 1 }
    }

    pub fn sample(&mut self, work: &mut dyn FnMut(usize)) -> f64 {
        settle_heap();
        let begun = Instant::now();
        for _ in 0..self.repeats {
            work(self.calls);
            self.calls += 1;
        }
        begun.elapsed().as_secs_f64() * 1e6 / f64::from(self.repeats)
    }
}

/// Size in bytes of a block that glibc allocates from its heap and does not count as small: below
/// the mmap threshold of 128 KiB, and above 1 KiB, where the bins for small blocks end.
const LARGE_BLOCK: usize = 100_000;

/// Makes the allocator consolidate the blocks that the engines have freed. Called before a
/// measurement, so that this work is not measured. glibc merges small free blocks when a large
/// block is allocated. After SQLite has sorted 300,000 rows, that allocation takes 20 ms.
pub fn settle_heap() {
    std::hint::black_box(vec![0_u8; LARGE_BLOCK]);
}

/// Measures the work of leadstore and of a peer alternately, in an order that changes every round.
pub fn compare(
    row: &str,
    leads: usize,
    peer: &'static str,
    rounds: usize,
    ours: &mut dyn FnMut(usize),
    theirs: &mut dyn FnMut(usize),
) -> Row {
    let (mut our_sampler, mut their_sampler) =
        (Sampler::calibrated(ours), Sampler::calibrated(theirs));
    let samples = (0..rounds).map(|round| {
        if round.is_multiple_of(2) {
            let our = our_sampler.sample(ours);
            (our, their_sampler.sample(theirs))
        } else {
            let their = their_sampler.sample(theirs);
            (our_sampler.sample(ours), their)
        }
    });
    summarize(row, leads, peer, samples.collect())
}

/// Summarizes pairs of samples as medians. The spread of the ratio is given as its 10th and 90th
/// percentiles.
pub fn summarize(row: &str, leads: usize, peer: &'static str, samples: Vec<(f64, f64)>) -> Row {
    let sorted = |values: Vec<f64>| {
        let mut values = values;
        values.sort_by(f64::total_cmp);
        values
    };
    let at =
        |values: &[f64], part: f64| values[((values.len() - 1) as f64 * part).round() as usize];
    let ratios = sorted(samples.iter().map(|(our, their)| their / our).collect());
    let row = Row {
        row: row.to_owned(),
        leads,
        peer,
        ours_us: at(&sorted(samples.iter().map(|(our, _)| *our).collect()), 0.5),
        peer_us: at(
            &sorted(samples.iter().map(|(_, their)| *their).collect()),
            0.5,
        ),
        ratio: at(&ratios, 0.5),
        low: at(&ratios, 0.1),
        high: at(&ratios, 0.9),
    };
    eprintln!(
        "{}: {:.2} ({:.2} to {:.2}) against {}",
        row.row, row.ratio, row.low, row.high, row.peer
    );
    row
}

impl Report {
    pub fn json(&self) -> String {
        serde_json::to_string_pretty(&self.rows).expect("rows are plain data") + "\n"
    }

    pub fn markdown(&self) -> String {
        let mut text = String::new();
        let leads = self.rows.first().map_or(0, |row| row.leads);
        let _ = writeln!(
            text,
            "| {leads} leads | leadstore | peer | | times faster | spread |"
        );
        let _ = writeln!(text, "|---|---|---|---|---|---|");
        for Row {
            row,
            peer,
            ours_us,
            peer_us,
            ratio,
            low,
            high,
            ..
        } in &self.rows
        {
            let (ours, theirs) = (figure(row, *ours_us), figure(row, *peer_us));
            let _ = writeln!(
                text,
                "| {row} | {ours} | {theirs} | {peer} | **{ratio:.2}** | {low:.2} to {high:.2} |"
            );
        }
        for (name, figure) in &self.limits {
            let _ = writeln!(text, "| limit: {name} | {figure} | | | | |");
        }
        text
    }
}

/// Formats a figure with its unit. Rows in megabytes have names that end in `MB`.
fn figure(row: &str, value: f64) -> String {
    match value {
        _ if row.ends_with("MB") => format!("{value:.0} MB"),
        v if v >= 1e6 => format!("{:.2} s", v / 1e6),
        v if v >= 1e3 => format!("{:.2} ms", v / 1e3),
        v => format!("{v:.1} µs"),
    }
}
