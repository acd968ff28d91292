//! The `ugatit` program: thin commands over the library, and the only place that blocks.

mod commands;
mod compiling;
mod console;
mod device;
mod events;
mod hint;
mod interrupt;
mod models;
mod ranks;
mod shown;
mod targets;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{ArgAction, CommandFactory, Parser, Subcommand};

use console::Usage;

/// Translate pictures with U-GAT-IT, on any GPU or without one.
#[derive(Parser)]
#[command(name = "ugatit", version, max_term_width = 100)]
struct Cli {
    /// Tell on standard error what is decided and done: -v the GPU, plans and caches, -vv also every kernel and submit
    #[arg(short, long, global = true, action = ArgAction::Count)]
    verbose: u8,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Translate(commands::translate::Args),
    Train(Box<commands::train::Args>),
    Eval(commands::eval::Args),
    Import(commands::import::Args),
    Export(commands::export::Args),
    Average(commands::average::Args),
    Info(commands::info::Args),
    Data(commands::data::Args),
    Doctor(commands::doctor::Args),
    Tune(commands::tune::Args),
    Completions(commands::completions::Args),
    Man(commands::man::Args),
}

/// Exit status: 0 all went well; 1 something could not be done; 2 a wrong command line;
/// 130 interrupted.
fn main() -> ExitCode {
    quiet_drivers();
    let arguments = match commands::train::official::translated(with_hyphens(std::env::args_os()).collect()) {
        Ok(arguments) => arguments,
        Err(error) => {
            console::error(format_args!("error: {error}"));
            return ExitCode::from(2);
        }
    };
    let Cli { verbose, command } = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) if ranks::tells() => error.exit(),
        // The same that the first of several processes tells.
        Err(error) => return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2)),
    };
    events::show(verbose);
    let done = match command {
        Command::Translate(args) => commands::translate::run(&args),
        Command::Train(args) => commands::train::run(&args),
        Command::Eval(args) => commands::eval::run(&args),
        Command::Import(args) => commands::import::run(&args),
        Command::Export(args) => commands::export::run(&args),
        Command::Average(args) => commands::average::run(&args),
        Command::Info(args) => commands::info::run(&args),
        Command::Data(args) => commands::data::run(&args),
        Command::Doctor(args) => commands::doctor::run(&args),
        Command::Tune(args) => commands::tune::run(&args),
        Command::Completions(args) => commands::completions::run(&args, &mut Cli::command()),
        Command::Man(args) => commands::man::run(&args, Cli::command()),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            console::error(format_args!("error: {}", chain(&error)));
            ExitCode::from(if error.is::<Usage>() { 2 } else { 1 })
        }
    }
}

/// The official program's options have underscores; ours take both. After `--` come no options.
fn with_hyphens(arguments: impl Iterator<Item = OsString>) -> impl Iterator<Item = OsString> {
    let mut options = true;
    arguments.map(move |argument| match argument.to_str() {
        Some("--") => {
            options = false;
            argument
        }
        Some(text) if options && text.starts_with("--") => {
            let (name, value) = text.split_at(text.find('=').unwrap_or(text.len()));
            format!("{}{value}", name.replace('_', "-")).into()
        }
        _ => argument,
    })
}

/// An error with its causes, except those that the line already tells, and what options help.
fn chain(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    match error.chain().find_map(|cause| cause.downcast_ref::<ugatit::Error>()) {
        Some(error) => hint::with(text, error),
        None => text,
    }
}

/// Mesa's layer that chooses a GPU by the running desktop complains on standard error where no
/// desktop runs. We choose by ourselves, so it may stay out.
fn quiet_drivers() {
    if cfg!(target_os = "linux") && std::env::var_os("WAYLAND_DISPLAY").is_none() {
        // SAFETY: the first thing in `main`; no other thread reads the environment yet.
        unsafe { std::env::set_var("NODEVICE_SELECT", "1") };
    }
}
