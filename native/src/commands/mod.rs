//! One file a command: its options and what it does.

pub(crate) mod average;
pub(crate) mod completions;
pub(crate) mod data;
pub(crate) mod doctor;
pub(crate) mod eval;
pub(crate) mod export;
pub(crate) mod import;
pub(crate) mod info;
pub(crate) mod man;
pub(crate) mod train;
pub(crate) mod translate;
pub(crate) mod tune;
