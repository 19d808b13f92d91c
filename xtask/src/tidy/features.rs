//! The facade forwards every feature of a provider, and the command line every feature of the facade.

use std::collections::BTreeSet;

use super::{Problem, Role, role};
use crate::workspace::Package;

/// The default features of the facade.
const DEFAULT: &[&str] = &["audit", "cache", "dotenv", "env", "rate-limit", "yaml"];

/// Features that only turn on others.
const GATHERING: &[&str] = &["default", "full"];

/// Features that are not forwarded: crate, feature, reason.
const NOT_FORWARDED: &[(&str, &str, &str)] = &[
    (
        "secrets-vault",
        "vaultrs",
        "programs with such a client build the provider themselves and pass it to the handle",
    ),
    (
        "secrets",
        "metrics",
        "reports to a recorder that the program installs; the command has none",
    ),
];

pub(super) fn check(packages: &[Package]) -> Vec<Problem> {
    let of = |wanted: Role| packages.iter().find(move |package| role(package) == wanted);
    let Some(facade) = of(Role::Facade) else {
        return Vec::new();
    };
    // A facade without features is not built yet.
    if facade.features.is_empty() {
        return Vec::new();
    }
    let mut problems = gathering(facade);
    for provider in packages
        .iter()
        .filter(|package| role(package) == Role::Provider)
    {
        problems.extend(forwarded(facade, provider));
    }
    if let Some(command_line) = of(Role::CommandLine) {
        problems.extend(offered(command_line, facade));
    }
    problems
}

/// Checks that `default` is small and `full` complete.
fn gathering(facade: &Package) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut default: Vec<&str> = facade
        .feature("default")
        .unwrap_or_default()
        .iter()
        .map(String::as_str)
        .collect();
    default.sort_unstable();
    if default != DEFAULT {
        problems.push(Problem::at_word(
            &facade.manifest,
            "default",
            format!("default features of the facade: expected {DEFAULT:?}, found {default:?}"),
        ));
    }
    let full = reached(facade, ["full"]);
    for name in plain_features(facade) {
        if !full.contains(name) {
            problems.push(Problem::at_word(
                &facade.manifest,
                "full",
                format!("feature `full` of the facade does not turn on `{name}`"),
            ));
        }
    }
    problems
}

/// Checks that the provider is an optional dependency of the facade, which can turn on each of its features.
fn forwarded(facade: &Package, provider: &Package) -> Vec<Problem> {
    let name = provider.short_name();
    let Some(dependency) = facade
        .dependencies
        .iter()
        .find(|dependency| dependency.package == provider.name && !dependency.dev)
    else {
        let message = format!("the facade does not depend on {name}");
        return vec![Problem::at_word(
            &facade.manifest,
            "[dependencies]",
            message,
        )];
    };
    let mut problems = Vec::new();
    if !dependency.optional {
        problems.push(Problem::at_word(
            &facade.manifest,
            name,
            format!("{name} must be an optional dependency of the facade"),
        ));
    }
    let entries: BTreeSet<&str> = facade
        .features
        .iter()
        .flat_map(|(_, enables)| enables)
        .map(String::as_str)
        .collect();
    let turned_on = |feature: &str| {
        dependency.features.iter().any(|asked| asked == feature)
            || entries.contains(format!("{name}/{feature}").as_str())
            || entries.contains(format!("{name}?/{feature}").as_str())
    };
    for feature in plain_features(provider) {
        if !turned_on(feature) && !is_excepted(name, feature) {
            problems.push(Problem::at_word(
                &facade.manifest,
                "[features]",
                format!("no feature of the facade turns on {name}/{feature}"),
            ));
        }
    }
    problems
}

/// Checks that the command line has each feature of the facade: by the same name, always, or through another feature.
fn offered(command_line: &Package, facade: &Package) -> Vec<Problem> {
    let Some(dependency) = command_line
        .dependencies
        .iter()
        .find(|dependency| dependency.package == facade.name && !dependency.dev)
    else {
        // A command line without the facade is not built yet.
        return Vec::new();
    };
    let called = dependency.called.as_str();
    let forwards = |feature: &&str| {
        command_line
            .feature(feature)
            .is_some_and(|enables| enables.contains(&format!("{called}/{feature}")))
    };
    let always = dependency.features.iter().map(String::as_str);
    let own = plain_features(facade).filter(forwards);
    let had = reached(facade, always.chain(own));
    let mut problems = Vec::new();
    for feature in plain_features(facade) {
        if !had.contains(feature) && !is_excepted("secrets", feature) {
            problems.push(Problem::at_word(
                &command_line.manifest,
                "[features]",
                format!("the command line does not forward {called}/{feature}"),
            ));
        }
    }
    problems
}

fn plain_features(package: &Package) -> impl Iterator<Item = &str> {
    package
        .features
        .iter()
        .map(|(name, _)| name.as_str())
        .filter(|name| !GATHERING.contains(name))
}

/// The features of the package that these turn on, including themselves.
fn reached<'a>(package: &'a Package, from: impl IntoIterator<Item = &'a str>) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    let mut waiting: Vec<&str> = from.into_iter().collect();
    while let Some(name) = waiting.pop() {
        if let Some(enables) = package.feature(name)
            && found.insert(name)
        {
            waiting.extend(enables.iter().map(String::as_str));
        }
    }
    found
}

fn is_excepted(package: &str, feature: &str) -> bool {
    NOT_FORWARDED
        .iter()
        .any(|(owner, name, _)| *owner == package && *name == feature)
}

#[cfg(test)]
mod tests {
    use super::super::sample::{member, messages, needs, with_feature};
    use super::*;

    fn facade() -> Package {
        let mut facade = needs(member("secrets"), "secrets-vault");
        facade.dependencies[0].optional = true;
        let facade = with_feature(facade, "default", DEFAULT);
        let facade = with_feature(facade, "env", &[]);
        let facade = with_feature(facade, "dotenv", &[]);
        let facade = with_feature(facade, "vault", &["dep:secrets-vault"]);
        let facade = with_feature(facade, "vaultrs", &["vault", "secrets-vault?/vaultrs"]);
        with_feature(facade, "full", &["env", "dotenv", "vaultrs"])
    }

    fn vault() -> Package {
        with_feature(member("secrets-vault"), "vaultrs", &["dep:vaultrs"])
    }

    #[test]
    fn forwarded_features_pass() {
        let mut command_line = needs(member("secrets-cli"), "secrets");
        command_line.dependencies[0].features = vec!["full".to_owned()];
        assert_eq!(check(&[facade(), vault(), command_line]), []);
    }

    #[test]
    fn an_unfinished_facade_passes() {
        assert_eq!(check(&[member("secrets"), vault()]), []);
    }

    #[test]
    fn a_feature_of_a_provider_that_is_not_forwarded() {
        let vault = with_feature(vault(), "kerberos", &[]);
        assert_eq!(
            messages(check(&[facade(), vault])),
            ["no feature of the facade turns on secrets-vault/kerberos"]
        );
    }

    #[test]
    fn a_provider_that_the_facade_lacks() {
        assert_eq!(
            messages(check(&[facade(), vault(), member("secrets-aws")])),
            ["the facade does not depend on secrets-aws"]
        );
    }

    #[test]
    fn a_feature_outside_full_and_a_wrong_default() {
        let mut facade = with_feature(facade(), "policy", &[]);
        facade.features[0].1.push("vault".to_owned());
        assert_eq!(
            messages(check(&[facade, vault()])),
            [
                r#"default features of the facade: expected ["audit", "cache", "dotenv", "env", "rate-limit", "yaml"], found ["audit", "cache", "dotenv", "env", "rate-limit", "vault", "yaml"]"#,
                "feature `full` of the facade does not turn on `policy`",
            ]
        );
    }

    #[test]
    fn a_feature_that_the_command_line_lacks() {
        let command_line = needs(member("secrets-cli"), "secrets");
        let command_line = with_feature(command_line, "vault", &["secrets/vault"]);
        let command_line = with_feature(command_line, "vaultrs", &["vault"]);
        assert_eq!(
            messages(check(&[facade(), vault(), command_line])),
            [
                "the command line does not forward secrets/env",
                "the command line does not forward secrets/dotenv",
                "the command line does not forward secrets/vaultrs",
            ]
        );
    }
}
