//! Packages and libraries have a prefix; folders and the names in the workspace's code do not.

use super::{Problem, Role, is_ours, role};
use crate::workspace::Package;

const PREFIX: &str = "poly";

/// Examples use the names on the registry, as users do.
const EXAMPLES: &str = "examples";

pub(super) fn check(packages: &[Package]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for package in packages {
        if role(package) != Role::Outside {
            problems.extend(name(package));
        }
        if package.short_name() == EXAMPLES {
            problems.extend(true_names(packages, package));
        } else {
            problems.extend(renames(packages, package));
        }
    }
    problems
}

fn name(package: &Package) -> Vec<Problem> {
    let folder = package.short_name();
    let mut problems = Vec::new();
    let wanted = format!("{PREFIX}{folder}");
    if package.name != wanted {
        problems.push(Problem::at_word(
            &package.manifest,
            "name",
            format!(
                "package in {folder}: expected {wanted}, found {}",
                package.name
            ),
        ));
    }
    let wanted = wanted.replace('-', "_");
    if let Some(library) = &package.library
        && *library != wanted
    {
        problems.push(Problem::at_word(
            &package.manifest,
            "[lib]",
            format!("library in {folder}: expected {wanted}, found {library}"),
        ));
    }
    problems
}

fn renames(packages: &[Package], package: &Package) -> Vec<Problem> {
    package
        .dependencies
        .iter()
        .filter(|dependency| is_ours(packages, &dependency.package))
        .filter(|dependency| dependency.called == dependency.package)
        .filter(|dependency| dependency.package.starts_with(PREFIX))
        .map(|dependency| {
            let plain = dependency.package.trim_start_matches(PREFIX);
            Problem::at_word(
                &package.manifest,
                &dependency.called,
                format!("{}: write {plain}.workspace = true", dependency.package),
            )
        })
        .collect()
}

fn true_names(packages: &[Package], package: &Package) -> Vec<Problem> {
    package
        .dependencies
        .iter()
        .filter(|dependency| is_ours(packages, &dependency.package))
        .filter(|dependency| dependency.called != dependency.package)
        .map(|dependency| {
            Problem::at_word(
                &package.manifest,
                &dependency.called,
                format!(
                    "{}: examples must use the name {}",
                    dependency.called, dependency.package
                ),
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::sample::{member, messages, needs, package};
    use super::*;

    #[test]
    fn the_workspaces_names_pass() {
        let vault = needs(member("secrets-vault"), "secrets-core");
        assert_eq!(
            check(&[vault, member("secrets-core"), member("secrets")]),
            []
        );
    }

    #[test]
    fn a_wrong_package_and_a_wrong_library() {
        let mut wrong = package("secrets-aws", "secrets-aws");
        wrong.library = Some("secrets_aws".to_owned());
        assert_eq!(
            messages(check(&[wrong])),
            [
                "package in secrets-aws: expected polysecrets-aws, found secrets-aws",
                "library in secrets-aws: expected polysecrets_aws, found secrets_aws",
            ]
        );
    }

    #[test]
    fn the_prefix_in_a_dependency_table() {
        let mut vault = needs(member("secrets-vault"), "secrets-core");
        vault.dependencies[0].called = "polysecrets-core".to_owned();
        assert_eq!(
            messages(check(&[vault, member("secrets-core")])),
            ["polysecrets-core: write secrets-core.workspace = true"]
        );
    }

    #[test]
    fn an_example_that_uses_the_short_name() {
        let examples = needs(package("examples", "polysecrets-examples"), "secrets-core");
        assert_eq!(
            messages(check(&[examples, member("secrets-core")])),
            ["secrets-core: examples must use the name polysecrets-core"]
        );
    }
}
