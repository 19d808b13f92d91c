use std::fmt;

use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use zeroize::Zeroizing;

/// How a value looked where it was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Form {
    /// Byte for byte.
    Plain,
    /// A part of it: every run of 15 bytes or more holds one of the blocks of 8 that are searched.
    Fragment,
    /// Base64 with the standard alphabet, at any of the three alignments, also broken over lines.
    Base64,
    /// Base64 with the URL alphabet, at any of the three alignments, also broken over lines.
    Base64Url,
    /// Hexadecimal in lower case.
    HexLower,
    /// Hexadecimal in upper case.
    HexUpper,
    /// Percent-encoding, of the reserved bytes or of all, with upper or lower case digits, space as `+` included.
    Percent,
    /// Escaped as a JSON string, also twice, and with `/` or all that is not ASCII escaped.
    Json,
    /// Escaped as Rust's `Debug` does with text, or with `b"…"`.
    DebugText,
    /// The decimal numbers of a byte list, as `Debug` prints a `Vec<u8>` and JSON an array.
    ByteList,
    /// UTF-16 in either byte order.
    Utf16,
}

impl Form {
    /// Every form, in the order in which a scan names a piece of text that fits more than one.
    pub const ALL: [Self; 11] = [
        Self::Plain,
        Self::Base64,
        Self::Base64Url,
        Self::HexLower,
        Self::HexUpper,
        Self::Percent,
        Self::Json,
        Self::DebugText,
        Self::ByteList,
        Self::Utf16,
        Self::Fragment,
    ];
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain => "plain",
            Self::Fragment => "fragment",
            Self::Base64 => "base64",
            Self::Base64Url => "base64url",
            Self::HexLower => "hex",
            Self::HexUpper => "HEX",
            Self::Percent => "percent-encoded",
            Self::Json => "json-escaped",
            Self::DebugText => "debug-escaped",
            Self::ByteList => "byte list",
            Self::Utf16 => "utf-16",
        })
    }
}

/// Length of the blocks that stand for a part of the value.
pub(super) const BLOCK: usize = 8;

/// The plain text, wiped after use, of every pattern to search for, the most telling form first.
///
/// A spelling that equals an earlier one (a value without special characters is its own JSON form) is left out.
pub(super) fn patterns(value: &str) -> Vec<(Form, Zeroizing<Vec<u8>>)> {
    let bytes = value.as_bytes();
    let mut found = Patterns::default();
    found.add(Form::Plain, bytes.to_vec());
    for alignment in 0..3 {
        found.add(Form::Base64, base64(&STANDARD_NO_PAD, bytes, alignment));
        found.add(Form::Base64Url, base64(&URL_SAFE_NO_PAD, bytes, alignment));
    }
    found.add(Form::HexLower, hex(bytes, false));
    found.add(Form::HexUpper, hex(bytes, true));
    for text in percent(bytes) {
        found.add(Form::Percent, text);
    }
    for text in json(value) {
        found.add(Form::Json, text);
    }
    found.add(Form::DebugText, inside_quotes(&format!("{value:?}")));
    found.add(Form::DebugText, bytes.escape_ascii().collect());
    found.add(Form::ByteList, byte_list(bytes));
    found.add(
        Form::Utf16,
        value.encode_utf16().flat_map(u16::to_le_bytes).collect(),
    );
    found.add(
        Form::Utf16,
        value.encode_utf16().flat_map(u16::to_be_bytes).collect(),
    );
    for block in bytes.chunks_exact(BLOCK) {
        found.add(Form::Fragment, block.to_vec());
    }
    found.0
}

#[derive(Default)]
struct Patterns(Vec<(Form, Zeroizing<Vec<u8>>)>);

impl Patterns {
    fn add(&mut self, form: Form, text: Vec<u8>) {
        let text = Zeroizing::new(text);
        if !self.0.iter().any(|(_, known)| *known == text) {
            self.0.push((form, text));
        }
    }
}

/// The characters of the base64 text that depend on the value alone when `alignment` bytes stand before it.
fn base64(engine: &impl base64::Engine, value: &[u8], alignment: usize) -> Vec<u8> {
    let mut input = Zeroizing::new(vec![0; alignment]);
    input.extend_from_slice(value);
    let mut text = engine.encode(&*input).into_bytes();
    if !(input.len() * 8).is_multiple_of(6) {
        // The last character also holds bits of what follows.
        text.pop();
    }
    text.split_off((alignment * 8).div_ceil(6))
}

fn hex(value: &[u8], upper: bool) -> Vec<u8> {
    let digits = if upper {
        b"0123456789ABCDEF"
    } else {
        b"0123456789abcdef"
    };
    value
        .iter()
        .flat_map(|byte| {
            [
                digits[usize::from(byte >> 4)],
                digits[usize::from(byte & 15)],
            ]
        })
        .collect()
}

const UNRESERVED: AsciiSet = NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

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

fn percent(value: &[u8]) -> Vec<Vec<u8>> {
    let mut texts = Vec::new();
    for set in [NON_ALPHANUMERIC, &UNRESERVED, &PATH] {
        let upper = percent_encode(value, set).to_string();
        texts.push(lower_digits(&upper));
        texts.push(upper.replace("%20", "+").into_bytes());
        texts.push(upper.into_bytes());
    }
    for upper in [true, false] {
        let digits = hex(value, upper);
        texts.push(
            digits
                .chunks(2)
                .flat_map(|pair| [b'%', pair[0], pair[1]])
                .collect(),
        );
    }
    texts
}

fn lower_digits(text: &str) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    let mut index = 0;
    while index < bytes.len() {
        if bytes[index] == b'%' {
            bytes[index + 1..index + 3].make_ascii_lowercase();
            index += 2;
        }
        index += 1;
    }
    bytes
}

fn json(value: &str) -> Vec<Vec<u8>> {
    let plain = json_text(value);
    let slashes = plain.replace('/', "\\/");
    let mut ascii = String::new();
    for character in plain.chars() {
        if character.is_ascii() {
            ascii.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                ascii.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    let mut texts = vec![ascii.replace('/', "\\/")];
    for once in [plain, slashes, ascii] {
        texts.push(json_text(&once));
        texts.push(once);
    }
    texts.into_iter().map(String::into_bytes).collect()
}

fn json_text(value: &str) -> String {
    let quoted = serde_json::Value::from(value).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

fn inside_quotes(quoted: &str) -> Vec<u8> {
    quoted.as_bytes()[1..quoted.len() - 1].to_vec()
}

/// Without spaces: the scan drops them from what it searches.
fn byte_list(value: &[u8]) -> Vec<u8> {
    value
        .iter()
        .map(u8::to_string)
        .collect::<Vec<_>>()
        .join(",")
        .into_bytes()
}
