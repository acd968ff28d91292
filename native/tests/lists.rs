//! What is listed in several languages is the same in all of them.
#![allow(clippy::unwrap_used, reason = "the helpers of tests fail like the tests themselves")]

#[path = "common/documents.rs"]
mod documents;

use std::collections::BTreeSet;
use std::fs;

use documents::root;
use ugatit::run::{PRESETS, RunConfig, SETTINGS};

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

/// What stands between each `open` and the next `close`.
fn between<'a>(text: &'a str, open: &'a str, close: &'a str) -> impl Iterator<Item = &'a str> {
    text.split(open).skip(1).filter_map(move |rest| rest.split_once(close).map(|(inner, _)| inner))
}

/// The npm package declares the codes, its module gives some of them, and the document explains all.
#[test]
fn the_error_codes_of_the_package_its_module_and_the_document_are_the_same() {
    let typescript = read("web/package/src/errors.ts");
    let declared = between(&typescript, "const CODES = {", "} as const").next().unwrap();
    let declared: BTreeSet<&str> = (declared.lines())
        .filter_map(|line| line.trim().strip_suffix(": true,"))
        .map(|code| code.trim_matches('"'))
        .collect();
    assert!(declared.len() > 10, "{declared:?}");

    let document = read("docs/web.md");
    let table = between(&document, "## Errors\n", "\n## ").next().unwrap();
    let explained: BTreeSet<&str> = (table.lines())
        .filter_map(|line| line.strip_prefix("| `")?.split_once(" | "))
        .flat_map(|(codes, _)| codes.split(", "))
        .map(|code| code.trim_matches('`'))
        .collect();
    assert_eq!(explained, declared, "docs/web.md and web/package/src/errors.ts");

    let module = read("web/src/error.rs");
    let body = between(&module, "fn code_and_text", "\n}\n").next().unwrap();
    let given = body.split('"').skip(1).step_by(2).filter(|text| declared.contains(text));
    let given: BTreeSet<&str> = given.collect();
    for code in ["no-webgpu", "device-lost", "model-invalid", "internal"] {
        assert!(given.contains(code), "web/src/error.rs does not give {code}");
    }
    // What looks like a code is one.
    let words = body.split('"').skip(1).step_by(2);
    let alike = words.filter(|text| !text.contains(' ') && text.contains('-'));
    assert!(alike.clone().all(|text| declared.contains(text)), "{:?}", alike.collect::<Vec<_>>());
}

/// The rows of the table of settings: names and defaults.
fn rows(document: &str) -> Vec<(Vec<String>, Vec<String>)> {
    let table = between(document, "\n## Settings\n", "\n## ").next().unwrap();
    let cells = |cell: &str| -> Vec<String> {
        cell.split(", ").map(|part| part.trim().trim_matches('`').to_owned()).collect()
    };
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `")?.split_once(" | "));
    rows.map(|(names, rest)| (cells(names), cells(rest.split(" | ").next().unwrap()))).collect()
}

#[test]
fn the_document_lists_every_setting_with_its_default() {
    let document = read("docs/training.md");
    let rows = rows(&document);
    let documented: BTreeSet<String> =
        rows.iter().flat_map(|(names, _)| names).map(|name| name.to_lowercase()).collect();
    let all: BTreeSet<String> = SETTINGS.iter().map(|setting| setting.name.to_owned()).collect();
    assert_eq!(documented, all, "docs/training.md and src/run/settings.rs");

    let defaults: toml::Table = RunConfig::default().to_toml().unwrap().parse().unwrap();
    let mut compared = 0;
    for (names, values) in rows.iter().filter(|(names, values)| names.len() == values.len()) {
        for (name, documented) in names.iter().zip(values) {
            let default = &defaults[&name.to_lowercase()];
            // Some are told in words: "half of `epoch`".
            let number = documented.replace(',', "").parse::<f64>().ok();
            let same = match (default, number) {
                (toml::Value::Integer(default), Some(number)) => *default as f64 == number,
                (toml::Value::Float(default), Some(number)) => *default as f32 == number as f32,
                (toml::Value::Boolean(default), None) => documented == &default.to_string(),
                (toml::Value::String(default), None) => documented == default,
                _ => {
                    assert!(documented.contains(' ') || documented == "all", "{name}: {documented:?}");
                    continue;
                }
            };
            assert!(same, "{name}: the document says {documented:?}, and it is {default}");
            compared += 1;
        }
    }
    assert!(compared > 30, "{compared}");
    for preset in PRESETS {
        assert!(document.contains(&format!("`{}`", preset.name)), "{}", preset.name);
    }
}
