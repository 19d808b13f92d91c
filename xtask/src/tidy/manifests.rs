//! What a published crate says about itself.

use super::{Problem, Role, is_ours, role};
use crate::workspace::Package;

pub(super) fn check(packages: &[Package]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for package in packages {
        let mut missing = Vec::new();
        if package.license.is_none() {
            missing.push("license");
        }
        if role(package) != Role::Outside {
            if package.description.is_none() {
                missing.push("description");
            }
            match &package.readme {
                None => missing.push("readme"),
                Some(readme) if !package.folder().join(readme).is_file() => {
                    problems.push(Problem::at_word(
                        &package.manifest,
                        "readme",
                        format!("{} does not exist", package.folder().join(readme).display()),
                    ));
                }
                Some(_) => {}
            }
        }
        problems.extend(missing.into_iter().map(|key| {
            Problem::at_word(
                &package.manifest,
                "[package]",
                format!("{} has no {key}", package.short_name()),
            )
        }));
        problems.extend(publishing(packages, package));
    }
    problems
}

/// Rooms of the workspace stay in it, and what is published needs nothing that is not.
fn publishing(packages: &[Package], package: &Package) -> Option<Problem> {
    let outside = role(package) == Role::Outside;
    if outside && package.published {
        let message = format!(
            "{} is never published; write publish = false",
            package.short_name()
        );
        return Some(Problem::at_word(&package.manifest, "[package]", message));
    }
    if !outside && !package.published && is_ours(packages, &package.name) {
        let message = format!(
            "{} is to be published; remove publish",
            package.short_name()
        );
        return Some(Problem::at_word(&package.manifest, "publish", message));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::sample::{member, messages, package};
    use super::*;

    #[test]
    fn everything_that_is_missing_is_told() {
        assert_eq!(
            messages(check(&[member("secrets-core")])),
            [
                "secrets-core has no license",
                "secrets-core has no description",
                "secrets-core has no readme",
            ]
        );
    }

    #[test]
    fn the_rooms_are_not_published() {
        let mut xtask = package("xtask", "xtask");
        xtask.license = Some("MIT".to_owned());
        assert_eq!(
            messages(check(&[xtask.clone()])),
            ["xtask is never published; write publish = false"]
        );
        xtask.published = false;
        assert_eq!(check(&[xtask]), []);
    }
}
