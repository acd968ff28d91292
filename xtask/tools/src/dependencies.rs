//! `cargo xtask lint`'s look at what the workspace depends on: licences and duplicates by `deny.toml`, and how much it is.
//! cargo-deny does more, and takes longer to compile than this project.

use std::collections::BTreeMap;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use spdx::{Expression, ParseMode};
use xtask::process::{cargo_program, root, say};

/// The most crates that a build of the workspace may take on one system, without features that are off by default.
const MOST: usize = 220;

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    license: Option<String>,
}

/// The part of `deny.toml` that is read here.
#[derive(Deserialize)]
struct Rules {
    licenses: Licences,
    bans: Bans,
}

#[derive(Deserialize)]
struct Licences {
    allow: Vec<String>,
}

#[derive(Deserialize)]
struct Bans {
    skip: Vec<Skipped>,
}

#[derive(Deserialize)]
struct Skipped {
    name: String,
    version: String,
}

impl Skipped {
    /// Whether it names this package: its version begins so, at a dot.
    fn names(&self, package: &Package) -> bool {
        let rest = package.version.strip_prefix(&self.version);
        self.name == package.name && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    }
}

/// Refuses what `deny.toml` does not allow, and more than [`MOST`] crates.
pub(crate) fn check() -> Result<()> {
    let rules = std::fs::read_to_string(root().join("deny.toml")).context("deny.toml")?;
    let rules: Rules = toml::from_str(&rules)?;
    let mut problems = judge(&metadata(&["--all-features"])?.packages, &rules)?;
    let host = std::env::consts::ARCH;
    let here = metadata(&["--filter-platform", &host_triple()?])?.packages.len();
    say(&format!("the workspace builds {here} crates on this {host}; {MOST} is too many"));
    if here >= MOST {
        problems.push(format!("{here} crates"));
    }
    if problems.is_empty() {
        return Ok(());
    }
    bail!("deny.toml does not allow:\n{}", problems.join("\n"))
}

/// What Cargo knows of all packages, of all systems unless `more` says which.
fn metadata(more: &[&str]) -> Result<Metadata> {
    let mut command = Command::new(cargo_program());
    command.args(["metadata", "--format-version", "1", "--locked"]).args(more).current_dir(root());
    let output = command.output().context("cargo metadata")?;
    if !output.status.success() {
        bail!("cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn host_triple() -> Result<String> {
    let output = Command::new("rustc").arg("-vV").output().context("rustc -vV")?;
    let text = String::from_utf8(output.stdout)?;
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("`rustc -vV` names no host")?.to_owned())
}

/// What is wrong with packages.
fn judge(packages: &[Package], rules: &Rules) -> Result<Vec<String>> {
    let allowed = rules.licenses.allow.iter().map(|text| spdx::Licensee::parse(text));
    let allowed: Vec<spdx::Licensee> = allowed.collect::<Result<_, _>>()?;
    let mut problems = vec![];
    let mut versions: BTreeMap<&str, Vec<&Package>> = BTreeMap::new();
    for package in packages {
        let Package { name, version, license } = package;
        let license = license.as_deref().unwrap_or("no licence");
        // Some write `MIT/Apache-2.0`.
        let fits = Expression::parse_mode(license, ParseMode::LAX).is_ok_and(|expression| {
            expression.evaluate(|wanted| allowed.iter().any(|l| l.satisfies(wanted)))
        });
        if !fits {
            problems.push(format!("{name} {version}: its licence, {license}"));
        }
        if !rules.bans.skip.iter().any(|skipped| skipped.names(package)) {
            versions.entry(name).or_default().push(package);
        }
    }
    for (name, several) in versions.into_iter().filter(|(_, several)| several.len() > 1) {
        let all: Vec<&str> = several.iter().map(|package| package.version.as_str()).collect();
        problems.push(format!("{name} in several versions: {}", all.join(", ")));
    }
    for skipped in &rules.bans.skip {
        if !packages.iter().any(|package| skipped.names(package)) {
            problems.push(format!(
                "{} {} to be skipped: nothing wants it any more",
                skipped.name, skipped.version
            ));
        }
    }
    Ok(problems)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn licences_and_duplicates_are_judged() {
        let package = |name: &str, version: &str, license: &str| Package {
            name: name.into(),
            version: version.into(),
            license: Some(license.into()),
        };
        let rules: Rules = toml::from_str(
            "[licenses]\nallow = ['MIT', 'Unicode-3.0']\n[bans]\nskip = [{ name = 'old', version = '0.1' }]",
        )
        .unwrap();
        let good = [
            package("a", "1.0.0", "MIT/Apache-2.0"),
            package("b", "1.0.0", "(MIT OR Apache-2.0) AND Unicode-3.0"),
            package("old", "0.1.9", "MIT"),
            package("old", "0.10.0", "MIT"),
        ];
        assert_eq!(judge(&good, &rules).unwrap(), [""; 0]);
        let bad = [
            package("a", "1.0.0", "GPL-3.0-only"),
            package("b", "1.0.0", "MIT AND Zlib"),
            package("c", "1.0.0", "MIT"),
            package("c", "2.0.0", "MIT"),
        ];
        assert_eq!(
            judge(&bad, &rules).unwrap(),
            [
                "a 1.0.0: its licence, GPL-3.0-only",
                "b 1.0.0: its licence, MIT AND Zlib",
                "c in several versions: 1.0.0, 2.0.0",
                "old 0.1 to be skipped: nothing wants it any more"
            ]
        );
    }
}
