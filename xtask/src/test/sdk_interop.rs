//! Runs the tests with the vendors' own SDKs and schemas against our command and our fakes: Python programs of `unittest`.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::totals::{Totals, unittest};
use crate::shell::{Result, at, described, root, say, target};
use crate::venv::Venv;

/// Their name for `-p`.
pub(super) const NAME: &str = "sdk_interop";

pub(super) const VENV: Venv = Venv { name: NAME };

/// Programs that must run in a full run.
const EXPECTED: &[&str] = &[
    "test_aws",
    "test_aws_logins",
    "test_azure",
    "test_gcp",
    "test_infisical",
    "test_ocsf",
    "test_vault",
];

/// A program that runs longer hangs.
const LIMIT: Duration = Duration::from_secs(600);

/// The names of all programs, sorted.
pub(super) fn all() -> Result<Vec<String>> {
    let folder = folder();
    let mut names = Vec::new();
    for entry in at(&folder, fs::read_dir(&folder))? {
        let name = at(&folder, entry)?.file_name();
        let program = name.to_str().and_then(|name| name.strip_suffix(".py"));
        names.extend(
            program
                .filter(|name| name.starts_with("test_"))
                .map(str::to_owned),
        );
    }
    names.sort();
    Ok(names)
}

/// The expected programs that are missing.
pub(super) fn absent(names: &[String]) -> Vec<&'static str> {
    EXPECTED
        .iter()
        .copied()
        .filter(|expected| names.iter().all(|name| name != expected))
        .collect()
}

/// Runs these programs in parallel; `surround` sets their environment.
pub(super) fn run(names: &[String], surround: impl Fn(&mut Command)) -> Result<Totals> {
    let logs = target().join(NAME).join("logs");
    at(&logs, fs::create_dir_all(&logs))?;
    let running = names
        .iter()
        .map(|name| Program::start(name, &logs, &surround))
        .collect::<Result<Vec<_>>>();
    let running = running?;
    thread::scope(|scope| {
        let finishing: Vec<_> = running
            .into_iter()
            .map(|program| scope.spawn(|| program.finish()))
            .collect();
        let mut totals = Totals::default();
        for program in finishing {
            totals = totals + program.join().map_err(|_| "a thread panicked")??;
        }
        Ok(totals)
    })
}

/// A running program, killed on drop.
struct Program {
    name: String,
    log: PathBuf,
    child: Child,
    begin: Instant,
}

impl Program {
    fn start(name: &str, logs: &Path, surround: &impl Fn(&mut Command)) -> Result<Self> {
        let mut command = Command::new(VENV.python());
        surround(&mut command);
        let log = logs.join(format!("{name}.log"));
        let file = at(&log, File::create(&log))?;
        let copy = at(&log, file.try_clone())?;
        let child = command
            .args(["-W", "error::ResourceWarning", "-m", "unittest", "-v", name])
            .current_dir(folder())
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(copy)
            .spawn()
            .map_err(|error| format!("cannot start {}: {error}", described(&command)))?;
        Ok(Self {
            name: name.to_owned(),
            log,
            child,
            begin: Instant::now(),
        })
    }

    fn finish(mut self) -> Result<Totals> {
        let status = loop {
            if let Some(status) = at(&self.log, self.child.try_wait())? {
                break Some(status);
            }
            if self.begin.elapsed() > LIMIT {
                break None;
            }
            thread::sleep(Duration::from_millis(20));
        };
        let took = self.begin.elapsed().as_secs();
        let text = at(&self.log, fs::read(&self.log))?;
        let text = String::from_utf8_lossy(&text);
        let mut totals = unittest(&text).unwrap_or_default();
        let ended_well = status.is_some_and(|status| status.success());
        // Skipped tests prove nothing, and a failure without a failed test has another reason.
        if totals.skipped > 0 || totals.passed == 0 || (totals.failed == 0 && !ended_well) {
            totals.failed += 1;
        }
        say(&format!("{}: {totals} in {took} s", self.name));
        if totals.failed > 0 {
            let end = match status {
                Some(status) => status.to_string(),
                None => format!("still running after {} s", LIMIT.as_secs()),
            };
            say(&format!("{}: {end}\n{}", self.name, text.trim_end()));
        }
        Ok(totals)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // The program is still running only after an error. Its fakes stop with its pipes.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn folder() -> PathBuf {
    root().join("tests").join(NAME)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_programs_are_named() {
        let some = ["test_aws", "test_vault", "test_gcp"].map(str::to_owned);
        assert_eq!(
            absent(&some),
            [
                "test_aws_logins",
                "test_azure",
                "test_infisical",
                "test_ocsf"
            ]
        );
    }
}
