//! Generates `docs/conformance.md`: which provider passes which case of the suite on which server.
//!
//! A full run generates the page from its reports. The page has nothing that changes between runs, so a full run can check
//! that it is current. Partial runs leave it alone.

use std::fmt::Write as _;
use std::fs;

use super::{Case, Outcome, Report};
use crate::shell::{Result, at, root};

const HEAD: &str = "\
# Conformance

Which provider passes which case of the suite in `polysecrets-testkit`, on which server. `cargo xtask test` writes this page
from the reports of its run, and fails if the page was out of date.

- **yes**: passed.
- **–**: the provider does not declare the capability; the suite has seen it refuse with `Unsupported` and change nothing.
- **gap N**: it fails for the reason N below, as its test expects. A gap that closes fails the run until the test is changed.

Nothing is skipped. A provider that runs against several servers or logins has a letter for each. A result without a letter
holds for all of them.
";

/// Updates the page and returns whether it was current. Ignores reports with failed cases.
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
    let providers = providers(reports);
    let mut gaps = Gaps::default();
    let cases = cases(&providers, &mut gaps);
    let mut text = HEAD.to_owned();
    text.push_str(&totals(&providers));
    text.push_str(&cases);
    if !gaps.0.is_empty() {
        text.push_str("\n## Gaps\n\n");
        for (number, gap) in gaps.0.iter().enumerate() {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{}. {gap}", number + 1);
        }
    }
    text.push_str(&everywhere(&providers));
    text
}

/// The reports of one provider.
struct Provider<'a> {
    scheme: &'a str,
    reports: Vec<&'a Report>,
}

/// Groups the reports by provider.
fn providers(reports: &[Report]) -> Vec<Provider<'_>> {
    let mut providers: Vec<Provider<'_>> = Vec::new();
    for report in reports {
        let scheme = report.scheme.as_str();
        match providers.iter_mut().find(|one| one.scheme == scheme) {
            Some(provider) => provider.reports.push(report),
            None => providers.push(Provider {
                scheme,
                reports: vec![report],
            }),
        }
    }
    providers
}

impl Provider<'_> {
    /// The result of a case: one for all reports, or one for each.
    fn verdict(&self, case: &str, gaps: &mut Gaps) -> String {
        let mut verdicts: Vec<(String, Vec<char>)> = Vec::new();
        for (report, letter) in self.reports.iter().zip('a'..) {
            let result = match report.outcome(case) {
                Some(Outcome::Passed) => "yes".to_owned(),
                Some(Outcome::Unsupported) => "–".to_owned(),
                Some(Outcome::KnownGap(reason)) => format!("gap {}", gaps.number(reason)),
                Some(Outcome::Failed) | None => "no".to_owned(),
            };
            match verdicts.iter_mut().find(|(known, _)| *known == result) {
                Some((_, letters)) => letters.push(letter),
                None => verdicts.push((result, vec![letter])),
            }
        }
        match verdicts.as_slice() {
            [(result, _)] => result.clone(),
            several => several
                .iter()
                .map(|(result, letters)| format!("{result} ({})", String::from_iter(letters)))
                .collect::<Vec<_>>()
                .join(", "),
        }
    }
}

fn totals(providers: &[Provider<'_>]) -> String {
    let mut text = String::from(
        "\n## Totals\n\n| provider | | tested with | passed | unsupported | known gaps |\n|---|---|---|---|---|---|\n",
    );
    for provider in providers {
        for (report, letter) in provider.reports.iter().zip('a'..) {
            let letter = match provider.reports.len() {
                1 => String::new(),
                _ => format!("{letter} "),
            };
            let _ = writeln!(
                text,
                "| `{}` | {letter}| {} | {} | {} | {} |",
                report.scheme,
                or_dash(&report.server),
                report.passed,
                report.unsupported,
                report.known_gaps
            );
        }
    }
    text
}

/// A table for each group of cases, in the order of the suite.
fn cases(providers: &[Provider<'_>], gaps: &mut Gaps) -> String {
    let mut text = String::new();
    let mut group = "";
    for case in all_cases(providers) {
        if case.group != group {
            group = &case.group;
            let _ = write!(text, "\n## {}\n\n| case |", group.replace('_', " "));
            for provider in providers {
                let _ = write!(text, " `{}` |", provider.scheme);
            }
            let _ = writeln!(text, "\n|---|{}", "---|".repeat(providers.len()));
        }
        let _ = write!(text, "| `{}` |", case.name);
        for provider in providers {
            let _ = write!(text, " {} |", provider.verdict(&case.name, gaps));
        }
        text.push('\n');
    }
    text
}

/// Every case once. All reports are from the same suite, so each has all cases.
fn all_cases<'a>(providers: &[Provider<'a>]) -> &'a [Case] {
    providers
        .first()
        .and_then(|provider| provider.reports.first())
        .map_or(&[], |report| &report.cases)
}

/// The cases that a provider passes in none of its ways.
fn everywhere(providers: &[Provider<'_>]) -> String {
    let mut list = String::new();
    for provider in providers {
        let is_gap = |report: &&Report, case: &Case| {
            matches!(report.outcome(&case.name), Some(Outcome::KnownGap(_)))
        };
        let missing: Vec<String> = all_cases(providers)
            .iter()
            .filter(|case| provider.reports.iter().all(|report| is_gap(report, case)))
            .map(|case| format!("`{}`", case.name))
            .collect();
        if !missing.is_empty() {
            let _ = writeln!(list, "- `{}`: {}", provider.scheme, missing.join(", "));
        }
    }
    if list.is_empty() {
        list.push_str("None.\n");
    }
    format!("\n## Gaps in every way of a provider\n\n{list}")
}

fn or_dash(text: &str) -> &str {
    if text.is_empty() { "–" } else { text }
}

/// The reasons, in order of appearance.
#[derive(Default)]
struct Gaps(Vec<String>);

impl Gaps {
    fn number(&mut self, reason: &str) -> usize {
        // The reason must fit on a line of a list and in a table cell.
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
    fn the_page_has_a_table_per_group_and_every_gap() {
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

| provider | | tested with | passed | unsupported | known gaps |
|---|---|---|---|---|---|
| `aws-sm` | a | ministack | 1 | 0 | 2 |
| `aws-sm` | b | moto | 2 | 0 | 1 |
| `env` | | – | 1 | 2 | 0 |

## round trip

| case | `aws-sm` | `env` |
|---|---|---|
| `text` | yes | yes |
| `bytes` | gap 1 (a), yes (b) | – |

## delete

| case | `aws-sm` | `env` |
|---|---|---|
| `purge` | gap 1 | – |

## Gaps

1. it forgets versions

## Gaps in every way of a provider

- `aws-sm`: `purge`
";
        assert_eq!(body, wanted);
    }

    #[test]
    fn the_page_says_that_there_are_no_gaps() {
        let all = [Outcome::Passed, Outcome::Passed, Outcome::Passed];
        let page = page(&[report("env", "", all)]);
        assert!(page.ends_with("\n## Gaps in every way of a provider\n\nNone.\n"));
        assert!(!page.contains("## Gaps\n"));
    }

    #[test]
    fn a_failed_case_leaves_the_page_alone() {
        let failed = [Outcome::Passed, Outcome::Passed, Outcome::Failed];
        assert_eq!(refresh(&[report("env", "", failed)]), Ok(true));
    }
}
