//! The page `docs/conformance.md`: which provider passed which case of the suite, on which server.
//!
//! It is made from the reports of a run of everything, and holds nothing that changes from run to run, so that such a run
//! can tell whether the page is current. A run of a part leaves it alone.

use std::fmt::Write as _;
use std::fs;

use super::{Case, Outcome, Report};
use crate::shell::{Result, at, root};

const HEAD: &str = "\
# Conformance

Which provider passes which case of the suite in `polysecrets-testkit`, on which server. `cargo xtask test` makes this page
from the reports of its run, and fails if it was not current.

- **yes**: passed.
- **–**: the provider does not declare the capability; the suite has seen it refuse with `Unsupported` and change nothing.
- **gap N**: it fails as its test says, for the reason N below. A gap that closes fails the run until its test says so.

Nothing is skipped.
";

/// Whether the page was current; it is made so. Reports with failed cases are no reason to change it.
pub(in crate::test) fn refresh(reports: &[Report]) -> Result<bool> {
    if reports.iter().any(|report| report.failed > 0) {
        return Ok(true);
    }
    let path = root().join("docs/conformance.md");
    let made = page(reports);
    if fs::read_to_string(&path).is_ok_and(|text| text == made) {
        return Ok(true);
    }
    at(&path, fs::write(&path, made))?;
    Ok(false)
}

fn page(reports: &[Report]) -> String {
    let mut gaps = Gaps::default();
    let cases = cases(reports, &mut gaps);
    let mut text = HEAD.to_owned();
    text.push_str("\n## Totals\n\n| provider | server | passed | unsupported | known gaps |\n|---|---|---|---|---|\n");
    for report in reports {
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "| `{}` | {} | {} | {} | {} |",
            report.scheme,
            or_dash(&report.server),
            report.passed,
            report.unsupported,
            report.known_gaps
        );
    }
    text.push_str(&cases);
    if !gaps.0.is_empty() {
        text.push_str("\n## Gaps\n\n");
        for (number, gap) in gaps.0.iter().enumerate() {
            let _ = writeln!(text, "{}. {gap}", number + 1);
        }
    }
    text.push_str(&everywhere(reports));
    text
}

/// A table a group of cases, in the order of the suite.
fn cases(reports: &[Report], gaps: &mut Gaps) -> String {
    let mut text = String::new();
    let mut group = "";
    for case in all_cases(reports) {
        if case.group != group {
            group = &case.group;
            let _ = write!(text, "\n## {}\n\n| case |", group.replace('_', " "));
            for report in reports {
                let _ = write!(text, " {} |", report.title());
            }
            let _ = writeln!(text, "\n|---|{}", "---|".repeat(reports.len()));
        }
        let _ = write!(text, "| `{}` |", case.name);
        for report in reports {
            let told = match report.outcome(&case.name) {
                Some(Outcome::Passed) => "yes".to_owned(),
                Some(Outcome::Unsupported) => "–".to_owned(),
                Some(Outcome::KnownGap(reason)) => format!("gap {}", gaps.number(reason)),
                Some(Outcome::Failed) | None => "no".to_owned(),
            };
            let _ = write!(text, " {told} |");
        }
        text.push('\n');
    }
    text
}

/// Every case once: all reports are of one suite, so that the first has them all.
fn all_cases(reports: &[Report]) -> &[Case] {
    reports.first().map_or(&[], |report| &report.cases)
}

/// What a provider passes on none of its servers, which no other server of the same provider makes up for.
fn everywhere(reports: &[Report]) -> String {
    let mut schemes: Vec<&str> = reports
        .iter()
        .map(|report| report.scheme.as_str())
        .collect();
    schemes.dedup();
    let mut text = String::from("\n## Gaps on every server of a provider\n\n");
    let before = text.len();
    for scheme in schemes {
        let own: Vec<&Report> = reports
            .iter()
            .filter(|report| report.scheme == scheme)
            .collect();
        let missing: Vec<String> = all_cases(reports)
            .iter()
            .filter(|case| {
                own.iter()
                    .all(|report| matches!(report.outcome(&case.name), Some(Outcome::KnownGap(_))))
            })
            .map(|case| format!("`{}`", case.name))
            .collect();
        if !missing.is_empty() {
            let _ = writeln!(text, "- `{scheme}`: {}", missing.join(", "));
        }
    }
    if text.len() == before {
        text.push_str("None.\n");
    }
    text
}

fn or_dash(text: &str) -> &str {
    if text.is_empty() { "–" } else { text }
}

/// The reasons, in the order in which they are met.
#[derive(Default)]
struct Gaps(Vec<String>);

impl Gaps {
    fn number(&mut self, reason: &str) -> usize {
        // A line of a list: the reason must not begin another one, nor break the table of another page.
        let reason = reason.replace('\n', " ");
        match self.0.iter().position(|known| *known == reason) {
            Some(position) => position + 1,
            None => {
                self.0.push(reason);
                self.0.len()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(scheme: &str, server: &str, outcomes: [Outcome; 3]) -> Report {
        let names = [
            ("round_trip", "text"),
            ("round_trip", "bytes"),
            ("delete", "purge"),
        ];
        let count =
            |wanted: fn(&Outcome) -> bool| outcomes.iter().filter(|one| wanted(one)).count() as u64;
        Report {
            scheme: scheme.to_owned(),
            server: server.to_owned(),
            passed: count(|one| *one == Outcome::Passed),
            failed: count(|one| *one == Outcome::Failed),
            unsupported: count(|one| *one == Outcome::Unsupported),
            known_gaps: count(|one| matches!(one, Outcome::KnownGap(_))),
            cases: names
                .into_iter()
                .zip(outcomes)
                .map(|((group, name), outcome)| Case {
                    group: group.to_owned(),
                    name: name.to_owned(),
                    outcome,
                })
                .collect(),
        }
    }

    #[test]
    fn the_page_has_a_table_a_group_and_every_gap() {
        let gap = || Outcome::KnownGap("it forgets\nversions".to_owned());
        let reports = [
            report("aws-sm", "ministack", [Outcome::Passed, gap(), gap()]),
            report("aws-sm", "moto", [Outcome::Passed, Outcome::Passed, gap()]),
            report(
                "env",
                "",
                [Outcome::Passed, Outcome::Unsupported, Outcome::Unsupported],
            ),
        ];
        let page = page(&reports);
        let body = page.strip_prefix(HEAD).unwrap();
        let wanted = "
## Totals

| provider | server | passed | unsupported | known gaps |
|---|---|---|---|---|
| `aws-sm` | ministack | 1 | 0 | 2 |
| `aws-sm` | moto | 2 | 0 | 1 |
| `env` | – | 1 | 2 | 0 |

## round trip

| case | aws-sm ministack | aws-sm moto | env |
|---|---|---|---|
| `text` | yes | yes | yes |
| `bytes` | gap 1 | yes | – |

## delete

| case | aws-sm ministack | aws-sm moto | env |
|---|---|---|---|
| `purge` | gap 1 | gap 1 | – |

## Gaps

1. it forgets versions

## Gaps on every server of a provider

- `aws-sm`: `purge`
";
        assert_eq!(body, wanted);
    }

    #[test]
    fn no_gap_is_told_too() {
        let all = [Outcome::Passed, Outcome::Passed, Outcome::Passed];
        let page = page(&[report("env", "", all)]);
        assert!(page.ends_with("## Gaps on every server of a provider\n\nNone.\n"));
        assert!(!page.contains("## Gaps\n"));
    }

    #[test]
    fn a_failed_case_leaves_the_page_alone() {
        let failed = [Outcome::Passed, Outcome::Passed, Outcome::Failed];
        assert_eq!(refresh(&[report("env", "", failed)]), Ok(true));
    }
}
