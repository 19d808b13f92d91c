//! Dependencies point from the command line to the facade, from there to the providers, from there to the core.

use super::{Problem, Role, role};
use crate::workspace::{Dependency, Package};

pub(super) fn check(packages: &[Package]) -> Vec<Problem> {
    packages
        .iter()
        .flat_map(|package| {
            package
                .dependencies
                .iter()
                .filter_map(move |dependency| broken(packages, package, dependency))
        })
        .collect()
}

fn broken(packages: &[Package], from: &Package, dependency: &Dependency) -> Option<Problem> {
    let to = packages
        .iter()
        .find(|package| package.name == dependency.package)?;
    let allowed = match (role(from), role(to)) {
        (_, Role::Outside) => role(from) == Role::Outside && from.short_name() != "xtask",
        (Role::Outside, _) => from.short_name() != "xtask",
        (_, Role::Testkit) => dependency.dev,
        (Role::Core, _) => false,
        (Role::Shared | Role::Base | Role::Testkit, to) => to == Role::Core,
        (Role::Part, to) => matches!(to, Role::Core | Role::Base),
        (Role::Provider, to) => matches!(to, Role::Core | Role::Shared | Role::Base),
        (Role::Facade, to) => matches!(
            to,
            Role::Core | Role::Shared | Role::Base | Role::Part | Role::Provider
        ),
        (Role::CommandLine, to) => to == Role::Facade,
    };
    (!allowed).then(|| {
        let kind = if dependency.dev {
            "dev-depends"
        } else {
            "depends"
        };
        Problem::at_word(
            &from.manifest,
            &dependency.called,
            format!(
                "{} {kind} on {}: {}",
                from.short_name(),
                to.short_name(),
                rule(role(from))
            ),
        )
    })
}

fn rule(from: Role) -> &'static str {
    match from {
        Role::Core => "the core must not depend on our other crates",
        Role::Shared | Role::Base | Role::Testkit => "it may only depend on the core",
        Role::Part => "a part of the facade may only depend on the core and on formats",
        Role::Provider => "a provider may only depend on the core and secrets-provider",
        Role::Facade => {
            "the facade may only depend on the core, secrets-provider, its parts and the providers"
        }
        Role::CommandLine => "the command line may only depend on the facade",
        Role::Outside => "xtask must not depend on our crates",
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::{member, needs, package};
    use super::*;

    fn problems(from: &str, to: &str, dev: bool) -> usize {
        let mut from = needs(member(from), to);
        from.dependencies[0].dev = dev;
        check(&[from, member(to)]).len()
    }

    #[test]
    fn allowed_dependencies() {
        for (from, to) in [
            ("secrets-provider", "secrets-core"),
            ("secrets-testkit", "secrets-core"),
            ("secrets-vault", "secrets-core"),
            ("secrets-vault", "secrets-provider"),
            ("secrets-local", "secrets-dotenv"),
            ("secrets-resolve", "secrets-dotenv"),
            ("secrets-layers", "secrets-core"),
            ("secrets", "secrets-layers"),
            ("secrets", "secrets-vault"),
            ("secrets", "secrets-core"),
            ("secrets-cli", "secrets"),
        ] {
            assert_eq!(problems(from, to, false), 0, "{from} -> {to}");
        }
    }

    #[test]
    fn forbidden_dependencies() {
        for (from, to) in [
            ("secrets-core", "secrets-provider"),
            ("secrets-provider", "secrets-vault"),
            ("secrets-vault", "secrets"),
            ("secrets-vault", "secrets-layers"),
            ("secrets-layers", "secrets"),
            ("secrets-layers", "secrets-resolve"),
            ("secrets-resolve", "secrets-local"),
            ("secrets-dotenv", "secrets-local"),
            ("secrets-vault", "secrets-local"),
            ("secrets-testkit", "secrets-vault"),
            ("secrets", "secrets-cli"),
            ("secrets", "secrets-testkit"),
            ("secrets-cli", "secrets-core"),
            ("secrets-cli", "secrets-vault"),
        ] {
            assert_eq!(problems(from, to, false), 1, "{from} -> {to}");
        }
    }

    #[test]
    fn tests_may_only_use_the_testkit() {
        assert_eq!(problems("secrets-vault", "secrets-testkit", true), 0);
        assert_eq!(problems("secrets-vault", "secrets-local", true), 1);
    }

    #[test]
    fn nothing_may_depend_on_outside_crates() {
        let outside = package("tests", "polysecrets-tests");
        let mut from = needs(member("secrets"), "secrets");
        from.dependencies[0].package = outside.name.clone();
        assert_eq!(check(&[from, outside]).len(), 1);
    }

    #[test]
    fn the_message_names_both_crates() {
        let found = check(&[
            needs(member("secrets-core"), "secrets-provider"),
            member("secrets-provider"),
        ]);
        assert_eq!(
            found[0].message,
            "secrets-core depends on secrets-provider: the core must not depend on our other crates"
        );
    }
}
