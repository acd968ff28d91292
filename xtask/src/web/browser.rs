//! The browser that tests and measurements run in.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::process::Package;

const CHROMIUM: Package = Package {
    missing: "the tests in a browser need Chromium, Chrome or Edge, 128 or later",
    apt: &["chromium"],
    elsewhere: "install one (https://www.google.com/chrome), or name its program in CHROMIUM",
};

/// By the names that a shell finds them under, and where systems without such names put them.
const PROGRAMS: [&str; 7] = [
    "chromium",
    "chromium-browser",
    "google-chrome",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    r"C:\Program Files\Google\Chrome\Application\chrome.exe",
    r"C:\Program Files (x86)\Microsoft\Edge\Application\msedge.exe",
];

/// The path of a Chromium, installed where that is allowed.
pub(crate) fn browser() -> Result<String> {
    if let Ok(named) = std::env::var("CHROMIUM") {
        return Ok(named);
    }
    CHROMIUM.need(|| PROGRAMS.iter().find_map(|name| path(name)))
}

fn path(name: &str) -> Option<String> {
    if name.contains(['/', '\\']) {
        return Path::new(name).exists().then(|| name.into());
    }
    let found = Command::new("which").arg(name).output().ok().filter(|o| o.status.success())?;
    Some(String::from_utf8(found.stdout).ok()?.trim().into())
}
