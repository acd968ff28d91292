//! `ugatit completions`.

use std::io::Write;
use std::process::ExitCode;

use clap_complete::Shell;

/// Print a shell's completion script
///
/// For example: ugatit completions bash > ~/.local/share/bash-completion/completions/ugatit
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The shell to complete in
    #[arg(value_enum)]
    shell: Shell,
}

pub(crate) fn run(args: &Args, command: &mut clap::Command) -> anyhow::Result<ExitCode> {
    let mut script = vec![];
    clap_complete::generate(args.shell, command, "ugatit", &mut script);
    let _ = std::io::stdout().write_all(&script);
    Ok(ExitCode::SUCCESS)
}
