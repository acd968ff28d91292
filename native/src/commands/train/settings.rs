//! What `train` is told: options, a TOML file, a preset, and the run that is there already.

use std::path::{Path, PathBuf};

use clap::error::ErrorKind;
use clap::{Arg, ArgMatches, Command, FromArgMatches, value_parser};
use toml::{Table, Value};
use ugatit::run::{PRESETS, Preset, RunConfig, RunFolder, SETTINGS, Setting, SettingKind};

use crate::console::Usage;

/// Settings that the command line says in another way than the file does.
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = HEADING)]
struct Shorthands {
    /// The full generator, as the paper's figures: one size of picture, 279 million at 256 px
    #[arg(long, conflicts_with = "light")]
    full: bool,
    /// Compute pictures between operations a second time for the gradients: less memory, more time, the same numbers.
    /// Where memory would not do, a run does it unasked
    #[arg(long, alias = "checkpointing")]
    recompute: bool,
    /// The authors' program in TensorFlow: true is --preprocess tensorflow, false --preprocess resize --no-flip
    #[arg(long, value_name = "BOOL", value_parser = boolean, conflicts_with_all = ["preprocess", "no_flip"])]
    augment_flag: Option<bool>,
    /// Do not mirror pictures at random
    #[arg(long)]
    no_flip: bool,
}

/// Where `--help` lists the settings.
const HEADING: &str = "Settings (also keys of --config)";

/// The settings that have an option of their own: the names of `config.toml`, with hyphens.
fn options() -> impl Iterator<Item = &'static Setting> {
    SETTINGS.iter().filter(|setting| !matches!(setting.name, "recompute" | "flip"))
}

/// A setting as an option. What it is is said by the library, for a file; here names are those of options.
fn option(setting: &Setting) -> Arg {
    let name = setting.name;
    // Once for each of some forty settings.
    let long: &'static str = name.replace('_', "-").leak();
    let arg = Arg::new(name).long(long).help(with_options(&setting.summary())).help_heading(HEADING);
    let arg = match setting.kind {
        SettingKind::Switch => {
            arg.num_args(0..=1).default_missing_value("true").value_name("BOOL").value_parser(boolean)
        }
        SettingKind::Whole => arg.value_name("N").value_parser(value_parser!(u64).range(..=i64::MAX as u64)),
        SettingKind::Number => arg.value_name("X").value_parser(value_parser!(f64)),
        SettingKind::Word(parse) => arg.value_name("NAME").value_parser(parse),
        SettingKind::Text => arg.value_name("TEXT"),
        SettingKind::Path => arg.value_name("PATH").value_parser(value_parser!(PathBuf)),
    };
    match name {
        "iteration" => arg.alias("steps"),
        "gp_ld" => arg.alias("GP-ld"),
        _ => arg,
    }
}

/// Settings that a text names, which stand within `, as options.
fn with_options(text: &str) -> String {
    let parts = text.split('`').enumerate().map(|(i, part)| match SETTINGS.iter().any(|s| s.name == part) {
        true if i % 2 == 1 => format!("--{}", part.replace('_', "-")),
        _ if i % 2 == 1 => format!("`{part}`"),
        _ => part.to_owned(),
    });
    parts.collect()
}

/// The options that are settings of the run. What is not given is left out, so that it does not hide what a file or a
/// preset says.
#[derive(Debug, Default)]
pub(crate) struct Settings(Table);

impl clap::Args for Settings {
    fn augment_args(command: Command) -> Command {
        Shorthands::augment_args(command.args(options().map(option)))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Settings {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut table = Table::new();
        for setting in options() {
            let name = setting.name;
            let value: Option<Value> = match setting.kind {
                SettingKind::Switch => matches.get_one::<bool>(name).copied().map(Value::from),
                SettingKind::Whole => matches.get_one::<u64>(name).map(|&n| Value::from(n as i64)),
                SettingKind::Number => matches.get_one::<f64>(name).copied().map(Value::from),
                SettingKind::Word(_) | SettingKind::Text => {
                    matches.get_one::<String>(name).cloned().map(Value::from)
                }
                SettingKind::Path => {
                    let path = matches.get_one::<PathBuf>(name).map(Value::try_from).transpose();
                    path.map_err(|error| {
                        clap::Error::raw(ErrorKind::InvalidUtf8, format!("--{name}: {error}\n"))
                    })?
                }
            };
            table.extend(value.map(|value| (name.to_owned(), value)));
        }
        let Shorthands { full, recompute, augment_flag, no_flip } = Shorthands::from_arg_matches(matches)?;
        if full {
            table.insert("light".into(), false.into());
        }
        if recompute {
            table.insert("recompute".into(), true.into());
        }
        if no_flip {
            table.insert("flip".into(), false.into());
        }
        if let Some(flag) = augment_flag {
            RunConfig::augment(&mut table, flag);
        }
        Ok(Self(table))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.0.extend(Self::from_arg_matches(matches)?.0);
        Ok(())
    }
}

/// As the official program's `str2bool`, but a typing error is one.
fn boolean(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "1" | "on" => Ok(true),
        "false" | "no" | "0" | "off" => Ok(false),
        _ => Err("use true or false".into()),
    }
}

/// The names of the presets for `--help`.
pub(crate) fn presets() -> String {
    let list = PRESETS.iter().map(|Preset { name, purpose, .. }| format!("  {name:<15} {purpose}"));
    format!("Presets:\n{}", list.collect::<Vec<_>>().join("\n"))
}

/// The settings of the run: the defaults or those of the run in `folder`, then the preset, the
/// file, and the options, each over what was before.
///
/// # Errors
/// [`Usage`] where a setting is unknown or cannot be, or would change what a run cannot change.
pub(crate) fn collect(
    settings: &Settings,
    preset: Option<&str>,
    file: Option<&PathBuf>,
    folder: Option<&Path>,
) -> anyhow::Result<RunConfig> {
    let usage = |error: ugatit::Error| anyhow::Error::from(Usage(error.to_string()));
    let mut layers = vec![];
    if let Some(path) = file {
        let text = std::fs::read_to_string(path).map_err(ugatit::Error::io(path))?;
        let table = RunConfig::read(&text)
            .and_then(|table| RunConfig::layered(None, std::slice::from_ref(&table)).map(|_| table));
        layers.push(table.map_err(|e| Usage(format!("{}: {e}", path.display())))?);
    }
    layers.push(settings.0.clone());
    let old = folder.map(RunFolder::config).transpose()?.flatten();
    let config = match &old {
        None => RunConfig::layered(preset, &layers).map_err(usage)?,
        Some(old) => {
            let mut config = old.clone();
            if let Some(preset) = preset {
                layers.insert(0, RunConfig::preset(preset).map_err(usage)?);
            }
            for layer in layers {
                config = config.with(layer).map_err(usage)?;
            }
            config
        }
    };
    if let (Some(old), Some(folder)) = (&old, folder)
        && let [(key, before, now), ..] = &old.fixed_differences(&config)?[..]
    {
        return Err(Usage(format!(
            "the run in {} has {key} = {before}, and {key} = {now} is asked for; a run cannot change that on its way. Leave it out to go on, or begin another run in a new folder",
            folder.display()
        ))
        .into());
    }
    config.validate().map_err(usage)?;
    Ok(config)
}
