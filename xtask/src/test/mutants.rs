//! Runs mutation tests of critical code, each file separately, so no file hides behind the others.

use std::ops::RangeInclusive;
use std::process::Command;

use super::totals::Totals;
use crate::shell::{Result, at, cargo, has_cargo_tool, root, say, target};

/// The files to mutate.
const FILES: &[&str] = &[
    "crates/secrets-layers/src/audit/actor.rs",
    "crates/secrets-layers/src/audit/pending.rs",
    "crates/secrets-layers/src/audit/hash_chain.rs",
    "crates/secrets-layers/src/audit/config.rs",
    "crates/secrets-layers/src/audit/file.rs",
    "crates/secrets-layers/src/audit/hits.rs",
    "crates/secrets-layers/src/audit/id.rs",
    "crates/secrets-layers/src/audit/layer.rs",
    "crates/secrets-layers/src/audit/ocsf.rs",
    "crates/secrets-layers/src/audit/query.rs",
    "crates/secrets-layers/src/audit/record.rs",
    "crates/secrets-layers/src/audit/service.rs",
    "crates/secrets-layers/src/audit/sink.rs",
    "crates/secrets-layers/src/audit/summary.rs",
    "crates/secrets-layers/src/audit/verify.rs",
    "crates/secrets-layers/src/audit/writer.rs",
    "crates/secrets-layers/src/breaker.rs",
    "crates/secrets-layers/src/retry/budget.rs",
    "crates/secrets-layers/src/cache/config.rs",
    "crates/secrets-layers/src/cache/counters.rs",
    "crates/secrets-layers/src/cache/entry.rs",
    "crates/secrets-layers/src/cache/flight.rs",
    "crates/secrets-layers/src/cache/health.rs",
    "crates/secrets-layers/src/cache/cache_hit.rs",
    "crates/secrets-layers/src/cache/key.rs",
    "crates/secrets-layers/src/cache/service.rs",
    "crates/secrets-layers/src/cache/sharded.rs",
    "crates/secrets-layers/src/cache/stats.rs",
    "crates/secrets-layers/src/cache/store.rs",
    "crates/secrets-layers/src/cache/sync.rs",
    "crates/secrets-layers/src/cache/threads.rs",
    "crates/secrets-layers/src/retry/layer.rs",
];

/// The share of mutants that tests must catch, in percent.
const CAUGHT: usize = 85;

/// Tests all files. A file with enough caught mutants counts as a passed test.
pub(super) fn run() -> Result<Totals> {
    let mut totals = Totals::default();
    if !has_cargo_tool("mutants") {
        say("cargo-mutants is not installed: cargo install cargo-mutants --locked");
        totals.failed += FILES.len() as u64;
        return Ok(totals);
    }
    for file in FILES {
        let folder = target().join("mutants").join(file.replace('/', "-"));
        at(&folder, std::fs::create_dir_all(&folder))?;
        // It fails if it misses a mutant; its lists say how many.
        let _ = command(file, &folder).status();
        let source = root().join(file);
        let elsewhere = for_other_systems(&at(&source, std::fs::read_to_string(&source))?);
        let listed = |name: &str| {
            let path = folder.join("mutants.out").join(name);
            at(&path, std::fs::read_to_string(&path))
        };
        // A mutant that hangs is caught too.
        let caught = listed("caught.txt")?.lines().count() + listed("timeout.txt")?.lines().count();
        let (missed, not_built) = count(&listed("missed.txt")?, &elsewhere);
        say(&format!(
            "{file}: {caught} caught, {missed} missed, {not_built} for other systems"
        ));
        if is_enough(caught, missed) {
            totals.passed += 1;
        } else {
            totals.failed += 1;
        }
    }
    Ok(totals)
}

fn command(file: &str, folder: &std::path::Path) -> Command {
    let mut command = cargo(["mutants", "--package", "polysecrets-layers", "--jobs", "1"]);
    command
        .args(["--no-shuffle", "--file", file, "--output"])
        .arg(folder)
        .args(["--test-package", "polysecrets-layers,polysecrets"])
        .args([
            "--features",
            "audit,cache,rate-limit,polysecrets/memory,polysecrets/file,polysecrets/vault",
        ])
        // The properties test other code.
        .env("PROPTEST_CASES", "100")
        .args(["--", "--lib", "--test", "it"]);
    command
}

/// The lines of functions for other systems, counted from 1. Tests on this system cannot catch their mutants.
fn for_other_systems(source: &str) -> Vec<RangeInclusive<usize>> {
    let condition = match cfg!(unix) {
        true => "#[cfg(not(unix))]",
        false => "#[cfg(unix)]",
    };
    let mut lines = source.lines().zip(1..);
    let mut found = Vec::new();
    while let Some((_, first)) = lines.find(|(line, _)| *line == condition) {
        let begins = lines.next().is_some_and(|(line, _)| line.ends_with('{'));
        if begins && let Some((_, last)) = lines.find(|(line, _)| *line == "}") {
            found.push(first..=last);
        }
    }
    found
}

/// Counts the mutants in a list of cargo-mutants, `path:line:column: what` each: outside and inside these lines.
fn count(list: &str, elsewhere: &[RangeInclusive<usize>]) -> (usize, usize) {
    let is_elsewhere = |mutant: &&str| {
        let line = mutant.split(':').nth(1).and_then(|line| line.parse().ok());
        line.is_some_and(|line| elsewhere.iter().any(|lines| lines.contains(&line)))
    };
    let all = list.lines().count();
    let not_built = list.lines().filter(is_elsewhere).count();
    (all - not_built, not_built)
}

fn is_enough(caught: usize, missed: usize) -> bool {
    caught > 0 && 100 * caught >= CAUGHT * (caught + missed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn mutants_for_other_systems_are_counted_separately() {
        let source = "#[cfg(unix)]\nfn one() {\n    1;\n}\n\n#[cfg(not(unix))]\nfn one() {\n    2;\n}\n\n#[cfg(not(unix))]\nuse a::b;\nfn two() {\n}\n";
        let elsewhere = for_other_systems(source);
        assert_eq!(elsewhere, [6..=9]);
        let list = "a/b.rs:3:5: replace one\na/b.rs:8:5: replace one\na/b.rs:13:1: replace two\n";
        assert_eq!(count(list, &elsewhere), (2, 1));
        assert_eq!(count(list, &[]), (3, 0));
    }

    #[test]
    fn few_may_be_missed() {
        assert!(is_enough(85, 15));
        assert!(!is_enough(84, 16));
        assert!(!is_enough(0, 0));
    }
}
