//! `cargo +nightly fuzz run pytorch tests/fuzz/corpus/pytorch`
#![no_main]

#[allow(dead_code, reason = "each program runs one of the targets")]
#[path = "../../tests/fuzz/targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|data: &[u8]| targets::pytorch(data));
