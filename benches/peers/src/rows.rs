//! The workloads that the report compares, in the order of its rows.

mod load;
mod separate;

use std::path::Path;
use std::time::Instant;

use fastrand::Rng;

use crate::generated::{BATCH, Fields};
use crate::measure::{Report, Row, compare, settle_heap, summarize};
use crate::ours::Ours;
use crate::peer::{CACHE_BYTES, ListCase, PER_PAGE, Peer, SearchCase, SortBy, created_at, words};
use crate::sqlite::Sqlite;
use crate::{footprint, limits};

/// Both engines and the state of their measurement.
struct Bench<'a> {
    ours: Box<dyn Peer>,
    theirs: Box<dyn Peer>,
    leads: usize,
    rounds: usize,
    selected: &'a dyn Fn(&str) -> bool,
    report: Report,
    rng: Rng,
    /// The number of the next lead, the same in both engines.
    next: usize,
}

pub fn run(
    directory: &Path,
    leads: usize,
    rounds: usize,
    selected: &dyn Fn(&str) -> bool,
) -> Report {
    let (our_path, their_path) = (directory.join("ours"), directory.join("sqlite"));
    let mut report = Report::default();
    let mut rng = Rng::with_seed(1);
    let next = load::load(
        &mut report,
        &mut rng,
        [&our_path, &their_path],
        leads,
        selected,
    );
    // Compact both, as is usual after an import.
    let sqlite = Sqlite::open(&their_path, CACHE_BYTES);
    sqlite.tidy_up();
    let ours = Ours::open(&our_path, CACHE_BYTES);
    ours.tidy_up();
    let mut bench = Bench {
        ours: Box::new(ours),
        theirs: Box::new(sqlite),
        leads,
        rounds,
        selected,
        report,
        rng,
        next,
    };
    bench.sizes(&our_path, &their_path);
    bench.lists();
    bench.facets();
    bench.searches();
    bench.gets();
    bench.writes();
    bench.ours.close();
    bench.theirs.close();
    let mut report = bench.report;
    if selected("open") {
        footprint::open_after_a_crash(&mut report, leads, &our_path, &their_path);
        footprint::open_after_a_clean_close(&mut report, leads, rounds, &our_path, &their_path);
    }
    if selected("list of leads imported") {
        report
            .rows
            .append(&mut shuffled(directory, leads, rounds, selected));
    }
    if selected("native") {
        separate::native(&mut report, directory, leads, rounds, &our_path);
    }
    if selected("peak") {
        footprint::peak_memory(&mut report, leads, directory);
    }
    if selected("limit") {
        report.limits = limits::measure(directory, leads);
    }
    // Like `native`, this writes leads to leadstore only, so it runs after all comparisons with
    // SQLite.
    if selected("search alone") {
        separate::searches_alone(
            &mut report,
            directory,
            leads,
            rounds,
            &our_path,
            &words(&["mary"], None),
        );
    }
    report
}

impl Bench<'_> {
    fn compare(&mut self, row: &str, ours: &mut dyn FnMut(&mut dyn Peer, usize)) {
        if !(self.selected)(row) {
            return;
        }
        let Self {
            ours: our_store,
            theirs,
            ..
        } = self;
        // Both engines do the same work. The `RefCell` lets two closures share it.
        let work = std::cell::RefCell::new(ours);
        let name = theirs.name();
        let measured = compare(
            row,
            self.leads,
            name,
            self.rounds,
            &mut |call| work.borrow_mut()(&mut **our_store, call),
            &mut |call| work.borrow_mut()(&mut **theirs, call),
        );
        self.report.rows.push(measured);
    }

    fn next_leads(&mut self, count: usize) -> Vec<(usize, Fields)> {
        let first = self.next;
        self.next += count;
        (first..self.next)
            .map(|number| (number, Fields::random(&mut self.rng, number)))
            .collect()
    }

    fn sizes(&mut self, our_path: &Path, their_path: &Path) {
        if (self.selected)("on disk") {
            let sizes = (
                footprint::megabytes(our_path),
                footprint::megabytes(their_path),
            );
            self.report
                .rows
                .push(summarize("on disk, MB", self.leads, "SQLite", vec![sizes]));
        }
    }

    fn lists(&mut self) {
        let all = ListCase::default;
        let one = || ListCase {
            status: Some("new"),
            ..all()
        };
        let three = || ListCase {
            source: Some("website"),
            owner_id: Some("user-7"),
            ..one()
        };
        let range = || {
            let (from, to) = (self.leads / 3, self.leads / 2);
            ListCase {
                created: Some((created_at(from), created_at(to))),
                ..one()
            }
        };
        let by = |sort: SortBy, case: ListCase| ListCase { sort, ..case };
        let rare = || ListCase {
            status: Some("disputed"),
            ..all()
        };
        let cases = [
            ("newest first, no filter", all(), &["first"][..]),
            (
                "newest first, one filter",
                one(),
                &["first", "middle", "last"],
            ),
            ("newest first, three filters", three(), &["first"]),
            (
                "newest first, one filter and a range of dates",
                range(),
                &["first"],
            ),
            (
                "by name, no filter",
                by(SortBy::Name, all()),
                &["first", "middle"],
            ),
            (
                "by name, one filter",
                by(SortBy::Name, one()),
                &["first", "middle"],
            ),
            (
                "by deal value, no filter",
                by(SortBy::DealValue, all()),
                &["first", "middle"],
            ),
            (
                "by deal value, one filter",
                by(SortBy::DealValue, one()),
                &["first", "middle"],
            ),
            ("rare value, newest first", rare(), &["first"]),
            (
                "rare value, by name",
                by(SortBy::Name, rare()),
                &["first", "middle"],
            ),
        ];
        for (name, case, pages) in cases {
            self.list(name, &case, pages);
        }
    }

    fn list(&mut self, name: &str, case: &ListCase, pages: &[&str]) {
        for page in pages {
            let row = format!("list {name}, {page} page");
            if !(self.selected)(&row) {
                continue;
            }
            let total = self.ours.list(case).total;
            let last = total.saturating_sub(1) / u64::from(PER_PAGE) * u64::from(PER_PAGE);
            let offset = match *page {
                "middle" => last / 2 / u64::from(PER_PAGE) * u64::from(PER_PAGE),
                "last" => last,
                _ => 0,
            };
            let case = ListCase {
                offset,
                ..case.clone()
            };
            let answer = self.ours.list(&case);
            assert!(!answer.numbers.is_empty(), "{row}: {case:?}");
            assert_eq!(answer, self.theirs.list(&case), "{row}: {case:?}");
            self.compare(&row, &mut |peer, _| drop(peer.list(&case)));
        }
    }

    fn facets(&mut self) {
        for (row, status) in [
            ("facets of all leads", None),
            ("facets of one status", Some("new")),
        ] {
            if (self.selected)(row) {
                let facets = self.ours.facets(status);
                assert!(!facets.statuses.is_empty());
                assert_eq!(facets, self.theirs.facets(status), "{row}");
                self.compare(row, &mut |peer, _| drop(peer.facets(status)));
            }
        }
    }

    fn searches(&mut self) {
        let mut rng = Rng::with_seed(1);
        let some: Vec<Fields> = (0..200)
            .map(|number| Fields::random(&mut rng, number))
            .collect();
        let email = some[100].email.clone();
        let company = some
            .iter()
            .find_map(|fields| fields.company.clone())
            .expect("most leads have a company");
        let company = company.split(' ').next().unwrap_or_default().to_lowercase();
        let prefix = |text: &str| SearchCase {
            prefix: true,
            ..words(&[text], None)
        };
        for (name, case) in [
            ("exact e-mail", words(&[&email], Some("email"))),
            ("company word", words(&[&company], Some("company"))),
            ("common first name", words(&["mary"], None)),
            ("common word", words(&["website"], None)),
            ("prefix of 2 letters", prefix("sm")),
            ("prefix of 3 letters", prefix("smi")),
            ("two words", words(&["jane", "systems"], None)),
            ("two common words", words(&["website", "technology"], None)),
            (
                "three common words",
                words(&["website", "technology", "example"], None),
            ),
        ] {
            for (order, ranked) in [("ranked", true), ("SQLite by its newest", false)] {
                self.search(
                    &format!("search {name}, {order}"),
                    &SearchCase {
                        ranked,
                        ..case.clone()
                    },
                );
            }
        }
    }

    fn search(&mut self, row: &str, case: &SearchCase) {
        if !(self.selected)(row) {
            return;
        }
        let (ours, theirs) = (self.ours.search(case), self.theirs.search(case));
        assert!(!ours.numbers.is_empty(), "{row}: {case:?}");
        assert_eq!(ours.total, theirs.total, "{row}: {case:?}");
        // The engines rank differently, but must find the same leads: SQLite must find the hits on
        // leadstore's page, and leadstore those on SQLite's page. The latter is checked only for
        // small totals, because leadstore has to read all pages for it.
        assert_eq!(
            self.theirs.count_found(case, &ours.numbers),
            ours.numbers.len() as u64,
            "{row}: {case:?}"
        );
        if ours.total < 10_000 {
            assert_eq!(
                self.ours.count_found(case, &theirs.numbers),
                theirs.numbers.len() as u64,
                "{row}: {case:?}"
            );
        }
        self.compare(row, &mut |peer, _| drop(peer.search(case)));
    }

    fn gets(&mut self) {
        let mut rng = Rng::with_seed(5);
        let numbers: Vec<usize> = (0..10_000).map(|_| rng.usize(..self.leads)).collect();
        if !(self.selected)("get, at random") {
            return;
        }
        // Read each of these leads once first, so that the caches of both engines are warm.
        for number in &numbers {
            assert_eq!(self.ours.get(*number), self.theirs.get(*number));
        }
        self.compare("get, at random", &mut |peer, call| {
            drop(peer.get(numbers[call % numbers.len()]))
        });
    }

    fn writes(&mut self) {
        // Both engines take their leads from the same list, each at its own pace.
        let fresh = self.next_leads(20_000);
        let mut created = (0, 0);
        self.compare("write: durable create", &mut |peer, _| {
            let done = if peer.name() == "SQLite" {
                &mut created.1
            } else {
                &mut created.0
            };
            let (number, fields) = &fresh[*done];
            peer.create(*number, fields);
            *done += 1;
        });
        // The engine that created fewer leads creates the missing ones, so that both have the same
        // leads again.
        for (number, fields) in &fresh[created.0..created.0.max(created.1)] {
            self.ours.create(*number, fields);
        }
        for (number, fields) in &fresh[created.1..created.0.max(created.1)] {
            self.theirs.create(*number, fields);
        }
        self.next = fresh[0].0 + created.0.max(created.1);
        let mut rng = Rng::with_seed(6);
        let numbers: Vec<usize> = (0..10_000).map(|_| rng.usize(..self.leads)).collect();
        self.compare("write: durable update", &mut |peer, call| {
            peer.update(numbers[call % numbers.len()], call as i64 % 1_000_000);
        });
        self.compare("write: durable delete, then restore", &mut |peer, call| {
            peer.delete(numbers[call % numbers.len()]);
            peer.restore(numbers[call % numbers.len()]);
        });
        self.write_then_search();
        self.eight_threads();
    }

    /// Times an operation on both engines, in an order that changes every round.
    fn time_alternately(
        &mut self,
        round: usize,
        time: impl Fn(&mut dyn Peer) -> f64,
    ) -> (f64, f64) {
        let time = |peer: &mut dyn Peer| {
            settle_heap();
            time(peer)
        };
        if round.is_multiple_of(2) {
            let ours = time(&mut *self.ours);
            (ours, time(&mut *self.theirs))
        } else {
            let theirs = time(&mut *self.theirs);
            (time(&mut *self.ours), theirs)
        }
    }

    fn write_then_search(&mut self) {
        let row = "write: durable create, then a search for it";
        if !(self.selected)(row) {
            return;
        }
        let mut samples = Vec::new();
        for round in 0..self.rounds * 5 {
            let leads = self.next_leads(1);
            let (number, fields) = &leads[0];
            let case = words(&[&fields.email], Some("email"));
            let time = |peer: &mut dyn Peer| {
                let begun = Instant::now();
                peer.create(*number, fields);
                let found = peer.search(&case);
                assert_eq!(found.numbers, [*number]);
                begun.elapsed().as_secs_f64() * 1e6
            };
            samples.push(self.time_alternately(round, time));
        }
        self.report
            .rows
            .push(summarize(row, self.leads, "SQLite", samples));
    }

    fn eight_threads(&mut self) {
        const THREADS: usize = 8;
        const EACH: usize = 25;
        let row = "write: durable create from 8 threads";
        if !(self.selected)(row) {
            return;
        }
        let mut samples = Vec::new();
        for round in 0..self.rounds {
            let leads = self.next_leads(THREADS * EACH);
            let per_thread: Vec<Vec<(usize, Fields)>> =
                leads.chunks(EACH).map(<[_]>::to_vec).collect();
            let time = |peer: &mut dyn Peer| {
                let begun = Instant::now();
                peer.create_in_threads(&per_thread);
                begun.elapsed().as_secs_f64() * 1e6 / leads.len() as f64
            };
            samples.push(self.time_alternately(round, time));
        }
        self.report
            .rows
            .push(summarize(row, self.leads, "SQLite", samples));
    }
}

/// Measures lists of leads that were imported in random order instead of in the order of their
/// creation times.
fn shuffled(
    directory: &Path,
    leads: usize,
    rounds: usize,
    selected: &dyn Fn(&str) -> bool,
) -> Vec<Row> {
    let (our_path, their_path) = (
        directory.join("ours-shuffled"),
        directory.join("sqlite-shuffled"),
    );
    let mut rng = Rng::with_seed(1);
    let mut all: Vec<_> = (0..leads)
        .map(|number| (number, Fields::random(&mut rng, number)))
        .collect();
    rng.shuffle(&mut all);
    for mut peer in [
        Box::new(Ours::open(&our_path, CACHE_BYTES)) as Box<dyn Peer>,
        Box::new(Sqlite::open(&their_path, CACHE_BYTES)),
    ] {
        all.chunks(BATCH).for_each(|batch| peer.import(batch));
        peer.close();
    }
    let sqlite = Sqlite::open(&their_path, CACHE_BYTES);
    sqlite.tidy_up();
    let ours = Ours::open(&our_path, CACHE_BYTES);
    ours.tidy_up();
    let (ours, theirs) = (Box::new(ours), Box::new(sqlite));
    let mut bench = Bench {
        ours,
        theirs,
        leads,
        rounds,
        selected,
        report: Report::default(),
        rng,
        next: leads,
    };
    let one = || ListCase {
        status: Some("new"),
        ..ListCase::default()
    };
    bench.list(
        "of leads imported in random order, newest first, no filter",
        &ListCase::default(),
        &["first", "middle"],
    );
    bench.list(
        "of leads imported in random order, newest first, one filter",
        &one(),
        &["first", "middle"],
    );
    bench.ours.close();
    bench.theirs.close();
    bench.report.rows
}
