//! `cargo +nightly fuzz run tensorflow tests/fuzz/corpus/tensorflow`
#![no_main]

#[allow(dead_code, reason = "each program runs one of the targets")]
#[path = "../../tests/fuzz/targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|data: &[u8]| targets::tensorflow(data));
