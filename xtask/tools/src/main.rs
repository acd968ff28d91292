//! The commands of `cargo xtask` that compute with the library: `bench`, `shaders`, `portrait-data`, `portrait-eval`,
//! `portrait-model`.

mod bench;
mod dependencies;
mod portraits;
mod shaders;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Licences, duplicates and number of the crates that this project takes
    Dependencies,
    /// Try all shaders with the compilers that users have: naga's writers, Chrome's Tint, DXC
    Shaders,
    /// Measure every kernel and whole translations on this machine's adapter
    Bench(bench::Options),
    /// Build an unpaired image set of drawn portraits in two of DiceBear's styles, with labels
    PortraitData(portraits::data::Options),
    /// Measure a model of the portraits: style, hair and skin, shapes, cycle and identity
    PortraitEval(portraits::eval::Options),
    /// Put a model of the portraits in place of the one in models/, with its figures and pictures
    PortraitModel(portraits::model::Options),
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::Dependencies => dependencies::check(),
        Command::Shaders => shaders::check(),
        Command::Bench(options) => pollster::block_on(bench::run(&options)),
        Command::PortraitData(options) => portraits::data::run(&options),
        Command::PortraitEval(options) => portraits::eval::run(&options),
        Command::PortraitModel(options) => portraits::model::run(&options),
    }
}

#[cfg(test)]
#[path = "../../../native/tests/common/documents.rs"]
mod documents;

#[cfg(test)]
mod tests {
    use super::*;

    /// What the documents tell people to type is what there is.
    #[test]
    fn documented_commands_are_taken() {
        documents::assert_xtask_takes::<Arguments>(|word| word == "bench" || word.starts_with("portrait-"));
    }
}
