//! What a person types in this repository: `cargo xtask demo`, `test`, `web`, `serve`, `lint`,
//! `shaders`, `bench`, `endurance`, `portrait-data`, `portrait-eval`, `portrait-model`.

mod bench;
mod demo;
mod endurance;
mod mpi;
mod portraits;
mod process;
mod shaders;
mod systems;
mod test;
mod web;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Everything that this repository can do, by name")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Translate the pictures that come with the project and show the result
    Demo(demo::Options),
    /// Run all tests; installs or names what is missing
    Test(test::Options),
    /// Build the npm package `ugatit-web`, into web/package
    Web,
    /// Build the demo page and serve it on this machine
    Serve(web::ServeOptions),
    /// Formatting, lints, documentation and the wasm build, as CI checks them
    Lint,
    /// Try all shaders with the compilers that users have: naga's writers, Chrome's Tint, DXC
    Shaders,
    /// Measure every kernel and whole translations on this machine's adapter
    Bench(bench::Options),
    /// Kill training runs, translate thousands of pictures, and see that nothing is lost and memory stays flat
    Endurance(endurance::Options),
    /// Build an unpaired image set of drawn portraits in two of DiceBear's styles, with labels
    PortraitData(portraits::data::Options),
    /// Measure a model of the portraits: style, hair and skin, shapes, cycle and identity
    PortraitEval(portraits::eval::Options),
    /// Put a model of the portraits in place of the one in models/, with its figures and pictures
    PortraitModel(portraits::model::Options),
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::Demo(options) => demo::run(&options),
        Command::Test(options) => test::run(&options),
        Command::Web => web::build(),
        Command::Serve(options) => web::serve(&options),
        Command::Lint => test::lint(),
        Command::Shaders => shaders::check(),
        Command::Bench(options) => pollster::block_on(bench::run(&options)),
        Command::Endurance(options) => endurance::run(&options),
        Command::PortraitData(options) => portraits::data::run(&options),
        Command::PortraitEval(options) => portraits::eval::run(&options),
        Command::PortraitModel(options) => portraits::model::run(&options),
    }
}
