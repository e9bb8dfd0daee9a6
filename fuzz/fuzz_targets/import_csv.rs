//! Arbitrary bytes as a CSV file of leads, imported by the command-line tool's own code: every row goes in or is refused.
#![no_main]
#![allow(dead_code, reason = "the tool's modules have more than an import")]

/// The tool's own tells of a closed standard output.
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
        // Most files have no header that means anything.
        import::CsvFile::of(
            [b"name,email,deal_value,tags,status,x\n", bytes].concat(),
            "fuzz",
        )
    });
    let Ok(file) = file else { return };
    let store = leadstore::testing::without_search(store::options())
        .in_memory()
        .expect("a store");
    let Ok(imported) = import::import(&store, &file, &ProgressBar::hidden()) else {
        panic!("the import failed")
    };
    assert_eq!(
        store.count(&Filter::new()).expect("a count"),
        imported.leads
    );
    assert!(store.check(|_, _| ()).expect("a check").is_ok());
});
