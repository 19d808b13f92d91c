use std::ops::Range;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};
use toml_parser::decoder::Encoding;
use toml_parser::parser::EventReceiver;
use toml_parser::{ErrorSink, Source, Span};

use super::{Entry, Failure, FailureKind, MAX_DEPTH, Node, Style, Text, Value};

pub(super) fn parse(text: &str) -> Result<Node, Failure> {
    check_depth(text)?;
    let table = DeTable::parse(text).map_err(|error| failure(text, &error))?;
    let span = table.span();
    let entries = entries(text, table.into_inner())?;
    Ok(Node::new(span, Value::Table(Arc::new(entries))))
}

fn entries(text: &str, table: DeTable<'_>) -> Result<Vec<Entry>, Failure> {
    let mut entries = table
        .into_iter()
        .map(|(key, value)| {
            Ok(Entry {
                key_span: key.span(),
                key: key.into_inner().into_owned(),
                value: node(text, value)?,
            })
        })
        .collect::<Result<Vec<_>, Failure>>()?;
    entries.sort_by_key(|entry| entry.key_span.start);
    Ok(entries)
}

fn node(text: &str, value: Spanned<DeValue<'_>>) -> Result<Node, Failure> {
    let span = value.span();
    let source = |span: &Range<usize>| text.get(span.clone()).unwrap_or_default();
    let value = match value.into_inner() {
        DeValue::String(string) => {
            let style = style(source(&span));
            Value::String(Text::new(string.into_owned(), style))
        }
        DeValue::Integer(integer) => i64::from_str_radix(integer.as_str(), integer.radix())
            .map(Value::Integer)
            .map_err(|_| Failure::syntax("this integer does not fit 64 bits", span.start))?,
        DeValue::Float(_) => Value::Float(Arc::from(source(&span))),
        DeValue::Boolean(bool) => Value::Bool(bool),
        DeValue::Datetime(_) => Value::DateTime(Arc::from(source(&span))),
        DeValue::Array(array) => Value::Array(Arc::new(
            array
                .into_iter()
                .map(|item| node(text, item))
                .collect::<Result<_, _>>()?,
        )),
        DeValue::Table(table) => Value::Table(Arc::new(entries(text, table)?)),
    };
    Ok(Node::new(span, value))
}

fn style(source: &str) -> Style {
    if source.starts_with("\"\"\"") {
        Style::TomlMultilineBasic
    } else if source.starts_with("'''") {
        Style::TomlMultilineLiteral
    } else if source.starts_with('\'') {
        Style::TomlLiteral
    } else {
        Style::TomlBasic
    }
}

/// Our words for the parser's complaint: its own may change and are written for its own display.
fn failure(text: &str, error: &toml::de::Error) -> Failure {
    const WORDS: &[(&str, &str)] = &[
        ("cannot extend", "this key already has a value"),
        ("unclosed array table", "expected `]]`"),
        ("unclosed table", "expected `]`"),
        ("unclosed array", "this array is never closed"),
        ("unclosed inline table", "this inline table is never closed"),
        ("key with no value", "expected `=` after the key"),
        ("missing value", "expected a value"),
        ("missing comma", "expected `,`"),
        ("extra comma", "a comma without a value before it"),
        ("missing key", "expected a key"),
        ("missing assignment", "expected `=` after the key"),
        (
            "unexpected leading zero",
            "a number must not start with a zero",
        ),
        ("invalid basic string", "invalid string in double quotes"),
        ("invalid literal string", "invalid string in single quotes"),
        ("invalid multi-line", "invalid multi-line string"),
        ("invalid escape", "unknown escape in a string"),
        ("invalid datetime", "invalid date or time"),
        ("string values must be quoted", "text must be in quotes"),
    ];
    let span = error.span().unwrap_or(text.len()..text.len());
    let message = error.message();
    if message.starts_with("duplicate key") {
        let key = text.get(span.clone()).unwrap_or_default();
        return Failure::duplicate(key.trim_matches(['"', '\'']), span.start);
    }
    if message.starts_with("cannot recurse") || message.starts_with("recursion limit") {
        return Failure::too_deep(span.start);
    }
    let ours = WORDS
        .iter()
        .find(|(theirs, _)| message.starts_with(theirs))
        .map_or("invalid TOML", |(_, ours)| *ours);
    Failure {
        kind: FailureKind::Syntax,
        message: ours.into(),
        offset: span.start,
    }
}

/// The parser limits brackets and each key by themselves but not their product, and its tree is dropped by recursion:
/// dotted keys within brackets could end the process.
fn check_depth(text: &str) -> Result<(), Failure> {
    let tokens = Source::new(text).lex().into_vec();
    let mut depth = Depth::default();
    toml_parser::parser::parse_document(&tokens, &mut depth, &mut ());
    match depth.exceeded {
        Some(offset) => Err(Failure::too_deep(offset)),
        None => Ok(()),
    }
}

#[derive(Default)]
struct Depth {
    /// Levels of the open table or array; the ones around it wait in `outer`.
    level: usize,
    outer: Vec<usize>,
    /// Segments of the key being read.
    key: usize,
    exceeded: Option<usize>,
}

impl Depth {
    fn check(&mut self, span: Span) {
        if self.level + self.key > MAX_DEPTH {
            self.exceeded.get_or_insert(span.start());
        }
    }

    fn header(&mut self) {
        self.outer.clear();
        self.level = 0;
        self.key = 0;
    }

    fn header_end(&mut self, levels: usize) {
        self.level = self.key + levels;
        self.key = 0;
    }

    fn open(&mut self, span: Span) -> bool {
        self.outer.push(self.level);
        self.level += self.key + 1;
        self.key = 0;
        self.check(span);
        self.exceeded.is_none()
    }

    fn close(&mut self) {
        self.level = self.outer.pop().unwrap_or_default();
        self.key = 0;
    }
}

impl EventReceiver for Depth {
    fn std_table_open(&mut self, _: Span, _: &mut dyn ErrorSink) {
        self.header();
    }

    fn std_table_close(&mut self, span: Span, _: &mut dyn ErrorSink) {
        self.header_end(0);
        self.check(span);
    }

    fn array_table_open(&mut self, _: Span, _: &mut dyn ErrorSink) {
        self.header();
    }

    fn array_table_close(&mut self, span: Span, _: &mut dyn ErrorSink) {
        self.header_end(1);
        self.check(span);
    }

    fn inline_table_open(&mut self, span: Span, _: &mut dyn ErrorSink) -> bool {
        self.open(span)
    }

    fn inline_table_close(&mut self, _: Span, _: &mut dyn ErrorSink) {
        self.close();
    }

    fn array_open(&mut self, span: Span, _: &mut dyn ErrorSink) -> bool {
        self.open(span)
    }

    fn array_close(&mut self, _: Span, _: &mut dyn ErrorSink) {
        self.close();
    }

    fn simple_key(&mut self, span: Span, _: Option<Encoding>, _: &mut dyn ErrorSink) {
        self.key += 1;
        self.check(span);
    }

    fn scalar(&mut self, _: Span, _: Option<Encoding>, _: &mut dyn ErrorSink) {
        self.key = 0;
    }
}
