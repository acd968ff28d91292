//! Paths in JSON, whatever bytes they have: what is no Unicode becomes U+FFFD, as on a terminal, so
//! that a picture with a strange name is told of, and does not cost the report.
//!
//! Functions for `#[serde(serialize_with = "…")]`.

use std::path::Path;

use serde::Serializer;

/// A path.
pub(crate) fn path<P: AsRef<Path>, S: Serializer>(path: &P, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&path.as_ref().to_string_lossy())
}

/// A path or null.
pub(crate) fn optional<P: AsRef<Path>, S: Serializer>(
    path: &Option<P>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match path {
        Some(path) => serializer.serialize_some(&path.as_ref().to_string_lossy()),
        None => serializer.serialize_none(),
    }
}

/// Paths.
pub(crate) fn list<P: AsRef<Path>, S: Serializer>(paths: &[P], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(paths.iter().map(|path| path.as_ref().to_string_lossy()))
}
