//! What the integration tests share.

#![allow(dead_code, reason = "each test file uses its own part")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "the helpers of tests fail and report like the tests themselves"
)]

pub(crate) mod adapter;
pub(crate) mod case;
pub(crate) mod differences;
pub(crate) mod engine;
pub(crate) mod golden;
pub(crate) mod random;
pub(crate) mod threads;
pub(crate) mod training;
