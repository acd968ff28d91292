//! What a person types in this repository.
fn main() {}
