//! What is listed in several languages is the same in all of them.
#![allow(clippy::unwrap_used, reason = "the helpers of tests fail like the tests themselves")]

#[path = "common/documents.rs"]
mod documents;

use std::collections::BTreeSet;
use std::fs;

use documents::root;

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
