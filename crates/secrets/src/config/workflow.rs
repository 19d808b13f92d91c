//! The part `settings.secrets` of a YAML file that belongs to another program, with the keys that such files use.

use std::sync::Arc;

use secrets_core::{Error, ErrorKind, Result};
use zeroize::Zeroizing;

use super::keys::WORKFLOW;
use super::read::Source;
use super::scheme;
use super::tree::{Entry, Node, Place, Text, Value, located};

/// Finds `settings.secrets` in the documents of a file.
///
/// # Errors
/// [`ErrorKind::InvalidConfig`] if there is none, or more than one.
pub(super) fn find(roots: Vec<Node>, source: &Source) -> Result<Node> {
    let mut found = roots
        .into_iter()
        .filter_map(|root| take(take(root, "settings")?, "secrets"));
    let Some(first) = found.next() else {
        return Err(Error::new(
            ErrorKind::InvalidConfig,
            format!("{} has no part `settings.secrets`", source.path.display()),
        )
        .with_hint(
            "a file with our settings alone is called secrets.yaml, secrets.toml or secrets.json",
        ));
    };
    match found.next() {
        None => Ok(first),
        Some(second) => {
            Err(second.error("`settings.secrets` occurs in two documents of this file"))
        }
    }
}

fn take(table: Node, key: &str) -> Option<Node> {
    match table.value {
        Value::Table(entries) => entries
            .into_iter()
            .find(|entry| entry.key == key)
            .map(|entry| entry.value),
        _ => None,
    }
}

/// Says the same in the keys of the format. `cache_ttl` stays as it is.
///
/// # Errors
/// [`ErrorKind::InvalidConfig`] with the place, where both words for one thing are used.
pub(super) fn translate(root: &mut Node) -> Result<()> {
    let Value::Table(entries) = &mut root.value else {
        return Ok(());
    };
    let mut kept = Vec::with_capacity(entries.len());
    let mut providers = Vec::new();
    let mut backend = None;
    let mut prefix = None;
    for entry in std::mem::take(entries) {
        match entry.key.as_str() {
            "backend" => backend = Some(entry),
            "prefix" => prefix = Some(entry),
            "cache_ttl" => kept.push(entry),
            key if WORKFLOW.iter().any(|known| known.name == key) => providers.push(block(entry)),
            _ => kept.push(entry),
        }
    }
    if let Some(prefix) = prefix {
        let place = prefix.key_place.clone();
        let kind = kind("env", place.as_ref());
        providers.push(provider("env", place, vec![kind, prefix]));
    }
    if let Some(mut backend) = backend {
        let place = backend.key_place.clone();
        if kept.iter().any(|entry| entry.key == "default") {
            return Err(twice("backend", "default", place.as_ref()));
        }
        if let Value::Text(text) = &backend.value.value
            && let Some(name) = text.as_literal()
        {
            let declared = providers.iter().any(|entry| entry.key == name)
                || declares(&kept, "providers", name)
                || declares(&kept, "chains", name);
            if !declared && super::keys::Names::Provider.fits(name) {
                let name = name.to_owned();
                let kind = kind(scheme::canonical(&name), backend.value.place.as_ref());
                providers.push(provider(&name, backend.value.place.clone(), vec![kind]));
            }
        }
        backend.key = "default".to_owned();
        kept.push(backend);
    }
    if !providers.is_empty() {
        add(&mut kept, providers)?;
    }
    *entries = kept;
    Ok(())
}

fn declares(entries: &[Entry], section: &str, name: &str) -> bool {
    entries
        .iter()
        .any(|entry| entry.key == section && entry.value.child(name).is_some())
}

/// A block such as `aws:` is the provider of that name and type.
fn block(mut entry: Entry) -> Entry {
    let mut settings = match entry.value.value {
        Value::Table(settings) => settings,
        _ => Vec::new(),
    };
    settings.push(kind(
        scheme::canonical(&entry.key),
        entry.key_place.as_ref(),
    ));
    entry.value.value = Value::Table(settings);
    entry
}

fn provider(name: &str, place: Option<Place>, settings: Vec<Entry>) -> Entry {
    Entry {
        key: name.to_owned(),
        key_place: place.clone(),
        value: Node {
            place,
            value: Value::Table(settings),
        },
    }
}

fn kind(scheme: &str, place: Option<&Place>) -> Entry {
    let text = Arc::new(Zeroizing::new(scheme.to_owned()));
    Entry {
        key: "type".to_owned(),
        key_place: place.cloned(),
        value: Node {
            place: place.cloned(),
            value: Value::Text(Text::literal(text)),
        },
    }
}

fn add(kept: &mut Vec<Entry>, providers: Vec<Entry>) -> Result<()> {
    let at = match kept.iter().position(|entry| entry.key == "providers") {
        Some(at) => at,
        None => {
            let first = &providers[0];
            kept.push(Entry {
                key: "providers".to_owned(),
                key_place: first.key_place.clone(),
                value: Node {
                    place: first.key_place.clone(),
                    value: Value::Null,
                },
            });
            kept.len() - 1
        }
    };
    let target = &mut kept[at].value;
    if matches!(target.value, Value::Null) {
        target.value = Value::Table(Vec::new());
    }
    if let Value::Table(existing) = &mut target.value {
        for provider in providers {
            if existing.iter().any(|entry| entry.key == provider.key) {
                return Err(twice(
                    &provider.key,
                    &format!("providers.{}", provider.key),
                    provider.key_place.as_ref(),
                ));
            }
            existing.push(provider);
        }
    }
    Ok(())
}

fn twice(one: &str, other: &str, place: Option<&Place>) -> Error {
    located(
        Error::new(
            ErrorKind::InvalidConfig,
            format!("`{one}` and `{other}` say the same thing twice"),
        )
        .with_hint("keep one of them"),
        place,
    )
}
