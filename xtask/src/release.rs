//! `cargo xtask release`: all that can be tried before a release. It publishes nothing, and says what a person then types.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::Args;
use xtask::process::{cargo, cargo_program, root, run_in, say, target};
use xtask::web;

#[derive(Args)]
pub(crate) struct Options {
    /// Only what takes seconds, in a tree that may have changes: nothing is compiled, the npm package is the one that is there
    #[arg(long)]
    quick: bool,
}

/// What goes to crates.io, in this order.
const CRATES: [&str; 3] = ["ugatit", "ugatit-mpi", "ugatit-native"];
/// The most bytes of a crate.
const MOST: u64 = 2_000_000;
const PACKAGE: &str = "web/package";
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What finds more where it is installed: its command, and the arguments.
const FURTHER: [(&str, &[&str]); 2] =
    [("deny", &["deny", "check"]), ("semver-checks", &["semver-checks", "--package", "ugatit"])];

pub(crate) fn run(options: &Options) -> Result<()> {
    let quick = options.quick;
    versions(quick)?;
    let dirty: &[&str] = if quick { &["--allow-dirty"] } else { &[] };
    let packages = CRATES.iter().flat_map(|name| ["--package", name]).collect::<Vec<_>>();
    cargo(&[&["package", "--locked", "--no-verify"], &packages[..], dirty].concat(), &[])?;
    for name in CRATES {
        let path = target().join(format!("package/{name}-{VERSION}.crate"));
        let bytes = fs::metadata(&path).with_context(|| path.display().to_string())?.len();
        say(&format!("{name}: {bytes} bytes of {MOST}"));
        if bytes > MOST {
            bail!(
                "the crate {name} is too large; `cargo package --list --package {name}` shows what is in it"
            );
        }
    }
    // Unless it has to be quick, this builds the crates from what is packed.
    let verify: &[&str] = if quick { &["--no-verify"] } else { &[] };
    cargo(&[&["publish", "--dry-run", "--locked"], &packages[..], dirty, verify].concat(), &[])?;
    if !quick {
        web::build()?;
        web::npm::run(&["run", "lint", "--workspace", "package"])?;
    }
    if !root().join(PACKAGE).join("dist/index.js").exists() {
        bail!("{PACKAGE} is not built; run `cargo xtask web` first");
    }
    run_in(PACKAGE, web::npm::PROGRAM, &["publish", "--dry-run"])?;
    for (name, arguments) in FURTHER {
        further(name, arguments, quick)?;
    }
    say(&format!(
        "\nAll that can be tried is well. To release {VERSION}:
1. put the date into CHANGELOG.md, commit, and let CI pass
2. git tag v{VERSION} && git push origin v{VERSION}
3. cargo publish --locked {}
4. cd {PACKAGE} && npm publish
5. raise the version in Cargo.toml and {PACKAGE}/package.json",
        packages.join(" ")
    ));
    Ok(())
}

/// The crates, the npm package and the changelog are of one version.
fn versions(quick: bool) -> Result<()> {
    let path = root().join(PACKAGE).join("package.json");
    let package: serde_json::Value = serde_json::from_slice(&fs::read(&path)?)?;
    if package["version"] != VERSION {
        bail!("{} has version {}, the crates have {VERSION}", path.display(), package["version"]);
    }
    let changes = fs::read_to_string(root().join("CHANGELOG.md"))?;
    let heading = changes.lines().find(|line| line.starts_with(&format!("## [{VERSION}]")));
    let heading = heading.with_context(|| format!("CHANGELOG.md has no section of {VERSION}"))?;
    if !quick && heading.contains("unreleased") {
        say("CHANGELOG.md: the section has no date yet");
    }
    Ok(())
}

/// Runs a further command of Cargo's; where it is not installed, says how it would be.
fn further(name: &str, arguments: &[&str], quick: bool) -> Result<()> {
    let there = Command::new(cargo_program()).args([name, "--version"]).output();
    if !there.is_ok_and(|output| output.status.success()) {
        say(&format!(
            "SKIPPED: cargo {}; `cargo install --locked cargo-{name}` brings it",
            arguments.join(" ")
        ));
        return Ok(());
    }
    if quick { Ok(()) } else { cargo(arguments, &[]) }
}
