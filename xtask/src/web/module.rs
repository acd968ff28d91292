//! The WebAssembly modules, from Rust to what browsers load: the usual one, and the one with shared memory
//! for pages that are cross-origin isolated.

use std::path::Path;

use anyhow::{Context, Result};

use super::npm;
use crate::process::{cargo, root, run, target};

/// Where the WebAssembly module and its JavaScript go.
const PACKAGE_WASM: &str = "web/package/dist/wasm";
const TARGET: &str = "wasm32-unknown-unknown";

/// What browsers have had for years; Binaryen's `--all-features` goes beyond it.
const WASM_OPT: [&str; 12] = [
    "-O3",
    // Functions that are called from one place stay apart where they are large: a browser compiles one when it is
    // first called, and would have to compile all that lies inside of it.
    "--one-caller-inline-max-function-size=20",
    "--enable-bulk-memory",
    "--enable-bulk-memory-opt",
    "--enable-reference-types",
    "--enable-sign-ext",
    "--enable-mutable-globals",
    "--enable-nontrapping-float-to-int",
    "--enable-multivalue",
    "--enable-simd",
    "--strip-debug",
    "--strip-producers",
];

/// What makes a module's memory one that threads share. The linker is told each export that
/// wasm-bindgen needs for starting a thread.
const SHARED_MEMORY: &str = r#"target.wasm32-unknown-unknown.rustflags = [
    "-Ctarget-feature=+atomics,+bulk-memory,+mutable-globals",
    "-Clink-arg=--shared-memory", "-Clink-arg=--import-memory", "-Clink-arg=--max-memory=4294967296",
    "-Clink-arg=--export=__wasm_init_tls", "-Clink-arg=--export=__tls_size",
    "-Clink-arg=--export=__tls_align", "-Clink-arg=--export=__tls_base",
    "-Clink-arg=--export=__heap_base",
]"#;
/// The standard library that comes compiled has no atomics, so it is compiled too, from the sources that
/// rustup has. `RUSTC_BOOTSTRAP` lets the stable compiler do so.
const OWN_STANDARD_LIBRARY: [&str; 2] = ["-Zbuild-std=std,panic_abort", "--config"];
/// Apart from the rest, which would else be compiled anew each time: this one's crates are told that the
/// compiler is another.
const THREADS_FOLDER: &str = "web-threads";

/// The module that every browser can load.
pub(super) fn plain() -> Result<()> {
    run("rustup", &["target", "add", TARGET])?;
    cargo(&["build", "--profile", "web", "--package", "ugatit-web", "--target", TARGET], &[])?;
    finish(&target(), "ugatit", &[])
}

/// The module with shared memory and threads.
pub(super) fn threaded() -> Result<()> {
    run("rustup", &["component", "add", "rust-src"])?;
    let folder = target().join(THREADS_FOLDER);
    let path = folder.to_str().context("this folder's name is no Unicode")?;
    let build = ["build", "--profile", "web", "--package", "ugatit-web", "--target", TARGET];
    let own = [&OWN_STANDARD_LIBRARY[..], &[SHARED_MEMORY, "--target-dir", path]].concat();
    cargo(&[&build[..], &own].concat(), &[("RUSTC_BOOTSTRAP", "1")])?;
    finish(&folder, "ugatit_threads", &["--enable-threads"])
}

/// Writes the JavaScript of a compiled module, and makes the module smaller and faster.
fn finish(built: &Path, name: &str, features: &[&str]) -> Result<()> {
    let compiled = built.join(TARGET).join("web/ugatit_web.wasm");
    let compiled = compiled.to_str().context("this folder's name is no Unicode")?;
    let folder = root().join(PACKAGE_WASM);
    std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    cargo(&["run", "--release", "--package", "ugatit-bindgen", "--", compiled, PACKAGE_WASM, name], &[])?;
    let module = folder.join(format!("{name}_bg.wasm"));
    let module = module.to_str().context("this folder's name is no Unicode")?;
    npm::exec("wasm-opt", &[&WASM_OPT[..], features, &[module, "-o", module]].concat(), &[])
}
