//! Decodes arbitrary bytes as everything that the store reads from its files.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Err(what) = leadstore::testing::read_in_every_way(bytes) {
        panic!("{what}");
    }
});
