//! Runs the counting server in its own process.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use super::Bench;
use crate::shell::Result;

/// Counts since the last reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) requests: u64,
    pub(super) connections: u64,
    /// The most at the same time.
    pub(super) in_flight: u64,
}

/// A running server. It stops when this is dropped or this process ends.
#[derive(Debug)]
pub(super) struct Upstream {
    child: Child,
    questions: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    address: String,
}

impl Upstream {
    pub(super) fn start(bench: &Bench, delay_ms: u64) -> Result<Self> {
        let said = |error: std::io::Error| format!("cannot start the counting server: {error}");
        let mut child = Command::new(&bench.baseline)
            .args(["serve", &delay_ms.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(said)?;
        let questions = child.stdin.take();
        let answers = child
            .stdout
            .take()
            .ok_or("the counting server has no output")?;
        let mut server = Self {
            child,
            questions,
            answers: BufReader::new(answers),
            address: String::new(),
        };
        server.address = server.line()?;
        Ok(server)
    }

    /// Host and port.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    pub(super) fn reset(&mut self) -> Result<()> {
        self.ask("reset").map(drop)
    }

    pub(super) fn counts(&mut self) -> Result<Counts> {
        let line = self.ask("counts")?;
        parse(&line).ok_or_else(|| format!("not counts: {line}"))
    }

    fn ask(&mut self, question: &str) -> Result<String> {
        let pipe = self
            .questions
            .as_mut()
            .ok_or("the counting server stopped")?;
        writeln!(pipe, "{question}").map_err(|error| format!("the counting server: {error}"))?;
        self.line()
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        match self.answers.read_line(&mut line) {
            Ok(length) if length > 0 => Ok(line.trim_end().to_owned()),
            _ => Err("the counting server stopped".to_owned()),
        }
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        // The server stops at the end of its input.
        self.questions = None;
        let _ = self.child.wait();
    }
}

fn parse(line: &str) -> Option<Counts> {
    let mut words = line.split(' ').map(str::parse);
    let mut next = || words.next()?.ok();
    Some(Counts {
        requests: next()?,
        connections: next()?,
        in_flight: next()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_parsed() {
        let counts = Counts {
            requests: 500,
            connections: 16,
            in_flight: 15,
        };
        assert_eq!(parse("500 16 15"), Some(counts));
        assert_eq!(parse("500 16"), None);
    }
}
