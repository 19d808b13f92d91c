//! What the author of a policy should look at.

use std::collections::BTreeSet;
use std::sync::Arc;

use secrets_core::{Operation, SecretName, SecretRef};

use super::config::RoleConfig;
use super::decision::PolicyWarning;
use super::engine::{Engine, rule_of};

pub(super) fn review(engine: &Engine, used: &[SecretRef]) -> Vec<PolicyWarning> {
    let declared = engine.declared.values();
    let used: BTreeSet<(Arc<str>, SecretName)> = declared
        .chain(used)
        .map(|reference| engine.address(reference))
        .collect();
    let mut warnings = engine.warnings.clone();
    warnings.extend(unheld(engine));
    warnings.extend(implied(engine));
    if !used.is_empty() {
        warnings.extend(idle_patterns(engine, &used));
        warnings.extend(unread(engine, &used));
    }
    warnings
}

fn held(engine: &Engine) -> BTreeSet<&str> {
    let grants = engine.config.principals.values().flatten();
    grants.map(|grant| grant.role.as_str()).collect()
}

/// Roles that nobody has, in the configuration and in files.
fn unheld(engine: &Engine) -> Vec<PolicyWarning> {
    let held = held(engine);
    let own = engine.own_roles.iter();
    let own = own
        .filter(|(role, _)| !engine.config.roles.contains_key(*role))
        .map(|(role, rule)| (role, rule.position.clone()));
    let roles = engine.config.roles.iter();
    let roles = roles.map(|(name, role)| (name, role.position.clone()));
    roles
        .chain(own)
        .filter(|(role, _)| !held.contains(role.as_str()))
        .map(|(role, position)| PolicyWarning {
            message: format!("nobody has the role {role:?}, so that it never decides"),
            position,
        })
        .collect()
}

/// Roles of which everybody who has them has a wider one too.
fn implied(engine: &Engine) -> Vec<PolicyWarning> {
    let roles = &engine.config.roles;
    let mut warnings = Vec::new();
    for (name, role) in roles {
        let mut holders = engine
            .config
            .principals
            .iter()
            .filter(|(_, grants)| grants.iter().any(|grant| grant.role == *name))
            .map(|(principal, _)| engine.config.roles_of(principal).collect::<BTreeSet<_>>());
        let Some(first) = holders.next() else {
            continue;
        };
        let common = holders.fold(first, |common, other| &common & &other);
        let wider = common.into_iter().find(|other| {
            // Of two equal roles the later one is idle.
            *other != name
                && roles.get(*other).is_some_and(|wide| {
                    covers(wide, role) && (!covers(role, wide) || *other < name.as_str())
                })
        });
        if let Some(wider) = wider {
            warnings.push(PolicyWarning {
                message: format!(
                    "the role {name:?} never decides: whoever has it has {wider:?} too, which allows all of it"
                ),
                position: role.position.clone(),
            });
        }
    }
    warnings
}

fn covers(wide: &RoleConfig, narrow: &RoleConfig) -> bool {
    let within = |narrow: &[String], wide: &[String]| {
        wide.is_empty() || (!narrow.is_empty() && narrow.iter().all(|one| wide.contains(one)))
    };
    narrow
        .operations
        .iter()
        .all(|one| wide.operations.contains(one))
        && within(&narrow.scopes, &wide.scopes)
        && within(&narrow.environments, &wide.environments)
        && narrow
            .names
            .iter()
            .all(|one| wide.names.iter().any(|glob| glob.covers(one)))
}

/// Patterns that match none of the secrets that are used.
fn idle_patterns(engine: &Engine, used: &BTreeSet<(Arc<str>, SecretName)>) -> Vec<PolicyWarning> {
    let mut warnings = Vec::new();
    for (role, config) in &engine.config.roles {
        for glob in &config.names {
            let matched = used
                .iter()
                .any(|(scope, name)| config.has_scope(scope) && glob.matches(name));
            if !matched {
                let near = used.iter().find(|(_, name)| glob.matches(name));
                let why = match near {
                    Some((scope, name)) => format!(
                        "; it would match {name}, but that is of {scope}, which is not among the scopes"
                    ),
                    None => String::new(),
                };
                warnings.push(PolicyWarning {
                    message: format!(
                        "the pattern {:?} of {} matches none of the secrets that are declared or used{why}",
                        glob.as_str(),
                        rule_of(role, config).name,
                    ),
                    position: glob.position().or(config.position.as_ref()).cloned(),
                });
            }
        }
    }
    warnings
}

/// Secrets that no principal may read.
fn unread(engine: &Engine, used: &BTreeSet<(Arc<str>, SecretName)>) -> Vec<PolicyWarning> {
    let principals: Vec<&str> = engine
        .config
        .principals
        .keys()
        .map(String::as_str)
        .collect();
    let denied = used.iter().filter(|(scope, name)| {
        !principals
            .iter()
            .any(|who| engine.decide(who, Operation::Get, scope, name).is_allowed)
    });
    denied
        .map(|(scope, name)| PolicyWarning {
            message: format!("none of the principals may read {name} of {scope}"),
            position: None,
        })
        .collect()
}
