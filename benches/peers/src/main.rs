//! The same workloads on leadstore, on SQLite with FTS5, and on native_db where it supports them,
//! in one run. The engines take turns in each round, and their answers to a query are compared
//! before the query is timed. Each row reports the median ratio with its spread, except that the
//! row of the bulk load reports the ratio of the total times.
//!
//! `cargo run --release --manifest-path benches/peers/Cargo.toml -- --leads 1000000 [--rows
//! list,search] [--json FILE]`

#[path = "../../generated/mod.rs"]
mod generated;

mod footprint;
mod limits;
mod measure;
mod native;
mod ours;
mod peer;
mod rows;
mod sqlite;

use std::path::PathBuf;

use clap::Parser;

#[derive(Parser)]
struct Arguments {
    /// Number of leads per store
    #[arg(long, default_value_t = 100_000)]
    leads: usize,
    /// Measure only the rows whose names begin with one of these prefixes
    #[arg(long, value_delimiter = ',')]
    rows: Vec<String>,
    /// Number of rounds per row
    #[arg(long, default_value_t = 15)]
    rounds: usize,
    /// Write the results to this file as JSON
    #[arg(long)]
    json: Option<PathBuf>,
    /// Directory for the stores; a temporary one by default
    #[arg(long)]
    directory: Option<PathBuf>,
    /// The role of a child process, see `footprint`
    #[arg(long, hide = true)]
    child: Option<String>,
}

fn main() {
    let arguments = Arguments::parse();
    if let Some(peer) = &arguments.child {
        let directory = arguments
            .directory
            .expect("a child process gets --directory");
        footprint::child(peer, &directory, arguments.leads);
        return;
    }
    let temporary = tempfile::tempdir().expect("a temporary directory");
    let directory = arguments
        .directory
        .unwrap_or_else(|| temporary.path().to_owned());
    let selected = |row: &str| {
        arguments.rows.is_empty()
            || arguments
                .rows
                .iter()
                .any(|start| row.starts_with(start.as_str()))
    };
    let report = rows::run(&directory, arguments.leads, arguments.rounds, &selected);
    println!("{}", report.markdown());
    if let Some(path) = arguments.json {
        std::fs::write(path, report.json()).expect("the JSON file can be written");
    }
}
