//! Reads the reports of the conformance suites.

mod document;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::shell::{Result, at, target};

pub(super) use document::refresh;

/// The variable for the folder in which the testkit writes a report for each run of the suite.
pub(super) const VARIABLE: &str = "POLYSECRETS_CONFORMANCE_DIR";

/// Providers whose suite must run in a full run.
const EXPECTED: &[&str] = &[
    "memory",
    "env",
    "dotenv",
    "file",
    "vault",
    "aws-sm",
    "azure-kv",
    "gcp-sm",
    "infisical",
];

/// A run of the suite.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Report {
    scheme: String,
    server: String,
    passed: u64,
    failed: u64,
    unsupported: u64,
    known_gaps: u64,
    /// In the order of the suite.
    cases: Vec<Case>,
}

/// The outcome of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Case {
    group: String,
    name: String,
    outcome: Outcome,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Outcome {
    Passed,
    Failed,
    Unsupported,
    /// With its reason.
    KnownGap(String),
}

impl Report {
    fn title(&self) -> String {
        format!("{} {}", self.scheme, self.server).trim().to_owned()
    }

    fn outcome(&self, case: &str) -> Option<&Outcome> {
        self.cases
            .iter()
            .find(|candidate| candidate.name == case)
            .map(|case| &case.outcome)
    }
}

pub(super) fn folder() -> PathBuf {
    target().join("conformance")
}

/// Removes the reports of earlier runs, so a missing report is noticed.
pub(super) fn clear() -> Result<()> {
    let folder = folder();
    if folder.exists() {
        at(&folder, fs::remove_dir_all(&folder))?;
    }
    at(&folder, fs::create_dir_all(&folder))
}

/// The reports of this run about real providers. The testkit's own tests report on models, some of which fail on purpose.
pub(super) fn reports() -> Result<Vec<Report>> {
    let folder = folder();
    let mut paths = at(&folder, fs::read_dir(&folder))?
        .map(|entry| at(&folder, entry).map(|entry| entry.path()))
        .collect::<Result<Vec<_>>>()?;
    paths.sort();
    let reports = paths
        .iter()
        .map(|path| load(path))
        .collect::<Result<Vec<_>>>()?;
    let real = |report: &Report| EXPECTED.contains(&report.scheme.as_str());
    Ok(reports.into_iter().filter(real).collect())
}

fn load(path: &Path) -> Result<Report> {
    let text = at(path, fs::read_to_string(path))?;
    parse(&text).ok_or_else(|| format!("{}: not a report of schema 1", path.display()))
}

fn parse(text: &str) -> Option<Report> {
    let value: Value = serde_json::from_str(text).ok()?;
    if value.get("schema")?.as_u64()? != 1 {
        return None;
    }
    let text = |key: &str| value.get(key)?.as_str().map(str::to_owned);
    let count = |key: &str| value.get("totals")?.get(key)?.as_u64();
    Some(Report {
        scheme: text("scheme")?,
        server: text("server")?,
        passed: count("passed")?,
        failed: count("failed")?,
        unsupported: count("unsupported")?,
        known_gaps: count("known_gaps")?,
        cases: value
            .get("cases")?
            .as_array()?
            .iter()
            .map(case)
            .collect::<Option<_>>()?,
    })
}

fn case(value: &Value) -> Option<Case> {
    let text = |key: &str| value.get(key)?.as_str().map(str::to_owned);
    Some(Case {
        group: text("group")?,
        name: text("name")?,
        outcome: match value.get("outcome")?.as_str()? {
            "passed" => Outcome::Passed,
            "failed" => Outcome::Failed,
            "unsupported" => Outcome::Unsupported,
            "known_gap" => Outcome::KnownGap(text("reason")?),
            _ => return None,
        },
    })
}

/// The table for `docs/verification.md`.
pub(super) fn table(reports: &[Report]) -> String {
    let mut text = String::from(
        "| provider | passed | proved unsupported | failed | known gaps |\n|---|---|---|---|---|",
    );
    for report in reports {
        let name = report.title();
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "\n| {} | {} | {} | {} | {} |",
            name, report.passed, report.unsupported, report.failed, report.known_gaps
        );
    }
    text
}

/// Providers whose suite did not run.
pub(super) fn absent(reports: &[Report]) -> Vec<&'static str> {
    EXPECTED
        .iter()
        .copied()
        .filter(|scheme| !reports.iter().any(|report| report.scheme == *scheme))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = r#"{"schema": 1, "scheme": "vault", "server": "openbao", "capabilities": [],
        "totals": {"passed": 60, "failed": 0, "unsupported": 4, "known_gaps": 1}, "cases": [
            {"name": "text", "group": "round_trip", "outcome": "passed", "milliseconds": 1},
            {"name": "bytes", "group": "round_trip", "outcome": "known_gap", "reason": "so", "milliseconds": 1}]}"#;

    #[test]
    fn a_report_becomes_a_row() {
        let report = parse(SAMPLE).unwrap();
        assert_eq!(report.outcome("text"), Some(&Outcome::Passed));
        let gap = Outcome::KnownGap("so".to_owned());
        assert_eq!(report.outcome("bytes"), Some(&gap));
        let table = table(std::slice::from_ref(&report));
        assert_eq!(
            table.lines().last(),
            Some("| vault openbao | 60 | 4 | 0 | 1 |")
        );
        let others = EXPECTED.iter().filter(|scheme| **scheme != "vault");
        assert!(absent(&[report]).iter().eq(others));
    }

    #[test]
    fn an_unknown_outcome_is_refused() {
        assert_eq!(
            parse(&SAMPLE.replace("passed\", \"mill", "maybe\", \"mill")),
            None
        );
    }

    #[test]
    fn another_schema_is_refused() {
        assert_eq!(
            parse(&SAMPLE.replace("\"schema\": 1", "\"schema\": 2")),
            None
        );
        assert_eq!(parse("{"), None);
    }
}
