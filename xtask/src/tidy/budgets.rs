//! How many crates somebody builds who takes one of ours.

use std::collections::BTreeSet;

use super::{Problem, Role, role};
use crate::shell::{Result, cargo, read};
use crate::workspace::Package;

/// Unique crates with the default features, the crate itself included, without build and test tools.
const BUDGETS: &[(&str, usize)] = &[
    ("secrets-vault", 115),
    ("secrets-aws", 165),
    // Every provider at once; `docs/decisions.md` says why it is not 225.
    ("secrets-cli", 275),
];

pub(super) fn check(packages: &[Package]) -> Result<Vec<Problem>> {
    let mut problems = Vec::new();
    println!("{:<18} {:>6} {:>7}", "crate", "crates", "budget");
    for package in packages
        .iter()
        .filter(|package| role(package) != Role::Outside)
    {
        let name = package.short_name();
        let tree = read(&mut cargo([
            "tree",
            "--edges=normal",
            "--prefix=none",
            "--package",
            &package.name,
        ]))?;
        let count = unique(&tree);
        let budget = BUDGETS
            .iter()
            .find(|(owner, _)| *owner == name)
            .map(|(_, budget)| *budget);
        let shown = budget.map_or_else(|| "-".to_owned(), |budget| budget.to_string());
        println!("{name:<18} {count:>6} {shown:>7}");
        if let Some(budget) = budget
            && count > budget
        {
            let message = format!("{name} needs {count} crates, more than its budget of {budget}");
            problems.push(Problem::at_word(
                &package.manifest,
                "[dependencies]",
                message,
            ));
        }
    }
    Ok(problems)
}

/// Crates told apart by name and version; a repeated one is marked with `(*)`.
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
    fn a_repeated_crate_counts_once_and_a_second_version_again() {
        let tree = "a v0.1.0 (/w/a)\nb v1.0.0\nc v1.0.0 (proc-macro)\nb v1.0.0 (*)\nb v2.0.0\n\n";
        assert_eq!(unique(tree), 4);
    }
}
