use std::ops::Range;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::buffer::Wiped;

/// One `NAME=value` of a `.env` file.
pub(super) struct Assignment {
    pub(super) name: String,
    /// The value with its quotes.
    pub(super) span: Range<usize>,
    pub(super) text: Arc<Zeroizing<String>>,
}

impl std::fmt::Debug for Assignment {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Assignment")
            .field("name", &self.name)
            .field("span", &self.span)
            .finish_non_exhaustive()
    }
}

/// What is wrong and at which byte.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) message: &'static str,
    pub(super) offset: usize,
}

/// Reads the assignments of a `.env` file: blank lines, `#` comments, `export`, values bare or in single or double
/// quotes; a quoted value may span lines, and `$` means nothing in any of them.
pub(super) fn parse(text: &str) -> Result<Vec<Assignment>, Failure> {
    let mut assignments = Vec::new();
    let mut at = if text.starts_with('\u{feff}') { 3 } else { 0 };
    while at < text.len() {
        let end = line_end(text, at);
        let line = &text[at..end];
        let trimmed = line.trim_start();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            at = end;
            continue;
        }
        let mut start = end - trimmed.len();
        if let Some(rest) = trimmed.strip_prefix("export") {
            let name = rest.trim_start();
            if name.len() < rest.len() {
                start = end - name.len();
            }
        }
        let assignment = &text[start..end];
        let fail = |message, offset| Err(Failure { message, offset });
        let Some(equals) = assignment.find('=') else {
            return fail("expected `NAME=value`", start);
        };
        let name = assignment[..equals].trim_end();
        let named =
            |character: char| character.is_alphanumeric() || matches!(character, '_' | '-' | '.');
        if name.is_empty() || !name.chars().all(named) {
            return fail("expected a name before `=`", start);
        }
        let after = &assignment[equals + 1..];
        let value = end - after.trim_start_matches([' ', '\t']).len();
        let (span, decoded) = match text.as_bytes().get(value) {
            Some(quote @ (b'"' | b'\'')) => quoted(text, value, *quote)?,
            _ => bare(text, value, end),
        };
        at = line_end(text, span.end);
        let rest = text[span.end..at].trim();
        if !(rest.is_empty() || rest.starts_with('#')) {
            return fail("unexpected text after the closing quote", span.end);
        }
        assignments.push(Assignment {
            name: name.to_owned(),
            span,
            text: Arc::new(decoded.into_inner()),
        });
    }
    Ok(assignments)
}

/// The offset after the line break that ends the line of `at`.
fn line_end(text: &str, at: usize) -> usize {
    text[at..]
        .find('\n')
        .map_or(text.len(), |length| at + length + 1)
}

fn bare(text: &str, start: usize, end: usize) -> (Range<usize>, Wiped) {
    let line = &text[start..end];
    let comment = line
        .match_indices('#')
        .map(|(at, _)| at)
        .find(|at| line[..*at].ends_with(char::is_whitespace) || *at == 0);
    let value = line[..comment.unwrap_or(line.len())].trim_end();
    let mut decoded = Wiped::with_capacity(value.len());
    decoded.push_str(value);
    (start..start + value.len(), decoded)
}

fn quoted(text: &str, start: usize, quote: u8) -> Result<(Range<usize>, Wiped), Failure> {
    let mut decoded = Wiped::with_capacity(0);
    let mut at = start + 1;
    let mut plain = at;
    loop {
        match text.as_bytes().get(at) {
            None => {
                return Err(Failure {
                    message: "this value's quote is never closed",
                    offset: start,
                });
            }
            Some(byte) if *byte == quote => {
                decoded.push_str(&text[plain..at]);
                return Ok((start..at + 1, decoded));
            }
            Some(b'\\') if quote == b'"' => {
                let character = match text.as_bytes().get(at + 1) {
                    Some(b'n') => "\n",
                    Some(b'r') => "\r",
                    Some(b't') => "\t",
                    Some(b'\\') => "\\",
                    Some(b'"') => "\"",
                    Some(b'$') => "$",
                    _ => {
                        at += 1;
                        continue;
                    }
                };
                decoded.push_str(&text[plain..at]);
                decoded.push_str(character);
                at += 2;
                plain = at;
            }
            Some(_) => at += 1,
        }
    }
}

/// Writes `text` as a value that reads back as it is: bare where nothing in it has a meaning, else in single quotes, in
/// which no other reader expands anything either, else in double quotes.
pub(super) fn quote(out: &mut Wiped, text: &str) -> Result<(), &'static str> {
    let bare = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./:@%+,=".contains(&byte);
    if text.contains('\0') {
        return Err("a value with a NUL character cannot be written to a .env file");
    }
    if !text.is_empty() && text.bytes().all(bare) {
        out.push_str(text);
    } else if !text.contains(['\'', '\r', '\n', '\\']) {
        out.push('\'');
        out.push_str(text);
        out.push('\'');
    } else {
        out.push('"');
        for character in text.chars() {
            match character {
                '"' => out.push_str("\\\""),
                '\\' => out.push_str("\\\\"),
                '$' => out.push_str("\\$"),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                other => out.push(other),
            }
        }
        out.push('"');
    }
    Ok(())
}
