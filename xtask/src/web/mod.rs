//! The browser's side: `cargo xtask web`, `cargo xtask serve`, and the tests in a browser.

mod browser;
mod module;
pub mod npm;

pub use browser::chromium;

use std::time::Instant;

use anyhow::{Context, Result};
use clap::Args;

use crate::process::{root, say, target};

/// What `cargo xtask serve` takes.
#[derive(Args)]
pub struct ServeOptions {
    /// The port on this machine
    #[arg(long, default_value_t = 8080)]
    port: u16,
}

/// Builds the npm package: the WebAssembly modules, their glue, the TypeScript.
pub fn build() -> Result<()> {
    npm::install()?;
    module::plain()?;
    module::threaded()?;
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
    npm::run(&["run", "format:check"])?;
    npm::run(&["run", "circles"])
}
