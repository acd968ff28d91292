//! The commands that the documents tell people to type.
#![allow(dead_code, reason = "each test uses its own part")]
#![allow(clippy::unwrap_used, reason = "the helpers of tests fail like the tests themselves")]

use std::fs;
use std::path::{Path, PathBuf};

/// A command as it is printed, and what the document says it answers.
#[derive(Clone, Debug)]
pub(crate) struct Command {
    /// The document and the line, for messages.
    pub(crate) place: String,
    /// Its words, without quotes.
    pub(crate) words: Vec<String>,
    /// Lines that follow it in a `console` block; empty where there are none.
    pub(crate) answer: Vec<String>,
}

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().find(|folder| folder.join("CHANGELOG.md").exists()).unwrap().to_path_buf()
}

/// Every document that tells people to type something.
fn documents() -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> =
        ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "models/README.md"]
            .iter()
            .chain(&["web/package/README.md", "web/demo/README.md"])
            .map(|name| root().join(name))
            .collect();
    let docs = fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    all.extend(docs.filter(|path| path.extension().is_some_and(|extension| extension == "md")));
    all.sort();
    all
}

/// The blocks of `sh` and `console` of all documents, each as its commands.
pub(crate) fn blocks() -> Vec<Vec<Command>> {
    let mut blocks = vec![];
    for path in documents() {
        let text = fs::read_to_string(&path).unwrap();
        let mut lines = text.lines().enumerate();
        while let Some((_, line)) = lines.next() {
            let Some(language) = line.strip_prefix("```") else { continue };
            let body: Vec<(usize, &str)> = lines.by_ref().take_while(|(_, line)| *line != "```").collect();
            let commands = match language {
                "sh" => typed(&path, &body),
                "console" => answered(&path, &body),
                _ => vec![],
            };
            if !commands.is_empty() {
                blocks.push(commands);
            }
        }
    }
    blocks
}

/// What stands between backticks in the text and begins like this, as words.
pub(crate) fn inline(begins: &str) -> Vec<Command> {
    let mut found = vec![];
    for path in documents() {
        let text = fs::read_to_string(&path).unwrap();
        let mut in_block = false;
        for (number, line) in text.lines().enumerate() {
            if line.starts_with("```") {
                in_block = !in_block;
            } else if !in_block {
                let spans = line.split('`').skip(1).step_by(2).filter(|span| span.starts_with(begins));
                found.extend(spans.map(|span| command(&path, number, span)));
            }
        }
    }
    found
}

/// That the documents' `cargo xtask` commands, of which `wanted` are looked at by their first word, are ones that `A`
/// takes.
pub(crate) fn assert_xtask_takes<A: clap::Parser>(wanted: impl Fn(&str) -> bool) {
    let in_blocks = blocks().into_iter().flatten().map(|command| (command, false));
    let in_text = inline("cargo xtask ").into_iter().map(|command| (command, true));
    let mut read = 0;
    for (command, in_text) in in_blocks.chain(in_text) {
        let words: Vec<&str> =
            command.words.iter().map(String::as_str).take_while(|&word| word != "&&").collect();
        let Some(words) = words.strip_prefix(&["cargo", "xtask"]) else { continue };
        if !words.first().is_none_or(|word| wanted(word)) {
            continue;
        }
        // In the text a command may be named without what it needs.
        let help: &[&str] = if in_text { &["--help"] } else { &[] };
        let parsed = A::try_parse_from([&["cargo xtask"], words, help].concat());
        let problem = parsed.err().filter(|error| error.kind() != clap::error::ErrorKind::DisplayHelp);
        assert!(problem.is_none(), "{}: {words:?}: {}", command.place, problem.unwrap());
        read += 1;
    }
    assert!(read > 5, "{read}");
}

fn command(path: &Path, number: usize, line: &str) -> Command {
    let name = path.strip_prefix(root()).unwrap();
    Command { place: format!("{}:{}", name.display(), number + 1), words: words(line), answer: vec![] }
}

/// A block of `sh`: a command a line, unless the line ends with `\`.
fn typed(path: &Path, body: &[(usize, &str)]) -> Vec<Command> {
    let mut commands = vec![];
    let mut begun = String::new();
    for (number, line) in body {
        match line.strip_suffix('\\') {
            Some(part) => begun += part,
            None => {
                begun += line;
                commands.push(command(path, *number, &std::mem::take(&mut begun)));
            }
        }
    }
    commands.into_iter().filter(|command| !command.words.is_empty()).collect()
}

/// A block of `console`: commands after `$ `, each with its answer.
fn answered(path: &Path, body: &[(usize, &str)]) -> Vec<Command> {
    let mut commands: Vec<Command> = vec![];
    for (number, line) in body {
        if let Some(typed) = line.strip_prefix("$ ") {
            commands.push(command(path, *number, typed));
        } else if let Some(command) = commands.last_mut() {
            command.answer.push((*line).to_owned());
        }
    }
    commands
}

/// The words of a line of a shell, as far as documents go: quotes, and a comment at the end.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![];
    let (mut word, mut quote, mut begun) = (String::new(), None, false);
    for c in line.chars() {
        match (quote, c) {
            (Some(q), c) if q == c => quote = None,
            (None, '\'' | '"') => (quote, begun) = (Some(c), true),
            (None, ' ') => {
                if begun {
                    words.push(std::mem::take(&mut word));
                }
                begun = false;
            }
            (None, '#') if !begun => break,
            (_, c) => {
                word.push(c);
                begun = true;
            }
        }
    }
    if begun {
        words.push(word);
    }
    words
}
