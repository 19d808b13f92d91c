use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use secrets_core::{Error, Location, Result, SecretRef, SecretValue, SourcePosition};
use serde::de::DeserializeOwned;

use super::de;
use super::tree::{Entry, Node, Piece, Place, Text, Value, located};

/// One provider's own settings, from a configuration file, pairs or a location. Cheap enough to clone; clones share the
/// record of which variables went into credentials.
#[derive(Clone)]
pub struct Settings {
    root: Node,
    location: Option<Location>,
    location_place: Option<Place>,
    /// Why the location in the file cannot be used; reported once the settings are.
    invalid_location: Option<Error>,
    credentials: Arc<Mutex<BTreeSet<String>>>,
}

impl Settings {
    /// Settings of text, where a text stands for a number or a boolean if the provider asks for one.
    pub fn from_pairs<K: Into<String>, V: Into<String>>(
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        let entries = pairs
            .into_iter()
            .map(|(key, value)| Entry {
                key: key.into(),
                key_place: None,
                value: Node {
                    place: None,
                    value: Value::Text(Text::untyped(value.into())),
                },
            })
            .collect();
        Self::from_node(Node {
            place: None,
            value: Value::Table(entries),
        })
    }

    /// No settings but a location.
    pub fn from_location(location: Location) -> Self {
        Self::default().with_location(location)
    }

    /// With this location.
    pub fn with_location(mut self, location: Location) -> Self {
        self.location = Some(location);
        self
    }

    pub(super) fn from_node(root: Node) -> Self {
        Self {
            root,
            location: None,
            location_place: None,
            invalid_location: None,
            credentials: Arc::default(),
        }
    }

    pub(super) fn with_location_place(mut self, place: Option<Place>) -> Self {
        self.location_place = place;
        self
    }

    pub(super) fn with_invalid_location(mut self, error: Error) -> Self {
        self.invalid_location = Some(error);
        self
    }

    /// Puts declared references in place of their names.
    pub(super) fn resolve_declared(&mut self, declared: &HashMap<String, SecretRef>) {
        walk(&mut self.root, &mut |_, text| {
            for piece in &mut text.pieces {
                if let Piece::Secret { reference, .. } = piece
                    && reference.provider().is_none()
                    && let Some(meant) = declared.get(reference.name().as_str())
                {
                    *reference = overlaid(meant, reference);
                }
            }
        });
    }

    pub(super) fn root(&self) -> &Node {
        &self.root
    }

    pub(super) fn invalid_location(&self) -> Option<&Error> {
        self.invalid_location.as_ref()
    }

    /// What stands in the way of reading them: variables that are not set.
    pub(super) fn problems(&self) -> Vec<Error> {
        let mut found: Vec<Error> = self.invalid_location.iter().cloned().collect();
        visit(&self.root, &mut |node, text| {
            found.extend(
                text.unset()
                    .map(|error| located(error, node.place.as_ref())),
            );
        });
        found
    }

    /// Where the provider is.
    pub fn location(&self) -> Option<&Location> {
        self.location.as_ref()
    }

    /// Where the location is written, for an error about it.
    pub fn location_position(&self) -> Option<SourcePosition> {
        Some(self.location_place.as_ref()?.position())
    }

    /// Where the settings are written.
    pub fn position(&self) -> Option<SourcePosition> {
        Some(self.root.place.as_ref()?.position())
    }

    /// Reads the settings into a provider's configuration. `location` is not among them.
    ///
    /// # Errors
    /// [`InvalidConfig`](secrets_core::ErrorKind::InvalidConfig) with the place in the file, for a key that the provider
    /// does not know (with those that it knows), a missing key, a value of the wrong type, a variable that is not set and
    /// a location that is none. No value is repeated in it.
    pub fn deserialize<T: DeserializeOwned>(&self) -> Result<T> {
        if let Some(error) = &self.invalid_location {
            return Err(error.clone());
        }
        let mut credentials = BTreeSet::new();
        let settings = de::from_node(&self.root, &mut credentials)?;
        self.credentials
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .append(&mut credentials);
        Ok(settings)
    }

    /// The environment variables that went into a credential, known once the settings were read. A child process has no
    /// use for them.
    pub fn credential_variables(&self) -> Vec<String> {
        let credentials = self
            .credentials
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        credentials.iter().cloned().collect()
    }

    /// The references `${secret:…}` in these settings, in the order of the file; [`fill`](Self::fill) puts their values in.
    pub fn references(&self) -> Vec<(SecretRef, SourcePosition)> {
        let mut found = Vec::new();
        visit(&self.root, &mut |node, text| {
            let position = || match &node.place {
                Some(place) => place.position(),
                None => SourcePosition::new(1, 1),
            };
            found.extend(
                text.references()
                    .map(|reference| (reference.clone(), position())),
            );
        });
        found
    }

    /// Whether the setting `path` or the location may lead out of the configuration's own folder.
    pub(super) fn leaves_folder(&self) -> bool {
        let leaves = |path: &str| {
            path.starts_with(['/', '~', '\\']) || path.split(['/', '\\']).any(|part| part == "..")
        };
        let located = self.location.as_ref().is_some_and(|one| leaves(one.path()));
        let Value::Table(entries) = &self.root.value else {
            return located;
        };
        let named = entries.iter().filter(|entry| entry.key == "path");
        located
            || named.into_iter().any(|entry| match &entry.value.value {
                Value::Text(text) => text.pieces.iter().any(|piece| match piece {
                    Piece::Literal(literal) => leaves(literal),
                    _ => true,
                }),
                _ => false,
            })
    }

    /// Puts in the values of the references, each as `lookup` gives it.
    ///
    /// # Errors
    /// What `lookup` says, with the place of the reference.
    pub fn fill(
        &mut self,
        mut lookup: impl FnMut(&SecretRef) -> Result<SecretValue>,
    ) -> Result<()> {
        let mut failure = None;
        walk(&mut self.root, &mut |place, text| {
            for piece in &mut text.pieces {
                if let Piece::Secret { reference, value } = piece
                    && failure.is_none()
                {
                    match lookup(reference) {
                        Ok(answer) => *value = Some(answer),
                        Err(error) => failure = Some(located(error, place)),
                    }
                }
            }
        });
        failure.map_or(Ok(()), Err)
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self::from_node(Node {
            place: None,
            value: Value::Table(Vec::new()),
        })
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = self.root.table().unwrap_or_default();
        f.debug_struct("Settings")
            .field("location", &self.location)
            .field(
                "keys",
                &keys.iter().map(|entry| &entry.key).collect::<Vec<_>>(),
            )
            .finish()
    }
}

fn visit(node: &Node, found: &mut dyn FnMut(&Node, &Text)) {
    match &node.value {
        Value::Text(text) => found(node, text),
        Value::Array(items) => items.iter().for_each(|item| visit(item, found)),
        Value::Table(entries) => entries.iter().for_each(|entry| visit(&entry.value, found)),
        _ => {}
    }
}

fn walk(node: &mut Node, visit: &mut dyn FnMut(Option<&Place>, &mut Text)) {
    match &mut node.value {
        Value::Text(text) => visit(node.place.as_ref(), text),
        Value::Array(items) => items.iter_mut().for_each(|item| walk(item, visit)),
        Value::Table(entries) => entries
            .iter_mut()
            .for_each(|entry| walk(&mut entry.value, visit)),
        _ => {}
    }
}

/// The declared reference, with what the reference to it says itself.
fn overlaid(declared: &SecretRef, reference: &SecretRef) -> SecretRef {
    let mut meant = declared.clone();
    if let Some(version) = reference.version() {
        meant = meant.with_version(version.clone());
    }
    if let Some(default) = reference.default() {
        meant = meant.with_default(default);
    }
    if let Some(field) = reference.field() {
        meant = meant.with_field(field);
    }
    meant
}
