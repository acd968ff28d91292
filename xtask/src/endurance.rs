//! `cargo xtask endurance`: the long form of the tests of what has to hold for days and against strangers' files.

use anyhow::Result;
use clap::Args;

use xtask::process::{cargo, say};
use xtask::web;

#[derive(Args)]
pub(crate) struct Options {
    /// How often a training run is killed
    #[arg(long, value_name = "N", default_value_t = 1000)]
    kills: u32,
    /// How many pictures are translated natively, on the processor and on the adapter each
    #[arg(long, value_name = "N", default_value_t = 2000)]
    translations: u32,
    /// How many times as many damaged files are read as in the short form, which has 26,000
    #[arg(long, value_name = "N", default_value_t = 20)]
    fuzz: u32,
    /// Leave out the page, which needs Chromium
    #[arg(long)]
    native: bool,
}

/// Runs the tests of `native/tests/endurance.rs` and `tests/fuzz.rs` with other counts, and the page's own.
pub(crate) fn run(options: &Options) -> Result<()> {
    let Options { kills, translations, fuzz, .. } = options;
    let [kills, translations, fuzz] = [kills, translations, fuzz].map(u32::to_string);
    let counts =
        [("UGATIT_KILLS", &*kills), ("UGATIT_TRANSLATIONS", &*translations), ("UGATIT_FUZZ", &*fuzz)];
    // One after the other, so that each has the machine for itself.
    let arguments = ["--nocapture", "--test-threads=1"];
    let test = ["test", "--release", "--workspace", "--test", "endurance", "--test", "fuzz", "--"];
    cargo(&[&test[..], &arguments].concat(), &counts)?;
    if options.native {
        say("left out: the page");
        return Ok(());
    }
    cargo(&["build", "--release", "--package", "ugatit-native"], &[])?;
    web::endurance()
}
