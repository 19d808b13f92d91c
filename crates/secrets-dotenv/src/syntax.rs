use std::fmt;
use std::ops::Range;

use secrets_core::{Error, ErrorKind, MAX_NAME_BYTES, Result, SecretValue, SourcePosition};
use zeroize::Zeroizing;

const BYTE_ORDER_MARK: &str = "\u{feff}";

/// How a value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Quoting {
    /// Without quotes.
    Bare,
    /// In `'`.
    Single,
    /// In `"`.
    Double,
}

/// One `KEY=value`. The ranges are bytes of the text that was parsed.
#[derive(Clone)]
#[non_exhaustive]
pub struct Entry {
    /// The key.
    pub key: String,
    /// The value, without quotes and with its escapes resolved.
    pub value: SecretValue,
    /// How the value is written.
    pub quoting: Quoting,
    /// The key's place.
    pub key_span: Range<usize>,
    /// The value's place with its quotes; empty for a value that is not there, directly after `=`.
    pub value_span: Range<usize>,
    /// The lines from the indentation before the key to the end of the last line, line break included.
    pub span: Range<usize>,
    /// The place of the comment on the line directly above, from its `#` to its last character.
    pub comment_above: Option<Range<usize>>,
    /// The key's place for people.
    pub position: SourcePosition,
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("key", &self.key)
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}

/// The bytes of a file as text.
///
/// # Errors
/// [`ErrorKind::InvalidConfig`] with its place, if they are not UTF-8.
pub fn text(bytes: &[u8]) -> Result<&str> {
    std::str::from_utf8(bytes).map_err(|error| {
        let valid = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
        let line_start = valid.rfind('\n').map_or(0, |at| at + 1);
        let position = SourcePosition::new(
            valid.matches('\n').count() + 1,
            valid[line_start..].chars().count() + 1,
        );
        invalid("this is not UTF-8", position).with_hint("save the file as UTF-8")
    })
}

/// Reads all entries, in their order; a key may occur more than once.
///
/// # Errors
/// [`ErrorKind::InvalidConfig`] with its place for the first line that is wrong. It does not repeat what the line says.
pub fn parse(text: &str) -> Result<Vec<Entry>> {
    let start = if text.starts_with(BYTE_ORDER_MARK) {
        BYTE_ORDER_MARK.len()
    } else {
        0
    };
    let mut parser = Parser {
        text,
        at: start,
        line: 1,
        line_start: start,
    };
    parser.check_characters()?;
    let mut entries = Vec::new();
    let mut comment_above = None;
    while parser.at < text.len() {
        let statement = parser.at;
        parser.skip_blanks();
        match parser.peek() {
            None => {}
            Some(b'\n' | b'\r') => {
                parser.end_line();
                comment_above = None;
            }
            Some(b'#') => {
                comment_above = Some(parser.comment());
                parser.end_line();
            }
            Some(_) => entries.push(parser.entry(statement, comment_above.take())?),
        }
    }
    Ok(entries)
}

/// Writes a value so that it reads back exactly, here and in a shell that sources the file: bare where neither sees
/// anything in it, else in single quotes, else in double quotes. Line feeds are written as they are. A shell does not know
/// how a carriage return is written (`\r` in double quotes) and reads a backslash and an `r`; it executes nothing.
///
/// # Errors
/// [`ErrorKind::InvalidValue`] if it holds a NUL, which no environment variable can.
pub fn quote(value: &str) -> Result<Zeroizing<String>> {
    if value.contains('\0') {
        return Err(Error::new(
            ErrorKind::InvalidValue,
            "a value with a NUL character cannot be written to a .env file",
        )
        .with_hint("encode it first, for example as base64"));
    }
    // Long enough for every escape, so that it does not grow and leave a copy behind.
    let mut written = Zeroizing::new(String::with_capacity(value.len() * 2 + 2));
    if is_plain_bare(value) {
        written.push_str(value);
    } else if is_plain_in_single_quotes(value) {
        written.push('\'');
        written.push_str(value);
        written.push('\'');
    } else {
        written.push('"');
        for character in value.chars() {
            match character {
                '\r' => written.push_str("\\r"),
                // What a shell takes for the start of an expansion, or for an escape, between double quotes.
                '"' | '\\' | '$' | '`' => {
                    written.push('\\');
                    written.push(character);
                }
                other => written.push(other),
            }
        }
        written.push('"');
    }
    Ok(written)
}

/// Whether no tool sees anything but text in it. zsh takes `=` at the start and after `:` for the path of a command.
fn is_plain_bare(value: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./:@%+,=".contains(&byte);
    value.bytes().all(plain) && !value.starts_with('=') && !value.contains(":=")
}

/// Whether single quotes hold it for every tool; some take `\\` and `\'` for escapes there.
fn is_plain_in_single_quotes(value: &str) -> bool {
    !value.contains(['\'', '\r']) && !value.contains("\\\\") && !value.ends_with('\\')
}

/// Calls `visit` with the text between a value's quotes piece by piece, escapes resolved; `true` marks what an escape
/// stood for.
pub fn for_each_piece(raw: &str, quoting: Quoting, mut visit: impl FnMut(&str, bool)) {
    let mut rest = raw;
    while let Some(at) = rest.find(|character| match character {
        '\\' => quoting == Quoting::Double,
        '\r' => quoting != Quoting::Bare,
        _ => false,
    }) {
        let character = match rest.as_bytes().get(at..at + 2) {
            Some(b"\r\n") => "\n",
            Some(b"\\n") => "\n",
            Some(b"\\r") => "\r",
            Some(b"\\t") => "\t",
            Some(b"\\\\") => "\\",
            Some(b"\\\"") => "\"",
            Some(b"\\$") => "$",
            Some(b"\\`") => "`",
            _ => {
                visit(&rest[..=at], false);
                rest = &rest[at + 1..];
                continue;
            }
        };
        visit(&rest[..at], false);
        visit(character, true);
        rest = &rest[at + 2..];
    }
    visit(rest, false);
}

/// The text of a value's span between its quotes.
pub fn unquoted<'a>(text: &'a str, entry: &Entry) -> &'a str {
    between_quotes(text, &entry.value_span, entry.quoting)
}

fn between_quotes<'a>(text: &'a str, span: &Range<usize>, quoting: Quoting) -> &'a str {
    match quoting {
        Quoting::Bare => &text[span.clone()],
        Quoting::Single | Quoting::Double => &text[span.start + 1..span.end - 1],
    }
}

fn decode(raw: &str, quoting: Quoting) -> SecretValue {
    // No escape is shorter than what it stands for.
    let mut decoded = Zeroizing::new(String::with_capacity(raw.len()));
    for_each_piece(raw, quoting, |piece, _| decoded.push_str(piece));
    decoded.into()
}

fn invalid(message: &'static str, position: SourcePosition) -> Error {
    Error::new(ErrorKind::InvalidConfig, message).with_position(position)
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    line: usize,
    line_start: usize,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn position(&self, at: usize) -> SourcePosition {
        let column = self.text[self.line_start..at].chars().count() + 1;
        SourcePosition::new(self.line, column)
    }

    fn check_characters(&mut self) -> Result<()> {
        let bytes = self.text.as_bytes();
        let nul = self.text.find('\0');
        let lone = self
            .text
            .match_indices('\r')
            .map(|(at, _)| at)
            .find(|at| bytes.get(at + 1) != Some(&b'\n'));
        let Some(wrong) = nul.into_iter().chain(lone).min() else {
            return Ok(());
        };
        self.advance_lines(wrong);
        let position = self.position(wrong);
        Err(if bytes[wrong] == 0 {
            invalid("a .env file cannot hold a NUL character", position)
                .with_hint("save the file as UTF-8")
        } else {
            invalid("a carriage return without a line feed", position)
                .with_hint("save the file with LF or CR LF line endings; inside a value write `\\r` in double quotes")
        })
    }

    /// Moves to a later place, perhaps lines further on.
    fn advance_lines(&mut self, to: usize) {
        for (offset, _) in self.text[self.at..to].match_indices('\n') {
            self.line += 1;
            self.line_start = self.at + offset + 1;
        }
        self.at = to;
    }

    fn skip_blanks(&mut self) -> bool {
        let rest = self.rest();
        let blanks = rest.len() - rest.trim_start_matches([' ', '\t']).len();
        self.at += blanks;
        blanks > 0
    }

    /// The place of the comment that starts here, of which nothing is left afterwards but its line break.
    fn comment(&mut self) -> Range<usize> {
        let start = self.at;
        self.at += self.rest_of_line().len();
        start..self.at
    }

    /// What is left of the line, without its line break.
    fn rest_of_line(&self) -> &'a str {
        let rest = self.rest();
        let line = rest.find('\n').map_or(rest, |end| &rest[..end]);
        line.strip_suffix('\r').unwrap_or(line)
    }

    /// Goes over the line break that is here, if the text does not end.
    fn end_line(&mut self) {
        if self.peek() == Some(b'\r') {
            self.at += 1;
        }
        if self.peek() == Some(b'\n') {
            self.advance_lines(self.at + 1);
        }
    }

    fn entry(&mut self, start: usize, comment_above: Option<Range<usize>>) -> Result<Entry> {
        let (key, key_span) = self.key()?;
        let position = self.position(key_span.start);
        self.skip_blanks();
        if self.peek() != Some(b'=') {
            let hint = match self.peek() {
                Some(b':') => "write `KEY=value`; `:` is YAML",
                _ => {
                    "write `KEY=value`, or `#` before a comment; a value over several lines needs quotes"
                }
            };
            return Err(
                invalid("expected `=` after the key", self.position(self.at)).with_hint(hint),
            );
        }
        self.at += 1;
        let (value_span, quoting) = self.value()?;
        let blanks = self.skip_blanks();
        match self.peek() {
            None | Some(b'\n' | b'\r') => {}
            Some(b'#') if blanks || quoting == Quoting::Bare => drop(self.comment()),
            Some(b'#') => {
                return Err(invalid(
                    "a `#` directly after a closing quote is a comment to some tools and a value to others",
                    self.position(self.at),
                )
                .with_hint("put a space before the comment"));
            }
            Some(_) => {
                return Err(invalid(
                    "unexpected text after the closing quote",
                    self.position(self.at),
                )
                .with_hint(
                    "quote the whole value, and write a quote in it as `\\\"` in double quotes",
                ));
            }
        }
        self.end_line();
        Ok(Entry {
            key: key.to_owned(),
            value: decode(between_quotes(self.text, &value_span, quoting), quoting),
            quoting,
            key_span,
            value_span,
            span: start..self.at,
            comment_above,
            position,
        })
    }

    /// The key, after an `export` that is not itself the key.
    fn key(&mut self) -> Result<(&'a str, Range<usize>)> {
        let word = self.word();
        if word == "export" {
            let after = self.at;
            self.at += word.len();
            if self.skip_blanks() && !self.word().is_empty() {
                return self.checked_key();
            }
            self.at = after;
        }
        self.checked_key()
    }

    fn checked_key(&mut self) -> Result<(&'a str, Range<usize>)> {
        let key = self.word();
        let position = self.position(self.at);
        if key.is_empty() {
            return Err(invalid("expected a key", position).with_hint(
                "a key has letters, digits, `_`, `-` and `.`; a comment starts with `#`",
            ));
        }
        if key.starts_with(['-', '.']) {
            return Err(invalid(
                "a key starts with a letter, a digit or `_`",
                position,
            ));
        }
        if key.len() > MAX_NAME_BYTES {
            return Err(invalid("a key has at most 512 bytes", position));
        }
        let span = self.at..self.at + key.len();
        self.at = span.end;
        Ok((key, span))
    }

    fn word(&self) -> &'a str {
        let rest = self.rest();
        let end = rest
            .bytes()
            .position(|byte| !byte.is_ascii_alphanumeric() && !b"_-.".contains(&byte));
        &rest[..end.unwrap_or(rest.len())]
    }

    fn value(&mut self) -> Result<(Range<usize>, Quoting)> {
        let after_equals = self.at;
        let blanks = self.skip_blanks();
        match self.peek() {
            None | Some(b'\n' | b'\r') => Ok((after_equals..after_equals, Quoting::Bare)),
            Some(b'#') if blanks => Ok((after_equals..after_equals, Quoting::Bare)),
            Some(b'#') => Err(invalid(
                "a `#` directly after `=` is a comment to some tools and a value to others",
                self.position(self.at),
            )
            .with_hint("quote the value, or put a space before the comment")),
            Some(b'`') => Err(invalid(
                "a value that starts with a backtick",
                self.position(self.at),
            )
            .with_hint("use single quotes, or double quotes with escapes")),
            Some(quote @ (b'"' | b'\'')) => self.quoted(quote),
            Some(_) => Ok((self.bare(), Quoting::Bare)),
        }
    }

    fn bare(&mut self) -> Range<usize> {
        let line = self.rest_of_line();
        let comment = line
            .match_indices('#')
            .map(|(at, _)| at)
            .find(|at| line[..*at].ends_with([' ', '\t']));
        let value = line[..comment.unwrap_or(line.len())].trim_end_matches([' ', '\t']);
        let span = self.at..self.at + value.len();
        self.at = span.end;
        span
    }

    /// Where the value that starts here ends.
    fn closing_quote(&self, quote: u8) -> Option<usize> {
        let find = |from: usize| Some(from + self.text[from..].find(char::from(quote))?);
        let mut at = self.at + 1;
        let mut end = find(at)?;
        if quote == b'\'' {
            return Some(end);
        }
        // A backslash takes the character after it along, which may be this quote.
        while let Some(backslash) = self.text[at..end].find('\\') {
            at += backslash + 1;
            at += self.text[at..].chars().next()?.len_utf8();
            if at > end {
                end = find(at)?;
            }
        }
        Some(end)
    }

    fn quoted(&mut self, quote: u8) -> Result<(Range<usize>, Quoting)> {
        let start = self.at;
        let end = self.closing_quote(quote).ok_or_else(|| {
            invalid("this quote is never closed", self.position(start))
                .with_hint("close it, or quote the value with the other kind of quote")
        })?;
        self.advance_lines(end + 1);
        let quoting = if quote == b'"' {
            Quoting::Double
        } else {
            Quoting::Single
        };
        Ok((start..end + 1, quoting))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pairs(text: &str) -> Vec<(String, String)> {
        let entries = parse(text).unwrap();
        entries
            .into_iter()
            .map(|entry| (entry.key, entry.value.expose_str().unwrap().to_owned()))
            .collect()
    }

    fn value(text: &str) -> String {
        let mut pairs = pairs(&format!("KEY={text}\n"));
        assert_eq!(pairs.len(), 1);
        pairs.remove(0).1
    }

    #[test]
    fn reads_bare_values() {
        for (written, read) in [
            ("", ""),
            ("   ", ""),
            ("abc", "abc"),
            ("  a b\t", "a b"),
            ("abc # comment", "abc"),
            ("abc#not", "abc#not"),
            (" # comment", ""),
            ("a\\nb", "a\\nb"),
            ("a\"b'c", "a\"b'c"),
            ("a=b==", "a=b=="),
            ("$HOME ${X}", "$HOME ${X}"),
            ("ключ", "ключ"),
            ("\u{feff}", "\u{feff}"),
            ("\u{a0}x\u{a0}", "\u{a0}x\u{a0}"),
        ] {
            assert_eq!(value(written), read, "{written:?}");
        }
    }

    #[test]
    fn reads_quoted_values() {
        for (written, read) in [
            (r#""""#, ""),
            (r#""a # b" # c"#, "a # b"),
            (r#""a"#, "never closed"),
            (r#""\n\r\t\\\"\$\`""#, "\n\r\t\\\"$`"),
            (r#""C:\dir \'x\'""#, r"C:\dir \'x\'"),
            (r#""a\\""#, r"a\"),
            (r#""a\\\"b""#, r#"a\"b"#),
            ("'a\\n\"$x'", "a\\n\"$x"),
            ("'it'", "it"),
            ("\"one\ntwo\n\"", "one\ntwo\n"),
            ("'one\r\ntwo'", "one\ntwo"),
            ("\"one\\\r\ntwo\"", "one\\\ntwo"),
        ] {
            if read == "never closed" {
                assert!(parse(&format!("KEY={written}")).is_err());
                continue;
            }
            assert_eq!(value(written), read, "{written:?}");
        }
    }

    #[test]
    fn reads_keys() {
        let text = "A=1\n  b.c-d_9 = 2\nexport C=3\n\texport\tD = 4\nexport=5\nexport =6\n9=7\n";
        let expected = [
            ("A", "1"),
            ("b.c-d_9", "2"),
            ("C", "3"),
            ("D", "4"),
            ("export", "5"),
            ("export", "6"),
            ("9", "7"),
        ];
        assert_eq!(
            pairs(text),
            expected.map(|(key, value)| (key.to_owned(), value.to_owned()))
        );
    }

    #[test]
    fn line_endings_and_mark_change_nothing() {
        let text = "# c\nA=1\n\nexport B=\"x\ny\" # d\n  C='z'\nD=\nE=last";
        for ending in ["\n", "\r\n"] {
            for mark in ["", BYTE_ORDER_MARK] {
                let same = format!("{mark}{}", text.replace('\n', ending));
                assert_eq!(pairs(&same), pairs(text), "{same:?}");
            }
        }
        let error = parse(&text.replace('\n', "\r")).unwrap_err();
        assert_eq!(error.position(), Some(&SourcePosition::new(1, 4)));
    }

    #[test]
    fn what_is_wrong_has_its_place_and_is_not_repeated() {
        for (text, line, column) in [
            ("hunter2", 1, 8),
            ("A=1\nhunter2\n", 2, 8),
            ("A: hunter2", 1, 2),
            ("A hunter2=1", 1, 3),
            ("=hunter2", 1, 1),
            ("'A'=hunter2", 1, 1),
            ("-A=hunter2", 1, 1),
            ("ключ=hunter2", 1, 1),
            ("A=1\n  B=\"hunter2\nC=3", 2, 5),
            ("A='hunter2'hunter2", 1, 12),
            ("A='it's hunter2'", 1, 7),
            ("A=\"hunter2\"#hunter2", 1, 12),
            ("A=`hunter2`", 1, 3),
            ("A=#hunter2", 1, 3),
            ("A=\"x\ny\"\nB=\"\n\n\" hunter2", 5, 3),
            ("A=é\nB=hunter2\rC=3\n", 2, 10),
            ("A=\0hunter2", 1, 3),
            ("export", 1, 7),
            ("\u{feff}\u{feff}A=hunter2", 1, 1),
            (&format!("{}=hunter2", "K".repeat(513)), 1, 1),
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidConfig);
            assert_eq!(
                error.position(),
                Some(&SourcePosition::new(line, column)),
                "{text:?}: {error}"
            );
            let reported = format!("{error} {error:?} {:?}", error.hint());
            assert!(
                !reported.contains("hunter2") && !error.to_string().contains('\n'),
                "{reported}"
            );
        }
    }

    #[test]
    fn bytes_that_are_not_text_have_their_place() {
        let error = text(b"A=1\nB=\xc3\xa9\xff").unwrap_err();
        assert_eq!(error.position(), Some(&SourcePosition::new(2, 4)));
        assert!(text(b"\xff\xfeA\0").is_err());
        assert_eq!(text("é".as_bytes()).unwrap(), "é");
    }

    #[test]
    fn spans_tell_where_everything_is() {
        let text = "\u{feff}# top\r\n\r\n# note\r\n export KEY = \"a\r\nb\" # tail\r\nX=\r\n# end";
        let entries = parse(text).unwrap();
        let key = &entries[0];
        assert_eq!(&text[key.key_span.clone()], "KEY");
        assert_eq!(&text[key.value_span.clone()], "\"a\r\nb\"");
        assert_eq!(
            &text[key.span.clone()],
            " export KEY = \"a\r\nb\" # tail\r\n"
        );
        assert_eq!(&text[key.comment_above.clone().unwrap()], "# note");
        assert_eq!((key.position.line, key.position.column), (4, 9));
        let empty = &entries[1];
        assert_eq!(
            &text[..empty.value_span.start],
            text.split("\r\n# end").next().unwrap()
        );
        assert!(empty.value_span.is_empty() && empty.comment_above.is_none());
        assert_eq!(empty.position, SourcePosition::new(6, 1));
    }

    #[test]
    fn quotes_no_more_than_needed() {
        for (value, written) in [
            ("", ""),
            ("abc/1.2:x@y%20+z,=-_", "abc/1.2:x@y%20+z,=-_"),
            ("a b", "'a b'"),
            ("$x", "'$x'"),
            ("#", "'#'"),
            ("é", "'é'"),
            (r"C:\new", r"'C:\new'"),
            (r"a\", r#""a\\""#),
            (r"a\\b", r#""a\\\\b""#),
            ("it's $5", r#""it's \$5""#),
            ("a`id`", "'a`id`'"),
            ("it's `id`", r#""it's \`id\`""#),
            ("a\nb", "'a\nb'"),
            ("it's\ntwo\t", "\"it's\ntwo\t\""),
            ("a\nb\r\n", "\"a\nb\\r\n\""),
            ("\t", "'\t'"),
            ("=ls", "'=ls'"),
            ("a:=ls", "'a:=ls'"),
            ("YWI=", "YWI="),
        ] {
            assert_eq!(*quote(value).unwrap(), written, "{value:?}");
        }
        assert_eq!(quote("a\0").unwrap_err().kind(), ErrorKind::InvalidValue);
    }

    #[test]
    fn a_long_value_takes_time_in_proportion() {
        let value = "\\\"'\n".repeat(200_000);
        let text = format!("KEY={}", *quote(&value).unwrap());
        let start = std::time::Instant::now();
        assert_eq!(parse(&text).unwrap()[0].value, SecretValue::from(value));
        assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
    }

    #[test]
    fn debug_shows_no_value() {
        let entries = parse("KEY=hunter2").unwrap();
        assert!(!format!("{entries:?}").contains("hunter2"));
    }

    proptest! {
        #[test]
        fn what_is_quoted_is_read_back(
            value in "[^\0]{0,40}|[\\\\\"'$#`\r\n\t =a]{0,20}",
            before in "|# c\n|A='x\n'\n",
            after in "| # c|\t",
            ending in "\n|\r\n",
        ) {
            let text = format!("{before}KEY={}{after}\nZ=1", *quote(&value).unwrap())
                .replace('\n', &ending);
            let pairs = pairs(&text);
            prop_assert_eq!(&pairs[pairs.len() - 2], &("KEY".to_owned(), value));
            prop_assert_eq!(&pairs[pairs.len() - 1].1, "1");
        }

        #[test]
        fn parsing_never_panics_and_spans_fit(text in "[A-C=\"'#\\\\$\r\n \u{feff}é:.-]{0,40}|\\PC{0,40}|export [A-Z]=[^\0]{0,9}") {
            if let Ok(entries) = parse(&text) {
                let mut end = 0;
                for entry in entries {
                    prop_assert!(entry.span.start >= end);
                    end = entry.span.end;
                    prop_assert_eq!(&text[entry.key_span.clone()], &entry.key);
                    let again = format!("K={}", &text[entry.value_span.clone()]);
                    prop_assert_eq!(&parse(&again).unwrap()[0].value, &entry.value);
                }
            }
        }
    }
}
