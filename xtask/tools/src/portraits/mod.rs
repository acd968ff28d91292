//! Drawn portraits in two styles: the pictures that a model is trained on, how it is judged, and how it comes into the
//! project.

pub(crate) mod data;
pub(crate) mod eval;
pub(crate) mod model;
