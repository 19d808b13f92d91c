//! Profiles: overlays that are merged into the rest of the configuration.

use std::collections::HashMap;
use std::path::Path;

use secrets_core::{Error, ErrorKind, Result, suggestion};

use super::tree::{Entry, Node, Value, located};
use super::{de, scheme};

/// Takes the profiles out of the root and merges the chosen one into it.
///
/// # Errors
/// [`ErrorKind::InvalidConfig`] that lists the profiles there are, if the chosen one is not among them.
pub(super) fn apply(root: &mut Node, chosen: Option<&str>, file: &Path) -> Result<()> {
    let Value::Table(entries) = &mut root.value else {
        return Ok(());
    };
    for entry in entries.iter_mut().filter(|entry| entry.key == "secrets") {
        spell_out(&mut entry.value);
    }
    let profiles = entries
        .iter()
        .position(|entry| entry.key == "profiles")
        .map(|at| entries.remove(at));
    let Some(chosen) = chosen else {
        return Ok(());
    };
    let place = profiles.as_ref().and_then(|entry| entry.key_place.clone());
    let mut profiles = match profiles.map(|entry| entry.value.value) {
        Some(Value::Table(profiles)) if !profiles.is_empty() => profiles,
        _ => {
            let error = Error::new(
                ErrorKind::InvalidConfig,
                format!(
                    "the configuration file {} has no profile {}",
                    file.display(),
                    de::shown(chosen)
                ),
            );
            return Err(
                error.with_hint("there are no profiles in it; one begins with `[profiles.NAME]`")
            );
        }
    };
    let Some(at) = profiles.iter().position(|profile| profile.key == chosen) else {
        let known: Vec<&str> = profiles
            .iter()
            .map(|profile| profile.key.as_str())
            .collect();
        let error = Error::new(
            ErrorKind::InvalidConfig,
            format!("unknown profile {}", de::shown(chosen)),
        );
        let error = error.with_hint(suggestion::hint(chosen, &known, "profiles"));
        return Err(located(error, place.as_ref()));
    };
    if let Value::Table(overlay) = profiles.swap_remove(at).value.value {
        merge(entries, overlay, Level::Root);
    }
    Ok(())
}

/// How deep in the configuration two tables meet.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Root,
    Providers,
    Other,
}

/// The names of the profiles that there are.
pub(super) fn names(root: &Node) -> Vec<String> {
    let profiles = root.child("profiles").and_then(Node::table);
    let profiles = profiles.unwrap_or_default().iter();
    profiles.map(|profile| profile.key.clone()).collect()
}

/// Puts the overlay over the base: tables are merged, anything else is replaced.
fn merge(base: &mut Vec<Entry>, overlay: Vec<Entry>, level: Level) {
    let mut places: HashMap<String, usize> = base
        .iter()
        .enumerate()
        .map(|(at, entry)| (entry.key.clone(), at))
        .collect();
    for mut entry in overlay {
        if level == Level::Root && entry.key == "secrets" {
            spell_out(&mut entry.value);
        }
        let Some(&at) = places.get(&entry.key) else {
            places.insert(entry.key.clone(), base.len());
            base.push(entry);
            continue;
        };
        let below = &mut base[at];
        let below_level = match level {
            Level::Root if entry.key == "providers" => Level::Providers,
            _ => Level::Other,
        };
        // The settings of one type mean nothing to another.
        let replaced = level == Level::Providers && changes_type(&below.value, &entry.value);
        match (&mut below.value.value, entry.value.value) {
            (Value::Table(base), Value::Table(overlay)) if !replaced => {
                merge(base, overlay, below_level);
            }
            // An empty section of YAML adds nothing.
            (Value::Table(_), Value::Null) => {}
            (_, value) => {
                below.key_place = entry.key_place;
                below.value = Node {
                    place: entry.value.place,
                    value,
                };
            }
        }
    }
}

fn changes_type(base: &Node, overlay: &Node) -> bool {
    let kind = |node: &Node| match &node.child("type")?.value {
        Value::Text(text) => Some(scheme::canonical(text.as_literal()?).to_owned()),
        _ => None,
    };
    match (kind(base), kind(overlay)) {
        (Some(base), Some(overlay)) => base != overlay,
        _ => false,
    }
}

/// Turns the short form of declared secrets, a string, into the long one, so that both can be merged.
fn spell_out(secrets: &mut Node) {
    let Value::Table(entries) = &mut secrets.value else {
        return;
    };
    for entry in entries {
        let short = match &entry.value.value {
            Value::Text(_) => vec![Entry {
                key: "reference".to_owned(),
                key_place: entry.key_place.clone(),
                value: entry.value.clone(),
            }],
            Value::Null => Vec::new(),
            _ => continue,
        };
        entry.value.value = Value::Table(short);
    }
}
