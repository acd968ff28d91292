//! One thing that would spoil a training run.

use std::path::PathBuf;

use serde::Serialize;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Severity {
    /// Training would stop, or its results could not be believed.
    Error,
    /// Worth knowing.
    Warning,
}

#[derive(Debug, Serialize)]
pub(super) struct Finding {
    pub(super) severity: Severity,
    /// A word for programs.
    pub(super) kind: &'static str,
    pub(super) problem: String,
    pub(super) advice: &'static str,
    pub(super) cases: Vec<Case>,
}

/// One file, or several that belong together.
#[derive(Debug, Serialize)]
pub(super) struct Case {
    #[serde(serialize_with = "crate::shown::list")]
    pub(super) files: Vec<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) note: Option<String>,
}
