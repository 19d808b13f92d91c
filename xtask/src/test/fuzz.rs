//! Runs the fuzzers, a crate outside the workspace, since all of its dependencies are built with coverage counters.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;

use super::programs;
use super::totals::Totals;
use crate::shell::{Result, at, cargo_outside, root, say, target};

/// Their name for `-p`.
pub(super) const NAME: &str = "fuzz";

/// Seconds for each fuzzer, with and without `--deep`.
const DEEP: u32 = 600;
const SHORT: u32 = 5;

/// Counts edges and traces comparisons, for libFuzzer.
const FLAGS: &str = concat!(
    "target.'cfg(all())'.rustflags = ['-Cpasses=sancov-module', ",
    "'-Cllvm-args=-sanitizer-coverage-level=4', ",
    "'-Cllvm-args=-sanitizer-coverage-inline-8bit-counters', ",
    "'-Cllvm-args=-sanitizer-coverage-pc-table', ",
    "'-Cllvm-args=-sanitizer-coverage-trace-compares']",
);

/// An input that takes longer (seconds) or a larger process (MiB) is a finding; inputs have a maximal length (bytes).
const LIMITS: [&str; 3] = ["-timeout=10", "-rss_limit_mb=512", "-max_len=4096"];

/// A folder in memory, if it exists, since some fuzzers write a file for every input.
const MEMORY: &str = "/dev/shm";

/// Runs the selected fuzzers, one per processor at a time. A fuzzer without findings counts as a passed test.
pub(super) fn run(is_wanted: &dyn Fn(&str) -> bool, deep: bool) -> Result<Totals> {
    let mut wanted = programs(&mut build(), "bin")?;
    wanted.retain(|(name, _)| is_wanted(name));
    let seconds = if deep { DEEP } else { SHORT };
    let queue = Mutex::new(wanted.into_iter());
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let one_after_the_other = || {
        let mut totals = Totals::default();
        while let Some((name, program)) = next() {
            match found_nothing(&name, &program, seconds) {
                Ok(line) => {
                    say(&line);
                    totals.passed += 1;
                }
                Err(reason) => {
                    say(&format!("fuzzer {name}: {reason}"));
                    totals.failed += 1;
                }
            }
        }
        totals
    };
    Ok(thread::scope(|scope| {
        let started: Vec<_> = (0..workers)
            .map(|_| scope.spawn(one_after_the_other))
            .collect();
        started
            .into_iter()
            .map(|worker| {
                worker.join().unwrap_or(Totals {
                    failed: 1,
                    ..Totals::default()
                })
            })
            .fold(Totals::default(), |sum, totals| sum + totals)
    }))
}

/// Builds for an explicit target, so the flags do not apply to build scripts. Not `--locked`, so the lock file follows the
/// workspace.
fn build() -> Command {
    let words = ["build", "--bins", "--target", "host-tuple"];
    let mut command = cargo_outside(&words, "tests/fuzz", NAME);
    command
        .args(["--config", FLAGS])
        // It would override the flags.
        .env_remove("RUSTFLAGS");
    command
}

/// Runs a fuzzer and returns a summary. Its corpus stays in its folder for the next run.
fn found_nothing(name: &str, program: &Path, seconds: u32) -> Result<String> {
    let folder = target().join("fuzzed").join(name);
    let learned = folder.join("corpus");
    at(&learned, fs::create_dir_all(&learned))?;
    let log = folder.join("output.log");
    let output = at(&log, fs::File::create(&log))?;
    let errors = at(&log, output.try_clone())?;
    let mut command = Command::new(program);
    command
        .arg(format!("-max_total_time={seconds}"))
        .args(LIMITS)
        .arg("-print_final_stats=1")
        .arg(format!("-artifact_prefix={}/", folder.display()))
        .arg(&learned)
        .arg(root().join("tests/fuzz/corpus").join(name))
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(errors);
    if Path::new(MEMORY).is_dir() {
        command.env("TMPDIR", MEMORY);
    }
    let status = at(program, command.status())?;
    let output = String::from_utf8_lossy(&at(&log, fs::read(&log))?).into_owned();
    if !status.success() {
        let input = found(&output).map_or_else(
            || "no input written".to_owned(),
            |input| format!("input: {}", input.display()),
        );
        return Err(format!("{status}; {input}; see {}", log.display()));
    }
    match executed(&output) {
        Some(count) if count > 0 => Ok(format!("fuzzer {name}: {count} inputs in {seconds} s")),
        _ => Err(format!("executed no input; see {}", log.display())),
    }
}

/// Reads `stat::number_of_executed_units: 12`.
fn executed(output: &str) -> Option<u64> {
    let line = output
        .lines()
        .find_map(|line| line.strip_prefix("stat::number_of_executed_units:"))?;
    line.trim().parse().ok()
}

/// Reads `artifact_prefix='a/'; Test unit written to a/crash-1`.
fn found(output: &str) -> Option<PathBuf> {
    let mut lines = output.lines();
    lines.find_map(|line| Some(line.split_once("Test unit written to ")?.1.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_output_is_parsed() {
        let output = "#2\tINITED cov: 5\nartifact_prefix='/t/'; Test unit written to /t/crash-1\n\
                      stat::number_of_executed_units: 1573054\nstat::peak_rss_mb:              30\n";
        assert_eq!(executed(output), Some(1_573_054));
        assert_eq!(found(output), Some(PathBuf::from("/t/crash-1")));
        assert_eq!((executed(""), found("")), (None, None));
    }
}
