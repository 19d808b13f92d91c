//! Wall and processor time, peak memory and instructions of whole processes.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use crate::shell::{Result, described, read, say, target};

/// Enough for a median that moves less than a tenth on a noisy machine.
const ROUNDS: usize = 31;

/// A command line to measure.
#[derive(Debug)]
pub(super) struct Subject {
    pub(super) name: String,
    program: PathBuf,
    arguments: Vec<String>,
    variables: BTreeMap<String, String>,
}

/// What one run costs. Times are medians of all rounds; a tool that is not installed leaves its column out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Cost {
    pub(super) wall_ms: f64,
    /// User and system time of the process and its children.
    pub(super) cpu_ms: f64,
    /// By GNU time.
    pub(super) peak_kib: Option<u64>,
    /// By callgrind.
    pub(super) instructions: Option<u64>,
}

impl Subject {
    pub(super) fn new(name: &str, program: impl AsRef<Path>, arguments: &[&str]) -> Self {
        Self {
            name: name.to_owned(),
            program: program.as_ref().to_owned(),
            arguments: arguments.iter().map(|word| (*word).to_owned()).collect(),
            variables: BTreeMap::new(),
        }
    }

    fn words(&self) -> impl Iterator<Item = &OsStr> {
        std::iter::once(self.program.as_os_str()).chain(self.arguments.iter().map(AsRef::as_ref))
    }

    /// Runs it under a tool, and gives what the tool said.
    fn under(&self, tool: &mut Command) -> Result<Output> {
        let output = tool
            .args(self.words())
            .envs(&self.variables)
            .stdin(Stdio::null())
            .output()
            .map_err(|error| format!("cannot start {}: {error}", described(tool)))?;
        if output.status.success() {
            Ok(output)
        } else {
            Err(format!("{} failed: {}", described(tool), output.status))
        }
    }
}

/// Measures every subject, in turns.
pub(super) fn all(subjects: &[Subject]) -> Result<Vec<Cost>> {
    let times = times(subjects)?;
    let valgrind = is_there("valgrind");
    let gnu_time = is_there("/usr/bin/time");
    subjects
        .iter()
        .zip(times)
        .map(|(subject, (wall_ms, cpu_ms))| {
            Ok(Cost {
                wall_ms,
                cpu_ms,
                peak_kib: if gnu_time { Some(peak(subject)?) } else { None },
                instructions: if valgrind {
                    Some(instructions(subject)?)
                } else {
                    None
                },
            })
        })
        .collect()
}

/// Median wall and processor time of each, in milliseconds.
fn times(subjects: &[Subject]) -> Result<Vec<(f64, f64)>> {
    let list: Vec<Value> = subjects
        .iter()
        .map(|subject| {
            let words: Vec<_> = subject.words().map(OsStr::to_string_lossy).collect();
            json!({ "words": words, "variables": subject.variables })
        })
        .collect();
    let job = json!({ "rounds": ROUNDS, "subjects": list }).to_string();
    let text = read(Command::new("python3").args(["-c", include_str!("rounds.py"), &job]))?;
    medians(&text)
        .filter(|times| times.len() == subjects.len())
        .ok_or_else(|| "rounds.py: not the shape that is known".to_owned())
}

fn medians(text: &str) -> Option<Vec<(f64, f64)>> {
    let value: Value = serde_json::from_str(text).ok()?;
    value
        .as_array()?
        .iter()
        .map(|samples| {
            let samples = samples.as_array()?;
            let column = |index: usize| {
                samples
                    .iter()
                    .map(|sample| sample.get(index)?.as_f64())
                    .collect::<Option<Vec<f64>>>()
                    .and_then(median)
            };
            Some((column(0)?, column(1)?))
        })
        .collect()
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// The most memory that it held at once. GNU time forks first, so that nobody else's pages count.
fn peak(subject: &Subject) -> Result<u64> {
    let output = subject.under(Command::new("/usr/bin/time").args(["-f", "%M"]))?;
    let text = String::from_utf8_lossy(&output.stderr);
    let last = text.lines().last().unwrap_or_default();
    last.trim()
        .parse()
        .map_err(|_| format!("/usr/bin/time told no size for {}: {last}", subject.name))
}

fn instructions(subject: &Subject) -> Result<u64> {
    let log = target().join("callgrind.out");
    let mut tool = Command::new("valgrind");
    tool.args(["--tool=callgrind", "--trace-children=no"])
        .arg(format!("--callgrind-out-file={}", log.display()));
    let output = subject.under(&mut tool)?;
    let text = String::from_utf8_lossy(&output.stderr);
    collected(&text).ok_or_else(|| format!("callgrind counted nothing for {}", subject.name))
}

/// Reads `==12345== Collected : 1234567`.
fn collected(text: &str) -> Option<u64> {
    let line = text.lines().rfind(|line| line.contains("Collected :"))?;
    line.rsplit(' ').next()?.parse().ok()
}

fn is_there(tool: &str) -> bool {
    let there = Command::new(tool)
        .arg("--version")
        .output()
        .is_ok_and(|output| output.status.success());
    if !there {
        say(&format!("{tool} is not installed: its column stays empty"));
    }
    there
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_of_each_column() {
        let text = "[[[1.0, 9.0], [3.0, 7.0], [2.0, 8.0]], [[5.0, 6.0]]]";
        assert_eq!(medians(text), Some(vec![(2.0, 8.0), (5.0, 6.0)]));
        assert_eq!(medians("[[]]"), None);
    }

    #[test]
    fn the_count_of_callgrind() {
        let text = "==7== \n==7== Events    : Ir\n==7== Collected : 161045\n==7==\n";
        assert_eq!(collected(text), Some(161_045));
        assert_eq!(collected("==7== Events    : Ir"), None);
    }

    #[test]
    fn a_run_is_measured() {
        let subjects = [Subject::new("sleep", "/bin/sleep", &["0.01"])];
        let (wall_ms, cpu_ms) = times(&subjects).unwrap()[0];
        assert!(wall_ms >= 10.0, "{wall_ms}");
        assert!(cpu_ms < wall_ms, "{cpu_ms}");
    }

    #[test]
    fn a_command_that_fails_is_not_measured() {
        let subjects = [Subject::new("false", "/bin/false", &[])];
        let message = times(&subjects).unwrap_err();
        assert!(message.contains("/bin/false: ended with 1"), "{message}");
    }
}
