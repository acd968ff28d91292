//! `ugatit data`: looking after a dataset.

mod finding;
mod findings;
mod print;
mod report;
mod scan;

use std::path::PathBuf;
use std::process::ExitCode;

use ugatit::io::Dataset;

use crate::console::line;

use report::Report;

/// Look after a dataset
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Check(CheckArgs),
}

/// Decode every picture of a dataset and report what would spoil a training run
///
/// Exit status 0 where it can be trained on, 1 where files are broken, where test pictures are
/// also trained on, or where a picture is in both domains.
#[derive(Debug, clap::Args)]
struct CheckArgs {
    /// The folder that holds trainA and trainB, and testA and testB where there are any
    dataset: PathBuf,
    /// The size that is to be trained at
    #[arg(long, alias = "img_size", value_name = "N", default_value_t = 256,
          value_parser = clap::value_parser!(u32).range(1..=65536))]
    img_size: u32,
    /// One JSON object instead of text, with every file that something was found about
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let Command::Check(args) = &args.command;
    let dataset = Dataset::open(&args.dataset)?;
    let folders = scan::scan(&dataset, !args.json);
    let report = Report::new(&dataset.root, args.img_size as usize, &folders, !args.json);
    if args.json {
        line(serde_json::to_string_pretty(&report)?);
    } else {
        print::print(&report);
    }
    Ok(if report.usable { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
