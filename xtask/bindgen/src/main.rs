//! `ugatit-bindgen MODULE.wasm FOLDER`: writes the JavaScript and TypeScript that belong to a
//! module, and the module itself, into a folder. `cargo xtask web` calls it.
//!
//! A program of its own, so that `cargo xtask demo` need not build it.

use anyhow::{Context, Result};
use wasm_bindgen_cli_support::Bindgen;

fn main() -> Result<()> {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(module), Some(folder)) = (arguments.next(), arguments.next()) else {
        anyhow::bail!("usage: ugatit-bindgen MODULE.wasm FOLDER");
    };
    let mut bindgen = Bindgen::new();
    bindgen.input_path(&module).out_name("ugatit").typescript(true);
    bindgen.web(true)?;
    bindgen.generate(&folder).with_context(|| format!("wasm-bindgen on {}", module.display()))
}
