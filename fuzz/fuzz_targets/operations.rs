//! Operations on a store on a simulated disk that can fail and lose power, beside the plain map of the tests: whatever was
//! acknowledged is there, and every answer is the map's.
#![no_main]
#![allow(
    dead_code,
    unused_imports,
    reason = "the tests' modules have more than is used here"
)]

#[path = "../../tests/it/brute_force.rs"]
mod brute_force;
#[path = "../../tests/it/crash/mod.rs"]
mod crash;
#[path = "../../tests/it/model/mod.rs"]
mod model;
#[path = "../../tests/it/support.rs"]
mod support;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|choices: &[u8]| crash::run_by(choices));
