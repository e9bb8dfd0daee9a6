//! Operations on a simulated disk that can fail and lose power, checked against the model of the
//! tests: every acknowledged write survives, and every answer matches the model.
#![no_main]
#![allow(
    dead_code,
    unused_imports,
    reason = "the modules of the tests contain more than is used here"
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
