//! What the integration tests share.

pub(crate) mod engine;
pub(crate) mod golden;
