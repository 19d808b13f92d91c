//! Limits the number of crates that a dependency on one of ours builds.

use std::collections::BTreeSet;

use super::{Problem, Role, role};
use crate::shell::{Result, cargo, read};
use crate::workspace::Package;

/// The most crates with default features, including the crate itself, excluding build and dev dependencies.
const BUDGETS: &[(&str, usize)] = &[
    ("secrets-vault", 115),
    ("secrets-aws", 165),
    // Includes the encrypted file, the policy engine and `aws login`; see `docs/decisions.md`.
    ("secrets-cli", 400),
];

/// The facade with only these features, and its budget.
const FACADE: &[(&str, &str, usize)] = &[
    ("  env alone", "env", 55),
    ("  vault", "env,vault", 125),
    (
        "  every service",
        "env,dotenv,memory,vault,aws,azure,gcp,infisical",
        225,
    ),
];

pub(super) fn check(packages: &[Package]) -> Result<Vec<Problem>> {
    let mut problems = Vec::new();
    println!("{:<18} {:>6} {:>7}", "crate", "crates", "budget");
    for package in packages
        .iter()
        .filter(|package| role(package) != Role::Outside)
    {
        let name = package.short_name();
        let count = crates(&package.name, &[])?;
        let budget = BUDGETS
            .iter()
            .find(|(owner, _)| *owner == name)
            .map(|(_, budget)| *budget);
        problems.extend(checked(package, name, count, budget));
        if name == "secrets" {
            for (what, features, budget) in FACADE {
                let chosen = ["--no-default-features", "--features", features];
                let count = crates(&package.name, &chosen)?;
                problems.extend(checked(package, what, count, Some(*budget)));
            }
        }
    }
    Ok(problems)
}

fn crates(package: &str, features: &[&str]) -> Result<usize> {
    let mut command = cargo([
        "tree",
        "--edges=normal",
        "--prefix=none",
        "--package",
        package,
    ]);
    Ok(unique(&read(command.args(features))?))
}

fn checked(package: &Package, what: &str, count: usize, budget: Option<usize>) -> Option<Problem> {
    let shown = budget.map_or_else(|| "-".to_owned(), |budget| budget.to_string());
    println!("{what:<18} {count:>6} {shown:>7}");
    let budget = budget.filter(|budget| count > *budget)?;
    let what = what.trim_start();
    let message = format!("{what}: {count} crates exceed the budget of {budget}");
    Some(Problem::at_word(
        &package.manifest,
        "[dependencies]",
        message,
    ))
}

/// Counts distinct names and versions; cargo marks repeated crates with `(*)`.
fn unique(tree: &str) -> usize {
    tree.lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            Some((words.next()?, words.next()?))
        })
        .collect::<BTreeSet<_>>()
        .len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_a_crate_count_once_each() {
        let tree = "a v0.1.0 (/w/a)\nb v1.0.0\nc v1.0.0 (proc-macro)\nb v1.0.0 (*)\nb v2.0.0\n\n";
        assert_eq!(unique(tree), 4);
    }
}
