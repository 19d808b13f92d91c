use std::fmt::Write;
use std::ops::Range;

use crate::zeroizing_writer::ZeroizingWriter;

/// Words that a parser of YAML 1.1 or 1.2 takes for something else than a string.
const TYPED_WORDS: &[&str] = &[
    "y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf",
];

/// Writes a value in place of a plain scalar: plain where no parser can mistake it, else in double quotes. Tells whether
/// it is plain.
pub(super) fn plain_or_quote(out: &mut ZeroizingWriter, text: &str) -> bool {
    let safe =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'/' | b'+');
    let plain = text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(safe)
        && !TYPED_WORDS
            .iter()
            .any(|word| word.eq_ignore_ascii_case(text));
    if plain {
        out.push_str(text);
    } else {
        quote(out, text);
    }
    plain
}

pub(super) fn quote(out: &mut ZeroizingWriter, text: &str) {
    out.push('"');
    escape(out, text);
    out.push('"');
}

/// Writes `text` as the inside of a double-quoted scalar on one line.
pub(super) fn escape(out: &mut ZeroizingWriter, text: &str) {
    out.push_escaped(
        text,
        |out, character| match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            // A ZeroizingWriter never refuses.
            other => {
                let _ = match u32::from(other) {
                    code @ ..=0xff => write!(out, "\\x{code:02x}"),
                    code @ ..=0xffff => write!(out, "\\u{code:04x}"),
                    code => write!(out, "\\U{code:08x}"),
                };
            }
        },
        |character| matches!(character, '"' | '\\') || !is_printable(character),
    );
}

/// Whether `text` can stand inside `'…'` on one line, where only the quote has an escape.
pub(super) fn fits_single(text: &str) -> bool {
    text.chars().all(is_printable)
}

pub(super) fn escape_single(out: &mut ZeroizingWriter, text: &str) {
    for (index, part) in text.split('\'').enumerate() {
        if index > 0 {
            out.push_str("''");
        }
        out.push_str(part);
    }
}

/// What YAML lets stand in a scalar unescaped and every parser reads as one character of one line.
fn is_printable(character: char) -> bool {
    matches!(character, ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
        && !matches!(character, '\u{2028}' | '\u{2029}' | '\u{feff}')
}

/// A literal or folded scalar, taken apart.
pub(super) struct Block<'t> {
    source: &'t str,
    /// The `|` or `>` with its indicators.
    indicators: &'t str,
    /// Where the content starts in the source.
    content: usize,
    /// Where the blank lines after the content start.
    blank: usize,
    line_break: &'static str,
    indentation: &'t str,
}

impl<'t> Block<'t> {
    pub(super) fn new(source: &'t str) -> Self {
        let content = source.find('\n').map_or(source.len(), |at| at + 1);
        let header = &source[..content];
        let indicators = header
            .find(|character: char| !matches!(character, '|' | '>' | '+' | '-' | '0'..='9'))
            .map_or(header, |end| &header[..end]);
        let body = &source[content..];
        let first = body
            .lines()
            .find(|line| !line.trim_matches(' ').is_empty())
            .unwrap_or_default();
        let filled = body.trim_end_matches([' ', '\t', '\r', '\n']).len();
        let blank = body[filled..]
            .find('\n')
            .map_or(source.len(), |at| content + filled + at + 1);
        Self {
            source,
            indicators,
            content,
            blank,
            line_break: if header.ends_with("\r\n") {
                "\r\n"
            } else {
                "\n"
            },
            indentation: &first[..first.len() - first.trim_start_matches(' ').len()],
        }
    }

    /// Whether `value` can stand in the block where a reference stood, indented but otherwise as it is.
    fn fits(&self, value: &str) -> bool {
        let edges =
            value.is_empty() || value.starts_with([' ', '\n']) || value.ends_with([' ', '\n']);
        if edges || self.indentation.is_empty() {
            return false;
        }
        if !value.contains('\n') {
            return value.chars().all(is_printable);
        }
        let lines_fit = value.split('\n').all(|line| {
            line.chars().all(is_printable)
                && (line.is_empty() || !line.trim_matches(' ').is_empty())
        });
        self.indicators.starts_with('|')
            && !self
                .indicators
                .contains(|digit: char| digit.is_ascii_digit())
            && lines_fit
    }

    /// Writes the block with `values` in place of its parts; where one of them does not fit, the whole text in double
    /// quotes instead, with the comment and the blank lines of the block kept.
    pub(super) fn write(
        &self,
        out: &mut ZeroizingWriter,
        parts: &[(Range<usize>, &str)],
        located: bool,
        expected: &str,
    ) {
        if located && parts.iter().all(|(_, value)| self.fits(value)) {
            let mut at = 0;
            for (range, value) in parts {
                out.push_str(&self.source[at..range.start]);
                at = range.end;
                for (index, line) in value.split('\n').enumerate() {
                    if index > 0 {
                        out.push_str(self.line_break);
                        if !line.is_empty() {
                            out.push_str(self.indentation);
                        }
                    }
                    out.push_str(line);
                }
            }
            out.push_str(&self.source[at..]);
            return;
        }
        quote(out, expected);
        out.push_str(&self.source[self.indicators.len()..self.content]);
        out.push_str(&self.source[self.blank..]);
    }
}
