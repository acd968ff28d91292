//! The `ugatit` program.
fn main() {}
