//! What an engine does to JSON between a write and a read.

use std::borrow::Cow;
use std::fmt;

use secrets_core::Result;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use zeroize::Zeroizing;

/// What an engine does to numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Numbers {
    /// KV version 2 reads them as 64-bit floating point.
    Float64,
    /// KV version 1 keeps their text, but refuses those beyond that range. It also refuses an empty map.
    Text,
}

/// The length of JSON as the server stores it: Go escapes `<`, `>`, `&`, U+2028 and U+2029 with six bytes.
pub(super) fn stored_length(json: &[u8]) -> usize {
    let longer = json
        .iter()
        .filter(|byte| matches!(byte, b'<' | b'>' | b'&'))
        .count();
    let separators = json
        .windows(3)
        .filter(|bytes| matches!(bytes, [0xe2, 0x80, 0xa8 | 0xa9]))
        .count();
    json.len() + 5 * longer + 3 * separators
}

/// The number of strings in valid JSON, keys and values together.
pub(super) fn count_strings(json: &[u8]) -> usize {
    let mut count = 0;
    let mut rest = json;
    while let Some(start) = rest.iter().position(|byte| *byte == b'"') {
        count += 1;
        // A lone surrogate is refused elsewhere.
        let Some(after) = string_end(&rest[start + 1..]) else {
            break;
        };
        rest = after;
    }
    count
}

/// The keys of an object with their JSON texts.
pub(super) fn entries(map: &[u8]) -> Result<Vec<(Cow<'_, str>, &RawValue)>> {
    struct Entries<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

    impl<'de> Deserialize<'de> for Entries<'de> {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct EntriesVisitor;

            impl<'de> Visitor<'de> for EntriesVisitor {
                type Value = Entries<'de>;

                fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.write_str("a map")
                }

                fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                    let mut entries = Vec::new();
                    while let Some(key) = map.next_key::<Cow<'de, str>>()? {
                        entries.push((key, map.next_value::<&'de RawValue>()?));
                    }
                    Ok(Entries(entries))
                }
            }

            deserializer.deserialize_map(EntriesVisitor)
        }
    }

    secrets_provider::decode::<Entries<'_>>(map).map(|entries| entries.0)
}

/// Whether the server returns this JSON unchanged: each number with its text, each string with its characters.
pub(super) fn survives(json: &[u8], numbers: Numbers) -> bool {
    let inside = json.trim_ascii().get(1..).unwrap_or_default();
    if numbers == Numbers::Text && inside.trim_ascii_start() == b"}" {
        return false;
    }
    let mut rest = json;
    while let Some((&first, tail)) = rest.split_first() {
        rest = match first {
            b'"' => match string_end(tail) {
                Some(rest) => rest,
                None => return false,
            },
            b'-' | b'0'..=b'9' => {
                let end = tail
                    .iter()
                    .position(|byte| {
                        !matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-')
                    })
                    .unwrap_or(tail.len());
                if !number_survives(&rest[..=end], numbers) {
                    return false;
                }
                &tail[end..]
            }
            _ => tail,
        };
    }
    true
}

/// A key of an object. Keys with escapes are compared decoded, as the server does.
enum Key<'a> {
    Plain(&'a [u8]),
    Decoded(Zeroizing<String>),
}

impl Key<'_> {
    fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Plain(bytes) => bytes,
            Self::Decoded(text) => text.as_bytes(),
        }
    }
}

/// Whether an object in valid JSON has the same key twice, at any depth: the server would keep the last. A key that
/// cannot be decoded counts as repeated.
pub(super) fn has_repeated_key(json: &[u8]) -> bool {
    // One entry for each open object or array: the keys so far, `None` for an array.
    let mut open: Vec<Option<Vec<Key<'_>>>> = Vec::new();
    let mut is_key = false;
    let mut rest = json;
    while let Some((&first, tail)) = rest.split_first() {
        rest = tail;
        match first {
            b'{' => open.push(Some(Vec::new())),
            b'[' => open.push(None),
            b'}' | b']' => {
                if let Some(Some(mut keys)) = open.pop() {
                    keys.sort_unstable_by(|a, b| a.as_bytes().cmp(b.as_bytes()));
                    let is_same = |pair: &[Key<'_>]| pair[0].as_bytes() == pair[1].as_bytes();
                    if keys.windows(2).any(is_same) {
                        return true;
                    }
                }
            }
            b'"' => {
                let Some(after) = string_end(tail) else {
                    return true;
                };
                rest = after;
                if let (true, Some(Some(keys))) = (is_key, open.last_mut()) {
                    let quoted = &json[json.len() - tail.len() - 1..json.len() - after.len()];
                    if quoted.contains(&b'\\') {
                        match serde_json::from_slice::<String>(quoted) {
                            Ok(text) => keys.push(Key::Decoded(Zeroizing::new(text))),
                            Err(_) => return true,
                        }
                    } else {
                        keys.push(Key::Plain(&quoted[1..quoted.len() - 1]));
                    }
                }
            }
            _ => {}
        }
        // A string is a key only after `{` or `,` in an object.
        is_key = match first {
            b'{' | b',' => true,
            byte if byte.is_ascii_whitespace() => is_key,
            _ => false,
        };
    }
    false
}

/// The text after a string whose opening quote is already consumed; `None` if the string holds a lone surrogate.
fn string_end(mut rest: &[u8]) -> Option<&[u8]> {
    loop {
        match rest {
            [b'"', tail @ ..] => return Some(tail),
            [b'\\', b'u', tail @ ..] => {
                let unit =
                    |digits: &[u8]| u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok();
                let (digits, tail) = tail.split_at_checked(4)?;
                rest = match unit(digits)? {
                    0xd800..0xdc00 => {
                        let (low, tail) = tail.strip_prefix(b"\\u")?.split_at_checked(4)?;
                        (0xdc00..0xe000).contains(&unit(low)?).then_some(tail)?
                    }
                    0xdc00..0xe000 => return None,
                    _ => tail,
                };
            }
            [b'\\', _, tail @ ..] | [_, tail @ ..] => rest = tail,
            [] => return None,
        }
    }
}

/// Whether the server returns this number unchanged. Go parses floating point as Rust does, and between 1e-6 and 1e21 it
/// writes the shortest digits without an exponent, as Rust does.
fn number_survives(text: &[u8], numbers: Numbers) -> bool {
    let text = std::str::from_utf8(text).unwrap_or_default();
    text.parse::<f64>().is_ok_and(|number| match numbers {
        Numbers::Text => number.is_finite(),
        Numbers::Float64 => {
            let size = number.abs();
            (size == 0.0 || (1.0e-6..1.0e21).contains(&size)) && number.to_string() == text
        }
    })
}
