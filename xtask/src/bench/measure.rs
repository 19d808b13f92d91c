//! Measures wall and processor time, memory, instructions, allocations and system calls of processes.

use std::ffi::OsStr;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::row::{Invocation, Row, output};
use super::server::{Counts, Upstream};
use crate::shell::{Result, at, has_tool, say, target};

/// The cost of one run. Times are medians of all rounds. A column is empty if its tool is not installed.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Cost {
    pub(super) wall_ms: f64,
    /// The median of each round's wall time to that of the first row in the same round.
    pub(super) ratio: f64,
    /// User and system time of the process and its children.
    pub(super) cpu_ms: f64,
    /// From GNU time.
    pub(super) peak_kib: Option<u64>,
    /// From callgrind.
    pub(super) instructions: Option<u64>,
    /// Heap blocks, from dhat.
    pub(super) allocations: Option<u64>,
    /// Of the process and its children, from strace.
    pub(super) syscalls: Option<u64>,
    /// From the counting server.
    pub(super) upstream: Option<Counts>,
}

/// The measuring tools that are installed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tools {
    valgrind: bool,
    gnu_time: bool,
    strace: bool,
}

impl Tools {
    pub(super) fn find() -> Self {
        Self {
            valgrind: installed("valgrind", "instructions and allocations"),
            gnu_time: installed("/usr/bin/time", "peak memory"),
            strace: installed("strace", "system calls"),
        }
    }
}

/// Measures every row, in turns.
pub(super) fn all(
    rows: &[Row],
    rounds: usize,
    upstream: Option<&mut Upstream>,
    tools: Tools,
) -> Result<Vec<Cost>> {
    let mut costs = times(rows, rounds)?;
    let mut upstream = upstream;
    for (row, cost) in rows.iter().zip(&mut costs) {
        let invocation = &row.invocation;
        if let Some(upstream) = &mut upstream {
            upstream.reset()?;
            output(&mut invocation.command())?;
            cost.upstream = Some(upstream.counts()?);
        }
        if tools.gnu_time {
            cost.peak_kib = Some(peak(invocation)?);
        }
        if tools.strace {
            cost.syscalls = Some(syscalls(invocation)?);
        }
        if tools.valgrind && row.instructions {
            cost.instructions = Some(instructions(invocation)?);
            cost.allocations = Some(allocations(invocation)?);
        }
    }
    Ok(costs)
}

fn times(rows: &[Row], rounds: usize) -> Result<Vec<Cost>> {
    let subjects: Vec<Value> = rows
        .iter()
        .map(|row| {
            let words: Vec<_> = row.invocation.words().map(OsStr::to_string_lossy).collect();
            let folder = row.invocation.folder().to_string_lossy();
            json!({ "words": words, "folder": folder, "variables": row.invocation.variables() })
        })
        .collect();
    let job = json!({ "rounds": rounds, "subjects": subjects }).to_string();
    let text = in_turns(&job)?;
    samples(&text)
        .filter(|samples| samples.len() == rows.len())
        .and_then(|samples| medians(&samples))
        .ok_or_else(|| "rounds.py: unexpected output".to_owned())
}

fn in_turns(job: &str) -> Result<String> {
    let said = |error: std::io::Error| format!("cannot run python3: {error}");
    let mut child = Command::new("python3")
        .args(["-c", include_str!("rounds.py")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(said)?;
    if let Some(mut pipe) = child.stdin.take() {
        pipe.write_all(job.as_bytes()).map_err(said)?;
    }
    let output = child.wait_with_output().map_err(said)?;
    if !output.status.success() {
        return Err("a command failed while it was timed; see its output above".to_owned());
    }
    String::from_utf8(output.stdout).map_err(|_| "rounds.py: output is not UTF-8".to_owned())
}

/// Wall and processor time, by row and round.
type Samples = Vec<Vec<(f64, f64)>>;

fn samples(text: &str) -> Option<Samples> {
    let value: Value = serde_json::from_str(text).ok()?;
    let sample = |sample: &Value| Some((sample.get(0)?.as_f64()?, sample.get(1)?.as_f64()?));
    value
        .as_array()?
        .iter()
        .map(|row| row.as_array()?.iter().map(sample).collect())
        .collect()
}

fn medians(samples: &Samples) -> Option<Vec<Cost>> {
    let floor = samples.first()?;
    samples
        .iter()
        .map(|row| {
            let ratios = row.iter().zip(floor).map(|(own, floor)| own.0 / floor.0);
            Some(Cost {
                wall_ms: median(row.iter().map(|sample| sample.0))?,
                cpu_ms: median(row.iter().map(|sample| sample.1))?,
                ratio: median(ratios)?,
                ..Cost::default()
            })
        })
        .collect()
}

fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// Peak memory. GNU time forks first, so pages of other processes do not count.
fn peak(invocation: &Invocation) -> Result<u64> {
    let log = target().join("bench/peak");
    let file = format!("--output={}", log.display());
    output(&mut invocation.under("/usr/bin/time", &["--format=%M", &file]))?;
    let text = read(&log)?;
    text.trim()
        .parse()
        .map_err(|_| format!("/usr/bin/time: not a size: {}", text.trim()))
}

fn allocations(invocation: &Invocation) -> Result<u64> {
    let log = target().join("bench/dhat.log");
    let options = [
        "--tool=dhat",
        "--trace-children=no",
        "--dhat-out-file=/dev/null",
        &format!("--log-file={}", log.display()),
    ];
    output(&mut invocation.under("valgrind", &options))?;
    blocks(&read(&log)?).ok_or_else(|| "dhat printed no count".to_owned())
}

/// Reads `==12345== Total:     5,182 bytes in 21 blocks`.
fn blocks(text: &str) -> Option<u64> {
    let line = text.lines().rfind(|line| line.contains(" Total: "))?;
    let words: Vec<&str> = line.split_whitespace().rev().collect();
    match words.as_slice() {
        ["blocks", count, ..] => count.replace(',', "").parse().ok(),
        _ => None,
    }
}

fn instructions(invocation: &Invocation) -> Result<u64> {
    let profile = target().join("bench/callgrind.out");
    let log = target().join("bench/callgrind.log");
    let options = [
        "--tool=callgrind",
        "--trace-children=no",
        &format!("--callgrind-out-file={}", profile.display()),
        &format!("--log-file={}", log.display()),
    ];
    output(&mut invocation.under("valgrind", &options))?;
    collected(&read(&log)?).ok_or_else(|| "callgrind printed no count".to_owned())
}

/// Reads `==12345== Collected : 1234567`.
fn collected(text: &str) -> Option<u64> {
    let line = text.lines().rfind(|line| line.contains("Collected :"))?;
    line.rsplit(' ').next()?.parse().ok()
}

fn syscalls(invocation: &Invocation) -> Result<u64> {
    let log = target().join("bench/strace.out");
    let file = log.display().to_string();
    output(&mut invocation.under("strace", &["-f", "-c", "-o", &file]))?;
    total(&read(&log)?).ok_or_else(|| "strace printed no count".to_owned())
}

/// Reads `100.00    0.000996          34        29         1 total`.
fn total(text: &str) -> Option<u64> {
    let line = text.lines().rfind(|line| line.ends_with(" total"))?;
    line.split_whitespace().nth(3)?.parse().ok()
}

fn read(path: &Path) -> Result<String> {
    at(path, std::fs::read_to_string(path))
}

fn installed(tool: &str, column: &str) -> bool {
    let found = has_tool(tool);
    if !found {
        say(&format!("{tool} is not installed; not measuring {column}"));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::row::Side;
    use super::*;

    fn row(program: &str, words: &[&str]) -> Row {
        let invocation = Invocation::new(program, words, Path::new("/"));
        Row::new(program, Side::Ours, invocation)
    }

    #[test]
    fn costs_are_medians() {
        let text = "[[[1.0, 9.0], [3.0, 7.0], [2.0, 8.0]], [[5.0, 6.0], [6.0, 6.0], [8.0, 6.0]]]";
        let costs = medians(&samples(text).unwrap()).unwrap();
        assert_eq!((costs[0].wall_ms, costs[0].cpu_ms), (2.0, 8.0));
        assert_eq!((costs[1].wall_ms, costs[1].ratio), (6.0, 4.0));
        assert_eq!(medians(&samples("[[]]").unwrap()), None);
    }

    #[test]
    fn the_output_of_the_tools_is_parsed() {
        let text = "==7== \n==7== Events    : Ir\n==7== Collected : 161045\n==7==\n";
        assert_eq!(collected(text), Some(161_045));
        assert_eq!(collected("==7== Events    : Ir"), None);
        let text = "  1.31    0.000013          13         1           brk\n\
                    ------ ----------- ----------- --------- --------- ------\n\
                    100.00    0.000996          34        29         1 total\n";
        assert_eq!(total(text), Some(29));
        let text =
            "==7== Total:     85,182 bytes in 1,021 blocks\n==7== At t-gmax: 1 bytes in 1 blocks\n";
        assert_eq!(blocks(text), Some(1_021));
    }

    #[test]
    fn a_run_is_measured() {
        let costs = times(&[row("/bin/sleep", &["0.01"])], 3).unwrap();
        assert!(costs[0].wall_ms >= 10.0, "{costs:?}");
        assert!(costs[0].cpu_ms < costs[0].wall_ms, "{costs:?}");
    }

    #[test]
    fn a_command_that_fails_is_not_measured() {
        assert!(times(&[row("/bin/false", &[])], 3).is_err());
    }
}
