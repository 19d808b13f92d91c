//! What is looked for in the place of a value: itself, and what encodings make of all of it.
//!
//! Escapes are not here. They are read where they stand in the text, one by one (`escapes.rs`).

use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use zeroize::Zeroizing;

use crate::line_breaks;

/// A text to look for, without the line breaks in it.
pub(crate) struct Pattern {
    pub(crate) text: Zeroizing<Vec<u8>>,
    pub(crate) broken: Broken,
}

/// Whether a pattern is itself when it is broken over lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Broken {
    Never,
    Maybe,
    /// Without its breaks it is too short to be itself.
    Always,
}

/// What has this many characters is hardly put together by chance from the end of a line and the start of the next.
const LONG: usize = 12;

/// Every pattern of a value, some more than once.
///
/// A value of several lines is also looked for line by line, since a log puts its own words before each of them. What is
/// left of a value or a line without the white space around it has at least `shortest` bytes, or has no pattern.
pub(crate) fn patterns(value: &[u8], shortest: usize) -> Vec<Pattern> {
    let trimmed = value.trim_ascii();
    if trimmed.len() < shortest.max(1) {
        return Vec::new();
    }
    let mut patterns = Patterns {
        found: Vec::new(),
        shortest,
    };
    patterns.text(trimmed);
    for line in lines(trimmed) {
        if line.len() >= shortest {
            patterns.text(line);
        }
    }
    patterns.encoded(trimmed);
    if trimmed.len() < value.len() {
        // The same with what stands around it, since an encoding hides where it begins and ends.
        patterns.encoded(value);
    }
    patterns.found
}

/// The lines of a text that has several and no white space around it, each without that. Not the lines that say what
/// follows in a PEM file: those are the same for all keys.
pub(crate) fn lines(trimmed: &[u8]) -> impl Iterator<Item = &[u8]> {
    let is_armor = |line: &[u8]| {
        let line = line.strip_suffix(b"-----");
        line.is_some_and(|line| line.starts_with(b"-----BEGIN ") || line.starts_with(b"-----END "))
    };
    trimmed
        .split(|byte| line_breaks::is_break(*byte))
        .map(<[u8]>::trim_ascii)
        .filter(move |line| line.len() < trimmed.len() && !is_armor(line))
}

struct Patterns {
    found: Vec<Pattern>,
    shortest: usize,
}

impl Patterns {
    fn add(&mut self, text: &[u8], is_encoding: bool) {
        let joined = line_breaks::joined(text);
        let is_broken = text.iter().any(|byte| line_breaks::is_break(*byte));
        let broken = match joined.len() {
            0 => return,
            length if length < self.shortest && is_broken => Broken::Always,
            length if length < self.shortest => return,
            length if length >= LONG || is_encoding || is_broken => Broken::Maybe,
            _ => Broken::Never,
        };
        self.found.push(Pattern {
            text: joined,
            broken,
        });
    }

    fn text(&mut self, value: &[u8]) {
        self.add(value, false);
    }

    fn encoded(&mut self, value: &[u8]) {
        for text in base64(value) {
            self.add(&text, true);
        }
        for text in hexadecimal(value) {
            self.add(&text, true);
        }
    }
}

/// In both alphabets, at each of the three places where it may start in something longer, and with anything or nothing
/// after it.
pub(crate) fn base64(value: &[u8]) -> Vec<Zeroizing<Vec<u8>>> {
    let mut texts = Vec::new();
    for alignment in 0..3 {
        let mut input = Zeroizing::new(Vec::with_capacity(alignment + value.len()));
        input.resize(alignment, 0);
        input.extend_from_slice(value);
        // The first character after those that hold bits of what stands before.
        let start = (alignment * 8).div_ceil(6);
        // The last character that holds no bits of what may stand behind.
        let certain = input.len() * 8 / 6;
        for engine in [&STANDARD, &URL_SAFE] {
            let whole = Zeroizing::new(base64::Engine::encode(engine, &*input).into_bytes());
            let unpadded = whole.iter().take_while(|byte| **byte != b'=').count();
            let mut ends = vec![certain, unpadded, whole.len()];
            ends.dedup();
            for end in ends {
                if start < end {
                    texts.push(Zeroizing::new(whole[start..end].to_vec()));
                }
            }
        }
    }
    texts.sort_unstable_by(|one, other| one.cmp(other));
    texts.dedup();
    texts
}

/// In lower and in upper case.
pub(crate) fn hexadecimal(value: &[u8]) -> [Zeroizing<Vec<u8>>; 2] {
    [b"0123456789abcdef", b"0123456789ABCDEF"].map(|digits| {
        let mut text = Zeroizing::new(Vec::with_capacity(2 * value.len()));
        for byte in value {
            text.push(digits[usize::from(byte >> 4)]);
            text.push(digits[usize::from(byte & 15)]);
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;

    use super::*;

    fn has(value: &str, wanted: &str) -> bool {
        patterns(value.as_bytes(), 4)
            .iter()
            .any(|one| *one.text == wanted.as_bytes())
    }

    #[test]
    fn the_usual_encodings_are_there() {
        assert!(has("hunter2", "hunter2"));
        assert!(has("hunter2", "aHVudGVyMg=="));
        assert!(has("hunter2", "aHVudGVyMg"));
        assert!(has("hunter2", "68756e74657232") && has("jklm", "6A6B6C6D"));
        assert!(has("p\u{ff}\u{ff}\u{ff}/x", "cMO_w7_Dvy94"));
    }

    #[test]
    fn base64_in_the_middle_of_something() {
        for before in ["", "u", "us", "usr"] {
            for after in ["", "x", "xy"] {
                let text = STANDARD.encode(format!("{before}hunter2-hunter2{after}"));
                let found = base64(b"hunter2-hunter2")
                    .iter()
                    .any(|one| text.as_bytes().windows(one.len()).any(|at| at == &***one));
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
        let key = "-----BEGIN KEY-----\nMIIE\nvQIB\n-----END KEY-----";
        assert!(has(key, "MIIE") && has(key, "vQIB") && !has(key, "-----BEGIN KEY-----"));
        assert!(has("-----BEGIN KEY-----", "-----BEGIN KEY-----"));
    }

    #[test]
    fn the_short_have_none() {
        assert!(patterns(b"abc", 4).is_empty() && patterns(b" abc\n", 4).is_empty());
        assert!(patterns(b"   \n ", 1).is_empty() && !patterns(b"abc", 3).is_empty());
    }
}
