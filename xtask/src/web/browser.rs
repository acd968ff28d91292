//! The browsers that tests and measurements run in.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::process::{Package, say};

const CHROMIUM: Package = Package {
    missing: "the tests in a browser need Chromium, Chrome or Edge, 128 or later",
    apt: &["chromium"],
    elsewhere: "install one (https://www.google.com/chrome), or name its program in CHROMIUM",
};

const FIREFOX: Package = Package {
    missing: "the tests in Firefox need Firefox",
    apt: &["firefox-esr"],
    elsewhere: "install it (https://www.firefox.com), or name its program in FIREFOX",
};

const WEBKIT: Package = Package {
    missing: "the tests in WebKit need WebKitGTK's WebDriver and Xvfb",
    apt: &["webkit2gtk-driver", "xvfb"],
    elsewhere: "install them with your system's tool",
};

/// By the names that a shell finds them under, and where systems without such names put them.
const CHROMIUM_PROGRAMS: [&str; 7] = [
    "chromium",
    "chromium-browser",
    "google-chrome",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    r"C:\Program Files\Google\Chrome\Application\chrome.exe",
    r"C:\Program Files (x86)\Microsoft\Edge\Application\msedge.exe",
];

const FIREFOX_PROGRAMS: [&str; 4] = [
    "firefox-esr",
    "firefox",
    "/Applications/Firefox.app/Contents/MacOS/firefox",
    r"C:\Program Files\Mozilla Firefox\firefox.exe",
];

/// The path of a Chromium, installed where that is allowed.
pub fn chromium() -> Result<String> {
    find("CHROMIUM", &CHROMIUM, &CHROMIUM_PROGRAMS)
}

/// The path of a Firefox, installed where that is allowed. Says so where there is none.
pub(super) fn firefox() -> Result<Option<String>> {
    or_skipped(find("FIREFOX", &FIREFOX, &FIREFOX_PROGRAMS))
}

/// The path of WebKit's driver, installed where that is allowed. Says so where there is none.
pub(super) fn webkit() -> Result<Option<String>> {
    if !cfg!(target_os = "linux") {
        say("SKIPPED: the tests in WebKit, whose driver is for Linux only");
        return Ok(None);
    }
    or_skipped(WEBKIT.need(|| path("xvfb-run").and(path("WebKitWebDriver"))))
}

fn find(variable: &str, package: &Package<'_>, programs: &[&str]) -> Result<String> {
    if let Ok(named) = std::env::var(variable) {
        return Ok(named);
    }
    package.need(|| programs.iter().find_map(|name| path(name)))
}

/// A browser that is not there is passed over where a person works; in CI it is a failure.
fn or_skipped(found: Result<String>) -> Result<Option<String>> {
    match found {
        Err(missing) if std::env::var_os("CI").is_none() => {
            say(&format!("SKIPPED: {missing:#}"));
            Ok(None)
        }
        found => found.map(Some),
    }
}

fn path(name: &str) -> Option<String> {
    if name.contains(['/', '\\']) {
        return Path::new(name).exists().then(|| name.into());
    }
    let found = Command::new("which").arg(name).output().ok().filter(|o| o.status.success())?;
    Some(String::from_utf8(found.stdout).ok()?.trim().into())
}
