//! Running other programs, echoing what is run.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;

use anyhow::{Context, Result, bail};

/// The repository's root.
pub fn root() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.parent().map(PathBuf::from).unwrap_or(here)
}

/// Where Cargo builds.
pub fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |dir| root().join(dir))
}

/// Runs a program in the repository's root and fails where it fails.
pub fn run(program: &str, arguments: &[&str]) -> Result<()> {
    run_with(program, arguments, &[])
}

/// [`run`], in a folder of the repository.
///
/// # Errors
/// As [`run`].
pub fn run_in(folder: &str, program: &str, arguments: &[&str]) -> Result<()> {
    start(folder, program, arguments, &[])
}

/// [`run`], with environment variables.
pub fn run_with(program: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Result<()> {
    start("", program, arguments, environment)
}

pub(crate) fn start(
    folder: &str,
    program: &str,
    arguments: &[&str],
    environment: &[(&str, &str)],
) -> Result<()> {
    say(&format!("$ {program} {}", arguments.join(" ")));
    let status = Command::new(program)
        .args(arguments)
        .envs(environment.iter().copied())
        .current_dir(root().join(folder))
        .status()
        .with_context(|| format!("`{program}` could not be started"))?;
    if !status.success() {
        bail!("`{program} {}` failed ({status})", arguments.join(" "));
    }
    Ok(())
}

/// What a program prints, given its standard input; its errors go where this program's go.
pub fn pipe(command: &mut Command, input: &[u8]) -> Result<Vec<u8>> {
    let name = format!("{command:?}");
    let started = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut child = started.with_context(|| format!("{name} could not be started"))?;
    let stdin = child.stdin.take();
    let output = thread::scope(|scope| {
        // It may print before it has read all.
        scope.spawn(|| stdin.map(|mut stdin| stdin.write_all(input)));
        child.wait_with_output()
    });
    let output = output.with_context(|| name.clone())?;
    if !output.status.success() {
        bail!("{name} failed ({})", output.status);
    }
    Ok(output.stdout)
}

/// Cargo, the one that runs this program.
pub fn cargo_program() -> String {
    std::env::var("CARGO").unwrap_or_else(|_| "cargo".into())
}

/// Runs [`cargo_program`].
pub fn cargo(arguments: &[&str], environment: &[(&str, &str)]) -> Result<()> {
    run_with(&cargo_program(), arguments, environment)
}

/// Prints a line for the person who waits.
#[expect(clippy::print_stdout, reason = "this program talks to a person at a terminal")]
pub fn say(text: &str) {
    println!("{text}");
}

/// Something of the system that is needed: a program, a driver, a font.
pub struct Package<'a> {
    /// What is missing and what it is for, without a full stop.
    pub missing: &'a str,
    /// The packages of Debian and Ubuntu that bring it.
    pub apt: &'a [&'a str],
    /// What to do on other systems.
    pub elsewhere: &'a str,
}

impl Package<'_> {
    /// What `find` finds, where need be after installing the packages.
    pub fn need<T>(&self, find: impl Fn() -> Option<T>) -> Result<T> {
        if let Some(found) = find() {
            return Ok(found);
        }
        self.install()?;
        find().with_context(|| {
            let Self { missing, apt, elsewhere } = self;
            format!("{missing}, also with {} installed; {elsewhere}", apt.join(" "))
        })
    }

    /// Installs the packages as root, and where `CI` is set; else says what to run.
    pub fn install(&self) -> Result<()> {
        let Self { missing, apt, elsewhere } = self;
        if Command::new("apt-get").arg("--version").output().is_err() {
            bail!("{missing}, and this system has no apt-get; {elsewhere}, then run this again");
        }
        let packages = apt.join(" ");
        let root = Command::new("id").arg("-u").output().is_ok_and(|o| o.stdout.trim_ascii() == b"0");
        if !root && std::env::var_os("CI").is_none() {
            bail!("{missing}; run `sudo apt-get install -y {packages}`, then this again, or {elsewhere}");
        }
        say(&format!("{missing}; installing {packages}"));
        // On hosted runners the user is not root, and sudo asks nothing.
        let install = |arguments: &[&str]| match root {
            true => run("apt-get", arguments),
            false => run("sudo", &[&["-n", "apt-get"], arguments].concat()),
        };
        install(&["update"])?;
        install(&[&["install", "-y"], *apt].concat())
    }
}

const PYTHON: Package = Package {
    missing: "the tests of ONNX files and some lints need Python 3.11 or later with venv",
    apt: &["python3-venv"],
    elsewhere: "install it (https://www.python.org), or name in UGATIT_ONNX_PYTHON a Python with the packages of tests/onnx/requirements.txt",
};

/// The programs of PyPI's packages that `requirements` names, in an environment of their own in the build folder.
///
/// # Errors
/// Where there is no Python, or a package cannot be installed.
pub fn venv(name: &str, requirements: &str) -> Result<PathBuf> {
    let requirements = root().join(requirements);
    let wanted = std::fs::read(&requirements).with_context(|| requirements.display().to_string())?;
    let folder = target().join("venv").join(name);
    let programs = folder.join(if cfg!(windows) { "Scripts" } else { "bin" });
    let stamp = folder.join("requirements.txt");
    if std::fs::read(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(programs);
    }
    need_python()?;
    run(PYTHON_PROGRAM, &["-m", "venv", "--clear", &folder.to_string_lossy()])?;
    let install = ["-m", "pip", "install", "--disable-pip-version-check", "--quiet", "--no-deps", "-r"];
    let python = programs.join("python");
    run(&python.to_string_lossy(), &[&install[..], &[&*requirements.to_string_lossy()]].concat())?;
    std::fs::write(&stamp, wanted).with_context(|| stamp.display().to_string())?;
    Ok(programs)
}

const PYTHON_PROGRAM: &str = if cfg!(windows) { "python" } else { "python3" };

/// The tests of ONNX run other people's programs in Python, in a virtual environment that they make.
pub fn ensure_python() -> Result<()> {
    if std::env::var_os("UGATIT_ONNX_PYTHON").is_some() {
        return Ok(());
    }
    need_python()
}

fn need_python() -> Result<()> {
    PYTHON.need(|| {
        let check = "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))";
        let checked = Command::new(PYTHON_PROGRAM).args(["-c", check]).output().ok()?;
        checked.status.success().then_some(())
    })
}
