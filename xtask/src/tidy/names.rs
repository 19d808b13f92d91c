//! Packages carry the prefix; folders, libraries and code do not.

use super::{Problem, Role, is_ours, role};
use crate::workspace::Package;

const PREFIX: &str = "poly";

pub(super) fn check(packages: &[Package]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for package in packages {
        if role(package) != Role::Outside {
            problems.extend(name(package));
        }
        problems.extend(renames(packages, package));
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
    let wanted = folder.replace('-', "_");
    if let Some(library) = &package.library
        && *library != wanted
    {
        problems.push(Problem::at_word(
            &package.manifest,
            "[lib]",
            format!("the library of {folder} is called {library}, not {wanted}"),
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
                format!(
                    "{} is not renamed back; write {plain}.workspace = true",
                    dependency.package
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
    fn the_workspaces_way_is_fine() {
        let vault = needs(member("secrets-vault"), "secrets-core");
        assert_eq!(
            check(&[vault, member("secrets-core"), member("secrets")]),
            []
        );
    }

    #[test]
    fn a_wrong_package_and_a_wrong_library() {
        let mut wrong = package("secrets-aws", "secrets-aws");
        wrong.library = Some("polysecrets_aws".to_owned());
        assert_eq!(
            messages(check(&[wrong])),
            [
                "the package in secrets-aws is called secrets-aws, not polysecrets-aws",
                "the library of secrets-aws is called polysecrets_aws, not secrets_aws",
            ]
        );
    }

    #[test]
    fn the_prefix_in_a_dependency_table() {
        let mut vault = needs(member("secrets-vault"), "secrets-core");
        vault.dependencies[0].called = "polysecrets-core".to_owned();
        assert_eq!(
            messages(check(&[vault, member("secrets-core")])),
            ["polysecrets-core is not renamed back; write secrets-core.workspace = true"]
        );
    }
}
