//! The metadata of published crates.

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

/// Checks that the right crates are published.
fn publishing(packages: &[Package], package: &Package) -> Option<Problem> {
    let outside = role(package) == Role::Outside;
    if outside && package.published {
        let message = format!(
            "{} must not be published; add publish = false",
            package.short_name()
        );
        return Some(Problem::at_word(&package.manifest, "[package]", message));
    }
    if !outside && !package.published && is_ours(packages, &package.name) {
        let message = format!("{} must be published; remove publish", package.short_name());
        return Some(Problem::at_word(&package.manifest, "publish", message));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::sample::{member, messages, package};
    use super::*;

    #[test]
    fn everything_missing_is_reported() {
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
    fn outside_crates_are_not_published() {
        let mut xtask = package("xtask", "xtask");
        xtask.license = Some("MIT".to_owned());
        assert_eq!(
            messages(check(&[xtask.clone()])),
            ["xtask must not be published; add publish = false"]
        );
        xtask.published = false;
        assert_eq!(check(&[xtask]), []);
    }
}
