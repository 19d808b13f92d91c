//! The spellings of a value that writers are known to make, for what masks by exact texts alone.
//!
//! The list is what a list can be: each writer by itself. A [`Masker`](crate::Masker) reads escapes one by one instead.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use secrets_core::SecretValue;
use zeroize::Zeroizing;

use crate::{encodings, values};

/// The texts of at least `shortest` bytes that stand for a value in the log of a program, for a CI server that masks by exact
/// texts: the value, its fields if it is a JSON object, the password if it is an address, each line by itself, and each of
/// these as base64, hexadecimal, percent-encoding, JSON, C and shells write it.
///
/// Of several lines, the first text is the value as it stands; no other has line breaks.
pub fn spellings(value: &SecretValue, shortest: usize) -> Vec<SecretValue> {
    let mut found = Spellings {
        texts: Vec::new(),
        shortest: shortest.max(1),
    };
    for value in values::inside(value, true) {
        found.value(&value);
    }
    found
        .texts
        .into_iter()
        .map(SecretValue::from_zeroizing)
        .collect()
}

struct Spellings {
    texts: Vec<Zeroizing<Vec<u8>>>,
    shortest: usize,
}

impl Spellings {
    fn value(&mut self, value: &[u8]) {
        let trimmed = value.trim_ascii();
        if trimmed.len() < self.shortest {
            return;
        }
        self.text(trimmed);
        for line in encodings::lines(trimmed) {
            self.text(line);
        }
        for whole in [trimmed, value] {
            for text in encodings::base64(whole) {
                self.add(text);
            }
            for text in encodings::hexadecimal(whole) {
                self.add(text);
            }
        }
    }

    /// As it is, and as others quote it.
    fn text(&mut self, value: &[u8]) {
        self.add(Zeroizing::new(value.to_vec()));
        self.percent(value);
        self.shell(value);
        self.add(escaped(value, c_escape));
        if let Ok(text) = std::str::from_utf8(value) {
            self.json(text);
            self.add(escaped_text(text, debug_escape));
        }
    }

    fn add(&mut self, text: Zeroizing<Vec<u8>>) {
        let is_whole = self.texts.is_empty();
        let is_line = !text.iter().any(|byte| matches!(byte, b'\n' | b'\r'));
        if text.len() >= self.shortest && (is_whole || is_line) && !self.texts.contains(&text) {
            self.texts.push(text);
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
            self.add(lower_digits(&upper));
            self.add(lower_digits(&form));
            self.add(form);
            self.add(upper);
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
                self.add(escaped_text(text, json_escape));
            }
        }
        for once in [plain, slashes, html, ascii] {
            self.add(once);
        }
    }

    /// Between single quotes, between double quotes, with backslashes, and as `$'…'`.
    fn shell(&mut self, value: &[u8]) {
        for quote in [&b"'\\''"[..], b"'\"'\"'", b"\\'", b"''"] {
            self.add(escaped(value, |byte, text| match byte {
                b'\'' => text.extend_from_slice(quote),
                _ => text.push(byte),
            }));
        }
        self.add(escaped(value, |byte, text| {
            if matches!(byte, b'"' | b'$' | b'`' | b'\\' | b'!') {
                text.push(b'\\');
            }
            text.push(byte);
        }));
        self.add(escaped(value, |byte, text| {
            if matches!(byte, b'"' | b'$' | b'`' | b'\\') {
                text.push(b'\\');
            }
            text.push(byte);
        }));
        // As `printf %q` of bash does it, and the libraries that leave more characters alone.
        for safe in [&b"_./-"[..], b"_./-,:@%+=", b"_./-:@%+=^~"] {
            self.add(escaped(value, |byte, text| {
                if !byte.is_ascii_alphanumeric() && byte.is_ascii() && !safe.contains(&byte) {
                    text.push(b'\\');
                }
                text.push(byte);
            }));
        }
        self.add(escaped(value, |byte, text| match byte {
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
        }));
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
    use super::*;

    fn has(value: &str, wanted: &str) -> bool {
        spellings(&value.into(), 4)
            .iter()
            .any(|one| one.expose_bytes() == wanted.as_bytes())
    }

    #[test]
    fn the_usual_spellings_are_there() {
        assert!(
            has("hunter2", "hunter2")
                && has("hunter2", "aHVudGVyMg==")
                && has("hunter2", "68756e74657232")
        );
        assert!(has("a b/c", "a%20b%2Fc") && has("a b/c", "a+b%2fc") && has("a b/c", "a%20b/c"));
        assert!(has("a\"b\\c", "a\\\"b\\\\c"));
        assert!(has("a\"bc", "a\\\\\\\"bc"));
        assert!(has("it's", "it'\\''s") && has("it's", "it\\'s"));
        assert!(has("a$b c", "a\\$b\\ c") && has("a\nbc", "a\\nbc"));
        assert!(has("käse", "k\\u00e4se") && has("käse", "k\\303\\244se"));
    }

    #[test]
    fn what_stands_in_a_value_is_spelled_too() {
        let value = "{\"url\":\"https://u:p%40ssword@h\",\"key\":\"one line\\nsecond line\"}";
        for wanted in [
            value,
            "https://u:p%40ssword@h",
            "p@ssword",
            "one line",
            "second line",
        ] {
            assert!(has(value, wanted), "{wanted}");
        }
        let texts = spellings(&"first line\nsecond line\n".into(), 4);
        assert_eq!(texts[0].expose_bytes(), b"first line\nsecond line");
        assert!(
            texts[1..]
                .iter()
                .all(|text| !text.expose_bytes().contains(&b'\n'))
        );
        assert!(spellings(&"abc".into(), 4).is_empty());
    }
}
