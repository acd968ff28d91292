//! Another program in a Python of its own, which takes its turns with ours.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, ensure};

/// A script that answers each line of its input with a line.
pub(crate) struct Peer {
    name: &'static str,
    process: Child,
    answers: BufReader<ChildStdout>,
}

impl Peer {
    /// Starts the command, and sends it what it reads first.
    pub(crate) fn start(name: &'static str, command: &mut Command, first: &[u8]) -> Result<Self> {
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let answers = process.stdout.take().with_context(|| format!("{name} has no output"))?;
        let mut peer = Self { name, process, answers: BufReader::new(answers) };
        peer.send(first)?;
        Ok(peer)
    }

    fn send(&mut self, bytes: &[u8]) -> Result<()> {
        let input = self.process.stdin.as_mut().with_context(|| format!("{} has ended", self.name))?;
        input.write_all(bytes)?;
        Ok(input.flush()?)
    }

    /// Its answer to a word.
    pub(crate) fn ask(&mut self, what: &str) -> Result<String> {
        self.send(format!("{what}\n").as_bytes())?;
        let mut line = String::new();
        ensure!(self.answers.read_line(&mut line)? > 0, "{} has ended", self.name);
        Ok(line)
    }

    /// The milliseconds of one turn.
    pub(crate) fn turn(&mut self) -> Result<Vec<f64>> {
        let line = self.ask("run")?;
        let parsed: Result<Vec<f64>, _> = line.split_whitespace().map(str::parse).collect();
        parsed.with_context(|| format!("{} answered: {line}", self.name))
    }

    /// Lets it end.
    pub(crate) fn finish(mut self) -> Result<()> {
        drop(self.process.stdin.take());
        let status = self.process.wait()?;
        ensure!(status.success(), "{} ended with {status}", self.name);
        Ok(())
    }
}
