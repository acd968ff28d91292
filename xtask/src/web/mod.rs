//! The browser's side: `cargo xtask web`, `cargo xtask serve`, and the tests in a browser.

mod browser;
pub mod npm;

pub use browser::chromium;

use std::time::Instant;

use anyhow::{Context, Result};
use clap::Args;

use crate::process::{cargo, root, say, target};

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

/// What `cargo xtask serve` takes.
#[derive(Args)]
pub struct ServeOptions {
    /// The port on this machine
    #[arg(long, default_value_t = 8080)]
    port: u16,
}

/// Builds the npm package: the WebAssembly module, its glue, the TypeScript.
pub fn build() -> Result<()> {
    npm::install()?;
    module()?;
    npm::run(&["run", "build", "--workspace", "package"])?;
    say(&format!("the package is in {}", root().join("web/package").display()));
    Ok(())
}

/// Builds the package and the demo page, and serves the page on this machine.
pub fn serve(options: &ServeOptions) -> Result<()> {
    build()?;
    npm::run(&["run", "build", "--workspace", "demo"])?;
    npm::run(&["run", "preview", "--workspace", "demo", "--", "--port", &options.port.to_string()])
}

/// Builds the package and the demo page, and runs their tests in every browser that there is.
pub fn test() -> Result<()> {
    let chromium = chromium()?;
    let (firefox, webkit) = (browser::firefox()?, browser::webkit()?);
    build()?;
    npm::run(&["run", "build", "--workspace", "demo"])?;
    npm::run(&["run", "check"])?;
    // What npm's users would stumble over, and what they would download.
    npm::run(&["run", "lint", "--workspace", "package"])?;
    npm::run(&["run", "size", "--workspace", "package"])?;
    let program = program()?;
    let suites = [
        ("Chromium", "test", "CHROMIUM", Some(chromium)),
        ("Firefox", "test:firefox", "FIREFOX", firefox),
        ("WebKit", "test:webkit", "WEBKIT_DRIVER", webkit),
    ];
    let mut report = vec![];
    for (name, script, variable, browser) in suites {
        let Some(browser) = browser else {
            report.push(format!("{name}: skipped, see above"));
            continue;
        };
        let started = Instant::now();
        let environment = [(variable, browser.as_str()), ("UGATIT", program.as_str())];
        npm::run_with(&["run", script, "--workspace", "tests"], &environment)?;
        report.push(format!("{name}: {} s", started.elapsed().as_secs()));
    }
    say(&format!("tests in browsers: {}", report.join(", ")));
    Ok(())
}

/// The page's share of `cargo xtask endurance`: hundreds of translations in Chromium, with an eye on memory.
pub fn endurance() -> Result<()> {
    let chromium = chromium()?;
    build()?;
    let program = program()?;
    let test = ["run", "endurance", "--workspace", "tests"];
    npm::run_with(&test, &[("CHROMIUM", &chromium), ("UGATIT", &program)])
}

/// Where Cargo puts the native program, with which the tests compare.
///
/// # Errors
/// Where the folder's name is no Unicode.
pub fn program() -> Result<String> {
    let program = target().join("release/ugatit").with_extension(std::env::consts::EXE_EXTENSION);
    Ok(program.to_str().context("this folder's name is no Unicode")?.to_owned())
}

/// Whether the files of `web/` are formatted.
pub fn lint() -> Result<()> {
    npm::install()?;
    npm::run(&["run", "format:check"])
}

/// The WebAssembly module, from Rust to what browsers load.
fn module() -> Result<()> {
    crate::process::run("rustup", &["target", "add", TARGET])?;
    cargo(&["build", "--profile", "web", "--package", "ugatit-web", "--target", TARGET], &[])?;
    let compiled = target().join(TARGET).join("web/ugatit_web.wasm");
    let compiled = compiled.to_str().context("this folder's name is no Unicode")?;
    let folder = root().join(PACKAGE_WASM);
    std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    cargo(&["run", "--release", "--package", "ugatit-bindgen", "--", compiled, PACKAGE_WASM], &[])?;
    let module = folder.join("ugatit_bg.wasm");
    let module = module.to_str().context("this folder's name is no Unicode")?;
    npm::exec("wasm-opt", &[&WASM_OPT[..], &[module, "-o", module]].concat(), &[])
}
