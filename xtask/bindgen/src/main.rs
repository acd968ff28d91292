//! `ugatit-bindgen MODULE.wasm FOLDER NAME`: writes the JavaScript and TypeScript that belong to a
//! module, and the module itself, into a folder, under a name. `cargo xtask web` calls it.
//!
//! A program of its own, so that `cargo xtask demo` need not build it.

use anyhow::{Context, Result};
use wasm_bindgen_cli_support::Bindgen;

fn main() -> Result<()> {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(module), Some(folder), Some(name)) = (arguments.next(), arguments.next(), arguments.next())
    else {
        anyhow::bail!("usage: ugatit-bindgen MODULE.wasm FOLDER NAME");
    };
    let name = name.to_str().context("the name is no Unicode")?;
    let mut bindgen = Bindgen::new();
    bindgen.input_path(&module).out_name(name).typescript(true);
    bindgen.web(true)?;
    bindgen.generate(&folder).with_context(|| format!("wasm-bindgen on {}", module.display()))
}
