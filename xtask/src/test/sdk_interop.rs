//! The vendors' own SDKs, which judge our command, our fakes and each other, and the schemas of others: one program of
//! Python's `unittest` each.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::totals::{Totals, unittest};
use crate::shell::{Result, at, described, root, say, target};
use crate::venv::Venv;

/// What `-p` calls all of them.
pub(super) const NAME: &str = "judges";

pub(super) const VENV: Venv = Venv { name: NAME };

/// Who must have judged when everything ran.
const EXPECTED: &[&str] = &[
    "judge_aws",
    "judge_azure",
    "judge_gcp",
    "judge_infisical",
    "judge_ocsf",
    "judge_vault",
];

/// One that runs longer waits for something that does not come.
const LIMIT: Duration = Duration::from_secs(600);

/// The programs in the folder of the judges, in the order of their names.
pub(super) fn all() -> Result<Vec<String>> {
    let folder = folder();
    let mut names = Vec::new();
    for entry in at(&folder, fs::read_dir(&folder))? {
        let name = at(&folder, entry)?.file_name();
        let judge = name.to_str().and_then(|name| name.strip_suffix(".py"));
        names.extend(
            judge
                .filter(|name| name.starts_with("judge_"))
                .map(str::to_owned),
        );
    }
    names.sort();
    Ok(names)
}

/// Those who are not there.
pub(super) fn absent(names: &[String]) -> Vec<&'static str> {
    EXPECTED
        .iter()
        .copied()
        .filter(|expected| names.iter().all(|name| name != expected))
        .collect()
}

/// Runs all of these at once; `surround` gives each what tests need around them.
pub(super) fn judge(names: &[String], surround: impl Fn(&mut Command)) -> Result<Totals> {
    let logs = target().join(NAME).join("logs");
    at(&logs, fs::create_dir_all(&logs))?;
    let running = names
        .iter()
        .map(|name| Judge::start(name, &logs, &surround))
        .collect::<Result<Vec<_>>>();
    let running = running?;
    thread::scope(|scope| {
        let finishing: Vec<_> = running
            .into_iter()
            .map(|judge| scope.spawn(|| judge.finish()))
            .collect();
        let mut totals = Totals::default();
        for judge in finishing {
            totals = totals + judge.join().map_err(|_| "a judge was lost")??;
        }
        Ok(totals)
    })
}

/// A judge that runs. It ends with this value.
struct Judge {
    name: String,
    log: PathBuf,
    child: Child,
    begin: Instant,
}

impl Judge {
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
        // A test that was skipped proves nothing, and an ending without a failed test has another reason.
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

impl Drop for Judge {
    fn drop(&mut self) {
        // It has ended by itself unless something went wrong; its fakes end with its pipes.
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
    fn a_missing_judge_is_named() {
        let some = ["judge_aws", "judge_vault", "judge_gcp"].map(str::to_owned);
        assert_eq!(
            absent(&some),
            ["judge_azure", "judge_infisical", "judge_ocsf"]
        );
    }
}
