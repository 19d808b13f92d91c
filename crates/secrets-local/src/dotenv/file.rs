//! The content of a `.env` file as secrets, and what a write makes of it.
//!
//! A name that is not a key, such as `db/password`, is written under the key that custom makes of it, with a comment above
//! that keeps the name: `# secret: db/password`. A key without such a comment answers to every name that leads to it.

use std::collections::hash_map::Entry as MapEntry;
use std::collections::{BTreeSet, HashMap};
use std::mem;
use std::ops::Range;
use std::sync::OnceLock;

use foldhash::fast::RandomState;
use secrets_core::{
    Environment, Error, ErrorKind, MAX_NAME_BYTES, Result, SecretName, SecretValue,
};
use zeroize::Zeroizing;

use super::expand;
use super::syntax::{self, Entry};
use crate::variable;

const NOTE: &str = "# secret: ";

/// How a file is read.
pub(super) struct Rules {
    pub(super) prefix: String,
    /// What variables in values stand for, if they stand for anything.
    pub(super) expand: Option<Environment>,
}

pub(super) struct EnvFile {
    text: Zeroizing<String>,
    prefix: String,
    /// Without their keys, which are in `keys`.
    entries: Vec<Entry>,
    values: Vec<Result<SecretValue>>,
    keys: HashMap<String, Key, RandomState>,
    names: OnceLock<BTreeSet<SecretName>>,
}

/// The numbers of the entries in which a key occurs, and the name that a comment keeps for it.
struct Key {
    first: usize,
    others: Vec<usize>,
    name: Option<SecretName>,
}

impl Key {
    fn entries(&self) -> impl Iterator<Item = usize> + Clone {
        std::iter::once(self.first).chain(self.others.iter().copied())
    }
}

/// The key that a name leads to.
#[derive(Clone, Copy)]
pub(super) struct Found<'a> {
    pub(super) text: &'a str,
    key: &'a Key,
    /// Whether the key is only what custom makes of the name.
    pub(super) is_translation: bool,
}

impl Found<'_> {
    /// Tells the key from the other keys of its file.
    pub(super) fn number(&self) -> usize {
        self.key.first
    }
}

impl EnvFile {
    pub(super) fn parse(bytes: &[u8], rules: &Rules) -> Result<Self> {
        let text = Zeroizing::new(syntax::text(bytes)?.to_owned());
        let mut entries = syntax::parse(&text)?;
        let values = match &rules.expand {
            Some(environment) => expand::values(&text, &entries, environment),
            None => entries
                .iter()
                .map(|entry| Ok(entry.value.clone()))
                .collect(),
        };
        let mut keys: HashMap<String, Key, RandomState> =
            HashMap::with_capacity_and_hasher(entries.len(), RandomState::default());
        for (number, entry) in entries.iter_mut().enumerate() {
            let name = noted(&text, entry, &entry.key, &rules.prefix);
            match keys.entry(mem::take(&mut entry.key)) {
                MapEntry::Vacant(place) => {
                    place.insert(Key {
                        first: number,
                        others: Vec::new(),
                        name,
                    });
                }
                MapEntry::Occupied(mut place) => {
                    let key = place.get_mut();
                    key.others.push(number);
                    key.name = key.name.take().or(name);
                }
            }
        }
        Ok(Self {
            text,
            prefix: rules.prefix.clone(),
            entries,
            values,
            keys,
            names: OnceLock::new(),
        })
    }

    /// The names of all secrets.
    pub(super) fn names(&self) -> &BTreeSet<SecretName> {
        self.names.get_or_init(|| {
            self.keys
                .iter()
                .filter_map(|(key, at)| {
                    let bare = key.strip_prefix(&self.prefix)?;
                    at.name.clone().or_else(|| SecretName::new(bare).ok())
                })
                .collect()
        })
    }

    /// The key that a name leads to, if there is one.
    pub(super) fn key_of(&self, name: &SecretName) -> Result<Option<Found<'_>>> {
        let exact = match self.prefix.as_str() {
            "" => self.keys.get_key_value(name.as_str()),
            prefix => self.keys.get_key_value(&format!("{prefix}{name}")),
        };
        let exact = exact.map(|(text, key)| Found {
            text,
            key,
            is_translation: false,
        });
        if exact.is_some() && is_custom(name) {
            return Ok(exact);
        }
        let custom = custom_key(name, &self.prefix)
            .and_then(|custom| self.keys.get_key_value(&custom))
            .filter(|(_, key)| key.name.as_ref().is_none_or(|kept| kept == name))
            .map(|(text, key)| Found {
                text,
                key,
                is_translation: key.name.is_none(),
            });
        match (exact, custom) {
            (Some(exact), Some(custom)) => {
                if self.value(exact)? == self.value(custom)? {
                    Ok(Some(exact))
                } else {
                    Err(variable::ambiguous(name, exact.text, custom.text))
                }
            }
            (exact, custom) => Ok(exact.or(custom)),
        }
    }

    /// The value of a key.
    pub(super) fn value(&self, found: Found<'_>) -> Result<SecretValue> {
        let (key, first) = (found.text, found.key.first);
        let value = self.values[first].clone()?;
        for &other in &found.key.others {
            if self.values[other].clone()? != value {
                let lines = (
                    self.entries[first].position.line,
                    &self.entries[other].position,
                );
                return Err(Error::new(
                    ErrorKind::InvalidConfig,
                    format!(
                        "the key {key} has two values, the other one is on line {}",
                        lines.0
                    ),
                )
                .with_position(lines.1.clone())
                .with_hint("remove one of the lines; some tools take the first, some the last"));
            }
        }
        Ok(value)
    }

    /// The file's text with this value for the name.
    pub(super) fn with(&self, name: &SecretName, value: &SecretValue) -> Result<Zeroizing<String>> {
        let written = value
            .expose_str()
            .and_then(syntax::quote)
            .map_err(|error| error.with_name(name))?;
        if let Some(found) = self.key_of(name)? {
            return self.with_replaced(name, found, &written);
        }
        let key = custom_key(name, &self.prefix).ok_or_else(|| {
            Error::new(
                ErrorKind::InvalidName,
                "the name cannot be made a key of a .env file",
            )
            .with_name(name)
            .with_hint("use ASCII letters, digits, `_`, `-`, `.` and `/`")
        })?;
        if key.len() > MAX_NAME_BYTES {
            return Err(Error::new(
                ErrorKind::InvalidName,
                "the key for this name is longer than 512 bytes",
            )
            .with_name(name));
        }
        self.refuse_taken(name, &key)?;
        Ok(self.with_appended(name, &key, &written))
    }

    /// The file's text without the name; `None` if it is not there.
    pub(super) fn without(&self, name: &SecretName) -> Result<Option<Zeroizing<String>>> {
        let Some(found) = self.key_of(name)? else {
            return Ok(None);
        };
        let lines = found.key.entries().map(|number| {
            let entry = &self.entries[number];
            let start = match &entry.comment_above {
                Some(comment) if self.notes(entry, found.text) => self.line_start(comment.start),
                _ => entry.span.start,
            };
            (start..entry.span.end, "")
        });
        Ok(Some(self.edited(lines)))
    }

    fn with_replaced(
        &self,
        name: &SecretName,
        found: Found<'_>,
        written: &str,
    ) -> Result<Zeroizing<String>> {
        self.refuse_taken(name, found.text)?;
        // Every occurrence, since tools differ in which of them they take.
        let spans = found
            .key
            .entries()
            .map(|number| (self.entries[number].value_span.clone(), written));
        Ok(self.edited(spans))
    }

    fn with_appended(&self, name: &SecretName, key: &str, written: &str) -> Zeroizing<String> {
        let end = match self.text.find('\n') {
            Some(at) if self.text[..at].ends_with('\r') => "\r\n",
            _ => "\n",
        };
        let note = match key.strip_prefix(&self.prefix) {
            Some(bare) if bare == name.as_str() => String::new(),
            _ => format!("{NOTE}{name}{end}"),
        };
        let is_open =
            !(self.text.is_empty() || self.text.ends_with('\n') || &**self.text == "\u{feff}");
        let parts = [
            self.text.as_str(),
            if is_open { end } else { "" },
            &note,
            key,
            "=",
            written,
            end,
        ];
        let mut text = Zeroizing::new(String::with_capacity(
            parts.iter().map(|part| part.len()).sum(),
        ));
        for part in parts {
            text.push_str(part);
        }
        text
    }

    fn refuse_taken(&self, name: &SecretName, key: &str) -> Result<()> {
        match self.keys.get(key).and_then(|key| key.name.as_ref()) {
            Some(kept) if kept != name => Err(variable::collision(name, kept, key)),
            _ => Ok(()),
        }
    }

    /// Whether the comment above an entry keeps the name of its key.
    fn notes(&self, entry: &Entry, key: &str) -> bool {
        noted(&self.text, entry, key, &self.prefix).is_some()
    }

    fn line_start(&self, at: usize) -> usize {
        match self.text[..at].rfind('\n') {
            Some(end) => end + 1,
            None if self.text.starts_with('\u{feff}') => '\u{feff}'.len_utf8(),
            None => 0,
        }
    }

    /// The text with these ranges, which follow one another, exchanged.
    fn edited<'a>(
        &self,
        edits: impl Iterator<Item = (Range<usize>, &'a str)> + Clone,
    ) -> Zeroizing<String> {
        let added: usize = edits.clone().map(|(_, new)| new.len()).sum();
        let mut text = Zeroizing::new(String::with_capacity(self.text.len() + added));
        let mut at = 0;
        for (range, new) in edits {
            text.push_str(&self.text[at..range.start]);
            text.push_str(new);
            at = range.end;
        }
        text.push_str(&self.text[at..]);
        text
    }
}

/// The key under which a name is written.
pub(super) fn custom_key(name: &SecretName, prefix: &str) -> Option<String> {
    variable::translated(name, prefix)
}

/// Whether a name is what custom makes of it, so that no other key fits it.
fn is_custom(name: &SecretName) -> bool {
    let kept = |byte: u8| byte == b'_' || byte.is_ascii_digit() || byte.is_ascii_uppercase();
    name.as_str().bytes().all(kept)
}

/// The name that the comment above an entry keeps. Any other comment that looks so is a comment.
fn noted(text: &str, entry: &Entry, key: &str, prefix: &str) -> Option<SecretName> {
    let comment = &text[entry.comment_above.clone()?];
    let name = SecretName::new(comment.strip_prefix(NOTE)?).ok()?;
    (custom_key(&name, prefix)? == key).then_some(name)
}
