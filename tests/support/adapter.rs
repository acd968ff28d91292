//! Which adapter the tests run on.

use ugatit::gpu::AdapterOptions;

/// Any, or the one that the environment variable `UGATIT_ADAPTER` tells, as the program's option `--adapter` does.
pub(crate) fn any() -> AdapterOptions {
    AdapterOptions { name: std::env::var("UGATIT_ADAPTER").ok(), ..AdapterOptions::any() }
}
