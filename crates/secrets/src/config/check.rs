//! Refuses what the table of keys does not know, before anything of the configuration is used.

use secrets_core::{Error, ErrorKind, Result, suggestion};

use super::de::shown;
use super::keys::{Key, Kind, Names, ROOT};
use super::tree::{Entry, Node, Value, located};

/// Checks a whole configuration; `more` are keys that are known at its root besides those of the format.
pub(super) fn root(node: &Node, more: &'static [Key]) -> Result<()> {
    let keys: Vec<&Key> = ROOT.iter().chain(more).collect();
    match &node.value {
        Value::Table(entries) => table(entries, &keys, false),
        Value::Null => Ok(()),
        other => Err(node.error(format!(
            "expected a table of settings, found {}",
            other.kind()
        ))),
    }
}

fn table(entries: &[Entry], keys: &[&Key], open: bool) -> Result<()> {
    for entry in entries {
        match keys.iter().find(|key| key.name == entry.key) {
            Some(key) => value(&entry.value, &key.kind)?,
            None if open => {}
            None => return Err(unknown(entry, keys)),
        }
    }
    Ok(())
}

fn at_key(entry: &Entry, error: Error) -> Error {
    located(error, entry.key_place.as_ref())
}

fn unknown(entry: &Entry, keys: &[&Key]) -> Error {
    let known: Vec<&str> = keys.iter().map(|key| key.name).collect();
    at_key(
        entry,
        Error::new(
            ErrorKind::InvalidConfig,
            format!("unknown key {}", shown(&entry.key)),
        )
        .with_hint(suggestion::hint(&entry.key, &known, "keys")),
    )
}

fn value(node: &Node, kind: &Kind) -> Result<()> {
    let expected = |what: &str| {
        let found = node.value.kind();
        Err(node.error(format!("expected {what}, found {found}")))
    };
    match (kind, &node.value) {
        (Kind::Flag, Value::Bool(_)) => Ok(()),
        (Kind::Flag, Value::Text(text)) if has_variable(text) => Ok(()),
        (Kind::Flag, _) => expected("`true` or `false`"),
        (Kind::Count { .. }, Value::Integer(_)) => Ok(()),
        (Kind::Count { .. }, Value::Text(text)) if has_variable(text) => Ok(()),
        (Kind::Count { min, max }, _) => expected(&format!("a whole number from {min} to {max}")),
        (Kind::Seconds, Value::Integer(_)) => Ok(()),
        (Kind::Duration | Kind::Seconds, Value::Text(_)) => Ok(()),
        (Kind::Duration, _) => expected("a duration such as \"200ms\" or \"30s\""),
        (Kind::Seconds, _) => expected("a number of seconds or a duration such as \"5m\""),
        (
            Kind::Text | Kind::Reference | Kind::Provider | Kind::Secret | Kind::Word(_),
            Value::Text(_),
        ) => Ok(()),
        (Kind::Text | Kind::Word(_), _) => expected("a string"),
        (Kind::Reference, _) => expected("a reference such as \"main://db/password\""),
        (Kind::Provider, _) => expected("the name of a provider"),
        (Kind::Secret, _) => expected("the name of a declared secret"),
        (Kind::List(of), Value::Array(items)) => items.iter().try_for_each(|item| value(item, of)),
        (Kind::List(_), _) => expected("an array"),
        (Kind::Table(keys), Value::Table(entries)) => {
            table(entries, &keys.iter().collect::<Vec<_>>(), false)
        }
        (Kind::Open(keys), Value::Table(entries)) => {
            table(entries, &keys.iter().collect::<Vec<_>>(), true)
        }
        (Kind::Overlay, Value::Table(entries)) => {
            let keys: Vec<&Key> = ROOT.iter().filter(|key| key.name != "profiles").collect();
            table(entries, &keys, false)
        }
        (Kind::Map(names, of), Value::Table(entries)) => {
            for entry in entries {
                name(entry, *names)?;
                value(&entry.value, of)?;
            }
            Ok(())
        }
        (Kind::Either(text, _), Value::Text(_)) => value(node, text),
        (Kind::Either(_, table), Value::Table(_) | Value::Null) => value(node, table),
        (Kind::Either(..), _) => expected("a string or a table"),
        (Kind::Table(_) | Kind::Open(_) | Kind::Map(..) | Kind::Overlay, Value::Null) => Ok(()),
        (Kind::Table(_) | Kind::Open(_) | Kind::Map(..) | Kind::Overlay, _) => expected("a table"),
    }
}

/// A number or a boolean may come from the environment; what comes is looked at once it is there.
fn has_variable(text: &super::tree::Text) -> bool {
    text.as_literal().is_none_or(|text| text.contains("${"))
}

fn name(entry: &Entry, names: Names) -> Result<()> {
    if names.fits(&entry.key) {
        return Ok(());
    }
    let (what, rule) = names.rule();
    Err(at_key(
        entry,
        Error::new(
            ErrorKind::InvalidConfig,
            format!("{} cannot be the {what}", shown(&entry.key)),
        )
        .with_hint(format!("it takes {rule}")),
    ))
}
