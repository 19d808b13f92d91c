//! TOML, YAML and JSON as one tree in which every value knows its place in the source.
//!
//! Parsing takes time and memory linear in the input.
//!
//! ```
//! use polysecrets_resolve::document::{Document, Format, Value};
//!
//! let document = Document::parse("a = 1", Format::Toml)?;
//! let Value::Table(entries) = &document.roots()[0].value else {
//!     panic!("not a table")
//! };
//! assert_eq!((entries[0].key.as_str(), entries[0].value.span.clone()), ("a", 4..5));
//! # Ok::<(), polysecrets_resolve::document::ParseFailure>(())
//! ```

mod core_schema;
mod json;
mod line_index;
#[cfg(test)]
mod tests;
mod toml;
#[cfg(feature = "yaml")]
mod yaml;

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use foldhash::fast::RandomState;
use zeroize::Zeroizing;

pub(crate) use core_schema::core_scalar;
pub use line_index::{LineIndex, Position};

/// Largest input that is read, in bytes.
pub const MAX_INPUT: usize = 64 << 20;

/// Deepest nesting that is read, aliases included. In TOML, brackets and the segments of one key end at 80 already, where
/// its parser stops.
pub const MAX_DEPTH: usize = 128;

const BYTE_ORDER_MARK: char = '\u{feff}';

/// The format of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// TOML 1.1.
    Toml,
    /// YAML 1.2, with the types of its core schema.
    Yaml,
    /// JSON.
    Json,
}

impl Format {
    /// Derives the format from the extension of `path`, in either case.
    pub fn from_path(path: &Path) -> Option<Self> {
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
pub struct Document {
    roots: Vec<Node>,
}

impl Document {
    /// Parses `text`. A byte order mark at its start is skipped; spans count from before it.
    ///
    /// # Errors
    /// [`ParseFailure`] for wrong syntax, a key given twice, nesting deeper than [`MAX_DEPTH`] and input over [`MAX_INPUT`].
    pub fn parse(text: &str, format: Format) -> Result<Self, ParseFailure> {
        if text.len() > MAX_INPUT {
            return Err(ParseFailure {
                kind: FailureKind::TooLarge,
                message: Cow::Borrowed("the document is larger than 64 MiB"),
                position: Position::START,
            });
        }
        let parsed = match format {
            Format::Toml => toml::parse(text).map(|root| vec![root]),
            #[cfg(feature = "yaml")]
            Format::Yaml => yaml::parse(text),
            #[cfg(not(feature = "yaml"))]
            Format::Yaml => {
                return Err(ParseFailure {
                    kind: FailureKind::Unsupported,
                    message: Cow::Borrowed(
                        "this build cannot read YAML; build with the feature `yaml`",
                    ),
                    position: Position::START,
                });
            }
            Format::Json => json::parse(text).map(|root| vec![root]),
        };
        match parsed {
            Ok(roots) => Ok(Self { roots }),
            Err(failure) => Err(failure.locate(text)),
        }
    }

    /// The root of every document in the source, in their order. Empty only for a YAML stream without documents.
    pub fn roots(&self) -> &[Node] {
        &self.roots
    }
}

/// A value and the bytes of the source that hold it: quotes and brackets included, a YAML value's tag and anchor not.
///
/// A table that its source does not write in one piece (TOML headers, dotted keys) spans what introduced it.
#[derive(Debug, Clone)]
pub struct Node {
    /// The bytes of the source.
    pub span: Range<usize>,
    /// What it holds.
    pub value: Value,
    /// Whether the source names an anchor here; the value then is the anchor's and `span` covers the name.
    pub alias: bool,
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
pub enum Value {
    /// No value.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number that fits 64 bits.
    Integer(i64),
    /// Any other number, as the source writes it.
    Float(Arc<str>),
    /// A string.
    String(Text),
    /// TOML's dates and times, as the source writes them.
    DateTime(Arc<str>),
    /// Items in the order of the source.
    Array(Arc<Vec<Node>>),
    /// Entries in the order of the source; no key occurs twice.
    Table(Arc<Vec<Entry>>),
}

impl Value {
    /// The name of this kind of value, for errors.
    pub fn kind(&self) -> &'static str {
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

/// One key of a table with its value. A YAML key that is not a scalar has its source text for a name.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The decoded key.
    pub key: String,
    /// The bytes of the source that hold the key.
    pub key_span: Range<usize>,
    /// The value.
    pub value: Node,
}

/// A decoded string, wiped when its last owner goes, and how the source writes it.
#[derive(Clone)]
pub struct Text {
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

    /// The decoded text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The same buffer, for an owner that outlives the document.
    pub fn shared(&self) -> &Arc<Zeroizing<String>> {
        &self.text
    }

    /// How the source quotes it.
    pub fn style(&self) -> Style {
        self.style
    }
}

/// How a string is quoted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Style {
    /// `"…"` of JSON.
    Json,
    /// `"…"` of TOML.
    TomlBasic,
    /// `"""…"""` of TOML.
    TomlMultilineBasic,
    /// `'…'` of TOML.
    TomlLiteral,
    /// `'''…'''` of TOML.
    TomlMultilineLiteral,
    /// Without quotes, in YAML.
    YamlPlain,
    /// `'…'` of YAML.
    YamlSingle,
    /// `"…"` of YAML.
    YamlDouble,
    /// A `|` block of YAML.
    YamlLiteral,
    /// A `>` block of YAML.
    YamlFolded,
}

/// Why a document was refused. It quotes no value.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ParseFailure {
    /// What kind of fault it is.
    pub kind: FailureKind,
    /// One line for people.
    pub message: Cow<'static, str>,
    /// Where the fault is.
    pub position: Position,
}

impl fmt::Display for ParseFailure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.position, self.message)
    }
}

impl std::error::Error for ParseFailure {}

/// The kind of a [`ParseFailure`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FailureKind {
    /// The text is not of the format.
    Syntax,
    /// A table has a key twice.
    DuplicateKey,
    /// Values are nested deeper than [`MAX_DEPTH`].
    TooDeep,
    /// The text is larger than [`MAX_INPUT`].
    TooLarge,
    /// This build does not read the format.
    Unsupported,
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
