//! What a person types in this repository: `cargo xtask demo`, `test`, `web`, `serve`, `lint`, `release`,
//! `shaders`, `bench`, `endurance`, `portrait-data`, `portrait-eval`, `portrait-model`.

mod demo;
mod endurance;
mod lint;
mod mpi;
mod release;
mod systems;
mod test;
mod tools;

use clap::{Parser, Subcommand};
use xtask::web;

use tools::Forwarded;

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
    Lint(lint::Options),
    /// Try all that can be tried before a release, and say what a person then types
    Release(release::Options),
    /// Try all shaders with the compilers that users have: naga's writers, Chrome's Tint, DXC
    Shaders,
    /// Measure every kernel and whole translations on this machine's adapter
    #[command(disable_help_flag = true)]
    Bench(Forwarded),
    /// Kill training runs, translate thousands of pictures, and see that nothing is lost and memory stays flat
    Endurance(endurance::Options),
    /// Build an unpaired image set of drawn portraits in two of DiceBear's styles, with labels
    #[command(disable_help_flag = true)]
    PortraitData(Forwarded),
    /// Measure a model of the portraits: style, hair and skin, shapes, cycle and identity
    #[command(disable_help_flag = true)]
    PortraitEval(Forwarded),
    /// Put a model of the portraits in place of the one in models/, with its figures and pictures
    #[command(disable_help_flag = true)]
    PortraitModel(Forwarded),
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::Demo(options) => demo::run(&options),
        Command::Test(options) => test::run(&options),
        Command::Web => web::build(),
        Command::Serve(options) => web::serve(&options),
        Command::Lint(options) => lint::run(&options),
        Command::Release(options) => release::run(&options),
        Command::Shaders => tools::shaders(),
        Command::Bench(options) => options.run("bench"),
        Command::Endurance(options) => endurance::run(&options),
        Command::PortraitData(options) => options.run("portrait-data"),
        Command::PortraitEval(options) => options.run("portrait-eval"),
        Command::PortraitModel(options) => options.run("portrait-model"),
    }
}

#[cfg(test)]
#[path = "../../native/tests/common/documents.rs"]
mod documents;

#[cfg(test)]
mod tests {
    use super::*;

    /// What the documents tell people to type is what there is.
    #[test]
    fn documented_commands_are_taken() {
        documents::assert_xtask_takes::<Arguments>(|_| true);
    }
}
