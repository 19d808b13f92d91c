use std::fmt;
use std::path::Path;
use std::sync::Arc;

use secrets_core::{Error, ErrorKind, Result, SecretRef, SecretValue, SourcePosition};
use zeroize::Zeroizing;

/// A place in a file of the configuration, cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) file: Arc<Path>,
    pub(super) line: usize,
    pub(super) column: usize,
}

impl Place {
    pub(super) fn position(&self) -> SourcePosition {
        SourcePosition::new(self.line, self.column).in_file(&*self.file)
    }
}

/// Adds the place to an error that has none yet.
pub(super) fn located(error: Error, place: Option<&Place>) -> Error {
    match (error.position(), place) {
        (None, Some(place)) => error.with_position(place.position()),
        _ => error,
    }
}

/// A value of the configuration that knows where it stands.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) place: Option<Place>,
    pub(super) value: Value,
}

impl Node {
    pub(super) fn table(&self) -> Option<&[Entry]> {
        match &self.value {
            Value::Table(entries) => Some(entries),
            _ => None,
        }
    }

    pub(super) fn entry(&self, key: &str) -> Option<&Entry> {
        self.table()?.iter().find(|entry| entry.key == key)
    }

    pub(super) fn child(&self, key: &str) -> Option<&Node> {
        Some(&self.entry(key)?.value)
    }

    /// An error of the configuration at this place.
    pub(super) fn error(&self, message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
        located(
            Error::new(ErrorKind::InvalidConfig, message),
            self.place.as_ref(),
        )
    }
}

/// What a node holds.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Integer(i64),
    /// A number that is not a 64-bit integer, as the source writes it.
    Float(Arc<str>),
    Text(Text),
    DateTime(Arc<str>),
    Array(Vec<Node>),
    Table(Vec<Entry>),
}

impl Value {
    /// What an error calls such a value.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Integer(_) => "an integer",
            Self::Float(_) => "a number",
            Self::Text(_) => "a string",
            Self::DateTime(_) => "a date or time",
            Self::Array(_) => "an array",
            Self::Table(_) => "a table",
        }
    }
}

#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) key_place: Option<Place>,
    pub(super) value: Node,
}

/// A string, in pieces that remember what was put into it.
#[derive(Clone)]
pub(super) struct Text {
    pub(super) pieces: Vec<Piece>,
    /// Whether the text stands for a number or a boolean where one is asked for: text that did not come from a typed
    /// format.
    pub(super) untyped: bool,
}

#[derive(Clone)]
pub(super) enum Piece {
    Literal(Arc<Zeroizing<String>>),
    Variable {
        name: String,
        /// `None` if it is not set.
        value: Option<SecretValue>,
    },
    Secret {
        reference: SecretRef,
        /// `None` until it is filled in.
        value: Option<SecretValue>,
    },
}

impl Text {
    pub(super) fn literal(text: Arc<Zeroizing<String>>) -> Self {
        Self {
            pieces: vec![Piece::Literal(text)],
            untyped: false,
        }
    }

    pub(super) fn untyped(text: String) -> Self {
        Self {
            pieces: vec![Piece::Literal(Arc::new(Zeroizing::new(text)))],
            untyped: true,
        }
    }

    /// The text, if nothing was put into it.
    pub(super) fn as_literal(&self) -> Option<&str> {
        match self.pieces.as_slice() {
            [] => Some(""),
            [Piece::Literal(text)] => Some(text),
            _ => None,
        }
    }

    pub(super) fn variables(&self) -> impl Iterator<Item = &str> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Variable { name, .. } => Some(name.as_str()),
            _ => None,
        })
    }

    /// An error for each variable that is not set.
    pub(super) fn unset(&self) -> impl Iterator<Item = Error> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Variable { name, value: None } => Some(missing(name)),
            _ => None,
        })
    }

    pub(super) fn references(&self) -> impl Iterator<Item = &SecretRef> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Secret { reference, .. } => Some(reference),
            _ => None,
        })
    }

    /// The whole text.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`] without a place if a variable is not set, a reference not filled in, or a value no text.
    pub(super) fn evaluate(&self) -> Result<Zeroizing<String>> {
        let mut parts = Vec::with_capacity(self.pieces.len());
        for piece in &self.pieces {
            parts.push(match piece {
                Piece::Literal(text) => text.as_str(),
                Piece::Variable { name, value } => value
                    .as_ref()
                    .ok_or_else(|| missing(name))?
                    .expose_str()
                    .map_err(|_| {
                        Error::new(
                            ErrorKind::InvalidConfig,
                            format!("the environment variable {name} is not UTF-8 text"),
                        )
                    })?,
                Piece::Secret { reference, value } => value
                    .as_ref()
                    .ok_or_else(|| {
                        Error::new(
                            ErrorKind::InvalidConfig,
                            format!("the reference to {} is not resolved yet", reference.name()),
                        )
                    })?
                    .expose_str()?,
            });
        }
        Ok(super::interpolate::joined(&parts))
    }
}

fn missing(variable: &str) -> Error {
    Error::new(
        ErrorKind::InvalidConfig,
        format!("the environment variable {variable} is not set"),
    )
    .with_hint(format!(
        "set {variable}, or write `$${{{variable}}}` for that text itself"
    ))
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }
}
