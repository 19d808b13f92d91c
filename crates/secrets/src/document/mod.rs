//! Documents whose every value knows where it stands in the source.
//!
//! One tree for TOML, YAML and JSON: the configuration is read from it, so that its errors name a line and a column, and
//! reference resolution finds in it the scalars that it may replace. Parsing costs time and memory linear in the input.

mod json;
mod position;
#[cfg(test)]
mod tests;
mod toml;
mod yaml;

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use foldhash::fast::RandomState;
use zeroize::Zeroizing;

pub(crate) use position::{LineIndex, Position};
pub(crate) use yaml::plain as core_scalar;

/// Largest input that is read, in bytes.
pub(crate) const MAX_INPUT: usize = 64 << 20;

/// Deepest nesting that is read, aliases included. In TOML, brackets and the segments of one key end at 80 already, where
/// its parser stops.
pub(crate) const MAX_DEPTH: usize = 128;

const BYTE_ORDER_MARK: char = '\u{feff}';

/// How a document is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Toml,
    Yaml,
    Json,
}

impl Format {
    /// The format that the extension of `path` tells, whatever its case.
    pub(crate) fn of_path(path: &Path) -> Option<Self> {
        let extension = path.extension()?.to_str()?.to_ascii_lowercase();
        match extension.as_str() {
            "toml" => Some(Self::Toml),
            "yaml" | "yml" => Some(Self::Yaml),
            "json" => Some(Self::Json),
            _ => None,
        }
    }
}

/// A parsed source: one root for TOML and JSON, any number for a YAML stream.
#[derive(Debug)]
pub(crate) struct Document {
    roots: Vec<Node>,
}

impl Document {
    /// Reads `text`. A byte order mark at its start is skipped; spans count from before it.
    ///
    /// # Errors
    ///
    /// [`ParseFailure`] for wrong syntax, a key given twice, nesting deeper than [`MAX_DEPTH`] and input over [`MAX_INPUT`].
    pub(crate) fn parse(text: &str, format: Format) -> Result<Self, ParseFailure> {
        if text.len() > MAX_INPUT {
            return Err(ParseFailure {
                kind: FailureKind::TooLarge,
                message: Cow::Borrowed("the document is larger than 64 MiB"),
                position: Position::START,
            });
        }
        let parsed = match format {
            Format::Toml => toml::parse(text).map(|root| vec![root]),
            Format::Yaml => yaml::parse(text),
            Format::Json => json::parse(text).map(|root| vec![root]),
        };
        match parsed {
            Ok(roots) => Ok(Self { roots }),
            Err(failure) => Err(failure.locate(text)),
        }
    }

    /// The root of every document in the source, in their order. Empty only for a YAML stream without documents.
    pub(crate) fn roots(&self) -> &[Node] {
        &self.roots
    }
}

/// A value and the bytes of the source that hold it: quotes and brackets included, a YAML value's tag and anchor not.
///
/// A table that its source does not write in one piece (TOML headers, dotted keys) spans what introduced it.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) span: Range<usize>,
    pub(crate) value: Value,
    /// Whether the source names an anchor here; the value then is the anchor's and `span` covers the name.
    pub(crate) alias: bool,
}

impl Node {
    fn new(span: Range<usize>, value: Value) -> Self {
        Self {
            span,
            value,
            alias: false,
        }
    }
}

/// What a node holds. Cloning shares strings, arrays and tables.
#[derive(Clone)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Integer(i64),
    /// A number that is no 64-bit integer, as the source writes it.
    Float(Arc<str>),
    String(Text),
    /// TOML's dates and times, as the source writes them.
    DateTime(Arc<str>),
    Array(Arc<Vec<Node>>),
    /// Entries in the order of the source; no key occurs twice.
    Table(Arc<Vec<Entry>>),
}

impl Value {
    /// What an error calls such a value.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Integer(_) => "an integer",
            Self::Float(_) => "a number",
            Self::String(_) => "a string",
            Self::DateTime(_) => "a date or time",
            Self::Array(_) => "an array",
            Self::Table(_) => "a table",
        }
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Array(items) => formatter.debug_list().entries(items.iter()).finish(),
            Self::Table(entries) => formatter.debug_list().entries(entries.iter()).finish(),
            scalar => formatter.write_str(scalar.kind()),
        }
    }
}

/// One key of a table with its value. A YAML key that is no scalar has its source text for a name.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_span: Range<usize>,
    pub(crate) value: Node,
}

/// A decoded string, wiped when its last owner goes, and how the source writes it.
#[derive(Clone)]
pub(crate) struct Text {
    text: Arc<Zeroizing<String>>,
    style: Style,
}

impl Text {
    fn new(text: String, style: Style) -> Self {
        Self {
            text: Arc::new(Zeroizing::new(text)),
            style,
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// The same buffer, for an owner that outlives the document.
    pub(crate) fn shared(&self) -> &Arc<Zeroizing<String>> {
        &self.text
    }

    pub(crate) fn style(&self) -> Style {
        self.style
    }
}

/// How a string is quoted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    Json,
    TomlBasic,
    TomlMultilineBasic,
    TomlLiteral,
    TomlMultilineLiteral,
    YamlPlain,
    YamlSingle,
    YamlDouble,
    YamlLiteral,
    YamlFolded,
}

/// Why a document was refused, in words that quote no value of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ParseFailure {
    pub(crate) kind: FailureKind,
    pub(crate) message: Cow<'static, str>,
    pub(crate) position: Position,
}

impl fmt::Display for ParseFailure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.position, self.message)
    }
}

impl std::error::Error for ParseFailure {}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FailureKind {
    Syntax,
    DuplicateKey,
    TooDeep,
    TooLarge,
}

/// A failure before its offset is turned into a line and a column.
#[derive(Debug)]
struct Failure {
    kind: FailureKind,
    message: Cow<'static, str>,
    offset: usize,
}

impl Failure {
    fn syntax(message: &'static str, offset: usize) -> Self {
        Self {
            kind: FailureKind::Syntax,
            message: Cow::Borrowed(message),
            offset,
        }
    }

    fn too_deep(offset: usize) -> Self {
        Self {
            kind: FailureKind::TooDeep,
            message: Cow::Borrowed("values are nested too deeply"),
            offset,
        }
    }

    fn duplicate(key: &str, offset: usize) -> Self {
        const LONGEST_SHOWN: usize = 128;
        let shown = key.len() <= LONGEST_SHOWN && !key.chars().any(char::is_control);
        Self {
            kind: FailureKind::DuplicateKey,
            message: if shown {
                Cow::Owned(format!("duplicate key `{key}`"))
            } else {
                Cow::Borrowed("duplicate key")
            },
            offset,
        }
    }

    fn locate(self, text: &str) -> ParseFailure {
        ParseFailure {
            kind: self.kind,
            message: self.message,
            position: LineIndex::new(text).position(self.offset),
        }
    }
}

/// The first entry whose key was there before.
fn first_duplicate(entries: &[Entry]) -> Option<&Entry> {
    const SCANNED: usize = 8;
    if entries.len() <= SCANNED {
        return entries.iter().enumerate().find_map(|(index, entry)| {
            let before = &entries[..index];
            before
                .iter()
                .any(|other| other.key == entry.key)
                .then_some(entry)
        });
    }
    let mut seen = HashSet::with_capacity_and_hasher(entries.len(), RandomState::default());
    entries.iter().find(|entry| !seen.insert(&entry.key))
}
