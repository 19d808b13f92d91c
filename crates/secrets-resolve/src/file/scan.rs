use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use secrets_core::{Error, ErrorKind, Result, SecretRef, SecretValue, SourcePosition};
use zeroize::Zeroizing;

use super::{FileFormat, dotenv, json, toml, yaml};
use crate::document::{
    Document, FailureKind, Format, LineIndex, MAX_INPUT, Node, Style, Value, core_scalar,
};
use crate::tokens::{OPEN, References, TokenKind, holds_tokens, tokens, unclosed};
use crate::zeroizing_writer::ZeroizingWriter;

/// The references of a file or a text, found but not yet resolved.
///
/// ```
/// use polysecrets_resolve::{FileFormat, FileScan};
///
/// let text = "# the database\npassword: ${secret:db/password} # in a vault\n";
/// let scan = FileScan::new(text, FileFormat::Yaml, None)?;
/// assert_eq!(scan.references()[0].name().as_str(), "db/password");
///
/// let resolved = scan.render(|_| Ok("it's 100%".into()))?;
/// assert_eq!(*resolved, "# the database\npassword: \"it's 100%\" # in a vault\n");
/// # Ok::<(), secrets_core::Error>(())
/// ```
#[derive(Debug)]
pub struct FileScan<'t> {
    text: &'t str,
    file: Option<PathBuf>,
    syntax: Syntax,
    /// In the order of the text; their spans do not overlap.
    scalars: Vec<Scalar>,
    references: References,
    uses: Vec<Use>,
}

/// The parsed text, against which the result is checked.
#[derive(Debug)]
enum Syntax {
    Document(Document, Format),
    Dotenv(Vec<dotenv::Assignment>),
    Text,
}

/// A scalar that holds references or escapes.
struct Scalar {
    span: Range<usize>,
    quoting: Quoting,
    text: Arc<Zeroizing<String>>,
    parts: Vec<Part>,
    /// Whether the source holds each part as the decoded text does, so that the rest of the source can stay as it is.
    located: bool,
}

impl std::fmt::Debug for Scalar {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Scalar")
            .field("span", &self.span)
            .field("quoting", &self.quoting)
            .finish_non_exhaustive()
    }
}

#[derive(Debug, Clone, Copy)]
enum Quoting {
    Document(Style),
    Dotenv,
    Text,
}

struct Part {
    decoded: Range<usize>,
    /// Counted from the start of the scalar; meaningful only in a located scalar.
    source: Range<usize>,
    /// Which reference; `None` for an escape.
    reference: Option<usize>,
}

#[derive(Debug, Clone, Copy)]
struct Use {
    reference: usize,
    offset: usize,
}

impl<'t> FileScan<'t> {
    /// Finds the references of `text`. `file` is what errors call it.
    ///
    /// Keys, comments, aliases and values that are not strings are not looked at.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`] or [`ErrorKind::InvalidName`], with line and column: the text is not of this format,
    /// or a reference is malformed.
    pub fn new(text: &'t str, format: FileFormat, file: Option<&Path>) -> Result<Self> {
        let mut scan = Self {
            text,
            file: file.map(Path::to_owned),
            syntax: Syntax::Text,
            scalars: Vec::new(),
            references: References::default(),
            uses: Vec::new(),
        };
        match format {
            FileFormat::Yaml => scan.read_document(Format::Yaml)?,
            FileFormat::Toml => scan.read_document(Format::Toml)?,
            FileFormat::Json => scan.read_document(Format::Json)?,
            FileFormat::Dotenv => {
                let assignments =
                    dotenv::parse(text).map_err(|error| match error.position().cloned() {
                        Some(position) => error.with_position(scan.in_file(position)),
                        None => error,
                    })?;
                let holding = |assignment: &&dotenv::Assignment| holds_tokens(&assignment.text);
                for assignment in assignments.iter().filter(holding) {
                    scan.read_scalar(assignment.span.clone(), &assignment.text, Quoting::Dotenv)?;
                }
                scan.syntax = Syntax::Dotenv(assignments);
            }
            FileFormat::Text => {
                if holds_tokens(text) {
                    let whole = Arc::new(Zeroizing::new(text.to_owned()));
                    scan.read_scalar(0..text.len(), &whole, Quoting::Text)?;
                }
            }
        }
        Ok(scan)
    }

    /// Every reference once, in the order in which the text first names it.
    pub fn references(&self) -> &[SecretRef] {
        self.references.as_slice()
    }

    /// Every use of a reference with its place.
    pub fn uses(&self) -> Vec<(&SecretRef, SourcePosition)> {
        let index = LineIndex::new(self.text);
        self.uses
            .iter()
            .map(|used| {
                let position = self.in_file(index.position(used.offset).into());
                (&self.references()[used.reference], position)
            })
            .collect()
    }

    /// The text with each reference replaced by its value: what `lookup` gives for it, with its field and its default
    /// applied. `lookup` is called once a reference, in the order of [`references`](Self::references).
    ///
    /// # Errors
    /// What `lookup` answers, with the place of the first use; [`ErrorKind::InvalidValue`] for a value that is not text or
    /// that the format cannot express.
    pub fn render(
        &self,
        mut lookup: impl FnMut(&SecretRef) -> Result<SecretValue>,
    ) -> Result<Zeroizing<String>> {
        let first_uses = self.first_uses();
        let values = self
            .references()
            .iter()
            .zip(&first_uses)
            .map(|(reference, offset)| {
                lookup(reference).map_err(|error| self.locate(error, *offset))
            })
            .collect::<Result<Vec<_>>>()?;
        let texts = values
            .iter()
            .zip(self.references())
            .zip(&first_uses)
            .map(|((value, reference), offset)| {
                value
                    .expose_str()
                    .map_err(|error| self.locate(error.with_name(reference.name()), *offset))
            })
            .collect::<Result<Vec<_>>>()?;

        let grown = self
            .uses
            .iter()
            .map(|used| texts[used.reference].len())
            .sum::<usize>();
        let mut out = ZeroizingWriter::with_capacity(
            self.text.len() + grown + grown / 8 + 4 * self.scalars.len(),
        );
        let mut expected = Vec::with_capacity(self.scalars.len());
        let mut evident = true;
        let mut at = 0;
        for scalar in &self.scalars {
            out.push_str(&self.text[at..scalar.span.start]);
            at = scalar.span.end;
            let text = scalar.expected(&texts);
            evident &= scalar
                .write(&mut out, self.text, &texts, text.as_str())
                .map_err(|error| {
                    let used = scalar.parts.iter().find_map(|part| part.reference);
                    let error = match used {
                        Some(reference) => error.with_name(self.references()[reference].name()),
                        None => error,
                    };
                    self.locate(error, scalar.span.start)
                })?;
            expected.push(text);
        }
        out.push_str(&self.text[at..]);
        let out = out.into_inner();
        if matches!(self.syntax, Syntax::Document(..)) && out.len() > MAX_INPUT {
            return Err(self.locate(too_large(), 0));
        }
        if evident {
            debug_assert!(self.verify(&out, &expected).is_ok(), "not so evident");
        } else {
            self.verify(&out, &expected)?;
        }
        Ok(out)
    }

    fn first_uses(&self) -> Vec<usize> {
        let mut offsets = vec![usize::MAX; self.references().len()];
        for used in &self.uses {
            let first = &mut offsets[used.reference];
            *first = (*first).min(used.offset);
        }
        offsets
    }

    fn in_file(&self, position: SourcePosition) -> SourcePosition {
        match &self.file {
            Some(file) => position.in_file(file),
            None => position,
        }
    }

    fn locate(&self, error: Error, offset: usize) -> Error {
        let position = LineIndex::new(self.text).position(offset);
        error.with_position(self.in_file(position.into()))
    }

    fn read_document(&mut self, format: Format) -> Result<()> {
        let document = Document::parse(self.text, format).map_err(|failure| {
            let line = self.text.lines().nth(failure.position.line - 1);
            let error = Error::new(ErrorKind::InvalidConfig, failure.message)
                .with_position(self.in_file(failure.position.into()));
            match line {
                Some(line) if line.contains(OPEN) && failure.kind == FailureKind::Syntax => error
                    .with_hint(match format {
                        Format::Yaml => "inside `[ ]` and `{ }` a reference must stand in quotes",
                        Format::Toml | Format::Json => "a reference must stand in quotes",
                    }),
                _ => error,
            }
        })?;
        let mut found = Vec::new();
        for root in document.roots() {
            collect(root, &mut found);
        }
        found.sort_by_key(|node| node.span.start);
        self.references.reserve(found.len());
        for node in found {
            if let Value::String(text) = &node.value {
                self.read_scalar(
                    node.span.clone(),
                    text.shared(),
                    Quoting::Document(text.style()),
                )?;
            }
        }
        self.syntax = Syntax::Document(document, format);
        Ok(())
    }

    /// Takes up the references of a scalar that holds some.
    fn read_scalar(
        &mut self,
        span: Range<usize>,
        text: &Arc<Zeroizing<String>>,
        quoting: Quoting,
    ) -> Result<()> {
        let source = &self.text[span.clone()];
        let content = match quoting {
            Quoting::Document(Style::YamlLiteral | Style::YamlFolded) => {
                source.find('\n').map_or(0, |at| at + 1)
            }
            _ => 0,
        };
        let as_written = source == text.as_str();
        let mut written = tokens(&source[content..]);
        let mut located = true;
        let mut parts = Vec::with_capacity(1);
        let first_use = self.uses.len();
        for token in tokens(text) {
            let found = match as_written {
                true => Some(token.clone()),
                false => written.next(),
            };
            let found = found.filter(|found| {
                // An unclosed one ends with this scalar's text, but runs on into its closing quote in the source.
                let unclosed = TokenKind::Unclosed;
                token.kind == unclosed && found.kind == unclosed
                    || text[token.range.clone()] == source[content..][found.range.clone()]
            });
            located &= found.is_some();
            let source = match found {
                Some(found) if located => content + found.range.start..content + found.range.end,
                _ => 0..0,
            };
            let offset = span.start + source.start;
            let reference = match token.kind {
                TokenKind::Escape => None,
                TokenKind::Unclosed => return Err(self.locate(unclosed(), offset)),
                TokenKind::Reference(inside) => {
                    let reference = self
                        .references
                        .add(&text[inside])
                        .map_err(|error| self.locate(error, offset))?;
                    self.uses.push(Use { reference, offset });
                    Some(reference)
                }
            };
            parts.push(Part {
                decoded: token.range,
                source,
                reference,
            });
        }
        located &= as_written || written.next().is_none();
        if !located {
            for used in &mut self.uses[first_use..] {
                used.offset = span.start;
            }
        }
        self.scalars.push(Scalar {
            span,
            quoting,
            text: Arc::clone(text),
            parts,
            located,
        });
        Ok(())
    }

    /// Parses the result again: it must be the source with only the scalars changed, each to what it was meant to be.
    fn verify(&self, out: &str, expected: &[Expected<'_>]) -> Result<()> {
        let differs = |offset: usize| {
            let error = Error::new(
                ErrorKind::Unexpected,
                "the resolved file does not read back as it was meant",
            )
            .with_hint("quote the value that holds the reference");
            Err(self.locate(error, offset))
        };
        let expected = |span: &Range<usize>| {
            let index = self
                .scalars
                .binary_search_by_key(&span.start, |scalar| scalar.span.start);
            index.ok().map(|index| expected[index].as_str())
        };
        match &self.syntax {
            Syntax::Text => Ok(()),
            Syntax::Dotenv(before) => {
                let after = dotenv::parse(out).unwrap_or_default();
                for (index, before) in before.iter().enumerate() {
                    let text = expected(&before.span).unwrap_or(&before.text);
                    match after.get(index) {
                        Some(after) if after.name == before.name && after.text.as_str() == text => {
                        }
                        _ => return differs(before.span.start),
                    }
                }
                if after.len() == before.len() {
                    Ok(())
                } else {
                    differs(0)
                }
            }
            Syntax::Document(before, format) => {
                let after = match Document::parse(out, *format) {
                    Ok(after) => after,
                    Err(failure) if failure.kind == FailureKind::TooLarge => {
                        return Err(self.locate(too_large(), 0));
                    }
                    Err(_) => return differs(0),
                };
                if before.roots().len() != after.roots().len() {
                    return differs(0);
                }
                let pairs = before.roots().iter().zip(after.roots());
                for (before, after) in pairs {
                    if let Err(offset) = compare(before, after, out, &expected) {
                        return differs(offset);
                    }
                }
                Ok(())
            }
        }
    }
}

fn too_large() -> Error {
    Error::new(
        ErrorKind::InvalidValue,
        "the resolved file would be larger than 64 MiB",
    )
}

fn collect<'n>(node: &'n Node, found: &mut Vec<&'n Node>) {
    if node.alias {
        return;
    }
    match &node.value {
        Value::String(text) if holds_tokens(text.as_str()) => found.push(node),
        Value::Array(items) => {
            for item in items.iter() {
                collect(item, found);
            }
        }
        Value::Table(entries) => {
            for entry in entries.iter() {
                collect(&entry.value, found);
            }
        }
        _ => {}
    }
}

/// Compares two trees, the first one with `expected` in place of its replaced scalars. Fails with the offset in the
/// first one's source.
fn compare<'e>(
    before: &Node,
    after: &Node,
    source_after: &str,
    expected: &impl Fn(&Range<usize>) -> Option<&'e str>,
) -> Result<(), usize> {
    let check = |same: bool| if same { Ok(()) } else { Err(before.span.start) };
    check(before.alias == after.alias)?;
    if before.alias {
        return Ok(());
    }
    match (&before.value, &after.value) {
        (Value::String(text), after_value) => match (expected(&before.span), after_value) {
            (None, Value::String(after)) => check(text.as_str() == after.as_str()),
            (Some(expected), Value::String(after)) => check(expected == after.as_str()),
            // A YAML tag such as `!!int` reads a quoted scalar as a number.
            (Some(expected), typed) => check(
                source_after[after.span.clone()].starts_with(['"', '\''])
                    && core_scalar(expected).is_some_and(|value| same_scalar(&value, typed)),
            ),
            (None, _) => check(false),
        },
        (Value::Array(before_items), Value::Array(after_items)) => {
            check(before_items.len() == after_items.len())?;
            let mut pairs = before_items.iter().zip(after_items.iter());
            pairs.try_for_each(|(before, after)| compare(before, after, source_after, expected))
        }
        (Value::Table(before_entries), Value::Table(after_entries)) => {
            check(before_entries.len() == after_entries.len())?;
            let mut pairs = before_entries.iter().zip(after_entries.iter());
            pairs.try_for_each(|(before, after)| {
                if before.key != after.key {
                    return Err(before.key_span.start);
                }
                compare(&before.value, &after.value, source_after, expected)
            })
        }
        (before_value, after_value) => check(same_scalar(before_value, after_value)),
    }
}

fn same_scalar(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Null, Value::Null) => true,
        (Value::Bool(left), Value::Bool(right)) => left == right,
        (Value::Integer(left), Value::Integer(right)) => left == right,
        (Value::Float(left), Value::Float(right))
        | (Value::DateTime(left), Value::DateTime(right)) => left == right,
        _ => false,
    }
}

impl Scalar {
    /// The decoded text with the values in it.
    fn expected<'v>(&self, values: &[&'v str]) -> Expected<'v> {
        if let [part] = &self.parts[..]
            && part.decoded == (0..self.text.len())
        {
            return Expected::Value(part.value(values));
        }
        let grown = self.parts.iter().map(|part| part.value(values).len());
        let mut text = ZeroizingWriter::with_capacity(self.text.len() + grown.sum::<usize>());
        let mut at = 0;
        for part in &self.parts {
            text.push_str(&self.text[at..part.decoded.start]);
            text.push_str(part.value(values));
            at = part.decoded.end;
        }
        text.push_str(&self.text[at..]);
        Expected::Text(text.into_inner())
    }

    /// Writes the scalar so that it reads as `expected`, and as much like its source as that allows. Tells whether that
    /// is evident: text of one line that no format gives a meaning to took the place of text of one line, in the same
    /// quotes or lack of them, so that a parser comes out of the scalar as it went in.
    fn write(
        &self,
        out: &mut ZeroizingWriter,
        text: &str,
        values: &[&str],
        expected: &str,
    ) -> Result<bool> {
        let source = &text[self.span.clone()];
        let one_line = !source.bytes().any(|byte| matches!(byte, b'\n' | b'\r'));
        let all = |fits: fn(&str) -> bool| {
            self.located && self.parts.iter().all(|part| fits(part.value(values)))
        };
        let splice = |out: &mut ZeroizingWriter, escape: fn(&mut ZeroizingWriter, &str)| {
            let mut at = 0;
            for part in &self.parts {
                out.push_str(&source[at..part.source.start]);
                escape(out, part.value(values));
                at = part.source.end;
            }
            out.push_str(&source[at..]);
        };
        match self.quoting {
            Quoting::Text => splice(out, ZeroizingWriter::push_str),
            Quoting::Dotenv => {
                dotenv::quote(out, expected)?;
                return Ok(false);
            }
            Quoting::Document(style) => match style {
                Style::Json if self.located => splice(out, json::escape),
                Style::TomlBasic if self.located => splice(out, toml::escape),
                Style::YamlDouble if self.located && one_line => splice(out, yaml::escape),
                Style::YamlSingle if one_line && all(yaml::fits_single) => {
                    splice(out, yaml::escape_single);
                }
                Style::YamlPlain => return Ok(yaml::plain_or_quote(out, expected) && one_line),
                Style::Json => json::quote(out, expected),
                Style::TomlMultilineBasic if self.located && !toml::joins_lines(source) => {
                    splice(out, toml::escape);
                }
                Style::TomlLiteral if all(toml::fits_literal) => {
                    splice(out, ZeroizingWriter::push_str)
                }
                Style::TomlMultilineLiteral if all(toml::fits_multiline_literal) => {
                    splice(out, ZeroizingWriter::push_str);
                }
                Style::TomlBasic
                | Style::TomlMultilineBasic
                | Style::TomlLiteral
                | Style::TomlMultilineLiteral => toml::quote(out, expected),
                Style::YamlDouble | Style::YamlSingle => yaml::quote(out, expected),
                Style::YamlLiteral | Style::YamlFolded => {
                    let parts = self
                        .parts
                        .iter()
                        .map(|part| (part.source.clone(), part.value(values)))
                        .collect::<Vec<_>>();
                    yaml::Block::new(source).write(out, &parts, self.located, expected);
                }
            },
        }
        Ok(one_line && all(is_inert))
    }
}

/// Whether `text` is read as itself inside the quotes of any format.
fn is_inert(text: &str) -> bool {
    text.bytes().all(|byte| {
        let is_mark = matches!(
            byte,
            b'_' | b'-' | b'.' | b'/' | b'+' | b'=' | b':' | b'@' | b','
        );
        byte.is_ascii_alphanumeric() || is_mark
    })
}

/// What a scalar must read as.
enum Expected<'v> {
    Value(&'v str),
    Text(Zeroizing<String>),
}

impl Expected<'_> {
    fn as_str(&self) -> &str {
        match self {
            Self::Value(text) => text,
            Self::Text(text) => text,
        }
    }
}

impl Part {
    fn value<'v>(&self, values: &[&'v str]) -> &'v str {
        self.reference.map_or(OPEN, |reference| values[reference])
    }
}
