//! The same work on leadstore, on SQLite with FTS5, and on native_db for what it can do, in one run: engines are
//! interleaved round by round, every answer is compared before it is timed, and each row reports the median ratio with
//! its spread.
//!
//! `cargo run --release --manifest-path benches/peers/Cargo.toml -- --leads 1000000 [--rows list,search] [--json FILE]`

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
    /// How many leads each store holds
    #[arg(long, default_value_t = 100_000)]
    leads: usize,
    /// Only rows whose name begins with one of these
    #[arg(long, value_delimiter = ',')]
    rows: Vec<String>,
    /// How many rounds each row is measured for
    #[arg(long, default_value_t = 15)]
    rounds: usize,
    /// Write the figures here, as JSON
    #[arg(long)]
    json: Option<PathBuf>,
    /// Where the stores are made; a temporary directory otherwise
    #[arg(long)]
    directory: Option<PathBuf>,
    /// What a process started by this one does, see `footprint`
    #[arg(long, hide = true)]
    child: Option<String>,
}

fn main() {
    let arguments = Arguments::parse();
    if let Some(peer) = &arguments.child {
        let directory = arguments.directory.expect("a child is told its directory");
        footprint::child(peer, &directory, arguments.leads);
        return;
    }
    let temporary = tempfile::tempdir().expect("a temporary directory");
    let directory = arguments
        .directory
        .unwrap_or_else(|| temporary.path().to_owned());
    let wanted = |row: &str| {
        arguments.rows.is_empty()
            || arguments
                .rows
                .iter()
                .any(|start| row.starts_with(start.as_str()))
    };
    let report = rows::run(&directory, arguments.leads, arguments.rounds, &wanted);
    println!("{}", report.markdown());
    if let Some(path) = arguments.json {
        std::fs::write(path, report.json()).expect("the JSON file can be written");
    }
}
