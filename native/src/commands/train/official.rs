//! Options of the official programs (in PyTorch and in TensorFlow) and of those that are like them, which are no
//! options here: what can be taken is taken, and for the rest is said what stands for it, all at once.

use std::ffi::OsString;

use crate::console::{self, Usage};

/// What an option of another program is here.
enum Here {
    /// Nothing needs to be said with it, whatever its value.
    Needless(&'static str),
    /// It may have this value, which is how it is here.
    Always(&'static [&'static str], &'static str),
    /// Something else.
    Instead(&'static str),
}

use Here::{Always, Instead, Needless};

/// With hyphens, in small letters.
const OPTIONS: [(&str, Here); 23] = [
    ("phase", Always(&["train"], "`ugatit translate` and `ugatit eval` are for testing")),
    (
        "resume",
        Always(&["true"], "a run in a folder goes on by itself; choose a new folder (-o) to begin another"),
    ),
    ("continue-train", Needless("a run in a folder goes on by itself")),
    ("benchmark-flag", Needless("it is cuDNN's")),
    (
        "n-dis",
        Needless("the official program does not use it; --n-dis-global and --n-dis-local are the layers"),
    ),
    (
        "dataset",
        Instead("the folder with trainA and trainB, as the first argument: ugatit train dataset/NAME"),
    ),
    ("dataroot", Instead("the folder with trainA and trainB, as the first argument")),
    ("name", Instead("-o RUN, the folder of this run")),
    ("result-dir", Instead("-o RUN, the folder of this run")),
    ("checkpoint-dir", Instead("-o RUN, the folder of this run")),
    ("checkpoints-dir", Instead("-o RUN, the folder of this run")),
    ("log-dir", Instead("-o RUN, the folder of this run")),
    ("sample-dir", Instead("-o RUN, the folder of this run")),
    ("n-epochs", Instead("--iteration, the iterations of all epochs together, or --epoch")),
    (
        "n-epochs-decay",
        Instead("--decay-flag: the rate falls in the second half of --iteration; or --decay-epoch"),
    ),
    ("no-dropout", Needless("the networks have no dropout")),
    ("crop-size", Instead("--img-size")),
    ("gpu-ids", Instead("--adapter, a number of the list of `ugatit doctor`")),
    ("direction", Instead("nothing: both directions are trained")),
    ("model", Needless("U-GAT-IT is the only one; --init MODEL begins with the weights of another run")),
    ("display-freq", Instead("--print-freq")),
    ("save-epoch-freq", Instead("--save-freq, in iterations")),
    ("num-threads", Needless("as many read pictures as the processor has, up to four")),
];

/// Options of other programs that stand alone, without a value.
const ALONE: [&str; 2] = ["continue-train", "no-dropout"];

/// Takes the options of other programs out of the arguments of `train`, whose options have hyphens already.
///
/// # Errors
/// [`Usage`], which names all that cannot be taken.
pub(crate) fn translated(arguments: Vec<OsString>) -> Result<Vec<OsString>, Usage> {
    if arguments.get(1).is_none_or(|command| command != "train") {
        return Ok(arguments);
    }
    let (mut kept, mut needless, mut refused) = (vec![], vec![], vec![]);
    let mut rest = arguments.into_iter().peekable();
    while let Some(argument) = rest.next() {
        if argument == "--" {
            kept.push(argument);
            kept.extend(rest);
            break;
        }
        let text = argument.to_string_lossy().into_owned();
        let Some(option) = text.strip_prefix("--") else {
            kept.push(argument);
            continue;
        };
        let (name, mut value) = match option.split_once('=') {
            Some((name, value)) => (name.to_ascii_lowercase(), Some(value.to_owned())),
            None => (option.to_ascii_lowercase(), None),
        };
        let Some((_, here)) = OPTIONS.iter().find(|(known, _)| *known == name) else {
            kept.push(argument);
            continue;
        };
        if value.is_none() && !ALONE.contains(&&*name) {
            let next = rest.next_if(|next| !next.to_string_lossy().starts_with('-'));
            value = next.map(|next| next.to_string_lossy().into_owned());
        }
        let value = value.unwrap_or_default();
        match here {
            Needless(why) => needless.push(format!("--{name} ({why})")),
            Always(values, why) if values.iter().any(|known| known.eq_ignore_ascii_case(&value)) => {
                needless.push(format!("--{name} {value} ({why})"));
            }
            Always(_, why) => refused.push(format!("--{name} {value}: {why}")),
            Instead(what) => refused.push(format!("--{name}: here it is {what}")),
        }
    }
    if refused.is_empty() {
        if !needless.is_empty() {
            console::error(format_args!("note: not needed here: {}", needless.join(", ")));
        }
        return Ok(kept);
    }
    let mut message =
        format!("these options of other programs mean something else here:\n  {}", refused.join("\n  "));
    if !needless.is_empty() {
        message = format!("{message}\nand these can be left out:\n  {}", needless.join("\n  "));
    }
    Err(Usage(message))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(line: &str) -> Result<String, String> {
        let arguments = line.split(' ').map(OsString::from).collect();
        let kept = translated(arguments).map_err(|usage| usage.to_string())?;
        Ok(kept.iter().map(|a| a.to_string_lossy()).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn what_needs_no_saying_is_taken() {
        let line = "ugatit train late -o r --light True --phase train --resume True --benchmark-flag False --n-dis 6 --ch 4 --continue-train x";
        assert_eq!(taken(line).unwrap(), "ugatit train late -o r --light True --ch 4 x");
        // After `--`, and of other commands, they are none of ours.
        for line in ["ugatit train -- --phase test", "ugatit translate --dataset x", "ugatit"] {
            assert_eq!(taken(line).unwrap(), line);
        }
    }

    #[test]
    fn what_is_something_else_is_named_all_at_once() {
        let line = "ugatit train late --phase test --result-dir results --n-epochs=100 --benchmark-flag True";
        let message = taken(line).unwrap_err();
        for part in [
            "--phase test: `ugatit translate`",
            "--result-dir: here it is -o RUN",
            "--n-epochs: here it is --iteration",
            "left out:\n  --benchmark-flag",
        ] {
            assert!(message.contains(part), "{part}: {message}");
        }
    }

    #[test]
    fn no_option_of_ours_is_among_them() {
        use clap::CommandFactory;
        let command = crate::Cli::command();
        let train = command.find_subcommand("train").unwrap();
        for argument in train.get_arguments() {
            for name in argument.get_long_and_visible_aliases().unwrap_or_default() {
                assert!(OPTIONS.iter().all(|(other, _)| *other != name), "--{name}");
            }
        }
    }
}
