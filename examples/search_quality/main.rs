//! Measures how well searches find the contacts of a real export, and prints a table: `cargo run
//! --release --example search_quality -- us-500.csv`
//!
//! The file has the columns first_name, last_name, company_name, phone1 and email. The tests check
//! the same table.

mod measure;

use std::path::PathBuf;

use leadstore::{LeadStore, Result};

fn main() -> Result<()> {
    let Some(path) = std::env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("usage: search_quality <contacts.csv>");
        std::process::exit(2);
    };
    let contacts = measure::Contact::read(&path);
    let store = LeadStore::in_memory()?;
    measure::import(&store, &contacts)?;
    println!("| typed text | expected position | contacts | found |");
    println!("|---|---|---|---|");
    for row in measure::table(&store, &contacts)? {
        println!(
            "| {} | {} | {} | {} |",
            row.typed, row.expected, row.of, row.found
        );
    }
    store.close()
}
