//! Other systems than the one that this runs on: compiled for, and run where something stands in
//! for them.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use xtask::process::{self, Package, cargo, run_with, target};

const WINDOWS: &str = "x86_64-pc-windows-gnu";
const MACOS: &str = "aarch64-apple-darwin";
const NARROW: &str = "i686-unknown-linux-gnu";

const MULTILIB: Package = Package {
    missing: "the tests of 32 bits need a C compiler that links for 32 bits",
    apt: &["gcc-multilib"],
    elsewhere: "install your system's 32-bit C library and gcc's support for it",
};

const MINGW: Package = Package {
    missing: "the Windows program is linked with mingw-w64",
    apt: &["gcc-mingw-w64-x86-64"],
    elsewhere: "install mingw-w64's gcc for x86_64",
};

const WINE: Package = Package {
    missing: "the Windows program is run under Wine",
    apt: &["wine64"],
    elsewhere: "install Wine (https://www.winehq.org)",
};

const XVFB: Package = Package {
    missing: "Wine hands Vulkan on only where a window could be opened, which Xvfb stands in for",
    apt: &["xvfb", "xauth", "libvulkan1", "mesa-vulkan-drivers"],
    elsewhere: "install Xvfb with xvfb-run",
};

fn add(triple: &str) -> Result<()> {
    process::run("rustup", &["target", "add", triple])
}

/// That the library and the program compile for Windows and macOS. Nothing is linked, so neither
/// needs anything of its system.
pub(crate) fn check() -> Result<()> {
    for triple in [WINDOWS, MACOS] {
        add(triple)?;
        let packages = ["--package", "ugatit", "--package", "ugatit-native"];
        cargo(&[&["check", "--release", "--target", triple], &packages[..]].concat(), &[])?;
    }
    Ok(())
}

/// The tests of the layers that know no GPU, with `usize` as a browser has it. A sum or product
/// that passes it panics.
pub(crate) fn test_32_bits() -> Result<()> {
    MULTILIB.need(|| {
        // The path, or only the name where there is none.
        let there = |file: &str| {
            let asked = Command::new("gcc").args(["-m32", &format!("-print-file-name={file}")]).output();
            asked.is_ok_and(|output| output.stdout.contains(&b'/'))
        };
        (there("crt1.o") && there("crtbegin.o")).then_some(())
    })?;
    add(NARROW)?;
    // Most of the time is the compiler's: what is compiled runs for seconds.
    let options = [
        "profile.release.package.\"*\".opt-level=1",
        "profile.release.package.ugatit.opt-level=1",
        "profile.release.package.ugatit.overflow-checks=true",
    ];
    let mut arguments = vec!["test", "--release", "--target", NARROW];
    options.iter().for_each(|option| arguments.extend(["--config", option]));
    arguments.extend(["--package", "ugatit", "--no-default-features", "--features", "training", "--lib"]);
    ["graph", "plan", "cpu"].iter().for_each(|name| arguments.extend(["--test", name]));
    cargo(&arguments, &[])
}

/// Builds the Windows program and runs its tests under Wine, on the processor and on this system's
/// Vulkan.
pub(crate) fn test_windows() -> Result<()> {
    let wine = WINE.need(|| found("wine64", &["/usr/lib/wine/wine64"]))?;
    let compiler = MINGW.need(|| found("x86_64-w64-mingw32-gcc", &[]))?;
    let display = XVFB.need(|| found("xvfb-run", &[]))?;
    add(WINDOWS)?;
    let program = ["--package", "ugatit-native", "--bin", "ugatit"];
    cargo(&[&["build", "--release", "--target", WINDOWS], &program[..]].concat(), &[])?;

    let place = target().join("windows");
    fs::create_dir_all(&place).with_context(|| place.display().to_string())?;
    let built = target().join(WINDOWS).join("release/ugatit.exe");
    let copied = place.join("ugatit.exe");
    fs::copy(&built, &copied).with_context(|| built.display().to_string())?;
    let source = place.join("bcryptprimitives.c");
    fs::write(&source, include_str!("../windows/bcryptprimitives.c"))?;
    let library = place.join("bcryptprimitives.dll");
    let [source, library] = [&source, &library].map(|path| path.to_string_lossy());
    process::run(&compiler, &["-shared", "-Os", "-s", &source, "-o", &library, "-ladvapi32"])?;

    let prefix = place.join("wine");
    let [prefix, copied] = [&prefix, &copied].map(|path| path.to_string_lossy());
    let environment = [
        ("WINEPREFIX", &*prefix),
        // Only errors of the tests are to be seen; nothing is asked about Mono and Gecko.
        ("WINEDEBUG", "-all"),
        ("WINEDLLOVERRIDES", "mscoree,mshtml="),
        ("UGATIT_WINE", &wine),
        ("UGATIT_WINDOWS_PROGRAM", &copied),
    ];
    run_with(&wine, &["wineboot", "--init"], &environment)?;
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let tests = ["test", "--release", "--workspace", "--test", "windows", "--", "--ignored"];
    run_with(&display, &[&["-a", &cargo], &tests[..]].concat(), &environment)
}

/// A program of the search path, or of one of these places.
pub(crate) fn found(name: &str, places: &[&str]) -> Option<String> {
    let path = std::env::var_os("PATH")?;
    let mut candidates = std::env::split_paths(&path).map(|folder| folder.join(name));
    let there = candidates.find(|file| file.is_file());
    let there = there.or_else(|| places.iter().map(PathBuf::from).find(|file| file.is_file()));
    there.map(|file| file.to_string_lossy().into_owned())
}
