//! A row of a table: a command, its expected output and its limits.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::shell::{Result, described};

/// A command with a fixed environment.
#[derive(Debug, Clone)]
pub(super) struct Invocation {
    program: PathBuf,
    arguments: Vec<String>,
    folder: PathBuf,
    variables: BTreeMap<String, String>,
}

impl Invocation {
    /// Uses the folder as home too, so the developer's files have no effect.
    pub(super) fn new(program: impl AsRef<Path>, arguments: &[&str], folder: &Path) -> Self {
        let mut variables = BTreeMap::from([
            ("HOME".to_owned(), folder.display().to_string()),
            ("LANG".to_owned(), "C.UTF-8".to_owned()),
        ]);
        if let Ok(path) = std::env::var("PATH") {
            variables.insert("PATH".to_owned(), path);
        }
        Self {
            program: program.as_ref().to_owned(),
            arguments: arguments.iter().map(|word| (*word).to_owned()).collect(),
            folder: folder.to_owned(),
            variables,
        }
    }

    pub(super) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.variables.insert(name.to_owned(), value.into());
        self
    }

    pub(super) fn without(mut self, name: &str) -> Self {
        self.variables.remove(name);
        self
    }

    /// The same program, folder and environment with other arguments.
    pub(super) fn with_arguments(&self, arguments: &[&str]) -> Self {
        let mut other = self.clone();
        other.arguments = arguments.iter().map(|word| (*word).to_owned()).collect();
        other
    }

    pub(super) fn words(&self) -> impl Iterator<Item = &OsStr> {
        std::iter::once(self.program.as_os_str()).chain(self.arguments.iter().map(AsRef::as_ref))
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn variables(&self) -> &BTreeMap<String, String> {
        &self.variables
    }

    /// The command itself.
    pub(super) fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments);
        self.surround(&mut command);
        command
    }

    /// The command run by a measuring tool.
    pub(super) fn under(&self, tool: &str, options: &[&str]) -> Command {
        let mut command = Command::new(tool);
        command.args(options).args(self.words());
        self.surround(&mut command);
        command
    }

    fn surround(&self, command: &mut Command) {
        command
            .env_clear()
            .envs(&self.variables)
            .current_dir(&self.folder)
            .stdin(Stdio::null());
    }
}

/// Runs the command and returns its output; fails if the command does.
pub(super) fn output(command: &mut Command) -> Result<Output> {
    let output = command
        .output()
        .map_err(|error| format!("cannot start {}: {error}", described(command)))?;
    if output.status.success() {
        return Ok(output);
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let last: Vec<&str> = text.trim_end().lines().rev().take(3).collect();
    let last: Vec<&str> = last.into_iter().rev().collect();
    Err(format!(
        "{} failed: {}: {}",
        described(command),
        output.status,
        last.join(" / ")
    ))
}

/// Whose command a row runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Floor,
    Ours,
    /// A failing peer loses its row but does not stop the benchmark.
    Peer,
}

/// A command to measure.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) side: Side,
    pub(super) invocation: Invocation,
    /// Arguments and their expected output, checked before measuring.
    pub(super) proof: Option<(Vec<String>, String)>,
    /// Whether to count instructions. That takes seconds, and fails for a command that becomes another program.
    pub(super) instructions: bool,
    pub(super) limits: Limits,
}

impl Row {
    pub(super) fn new(name: &str, side: Side, invocation: Invocation) -> Self {
        Self {
            name: name.to_owned(),
            side,
            invocation,
            proof: None,
            instructions: true,
            limits: Limits::default(),
        }
    }

    /// Requires this output.
    pub(super) fn printing(mut self, text: impl Into<String>) -> Self {
        let own: Vec<String> = self.invocation.arguments.clone();
        self.proof = Some((own, text.into()));
        self
    }

    /// Requires this output with other arguments.
    pub(super) fn proved_by(mut self, arguments: &[&str], text: impl Into<String>) -> Self {
        let words = arguments.iter().map(|word| (*word).to_owned()).collect();
        self.proof = Some((words, text.into()));
        self
    }

    pub(super) fn uncounted(mut self) -> Self {
        self.instructions = false;
        self
    }

    pub(super) fn within(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Checks the output.
    pub(super) fn prove(&self) -> Result<()> {
        let Some((words, wanted)) = &self.proof else {
            return output(&mut self.invocation.command()).map(drop);
        };
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let printed = output(&mut self.invocation.with_arguments(&words).command())?.stdout;
        let printed = String::from_utf8_lossy(&printed);
        if printed.trim_end() == wanted.trim_end() {
            Ok(())
        } else {
            Err(format!(
                "{}: expected other output than these {} bytes ({} bytes)",
                self.name,
                printed.len(),
                wanted.len()
            ))
        }
    }
}

/// The limits of a row. Counts are gates, times are targets.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Limits {
    /// At most.
    pub(super) requests: Option<u64>,
    /// At least.
    pub(super) in_flight: Option<u64>,
    /// At most, in millions.
    pub(super) instructions: Option<f64>,
    /// At most.
    pub(super) allocations: Option<u64>,
    /// At most.
    pub(super) syscalls: Option<u64>,
    /// At most, in MiB.
    pub(super) peak: Option<f64>,
    /// At most, in milliseconds; a target.
    pub(super) wall: Option<f64>,
    /// At most, in milliseconds; a target.
    pub(super) cpu: Option<f64>,
    /// At most: wall time relative to the baseline; a target.
    pub(super) ratio: Option<f64>,
    /// At most: the same ratio as a gate, for work that mostly waits and suffers from noise as the baseline does.
    pub(super) gated_ratio: Option<f64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn echo(words: &[&str]) -> Row {
        let invocation = Invocation::new("/bin/echo", words, Path::new("/"));
        Row::new("echo", Side::Ours, invocation)
    }

    #[test]
    fn unexpected_output_fails() {
        assert_eq!(echo(&["a"]).printing("a\n").prove(), Ok(()));
        assert!(echo(&["a"]).printing("b").prove().is_err());
        assert_eq!(echo(&["a"]).proved_by(&["b"], "b").prove(), Ok(()));
    }

    #[test]
    fn the_developers_environment_is_absent() {
        let invocation = Invocation::new("/usr/bin/env", &[], Path::new("/")).with("A", "1");
        let printed = output(&mut invocation.command()).unwrap().stdout;
        let text = String::from_utf8(printed).unwrap();
        assert!(text.contains("A=1\n"), "{text}");
        assert!(!text.contains("CARGO"), "{text}");
    }
}
