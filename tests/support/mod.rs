//! What the integration tests share.

#![allow(dead_code, reason = "each test file uses its own part")]

pub(crate) mod engine;
pub(crate) mod golden;
