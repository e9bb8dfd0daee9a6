//! Imports arbitrary bytes as a CSV file of leads with the code of the command-line tool: every row
//! is either imported or rejected.
#![no_main]
#![allow(dead_code, reason = "the modules of the tool contain more than the import")]

/// Prints a line, like the tool's macro with the same name. Unlike that macro, it panics if
/// standard output is closed.
macro_rules! say {
    ($($text:tt)*) => { println!($($text)*) };
}

#[path = "../../examples/leads/failure.rs"]
mod failure;
#[path = "../../examples/leads/import.rs"]
mod import;
#[path = "../../examples/leads/show.rs"]
mod show;
mod store;

use indicatif::ProgressBar;
use leadstore::Filter;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let file = import::CsvFile::of(bytes.to_vec(), "fuzz").or_else(|_| {
        // Most inputs have no usable header.
        import::CsvFile::of(
            [b"name,email,deal_value,tags,status,x\n", bytes].concat(),
            "fuzz",
        )
    });
    let Ok(file) = file else { return };
    let store = leadstore::testing::without_search(store::options())
        .in_memory()
        .expect("the store should open");
    let Ok(imported) = import::import(&store, &file, &ProgressBar::hidden()) else {
        panic!("the import failed")
    };
    assert_eq!(
        store.count(&Filter::new()).expect("the leads should be countable"),
        imported.leads
    );
    assert!(store.check(|_| ()).expect("the check should finish").is_ok());
});
