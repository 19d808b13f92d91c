use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use secrets_core::Capability;
use serde::{Serialize, Serializer};

/// The folder that [`run`](super::run) writes its reports to, as JSON, when the variable is set.
pub const REPORT_DIR_VARIABLE: &str = "POLYSECRETS_CONFORMANCE_DIR";

/// What became of every case of a run. Serialises to JSON; `Display` is an aligned table.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// Version of the JSON form: 1.
    pub schema: u32,
    /// The provider's kind, such as `vault`.
    pub scheme: String,
    /// What stood behind the provider.
    pub server: String,
    /// The capabilities that the provider declared.
    pub capabilities: Vec<String>,
    /// How many cases had which outcome.
    pub totals: Totals,
    /// Every case, in the order of the run.
    pub cases: Vec<CaseReport>,
}

/// One case of a [`Report`].
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct CaseReport {
    /// The case's name, unique in the suite.
    pub name: String,
    /// The group that it belongs to, such as `round_trip`.
    pub group: String,
    /// What became of it.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// How long it took.
    #[serde(rename = "milliseconds", serialize_with = "milliseconds")]
    pub elapsed: Duration,
}

/// What became of one case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Outcome {
    /// The provider did what the contract says.
    Passed,
    /// It did not.
    Failed {
        /// What was wrong. Never holds a value.
        reason: String,
    },
    /// It says that it cannot do this, and was seen to refuse it as the contract says.
    Unsupported {
        /// What it cannot do and how it refused.
        reason: String,
    },
    /// It failed as the fixture said it would.
    KnownGap {
        /// The fixture's reason.
        reason: String,
    },
}

impl Outcome {
    /// The name in tables and in JSON.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed { .. } => "failed",
            Self::Unsupported { .. } => "unsupported",
            Self::KnownGap { .. } => "known_gap",
        }
    }

    fn reason(&self) -> &str {
        match self {
            Self::Passed => "",
            Self::Failed { reason } | Self::Unsupported { reason } | Self::KnownGap { reason } => {
                reason
            }
        }
    }
}

/// How many cases had which outcome.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Totals {
    /// Cases that passed.
    pub passed: usize,
    /// Cases that failed.
    pub failed: usize,
    /// Cases whose capability is absent, which was proved.
    pub unsupported: usize,
    /// Cases that failed as the fixture said they would.
    pub known_gaps: usize,
}

impl Report {
    pub(super) fn new(
        scheme: String,
        server: String,
        capabilities: impl Iterator<Item = Capability>,
        cases: Vec<CaseReport>,
    ) -> Self {
        let mut totals = Totals::default();
        for case in &cases {
            *match case.outcome {
                Outcome::Passed => &mut totals.passed,
                Outcome::Failed { .. } => &mut totals.failed,
                Outcome::Unsupported { .. } => &mut totals.unsupported,
                Outcome::KnownGap { .. } => &mut totals.known_gaps,
            } += 1;
        }
        Self {
            schema: 1,
            scheme,
            server,
            capabilities: capabilities.map(|one| one.to_string()).collect(),
            totals,
            cases,
        }
    }

    /// The outcome of one case.
    pub fn outcome(&self, case: &str) -> Option<&Outcome> {
        self.cases
            .iter()
            .find(|candidate| candidate.name == case)
            .map(|found| &found.outcome)
    }

    /// The cases that failed, with the reasons.
    pub fn failures(&self) -> impl Iterator<Item = (&str, &str)> {
        self.cases
            .iter()
            .filter(|case| matches!(case.outcome, Outcome::Failed { .. }))
            .map(|case| (case.name.as_str(), case.outcome.reason()))
    }

    /// Accepts a run in which no case failed.
    ///
    /// # Panics
    ///
    /// With the list of what failed; when no case was run or none passed.
    #[track_caller]
    pub fn assert_passed(&self) {
        assert!(
            self.totals.passed > 0,
            "no case of the conformance suite passed for {}\n{self}",
            self.scheme
        );
        if self.totals.failed > 0 {
            let mut list = String::new();
            for (case, reason) in self.failures() {
                list.push_str(&format!("\n  {case}: {reason}"));
            }
            panic!(
                "{} of {} cases failed for {}:{list}",
                self.totals.failed,
                self.cases.len(),
                self.title()
            );
        }
    }

    /// Writes the report as `SCHEME[-SERVER].json` into a folder, which is made if it is not there.
    ///
    /// # Errors
    ///
    /// Those of writing a file.
    pub fn write_to(&self, folder: &Path) -> io::Result<PathBuf> {
        std::fs::create_dir_all(folder)?;
        let stem: String = self
            .title()
            .chars()
            .map(|character| match character {
                'a'..='z' | 'A'..='Z' | '0'..='9' | '.' | '-' | '_' => character,
                _ => '-',
            })
            .collect();
        let path = folder.join(format!("{stem}.json"));
        let mut text = serde_json::to_vec_pretty(self).map_err(io::Error::other)?;
        text.push(b'\n');
        std::fs::write(&path, text)?;
        Ok(path)
    }

    fn title(&self) -> String {
        if self.server.is_empty() {
            self.scheme.clone()
        } else {
            format!("{} {}", self.scheme, self.server)
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "conformance of {}", self.title())?;
        let width = |text: fn(&CaseReport) -> &str| {
            self.cases
                .iter()
                .map(|case| text(case).len())
                .max()
                .unwrap_or(0)
        };
        let group_width = width(|case| &case.group);
        let name_width = width(|case| &case.name);
        for case in &self.cases {
            let line = format!(
                "{:group_width$}  {:name_width$}  {:11}  {}",
                case.group,
                case.name,
                case.outcome.as_str(),
                case.outcome.reason(),
            );
            writeln!(f, "{}", line.trim_end())?;
        }
        let Totals {
            passed,
            failed,
            unsupported,
            known_gaps,
        } = self.totals;
        write!(
            f,
            "{} cases: {passed} passed, {failed} failed, {unsupported} unsupported, {known_gaps} known gaps",
            self.cases.len()
        )
    }
}

fn milliseconds<S: Serializer>(elapsed: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX))
}
