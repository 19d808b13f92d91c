//! The spellings in which a value may come along.

use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use secrets_core::SecretValue;
use zeroize::Zeroizing;

use crate::line_breaks;

/// A text to look for, without the line breaks in it.
pub(crate) struct Spelling {
    pub(crate) text: Zeroizing<Vec<u8>>,
    pub(crate) broken: Broken,
}

/// Every spelling that a [`Masker`](crate::Masker) looks for in the place of a value of at least `shortest` bytes, line breaks left
/// out: to be handed to what masks by exact texts alone.
///
/// The fields of an object are values of their own.
pub fn spellings(value: &SecretValue, shortest: usize) -> Vec<SecretValue> {
    let mut texts: Vec<Zeroizing<Vec<u8>>> = of(value.expose_bytes(), shortest)
        .into_iter()
        .map(|spelling| spelling.text)
        .collect();
    texts.sort_by(|one, other| one.cmp(other));
    texts.dedup();
    texts.into_iter().map(SecretValue::from_zeroizing).collect()
}

/// Whether a spelling is itself when it is broken over lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Broken {
    Never,
    Maybe,
    /// Without its breaks it is too short to be itself.
    Always,
}

/// What has so many characters is hardly put together by chance from the end of a line and the start of the next.
const LONG: usize = 12;

/// Every spelling of a value, some more than once.
///
/// A value of several lines is also looked for line by line, since a log puts its own words before each of them. What is
/// left of a value or a line without the white space around it has at least `shortest` bytes, or has no spelling.
pub(crate) fn of(value: &[u8], shortest: usize) -> Vec<Spelling> {
    let mut found = Found {
        spellings: Vec::new(),
        shortest,
    };
    let trimmed = value.trim_ascii();
    if trimmed.len() < shortest.max(1) {
        return Vec::new();
    }
    found.texts(trimmed);
    found.encoded(trimmed);
    if trimmed.len() < value.len() {
        // The same with what stands around it, since an encoding hides where it begins and ends.
        found.encoded(value);
        found.texts(value);
    }
    for line in trimmed.split(|byte| line_breaks::is_break(*byte)) {
        let line = line.trim_ascii();
        if line.len() >= shortest && line.len() < trimmed.len() {
            found.texts(line);
        }
    }
    found.spellings
}

struct Found {
    spellings: Vec<Spelling>,
    shortest: usize,
}

impl Found {
    fn add(&mut self, text: Zeroizing<Vec<u8>>, is_encoding: bool) {
        let joined = line_breaks::joined(&text);
        let is_broken = text.iter().any(|byte| line_breaks::is_break(*byte));
        let broken = match joined.len() {
            0 => return,
            length if length < self.shortest && is_broken => Broken::Always,
            length if length < self.shortest => return,
            length if length >= LONG || is_encoding || is_broken => Broken::Maybe,
            _ => Broken::Never,
        };
        self.spellings.push(Spelling {
            text: joined,
            broken,
        });
    }

    /// As it is, and as others quote it.
    fn texts(&mut self, value: &[u8]) {
        self.add(Zeroizing::new(value.to_vec()), false);
        self.percent(value);
        self.shell(value);
        self.add(escaped(value, c_escape), false);
        if let Ok(text) = std::str::from_utf8(value) {
            self.json(text);
            self.add(escaped_text(text, debug_escape), false);
        }
    }

    fn encoded(&mut self, value: &[u8]) {
        for alignment in 0..3 {
            for engine in [&STANDARD, &URL_SAFE] {
                self.base64(engine, value, alignment);
            }
        }
        for digits in [b"0123456789abcdef", b"0123456789ABCDEF"] {
            self.add(hex(value, digits, b""), true);
            self.add(hex(value, digits, b"%"), false);
        }
    }

    /// With so many bytes of something else before it, and with anything or nothing after it.
    fn base64(&mut self, engine: &impl base64::Engine, value: &[u8], alignment: usize) {
        let mut input = Zeroizing::new(vec![0; alignment]);
        input.reserve_exact(value.len());
        input.extend_from_slice(value);
        let whole = Zeroizing::new(engine.encode(&*input).into_bytes());
        // The first character after those that hold bits of what stands before.
        let start = (alignment * 8).div_ceil(6);
        let unpadded = whole.iter().take_while(|byte| **byte != b'=').count();
        // The last character that holds no bits of what may stand behind.
        let certain = input.len() * 8 / 6;
        for end in [certain, unpadded, whole.len()] {
            if start < end {
                self.add(Zeroizing::new(whole[start..end].to_vec()), true);
            }
        }
    }

    fn percent(&mut self, value: &[u8]) {
        for set in [NON_ALPHANUMERIC, &UNRESERVED, &COMPONENT, &PATH] {
            let mut upper = Zeroizing::new(Vec::with_capacity(3 * value.len()));
            percent_encode(value, set).for_each(|part| upper.extend_from_slice(part.as_bytes()));
            let mut form = Zeroizing::new(Vec::with_capacity(upper.len()));
            let mut rest: &[u8] = &upper;
            while let Some((first, after)) = rest.split_first() {
                let is_space = rest.starts_with(b"%20");
                form.push(if is_space { b'+' } else { *first });
                rest = if is_space { &rest[3..] } else { after };
            }
            self.add(lower_digits(&upper), false);
            self.add(lower_digits(&form), false);
            self.add(form, false);
            self.add(upper, false);
        }
    }

    fn json(&mut self, value: &str) {
        let plain = escaped_text(value, json_escape);
        let slashes = escaped_text(value, |letter, text| match letter {
            '/' => text.extend_from_slice(b"\\/"),
            _ => json_escape(letter, text),
        });
        let html = escaped_text(value, |letter, text| match letter {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => units(letter, text),
            _ => json_escape(letter, text),
        });
        let ascii = escaped_text(value, |letter, text| match letter.is_ascii() {
            true => json_escape(letter, text),
            false => units(letter, text),
        });
        for once in [&plain, &slashes, &html, &ascii] {
            // JSON in a JSON string, as log collectors write it.
            if let Ok(text) = std::str::from_utf8(once) {
                self.add(escaped_text(text, json_escape), false);
            }
        }
        for once in [plain, slashes, html, ascii] {
            self.add(once, false);
        }
    }

    /// Between single quotes, between double quotes, with backslashes, and as `$'…'`.
    fn shell(&mut self, value: &[u8]) {
        for quote in [&b"'\\''"[..], b"'\"'\"'", b"\\'", b"''"] {
            self.add(
                escaped(value, |byte, text| match byte {
                    b'\'' => text.extend_from_slice(quote),
                    _ => text.push(byte),
                }),
                false,
            );
        }
        self.add(
            escaped(value, |byte, text| {
                if matches!(byte, b'"' | b'$' | b'`' | b'\\' | b'!') {
                    text.push(b'\\');
                }
                text.push(byte);
            }),
            false,
        );
        self.add(
            escaped(value, |byte, text| {
                if matches!(byte, b'"' | b'$' | b'`' | b'\\') {
                    text.push(b'\\');
                }
                text.push(byte);
            }),
            false,
        );
        // As `printf %q` of bash does it, and the libraries that leave more characters alone.
        for safe in [&b"_./-"[..], b"_./-,:@%+=", b"_./-:@%+=^~"] {
            self.add(
                escaped(value, |byte, text| {
                    if !byte.is_ascii_alphanumeric() && byte.is_ascii() && !safe.contains(&byte) {
                        text.push(b'\\');
                    }
                    text.push(byte);
                }),
                false,
            );
        }
        self.add(
            escaped(value, |byte, text| match byte {
                b'\'' | b'\\' => text.extend_from_slice(&[b'\\', byte]),
                b'\n' => text.extend_from_slice(b"\\n"),
                b'\r' => text.extend_from_slice(b"\\r"),
                b'\t' => text.extend_from_slice(b"\\t"),
                0x1b => text.extend_from_slice(b"\\E"),
                0x20..0x7f => text.push(byte),
                _ => text.extend_from_slice(&[
                    b'\\',
                    b'0' + (byte >> 6),
                    b'0' + (byte >> 3 & 7),
                    b'0' + (byte & 7),
                ]),
            }),
            false,
        );
    }
}

const UNRESERVED: AsciiSet = NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// What JavaScript's `encodeURIComponent` leaves as it is.
const COMPONENT: AsciiSet = UNRESERVED
    .remove(b'!')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')');

/// What clients leave as it is inside a path.
const PATH: AsciiSet = UNRESERVED
    .remove(b'/')
    .remove(b':')
    .remove(b'@')
    .remove(b'+')
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'=');

/// The longest escape of one byte is that of an ASCII character as a code unit, doubled backslash included.
const WIDEST: usize = 8;

fn escaped(value: &[u8], escape: impl Fn(u8, &mut Vec<u8>)) -> Zeroizing<Vec<u8>> {
    let mut text = Zeroizing::new(Vec::with_capacity(WIDEST * value.len()));
    value.iter().for_each(|byte| escape(*byte, &mut text));
    text
}

fn escaped_text(value: &str, escape: impl Fn(char, &mut Vec<u8>)) -> Zeroizing<Vec<u8>> {
    let mut text = Zeroizing::new(Vec::with_capacity(WIDEST * value.len()));
    value.chars().for_each(|letter| escape(letter, &mut text));
    text
}

fn json_escape(letter: char, text: &mut Vec<u8>) {
    match letter {
        '"' => text.extend_from_slice(b"\\\""),
        '\\' => text.extend_from_slice(b"\\\\"),
        '\n' => text.extend_from_slice(b"\\n"),
        '\r' => text.extend_from_slice(b"\\r"),
        '\t' => text.extend_from_slice(b"\\t"),
        '\u{8}' => text.extend_from_slice(b"\\b"),
        '\u{c}' => text.extend_from_slice(b"\\f"),
        '\0'..=' ' if letter != ' ' => units(letter, text),
        _ => text.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes()),
    }
}

/// `\u00e9`, as two units where one does not hold it.
fn units(letter: char, text: &mut Vec<u8>) {
    for unit in letter.encode_utf16(&mut [0; 2]) {
        text.extend_from_slice(b"\\u");
        for shift in [12, 8, 4, 0] {
            text.push(b"0123456789abcdef"[usize::from(*unit >> shift & 15)]);
        }
    }
}

/// As Rust's `Debug` writes text.
fn debug_escape(letter: char, text: &mut Vec<u8>) {
    if letter == '\'' {
        text.push(b'\'');
        return;
    }
    for letter in letter.escape_debug() {
        text.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
    }
}

/// As C, Python and Rust's `Debug` of bytes write what is not printable.
fn c_escape(byte: u8, text: &mut Vec<u8>) {
    text.extend(byte.escape_ascii());
}

fn hex(value: &[u8], digits: &[u8; 16], before: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut text = Zeroizing::new(Vec::with_capacity((2 + before.len()) * value.len()));
    for byte in value {
        text.extend_from_slice(before);
        text.push(digits[usize::from(byte >> 4)]);
        text.push(digits[usize::from(byte & 15)]);
    }
    text
}

fn lower_digits(text: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut lower = Zeroizing::new(text.to_vec());
    let mut at = 0;
    while at < lower.len() {
        if lower[at] == b'%' {
            let end = lower.len().min(at + 3);
            lower[at..end].make_ascii_lowercase();
            at += 2;
        }
        at += 1;
    }
    lower
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;

    use super::*;

    fn has(value: &str, wanted: &str) -> bool {
        of(value.as_bytes(), 4)
            .iter()
            .any(|one| *one.text == wanted.as_bytes())
    }

    #[test]
    fn the_usual_spellings_are_there() {
        assert!(has("hunter2", "hunter2"));
        assert!(has("hunter2", "aHVudGVyMg=="));
        assert!(has("hunter2", "aHVudGVyMg"));
        assert!(has("hunter2", "68756e74657232"));
        assert!(has("p\u{ff}\u{ff}\u{ff}/x", "cMO_w7_Dvy94"));
        assert!(has("a b/c", "a%20b%2Fc") && has("a b/c", "a+b%2fc") && has("a b/c", "a%20b/c"));
        assert!(has("a\"b\\c", "a\\\"b\\\\c"));
        assert!(has("a\"bc", "a\\\\\\\"bc"));
        assert!(has("it's", "it'\\''s") && has("it's", "it\\'s"));
        assert!(has("a$b c", "a\\$b\\ c") && has("a\nbc", "a\\nbc"));
        assert!(has("käse", "k\\u00e4se") && has("käse", "k\\303\\244se"));
    }

    #[test]
    fn base64_in_the_middle_of_something() {
        for before in ["", "u", "us", "usr"] {
            for after in ["", "x", "xy"] {
                let text = STANDARD.encode(format!("{before}hunter2-hunter2{after}"));
                let found = of(b"hunter2-hunter2", 4).iter().any(|one| {
                    text.as_bytes()
                        .windows(one.text.len())
                        .any(|at| at == &**one.text)
                });
                assert!(found, "{before}{after}");
            }
        }
    }

    #[test]
    fn lines_on_their_own_and_all_together() {
        let value = "first line\n  second\n}\n";
        assert!(
            has(value, "first linesecond}") && has(value, "first line") && has(value, "second")
        );
        assert!(!has(value, "}"));
        assert!(has(value, "first line\\n  second\\n}"));
    }

    #[test]
    fn the_short_have_none() {
        assert!(
            of(b"abc", 4).is_empty() && of(b" abc\n", 4).is_empty() && of(b"   \n ", 1).is_empty()
        );
        assert!(!of(b"abc", 3).is_empty());
    }
}
