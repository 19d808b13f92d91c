use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use granit_parser::{ErrorKind, Event, Parser, ScalarStyle, ScanError, Span, Tag};

use super::core_schema::core_scalar;
use super::{Entry, Failure, FailureKind, MAX_DEPTH, Node, Style, Text, Value, first_duplicate};

/// Values that all aliases of a stream may stand for together, counted as if each were written out.
const MAX_ALIASED: usize = 1_000_000;

/// Reads a YAML 1.2 stream with the types of its core schema. An alias shares the value of its anchor.
pub(super) fn parse(text: &str) -> Result<Vec<Node>, Failure> {
    let options = granit_parser::options! {
        emit_comments: false,
        flow_nesting_limit: MAX_DEPTH,
        block_nesting_limit: MAX_DEPTH,
    };
    let mut builder = Builder {
        text,
        frames: Vec::new(),
        anchors: HashMap::new(),
        aliased: 0,
        end: 0,
        roots: Vec::new(),
    };
    for event in Parser::new_from_str_with_options(text, options) {
        let (event, span) = event.map_err(|error| failure(text, &error))?;
        builder.event(event, span)?;
    }
    Ok(builder.roots)
}

/// A finished node with its measures, aliases counted as what they stand for.
#[derive(Clone)]
struct Finished {
    node: Node,
    height: usize,
    size: usize,
}

struct Frame {
    start: usize,
    anchor: usize,
    height: usize,
    size: usize,
    content: Content,
}

enum Content {
    Sequence(Vec<Node>),
    Mapping {
        entries: Vec<Entry>,
        key: Option<(String, Range<usize>)>,
    },
}

struct Builder<'t> {
    text: &'t str,
    frames: Vec<Frame>,
    anchors: HashMap<usize, Finished>,
    aliased: usize,
    /// Where the last event ended.
    end: usize,
    roots: Vec<Node>,
}

impl Builder<'_> {
    fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), Failure> {
        let mut range = span.byte_range().unwrap_or_default();
        if let Event::Scalar(_, ScalarStyle::Literal | ScalarStyle::Folded, ..) = event {
            range.start = block_header(self.text, self.end..range.start);
        }
        // A document without `---` begins where its content does, which is behind the header of a block.
        if !matches!(event, Event::DocumentStart(false, _)) {
            self.end = self.end.max(range.end);
        }
        match event {
            Event::Scalar(text, style, 0, None)
                if self.awaits_key() && !is_typed(&text, style, &range) =>
            {
                self.key(text.into_owned(), range);
                Ok(())
            }
            Event::Scalar(text, style, anchor, tag) => {
                let value = scalar(text, style, tag.as_deref(), &range);
                let finished = Finished {
                    node: Node::new(range, value),
                    height: 0,
                    size: 1,
                };
                self.finish(finished, anchor)
            }
            Event::SequenceStart(_, anchor, _) => {
                self.open(range.start, anchor, Content::Sequence(Vec::new()))
            }
            Event::MappingStart(_, anchor, _) => self.open(
                range.start,
                anchor,
                Content::Mapping {
                    entries: Vec::new(),
                    key: None,
                },
            ),
            Event::SequenceEnd | Event::MappingEnd => self.close(range.end),
            Event::Alias(anchor) => self.alias(anchor, range),
            Event::DocumentStart(..) => {
                self.anchors.clear();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Whether the next value is the key of an entry.
    fn awaits_key(&self) -> bool {
        let content = self.frames.last().map(|frame| &frame.content);
        matches!(content, Some(Content::Mapping { key: None, .. }))
    }

    /// A key that is a string: most are, and need not become a value first.
    fn key(&mut self, text: String, range: Range<usize>) {
        if let Some(frame) = self.frames.last_mut()
            && let Content::Mapping { key, .. } = &mut frame.content
        {
            frame.size = frame.size.saturating_add(1);
            *key = Some((text, range));
        }
    }

    fn open(&mut self, start: usize, anchor: usize, content: Content) -> Result<(), Failure> {
        if self.frames.len() == MAX_DEPTH {
            return Err(Failure::too_deep(start));
        }
        self.frames.push(Frame {
            start,
            anchor,
            height: 0,
            size: 1,
            content,
        });
        Ok(())
    }

    fn close(&mut self, end: usize) -> Result<(), Failure> {
        let Some(frame) = self.frames.pop() else {
            return Ok(());
        };
        let value = match frame.content {
            Content::Sequence(items) => Value::Array(Arc::new(items)),
            Content::Mapping { entries, .. } => {
                if let Some(entry) = first_duplicate(&entries) {
                    return Err(Failure::duplicate(&entry.key, entry.key_span.start));
                }
                Value::Table(Arc::new(entries))
            }
        };
        let finished = Finished {
            node: Node::new(frame.start..end.max(frame.start), value),
            height: frame.height + 1,
            size: frame.size,
        };
        self.finish(finished, frame.anchor)
    }

    fn alias(&mut self, anchor: usize, range: Range<usize>) -> Result<(), Failure> {
        let Some(target) = self.anchors.get(&anchor) else {
            return Err(Failure::syntax(
                "an alias stands inside the value that it names",
                range.start,
            ));
        };
        let mut finished = target.clone();
        self.aliased = self.aliased.saturating_add(finished.size);
        if self.aliased > MAX_ALIASED {
            return Err(Failure {
                kind: FailureKind::TooLarge,
                message: "the aliases stand for more than a million values".into(),
                offset: range.start,
            });
        }
        if self.frames.len() + finished.height > MAX_DEPTH {
            return Err(Failure::too_deep(range.start));
        }
        finished.node.span = range;
        finished.node.alias = true;
        self.finish(finished, 0)
    }

    fn finish(&mut self, finished: Finished, anchor: usize) -> Result<(), Failure> {
        if anchor != 0 {
            self.anchors.insert(anchor, finished.clone());
        }
        let Finished { node, height, size } = finished;
        let Some(frame) = self.frames.last_mut() else {
            self.roots.push(node);
            return Ok(());
        };
        frame.height = frame.height.max(height);
        frame.size = frame.size.saturating_add(size);
        match &mut frame.content {
            Content::Sequence(items) => items.push(node),
            Content::Mapping { entries, key } => match key.take() {
                Some((key, key_span)) => entries.push(Entry {
                    key,
                    key_span,
                    value: node,
                }),
                None => *key = Some((key_text(self.text, &node), node.span)),
            },
        }
        Ok(())
    }
}

/// The `|` or `>` of a block scalar: the parser's span starts after its line. `gap` lies between what came before the
/// scalar and its content, so that only properties, indicators and comments stand before the header.
fn block_header(text: &str, gap: Range<usize>) -> usize {
    let bytes = &text.as_bytes()[..gap.end];
    let mut at = gap.start;
    while let Some(byte) = bytes.get(at) {
        let until: fn(&u8) -> bool = match byte {
            b'|' | b'>' => return at,
            b'#' => |byte| *byte == b'\n' || *byte == b'\r',
            b'&' | b'!' => u8::is_ascii_whitespace,
            _ => |_| true,
        };
        at += 1;
        if matches!(byte, b'#' | b'&' | b'!') {
            at += bytes[at..].iter().take_while(|byte| !until(byte)).count();
        }
    }
    gap.end
}

fn key_text(text: &str, key: &Node) -> String {
    match &key.value {
        Value::String(text) => text.as_str().to_owned(),
        _ => text
            .get(key.span.clone())
            .unwrap_or_default()
            .trim_end()
            .to_owned(),
    }
}

fn scalar(
    text: Cow<'_, str>,
    style: ScalarStyle,
    tag: Option<&Tag>,
    range: &Range<usize>,
) -> Value {
    let style = match style {
        ScalarStyle::Plain => Style::YamlPlain,
        ScalarStyle::SingleQuoted => Style::YamlSingle,
        ScalarStyle::DoubleQuoted => Style::YamlDouble,
        ScalarStyle::Literal => Style::YamlLiteral,
        ScalarStyle::Folded => Style::YamlFolded,
    };
    let typed = match tag {
        None if range.is_empty() && style == Style::YamlPlain => Some(Value::Null),
        None if style == Style::YamlPlain => core_scalar(&text),
        None => None,
        Some(tag) => match tag.core_suffix() {
            Some("null" | "bool" | "int" | "float") => core_scalar(&text),
            _ => None,
        },
    };
    typed.unwrap_or_else(|| Value::String(Text::new(text.into_owned(), style)))
}

/// Whether a scalar without a tag is something else than a string.
fn is_typed(text: &str, style: ScalarStyle, range: &Range<usize>) -> bool {
    style == ScalarStyle::Plain && (range.is_empty() || core_scalar(text).is_some())
}

/// Our words for the parser's complaint, none of which holds text of the source.
fn failure(text: &str, error: &ScanError) -> Failure {
    let offset = error.marker().byte_offset().unwrap_or(text.len());
    let message = match error.kind() {
        ErrorKind::RecursionLimitExceeded => return Failure::too_deep(offset),
        ErrorKind::UnknownAnchor => "an alias names an anchor that is not defined before it",
        ErrorKind::UnexpectedEofFlowSequence
        | ErrorKind::UnexpectedEofFlowMapping
        | ErrorKind::UnexpectedEofImplicitFlowMapping
        | ErrorKind::UnclosedFlowCollection { .. } => "a bracket or brace is never closed",
        ErrorKind::MisplacedFlowCollectionEnd | ErrorKind::MismatchedFlowCollectionEnd { .. } => {
            "a closing bracket or brace without its opening one"
        }
        ErrorKind::ExpectedFlowMappingSeparator => "expected `,` or `}`",
        ErrorKind::ExpectedFlowSequenceSeparator => "expected `,` or `]`",
        ErrorKind::ExpectedBlockMappingKey => "expected a key at this indentation",
        ErrorKind::SimpleKeyExpected | ErrorKind::InvalidSimpleKey => "expected `:` after the key",
        ErrorKind::ExpectedBlockSequenceEntry => "expected `-` at this indentation",
        ErrorKind::InvalidIndentation
        | ErrorKind::InvalidBlockScalarIndent
        | ErrorKind::InvalidQuotedScalarIndent => "wrong indentation",
        ErrorKind::TabNotAllowed
        | ErrorKind::TabInBlockIndentation
        | ErrorKind::TabInIndentation
        | ErrorKind::TabAtBlockScalarStart => "a tab where only spaces may indent",
        ErrorKind::UnclosedQuotedScalar => "this string is never closed",
        ErrorKind::InvalidTrailingSingleQuotedScalar
        | ErrorKind::InvalidTrailingDoubleQuotedScalar => "unexpected text after a quoted string",
        ErrorKind::UnknownQuotedScalarEscape => "unknown escape in a string",
        ErrorKind::InvalidQuotedScalarHexEscape | ErrorKind::InvalidLowSurrogateHexEscape => {
            "wrong hexadecimal escape in a string"
        }
        ErrorKind::UnexpectedCharacter { .. } => "a character that must not start a value",
        ErrorKind::BlockSequenceEntryNotAllowed | ErrorKind::BlockEntryInFlowCollection => {
            "a `-` entry must not stand here"
        }
        ErrorKind::UndeclaredTagHandle => "a tag whose handle is not declared",
        _ => "invalid YAML",
    };
    Failure::syntax(message, offset)
}
