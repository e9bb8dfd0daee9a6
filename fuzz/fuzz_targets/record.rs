//! Decodes arbitrary bytes in every format that the store reads from its files: decoding does not
//! panic, and every decoded value round-trips.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Err(what) = leadstore::testing::read_in_every_way(bytes) {
        panic!("{what}");
    }
});
