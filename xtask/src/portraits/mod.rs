//! Drawn portraits in two styles: the pictures that a model is trained on, and how it is judged.

pub(crate) mod data;
pub(crate) mod eval;
