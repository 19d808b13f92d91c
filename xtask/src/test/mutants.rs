//! Mutations of the code that must not be wrong: each file by itself, so that none hides behind the others.

use std::process::Command;

use super::totals::Totals;
use crate::shell::{Result, at, cargo, has_cargo_tool, say, target};

/// Files of the facade whose tests have to notice.
const FILES: &[&str] = &[
    "crates/secrets/src/layers/audit/actor.rs",
    "crates/secrets/src/layers/audit/asked.rs",
    "crates/secrets/src/layers/audit/chain.rs",
    "crates/secrets/src/layers/audit/config.rs",
    "crates/secrets/src/layers/audit/file.rs",
    "crates/secrets/src/layers/audit/hits.rs",
    "crates/secrets/src/layers/audit/id.rs",
    "crates/secrets/src/layers/audit/mod.rs",
    "crates/secrets/src/layers/audit/ocsf.rs",
    "crates/secrets/src/layers/audit/query.rs",
    "crates/secrets/src/layers/audit/record.rs",
    "crates/secrets/src/layers/audit/service.rs",
    "crates/secrets/src/layers/audit/sink.rs",
    "crates/secrets/src/layers/audit/verify.rs",
    "crates/secrets/src/layers/audit/writer.rs",
    "crates/secrets/src/layers/breaker.rs",
    "crates/secrets/src/layers/budget.rs",
    "crates/secrets/src/layers/cache/config.rs",
    "crates/secrets/src/layers/cache/entry.rs",
    "crates/secrets/src/layers/cache/flight.rs",
    "crates/secrets/src/layers/cache/key.rs",
    "crates/secrets/src/layers/cache/service.rs",
    "crates/secrets/src/layers/cache/stats.rs",
    "crates/secrets/src/layers/cache/store.rs",
    "crates/secrets/src/layers/retry.rs",
];

/// The share of mutants that have to be caught, in percent.
const CAUGHT: usize = 85;

/// A file whose mutants are caught is a test that passed.
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
        // It ends with a failure whenever one is missed; the lists that it writes say how many.
        let _ = command(file, &folder).status();
        let listed = |name: &str| {
            let path = folder.join("mutants.out").join(name);
            at(&path, std::fs::read_to_string(&path)).map(|text| text.lines().count())
        };
        let caught = listed("caught.txt")? + listed("timeout.txt")?;
        let missed = listed("missed.txt")?;
        say(&format!("{file}: {caught} caught, {missed} missed"));
        if is_enough(caught, missed) {
            totals.passed += 1;
        } else {
            totals.failed += 1;
        }
    }
    Ok(totals)
}

fn command(file: &str, folder: &std::path::Path) -> Command {
    let mut command = cargo(["mutants", "--package", "polysecrets", "--jobs", "1"]);
    command
        .args(["--no-shuffle", "--file", file, "--output"])
        .arg(folder)
        .args(["--features", "memory,file,vault"])
        // Its properties are about other things.
        .env("PROPTEST_CASES", "100")
        .args(["--", "--lib", "--test", "stack", "--test", "outage"])
        .args(["--test", "audit"]);
    command
}

fn is_enough(caught: usize, missed: usize) -> bool {
    caught > 0 && 100 * caught >= CAUGHT * (caught + missed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_may_be_missed() {
        assert!(is_enough(85, 15));
        assert!(!is_enough(84, 16));
        assert!(!is_enough(0, 0));
    }
}
