//! Reads the values of one table of a configuration.

use std::time::Duration;

use secrets_core::{Result, suggestion};
use zeroize::Zeroizing;

use super::describe::{Origins, SettingOrigin};
use super::duration;
use super::keys::{Key, Kind};
use super::tree::{Entry, Node, Value, located};

/// One table, read by the keys that it is known to have.
pub(super) struct Fields<'n> {
    pub(super) node: &'n Node,
    path: String,
    keys: &'static [Key],
}

impl<'n> Fields<'n> {
    pub(super) fn new(node: &'n Node, path: impl Into<String>, keys: &'static [Key]) -> Self {
        Self {
            node,
            path: path.into(),
            keys,
        }
    }

    pub(super) fn child(&self, key: &str) -> Option<&'n Node> {
        debug_assert!(
            self.keys.iter().any(|known| known.name == key),
            "{key} is read but not in the table of keys"
        );
        self.node.child(key)
    }

    pub(super) fn kind(&self, key: &str) -> Option<&'static Kind> {
        Some(&self.keys.iter().find(|known| known.name == key)?.kind)
    }

    /// A value that is there, noting where it comes from.
    pub(super) fn noted(&self, key: &str, origins: &mut Origins) -> Option<&'n Node> {
        let node = self.child(key)?;
        if let Some(place) = &node.place {
            let path = match self.path.as_str() {
                "" => key.to_owned(),
                path => format!("{path}.{key}"),
            };
            origins.note(path, SettingOrigin::File(place.position()));
        }
        Some(node)
    }

    pub(super) fn entries(&self, key: &str) -> &'n [Entry] {
        self.child(key).and_then(Node::table).unwrap_or_default()
    }

    pub(super) fn text(
        &self,
        key: &str,
        origins: &mut Origins,
    ) -> Result<Option<(Zeroizing<String>, &'n Node)>> {
        match self.noted(key, origins) {
            None => Ok(None),
            Some(node) => Ok(Some((text(node)?, node))),
        }
    }

    pub(super) fn word<T>(
        &self,
        key: &str,
        origins: &mut Origins,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>> {
        let Some((word, node)) = self.text(key, origins)? else {
            return Ok(None);
        };
        let known = match self.kind(key) {
            Some(Kind::Word(known)) => *known,
            _ => &[],
        };
        let found = read(&word).filter(|_| known.contains(&word.as_str()));
        found.map(Some).ok_or_else(|| {
            node.error(format!("unknown value for `{key}`"))
                .with_hint(suggestion::hint(&word, known, "values"))
        })
    }

    pub(super) fn flag(&self, key: &str, origins: &mut Origins) -> Result<Option<bool>> {
        let Some(node) = self.noted(key, origins) else {
            return Ok(None);
        };
        match &node.value {
            Value::Bool(flag) => Ok(Some(*flag)),
            _ => match text(node)?.as_str() {
                "true" => Ok(Some(true)),
                "false" => Ok(Some(false)),
                _ => Err(node.error("expected `true` or `false`")),
            },
        }
    }

    pub(super) fn count(&self, key: &str, origins: &mut Origins) -> Result<Option<u32>> {
        let Some(node) = self.noted(key, origins) else {
            return Ok(None);
        };
        let number = match &node.value {
            Value::Integer(number) => u32::try_from(*number).ok(),
            _ => text(node)?.trim().parse().ok(),
        };
        let (min, max) = match self.kind(key) {
            Some(Kind::Count { min, max }) => (*min, *max),
            _ => (0, u32::MAX),
        };
        match number {
            Some(number) if (min..=max).contains(&number) => Ok(Some(number)),
            _ => Err(node.error(format!("expected a whole number from {min} to {max}"))),
        }
    }

    pub(super) fn duration(&self, key: &str, origins: &mut Origins) -> Result<Option<Duration>> {
        let Some(node) = self.noted(key, origins) else {
            return Ok(None);
        };
        let seconds = matches!(self.kind(key), Some(Kind::Seconds));
        let read = match &node.value {
            Value::Integer(number) if seconds => {
                u64::try_from(*number).ok().map(Duration::from_secs)
            }
            _ => duration::parse(&text(node)?),
        };
        read.map(Some).ok_or_else(|| {
            node.error("expected a duration such as \"200ms\" or \"30s\"")
                .with_hint("units are us, ms, s, m, h, d and w")
        })
    }

    /// A duration that leaves time for something.
    pub(super) fn limit(&self, key: &str, origins: &mut Origins) -> Result<Option<Duration>> {
        match self.duration(key, origins)? {
            Some(Duration::ZERO) => Err(self
                .child(key)
                .unwrap_or(self.node)
                .error("expected a duration longer than nothing")),
            limit => Ok(limit),
        }
    }
}

pub(super) fn text(node: &Node) -> Result<Zeroizing<String>> {
    match &node.value {
        Value::Text(text) => text
            .evaluate()
            .map_err(|error| located(error, node.place.as_ref())),
        other => Err(node.error(format!("expected a string, found {}", other.kind()))),
    }
}
