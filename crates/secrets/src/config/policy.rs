//! Reads `[policy]`.

use secrets_core::{Error, ErrorKind, Operation, Result, SourcePosition, suggestion};

use super::describe::Origins;
use super::fields::{Fields, text};
use super::keys::{POLICY, ROLE};
use super::tree::{Entry, Node, Place, Value};
use super::{Config, de};
use crate::layers::{NameGlob, PolicyConfig, PolicyFile, RoleConfig, RoleGrant};

/// `[policy]`, unless it is not there or switched off.
///
/// # Errors
/// [`ErrorKind::InvalidConfig`] with the place: an operation that is none, a pattern that matches no name, a role that is
/// not there, a policy that could only deny.
pub(super) fn policy(root: &Fields<'_>, origins: &mut Origins) -> Result<Option<PolicyConfig>> {
    let Some(entry) = root.node.entry("policy") else {
        return Ok(None);
    };
    let fields = Fields::new(&entry.value, "policy", POLICY);
    let mut policy = PolicyConfig::default();
    policy.position = position(entry.key_place.as_ref());
    for entry in fields.entries("roles") {
        let role = role(entry, origins)?;
        policy.roles.insert(entry.key.clone(), role);
    }
    for entry in fields.entries("principals") {
        let grants = items(Some(&entry.value)).map(|item| {
            let grant = RoleGrant::new(text(item)?.as_str());
            Ok(grant.with_position(position(item.place.as_ref())))
        });
        let grants = grants.collect::<Result<_>>()?;
        policy.principals.insert(entry.key.clone(), grants);
    }
    for item in items(fields.noted("files", origins)) {
        let file = PolicyFile::new(text(item)?.as_str());
        policy
            .files
            .push(file.with_position(position(item.place.as_ref())));
    }
    policy.check()?;
    // Files may speak of roles too; what they say is known once they are read.
    if policy.files.is_empty() {
        policy.check_roles([])?;
    }
    Ok(fields
        .flag("enabled", origins)?
        .unwrap_or(true)
        .then_some(policy))
}

fn role(entry: &Entry, origins: &mut Origins) -> Result<RoleConfig> {
    let path = format!("policy.roles.{}", entry.key);
    let fields = Fields::new(&entry.value, path, ROLE);
    let mut allowed: Vec<Operation> = Vec::new();
    for item in items(fields.noted("operations", origins)) {
        let word = text(item)?;
        let meant = RoleConfig::operations_from_name(&word).ok_or_else(|| {
            item.error(format!("unknown operation {}", de::shown(&word)))
                .with_hint(suggestion::hint(
                    &word,
                    RoleConfig::OPERATIONS,
                    "operations",
                ))
        })?;
        for operation in meant {
            if !allowed.contains(&operation) {
                allowed.push(operation);
            }
        }
    }
    let mut role = RoleConfig::new::<&str>(allowed, [])?;
    for item in items(fields.noted("names", origins)) {
        let place = position(item.place.as_ref());
        let glob = NameGlob::new(text(item)?.as_str()).map_err(|error| match &place {
            Some(place) => error.with_position(place.clone()),
            None => error,
        })?;
        role.names.push(glob.with_position(place));
    }
    role.scopes = words(fields.noted("scopes", origins))?;
    role.environments = words(fields.noted("environments", origins))?;
    role.position = position(entry.key_place.as_ref());
    for (key, words) in [
        ("scopes", &role.scopes),
        ("environments", &role.environments),
    ] {
        if let Some(node) = fields.child(key)
            && words.is_empty()
        {
            return Err(node
                .error(format!("`{key}` is empty, which could mean none or all"))
                .with_hint("leave it out for all"));
        }
    }
    Ok(role)
}

fn words(node: Option<&Node>) -> Result<Vec<String>> {
    items(node)
        .map(|item| Ok(text(item)?.as_str().to_owned()))
        .collect()
}

fn items(node: Option<&Node>) -> impl Iterator<Item = &Node> {
    let items = match node.map(|node| &node.value) {
        Some(Value::Array(items)) => &items[..],
        _ => &[],
    };
    items.iter()
}

fn position(place: Option<&Place>) -> Option<SourcePosition> {
    place.map(Place::position)
}

/// Refuses profiles that the configuration does not have.
pub(super) fn check_environments(config: &Config, profiles: &[String]) -> Result<()> {
    let roles = config.policy.iter().flat_map(|policy| &policy.roles);
    for (name, role) in roles {
        let known = |one: &&String| !profiles.contains(one);
        if let Some(unknown) = role.environments.iter().find(known) {
            let known: Vec<&str> = profiles.iter().map(String::as_str).collect();
            let error = Error::new(
                ErrorKind::InvalidConfig,
                format!(
                    "the role `{name}` is for an unknown profile {}",
                    de::shown(unknown)
                ),
            )
            .with_hint(suggestion::hint(unknown, &known, "profiles"));
            return Err(match &role.position {
                Some(position) => error.with_position(position.clone()),
                None => error,
            });
        }
    }
    Ok(())
}
