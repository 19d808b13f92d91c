//! What an escape in a text may stand for.
//!
//! Writers escape one character at a time, each by its own rules, and mix the ways. So each escape is read by itself, in every
//! way in which it can be read.

use html_escape::NAMED_ENTITIES;

use crate::line_breaks;

/// No escape that is read is longer: the longest name of an entity has 33 bytes, two units of UTF-16 under six levels of
/// backslashes have 42.
pub(crate) const LONGEST: usize = 64;

/// Backslashes in a row; more are no nesting of quotes.
const MOST_BACKSLASHES: usize = 32;

/// A way to read the start of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reading {
    /// How many bytes of the text it takes, line breaks not counted.
    pub(crate) length: usize,
    bytes: [u8; 4],
    count: usize,
}

/// The text ends inside of what may be an escape.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Incomplete;

impl Reading {
    /// What it stands for: a byte, or a character in UTF-8.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.count]
    }

    fn byte(length: usize, byte: u8) -> Self {
        Self {
            length,
            bytes: [byte, 0, 0, 0],
            count: 1,
        }
    }

    fn character(length: usize, letter: char) -> Self {
        let mut bytes = [0; 4];
        let count = letter.encode_utf8(&mut bytes).len();
        Self {
            length,
            bytes,
            count,
        }
    }
}

/// Appends every reading of the escape that a text starts with, other than as it stands.
///
/// # Errors
/// When the text ends too early to know.
pub(crate) fn read(text: &[u8], readings: &mut Vec<Reading>) -> Result<(), Incomplete> {
    match text.first() {
        Some(b'\\') => backslash(text, readings),
        Some(b'%') => percent(text, readings),
        Some(b'&') => entity(text, readings),
        Some(b'\'') => quoted(text, &[b"'\\''", b"'\"'\"'", b"''"], readings),
        Some(b'"') => quoted(text, &[b"\"\""], readings),
        Some(b'+') => {
            readings.push(Reading::byte(1, b' '));
            Ok(())
        }
        _ => Ok(()),
    }
}

/// `\n`, `\xe9`, `\u00e9`, `\u{e9}`, `\U000000e9`, `\303`, `\c`; under quotes within quotes with more backslashes.
fn backslash(text: &[u8], readings: &mut Vec<Reading>) -> Result<(), Incomplete> {
    let run = text.iter().take_while(|byte| **byte == b'\\').count();
    let mut doubled = 2;
    while doubled <= run.min(MOST_BACKSLASHES) {
        readings.push(Reading::byte(doubled, b'\\'));
        doubled *= 2;
    }
    if run > MOST_BACKSLASHES {
        return Ok(());
    }
    let body = &text[run..];
    let letter = *body.first().ok_or(Incomplete)?;
    if !letter.is_ascii() {
        // The rest of the character follows as it is.
        readings.push(Reading::byte(run + 1, letter));
        return Ok(());
    }
    readings.push(Reading::byte(run + 1, letter));
    let control = match letter {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 0x08,
        b'f' => 0x0c,
        b'v' => 0x0b,
        b'a' => 0x07,
        b'e' | b'E' => 0x1b,
        b'0'..=b'7' => return octal(run, body, readings),
        b'x' => return hexadecimal(run, body, readings),
        b'u' => return unicode(run, body, readings),
        b'U' => {
            if let Some(number) = digits(&body[1..], 16, 8, 8)? {
                readings.extend(character(run + 9, number));
            }
            return Ok(());
        }
        _ => return Ok(()),
    };
    readings.push(Reading::byte(run + 1, control));
    Ok(())
}

fn octal(run: usize, body: &[u8], readings: &mut Vec<Reading>) -> Result<(), Incomplete> {
    let mut number = 0_u32;
    for count in 1..=3 {
        match body.get(count - 1) {
            Some(digit @ b'0'..=b'7') => number = number * 8 + u32::from(digit - b'0'),
            Some(_) => return Ok(()),
            None => return Err(Incomplete),
        }
        if let Ok(byte) = u8::try_from(number) {
            readings.push(Reading::byte(run + count, byte));
        }
    }
    Ok(())
}

/// Of a byte, and in Python of a character up to U+00FF; with braces, of any.
fn hexadecimal(run: usize, body: &[u8], readings: &mut Vec<Reading>) -> Result<(), Incomplete> {
    if body.get(1).ok_or(Incomplete)? == &b'{' {
        return braced(run, body, readings);
    }
    if let Some(number) = digits(&body[1..], 16, 2, 2)? {
        readings.extend(narrow(run + 3, number));
    }
    Ok(())
}

fn unicode(run: usize, body: &[u8], readings: &mut Vec<Reading>) -> Result<(), Incomplete> {
    if body.get(1).ok_or(Incomplete)? == &b'{' {
        return braced(run, body, readings);
    }
    let Some(unit) = digits(&body[1..], 16, 4, 4)? else {
        return Ok(());
    };
    if (0xd800..0xdc00).contains(&unit) {
        let rest = &body[5..];
        let again = rest.iter().take_while(|byte| **byte == b'\\').count();
        if again > 0 || rest.is_empty() {
            let second = &rest[again..];
            match second.first() {
                Some(b'u') => {}
                Some(_) => return Ok(()),
                None => return Err(Incomplete),
            }
            if let Some(low) = digits(&second[1..], 16, 4, 4)? {
                readings.extend(pair(run + 5 + again + 5, unit, low));
            }
        }
        return Ok(());
    }
    readings.extend(character(run + 5, unit));
    Ok(())
}

/// `u{1f600}` and `x{e9}`.
fn braced(run: usize, body: &[u8], readings: &mut Vec<Reading>) -> Result<(), Incomplete> {
    let count = body[2..]
        .iter()
        .take(8)
        .take_while(|byte| byte.is_ascii_hexdigit())
        .count();
    let close = body.get(2 + count).ok_or(Incomplete)?;
    if *close == b'}'
        && let Some(number) = digits(&body[2..], 16, count, count)?
    {
        readings.extend(character(run + count + 3, number));
    }
    Ok(())
}

/// `%e9`, of a byte or of a character up to U+00FF, and `%u00e9`.
fn percent(text: &[u8], readings: &mut Vec<Reading>) -> Result<(), Incomplete> {
    if !matches!(text.get(1).ok_or(Incomplete)?, b'u' | b'U') {
        if let Some(number) = digits(&text[1..], 16, 2, 2)? {
            readings.extend(narrow(3, number));
        }
        return Ok(());
    }
    let Some(unit) = digits(&text[2..], 16, 4, 4)? else {
        return Ok(());
    };
    if (0xd800..0xdc00).contains(&unit) {
        let rest = &text[6..];
        if rest.len() < 2 && b"%u".starts_with(rest) {
            return Err(Incomplete);
        }
        if rest.starts_with(b"%u")
            && let Some(low) = digits(&rest[2..], 16, 4, 4)?
        {
            readings.extend(pair(12, unit, low));
        }
        return Ok(());
    }
    readings.extend(character(6, unit));
    Ok(())
}

/// `&#233;`, `&#xe9;` and `&eacute;`.
fn entity(text: &[u8], readings: &mut Vec<Reading>) -> Result<(), Incomplete> {
    /// More digits are no number of a character, leading zeros included.
    const MOST_DIGITS: usize = 10;
    /// `CounterClockwiseContourIntegral`, with what stands around it.
    const LONGEST_NAME: usize = 33;

    if text.get(1).ok_or(Incomplete)? == &b'#' {
        let is_hex = matches!(text.get(2).ok_or(Incomplete)?, b'x' | b'X');
        let (start, radix) = if is_hex { (3, 16) } else { (2, 10) };
        let body = &text[start..];
        let is_digit = |byte: &&u8| char::from(**byte).is_digit(radix);
        let count = body.iter().take(MOST_DIGITS).take_while(is_digit).count();
        if body.get(count).ok_or(Incomplete)? == &b';'
            && let Some(number) = digits(body, radix, count, count)?
        {
            readings.extend(character(start + count + 1, number));
        }
        return Ok(());
    }
    let name = text[1..]
        .iter()
        .take_while(|byte| byte.is_ascii_alphanumeric());
    let count = name.take(LONGEST_NAME).count();
    if count == 0 || count > LONGEST_NAME - 2 {
        return Ok(());
    }
    if text.get(1 + count).ok_or(Incomplete)? != &b';' {
        return Ok(());
    }
    let name = &text[1..=count];
    if let Ok(at) = NAMED_ENTITIES.binary_search_by(|(other, _)| (*other).cmp(name)) {
        // Some stand for two characters, which no writer takes apart so.
        let mut letters = NAMED_ENTITIES[at].1.chars();
        if let (Some(letter), None) = (letters.next(), letters.next()) {
            readings.push(Reading::character(count + 2, letter));
        }
    }
    Ok(())
}

/// A quote within quotes: each of these stands for the quote that it starts with.
fn quoted(text: &[u8], ways: &[&[u8]], readings: &mut Vec<Reading>) -> Result<(), Incomplete> {
    for way in ways {
        if text.starts_with(way) {
            readings.push(Reading::byte(way.len(), way[0]));
        }
    }
    match ways
        .iter()
        .any(|way| way.len() > text.len() && way.starts_with(text))
    {
        true => Err(Incomplete),
        false => Ok(()),
    }
}

/// The number at the start of a text that has at least and at most this many digits.
fn digits(text: &[u8], radix: u32, least: usize, most: usize) -> Result<Option<u32>, Incomplete> {
    let mut number = 0_u32;
    let mut count = 0;
    while count < most {
        let Some(byte) = text.get(count) else {
            return Err(Incomplete);
        };
        let Some(digit) = char::from(*byte).to_digit(radix) else {
            break;
        };
        number = number.saturating_mul(radix).saturating_add(digit);
        count += 1;
    }
    Ok((count >= least && count > 0).then_some(number))
}

fn character(length: usize, number: u32) -> Option<Reading> {
    char::from_u32(number).map(|letter| Reading::character(length, letter))
}

fn pair(length: usize, high: u32, low: u32) -> Option<Reading> {
    if !(0xdc00..0xe000).contains(&low) {
        return None;
    }
    character(length, 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00))
}

/// A number up to 255, as a byte and as a character.
fn narrow(length: usize, number: u32) -> impl Iterator<Item = Reading> {
    let byte = u8::try_from(number).ok();
    let as_byte = byte.map(|byte| Reading::byte(length, byte));
    let as_character = byte
        .filter(|byte| !byte.is_ascii())
        .map(|byte| Reading::character(length, byte.into()));
    as_byte.into_iter().chain(as_character)
}

/// The start of a text without its line breaks, as far as an escape may reach.
pub(crate) struct Window {
    bytes: [u8; LONGEST],
    /// Where each byte ends in the text.
    ends: [u16; LONGEST],
    count: usize,
    /// Whether nothing behind it belongs to it.
    is_closed: bool,
}

impl Window {
    /// What the text may start with.
    ///
    /// A break longer than [`line_breaks::LONGEST`] ends it.
    pub(crate) fn new(text: &[u8]) -> Self {
        let mut window = Self {
            bytes: [0; LONGEST],
            ends: [0; LONGEST],
            count: 0,
            is_closed: false,
        };
        let mut in_break = 0;
        for (at, byte) in text.iter().enumerate() {
            if line_breaks::is_part(*byte, in_break) {
                in_break += 1;
                if in_break > line_breaks::LONGEST {
                    window.is_closed = true;
                    break;
                }
                continue;
            }
            in_break = 0;
            window.bytes[window.count] = *byte;
            window.ends[window.count] = u16::try_from(at + 1).unwrap_or(u16::MAX);
            window.count += 1;
            if window.count == LONGEST {
                window.is_closed = true;
                break;
            }
        }
        window
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.count]
    }

    /// Where this many of its bytes end in the text.
    pub(crate) fn end(&self, length: usize) -> usize {
        match length.checked_sub(1) {
            Some(last) => usize::from(self.ends[last.min(LONGEST - 1)]),
            None => 0,
        }
    }

    /// Whether more text would change nothing.
    pub(crate) fn is_closed(&self) -> bool {
        self.is_closed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn readings(text: &str) -> Vec<(usize, String)> {
        let mut readings = Vec::new();
        read(text.as_bytes(), &mut readings).unwrap();
        readings
            .iter()
            .map(|one| {
                let text = String::from_utf8_lossy(one.bytes()).into_owned();
                (one.length, text)
            })
            .collect()
    }

    fn reads(text: &str, wanted: &str) -> bool {
        readings(&format!("{text}|"))
            .iter()
            .any(|(length, read)| *length == text.len() && read == wanted)
    }

    #[test]
    fn each_way_to_write_a_character_is_read() {
        for text in [
            "\\xe9",
            "\\xE9",
            "\\x{e9}",
            "\\u00e9",
            "\\u00E9",
            "\\u{e9}",
            "\\u{0000e9}",
            "\\U000000e9",
            "\\\\u00e9",
            "\\\\\\\\u00e9",
            "%E9",
            "%e9",
            "%u00e9",
            "&#233;",
            "&#0233;",
            "&#xe9;",
            "&#XE9;",
            "&eacute;",
        ] {
            assert!(reads(text, "é"), "{text}");
        }
        for text in [
            "\\ud83d\\ude00",
            "\\\\uD83D\\\\uDE00",
            "%uD83D%uDE00",
            "\\U0001F600",
            "&#128512;",
        ] {
            assert!(reads(text, "😀"), "{text}");
        }
        for (text, wanted) in [
            ("\\n", "\n"),
            ("\\n", "n"),
            ("\\\"", "\""),
            ("\\\\\\\"", "\""),
            ("\\\\", "\\"),
            ("\\\\\\\\", "\\"),
            ("\\/", "/"),
            ("\\$", "$"),
            ("\\101", "A"),
            ("\\0", "\0"),
            ("\\e", "\u{1b}"),
            ("%41", "A"),
            ("&amp;", "&"),
            ("&AMP;", "&"),
            ("&quot;", "\""),
            ("&#39;", "'"),
            ("&apos;", "'"),
            ("&lpar;", "("),
            ("'\\''", "'"),
            ("'\"'\"'", "'"),
            ("''", "'"),
            ("\"\"", "\""),
            ("+", " "),
        ] {
            assert!(reads(text, wanted), "{text}");
        }
    }

    #[test]
    fn what_is_no_escape_has_no_reading() {
        for text in [
            "%zz",
            "%4x",
            "&nonsense;",
            "& b",
            "&#;",
            "&#xg;",
            "&#99999999999;",
            "a",
            "%u12",
        ] {
            assert_eq!(readings(&format!("{text}|||||||||||")), [], "{text}");
        }
        assert!(!reads("\\ud83d", "\u{fffd}") && !reads("\\ud83d\\u0041", "A"));
    }

    #[test]
    fn a_start_is_told_from_an_end() {
        for text in [
            "\\",
            "\\\\",
            "\\u",
            "\\u00e",
            "\\u{e9",
            "\\x4",
            "\\U0001f60",
            "\\10",
            "\\ud83d",
            "\\ud83d\\",
            "%",
            "%4",
            "%u00e",
            "&",
            "&am",
            "&amp",
            "&#",
            "&#x",
            "&#x4",
            "&#4",
            "'",
            "'\\",
            "\"",
        ] {
            assert_eq!(
                read(text.as_bytes(), &mut Vec::new()),
                Err(Incomplete),
                "{text}"
            );
        }
        let endless = "&".to_owned() + &"a".repeat(63);
        assert_eq!(readings(&endless), []);
        let run = "\\".repeat(64);
        assert!(read(run.as_bytes(), &mut Vec::new()).is_ok());
    }

    #[test]
    fn a_window_looks_past_line_breaks() {
        let window = Window::new(b"%\r\n  41x");
        assert_eq!(
            (window.bytes(), window.end(1), window.end(3)),
            (&b"%41x"[..], 1, 7)
        );
        assert!(!window.is_closed() && Window::new(&[b'a'; 100]).is_closed());
    }
}
