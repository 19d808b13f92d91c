//! core ← providers ← facade ← command line, never sideways.

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
                "{} {kind} on {}, against the direction {}",
                from.short_name(),
                to.short_name(),
                rule(role(from))
            ),
        )
    })
}

fn rule(from: Role) -> &'static str {
    match from {
        Role::Core => "(the core needs none of ours)",
        Role::Shared | Role::Base | Role::Testkit => "(it needs the core alone)",
        Role::Part => "(a part of the facade needs the core and formats, no provider, no facade)",
        Role::Provider => {
            "(a provider needs the core and the transport, no facade, no other provider)"
        }
        Role::Facade => "(the facade needs the core, the transport, its parts and the providers)",
        Role::CommandLine => "(the command line needs the facade alone)",
        Role::Outside => "(xtask needs none of ours)",
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
    fn the_way_up_is_open() {
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
    fn every_other_way_is_closed() {
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
    fn tests_may_use_the_testkit_and_nothing_more() {
        assert_eq!(problems("secrets-vault", "secrets-testkit", true), 0);
        assert_eq!(problems("secrets-vault", "secrets-local", true), 1);
    }

    #[test]
    fn nothing_needs_the_crates_outside() {
        let outside = package("tests", "polysecrets-tests");
        let mut from = needs(member("secrets"), "secrets");
        from.dependencies[0].package = outside.name.clone();
        assert_eq!(check(&[from, outside]).len(), 1);
    }

    #[test]
    fn the_message_names_both() {
        let found = check(&[
            needs(member("secrets-core"), "secrets-provider"),
            member("secrets-provider"),
        ]);
        assert_eq!(
            found[0].message,
            "secrets-core depends on secrets-provider, against the direction (the core needs none of ours)"
        );
    }
}
