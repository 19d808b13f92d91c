//! Parses the totals of test runners.

use std::fmt;
use std::ops::Add;

/// Counts of tests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) passed: u64,
    pub(super) failed: u64,
    pub(super) skipped: u64,
}

impl Totals {
    /// Whether at least one test ran and none failed.
    pub(super) fn is_success(self) -> bool {
        self.failed == 0 && self.passed > 0
    }
}

impl Add for Totals {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            passed: self.passed + other.passed,
            failed: self.failed + other.failed,
            skipped: self.skipped + other.skipped,
        }
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)?;
        if self.skipped > 0 {
            write!(f, ", {} skipped", self.skipped)?;
        }
        Ok(())
    }
}

/// Reads `Summary [   0.043s] 5 tests run: 4 passed (1 slow), 1 failed, 0 skipped`.
pub(super) fn nextest(line: &str) -> Option<Totals> {
    let rest = line.trim().strip_prefix("Summary [")?;
    let (_, counts) = rest.split_once(" run: ")?;
    let mut totals = Totals::default();
    for part in outside_brackets(counts).split(',') {
        let (number, word) = part.trim().split_once(' ')?;
        let number: u64 = number.parse().ok()?;
        match word.trim() {
            "passed" => totals.passed += number,
            "skipped" => totals.skipped += number,
            // Failed, timed out or could not be executed.
            _ => totals.failed += number,
        }
    }
    Some(totals)
}

/// Reads `test result: ok. 5 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; finished …`.
pub(super) fn libtest(line: &str) -> Option<Totals> {
    let rest = line.trim().strip_prefix("test result: ")?;
    let (_, counts) = rest.split_once(". ")?;
    let mut totals = Totals::default();
    for part in counts.split(';') {
        let Some((number, word)) = part.trim().split_once(' ') else {
            continue;
        };
        match word {
            "passed" => totals.passed += number.parse::<u64>().ok()?,
            "failed" => totals.failed += number.parse::<u64>().ok()?,
            "ignored" | "filtered out" => totals.skipped += number.parse::<u64>().ok()?,
            _ => {}
        }
    }
    Some(totals)
}

/// Reads the end of `unittest`'s output: `Ran 5 tests in 0.1s`, then `OK` or `FAILED (failures=1, skipped=2)`.
///
/// A test can fail several times, once per subtest, so there can be more failures than tests.
pub(super) fn unittest(text: &str) -> Option<Totals> {
    let mut lines = text.lines().rev();
    let verdict = lines.find(|line| {
        *line == "OK"
            || line.starts_with("OK (")
            || line.starts_with("FAILED")
            || line.starts_with("NO TESTS RAN")
    })?;
    let ran = lines.find_map(|line| line.strip_prefix("Ran "))?;
    let ran: u64 = ran.split(' ').next()?.parse().ok()?;
    let mut totals = Totals::default();
    let counts = verdict.split_once('(').map_or("", |(_, counts)| counts);
    for part in counts
        .trim_end_matches(')')
        .split(", ")
        .filter(|part| !part.is_empty())
    {
        let (word, number) = part.split_once('=')?;
        let number: u64 = number.parse().ok()?;
        match word {
            "skipped" => totals.skipped += number,
            // Failures, errors and unexpected successes; an expected failure is a failure too.
            _ => totals.failed += number,
        }
    }
    totals.passed = ran.saturating_sub(totals.failed + totals.skipped);
    Some(totals)
}

/// The text without parentheses and their content.
fn outside_brackets(text: &str) -> String {
    let mut depth = 0_usize;
    text.chars()
        .filter(|letter| match letter {
            '(' => {
                depth += 1;
                false
            }
            ')' => {
                depth = depth.saturating_sub(1);
                false
            }
            _ => depth == 0,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn totals(passed: u64, failed: u64, skipped: u64) -> Option<Totals> {
        Some(Totals {
            passed,
            failed,
            skipped,
        })
    }

    #[test]
    fn summaries_of_nextest() {
        for (line, wanted) in [
            (
                "     Summary [   0.043s] 5 tests run: 5 passed, 0 skipped",
                totals(5, 0, 0),
            ),
            (
                "     Summary [   0.1s] 1 test run: 1 passed, 3 skipped",
                totals(1, 0, 3),
            ),
            (
                "Summary [ 61.2s] 9/12 tests run: 6 passed (2 slow, 1 leaky), 1 failed, 1 timed out, 1 exec failed, 4 skipped",
                totals(6, 3, 4),
            ),
            (
                "     Summary [   0.000s] 0 tests run: 0 passed, 0 skipped",
                totals(0, 0, 0),
            ),
            ("        PASS [   0.007s] (1/5) xtask a::b", None),
            (
                "test result: ok. 5 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out",
                None,
            ),
            ("Summary [ 1s] many tests run: all passed", None),
        ] {
            assert_eq!(nextest(line), wanted, "{line}");
        }
    }

    #[test]
    fn results_of_libtest() {
        for (line, wanted) in [
            (
                "test result: ok. 5 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; finished in 0.00s",
                totals(5, 0, 3),
            ),
            (
                "test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.5s",
                totals(1, 2, 0),
            ),
            ("test tests::a ... ok", None),
            (
                "     Summary [   0.043s] 5 tests run: 5 passed, 0 skipped",
                None,
            ),
        ] {
            assert_eq!(libtest(line), wanted, "{line}");
        }
    }

    #[test]
    fn the_end_of_unittest() {
        for (text, wanted) in [
            ("....\nRan 4 tests in 0.1s\n\nOK\n", totals(4, 0, 0)),
            ("Ran 4 tests in 0.1s\n\nOK (skipped=1)\n", totals(3, 0, 1)),
            (
                "Ran 9 tests in 0.1s\n\nFAILED (failures=2, errors=1, skipped=1, expected failures=1)\n",
                totals(4, 4, 1),
            ),
            // One test with thirty parts.
            (
                "Ran 2 tests in 0.1s\n\nFAILED (failures=30)\n",
                totals(0, 30, 0),
            ),
            ("Ran 0 tests in 0.0s\n\nNO TESTS RAN\n", totals(0, 0, 0)),
            ("Traceback (most recent call last):\n", None),
            ("OK\n", None),
        ] {
            assert_eq!(unittest(text), wanted, "{text}");
        }
    }

    #[test]
    fn the_last_line_is_plain() {
        let show = |passed, failed, skipped| {
            Totals {
                passed,
                failed,
                skipped,
            }
            .to_string()
        };
        assert_eq!(show(12, 0, 0), "12 passed, 0 failed");
        assert_eq!(show(12, 1, 2), "12 passed, 1 failed, 2 skipped");
    }

    #[test]
    fn no_tests_are_a_failure() {
        assert!(!Totals::default().is_success());
        assert!(
            Totals {
                passed: 1,
                ..Totals::default()
            }
            .is_success()
        );
        assert!(
            !Totals {
                passed: 1,
                failed: 1,
                skipped: 0
            }
            .is_success()
        );
    }
}
