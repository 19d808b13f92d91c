//! How a value becomes the map that a key/value engine stores, and back.
//!
//! A JSON object is stored as the map itself, unless the engine would change it: it reads numbers as 64-bit floating
//! point, replaces halves of surrogate pairs, and keeps one of two equal keys. Such an object, and all other text, is stored under one key, which
//! gives back every byte. Bytes that are not text are stored in base64, with a second key that says so; that key is in
//! the map, and not in the secret's custom metadata, since it has to be true of each version and to be written with it.

use std::borrow::Cow;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrets_core::{Error, ErrorKind, Result, SecretValue};
use secrets_provider::WipedBuffer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use crate::Shape;

/// The key that stands beside a value in base64.
const ENCODING_KEY: &str = "polysecrets-encoding";
const BASE64: &str = "base64";

/// The largest map, as JSON, that is sent. Raft storage takes entries of 1 MiB unless `max_entry_size` says otherwise
/// (OpenBao and Vault documentation, "Limits"); 4 KiB of it are left for what the server adds.
const MAX_MAP_BYTES: usize = 1024 * 1024 - 4 * 1024;

/// The largest value: whatever its bytes are, it fits into the largest map in base64.
pub(crate) const MAX_VALUE_BYTES: usize = 764 * 1024;

/// What an engine does to a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keeping {
    /// KV version 2 reads numbers as 64-bit floating point.
    Floats,
    /// KV version 1 keeps their text, but takes none that is out of that range, and no empty map.
    Text,
}

/// A mount's rules for values.
#[derive(Debug, Clone)]
pub(crate) struct Shaper {
    pub(crate) shape: Shape,
    pub(crate) field: String,
}

impl Shaper {
    /// What is known before it is known which engine the value is for.
    pub(crate) fn check_length(value: &SecretValue) -> Result<()> {
        if value.len() > MAX_VALUE_BYTES {
            return Err(too_large(value.len(), MAX_VALUE_BYTES));
        }
        Ok(())
    }

    /// The map to store, as JSON text.
    pub(crate) fn map_of(&self, value: &SecretValue, keeping: Keeping) -> Result<SecretValue> {
        Self::check_length(value)?;
        let map = match self.shape {
            Shape::Value => self.single(value)?,
            Shape::Map => {
                if !value.is_json_object() {
                    return Err(invalid("the value is not a JSON object").with_hint(
                        "`shape = \"map\"` stores only objects; `auto` and `value` store anything",
                    ));
                }
                if has_repeated_key(value.expose_bytes()) {
                    return Err(invalid("a key stands more than once in the JSON object")
                        .with_hint("remove all but one of them, or use `shape = \"auto\"`"));
                }
                if !is_kept(value.expose_bytes(), keeping) {
                    return Err(invalid(
                        "the server would change a number or character of the JSON object",
                    )
                    .with_hint("write the number as a string, or use `shape = \"auto\"`"));
                }
                value.clone()
            }
            Shape::Auto if value.is_json_object() => {
                if self.looks_single(&entries(value.expose_bytes())?) {
                    return Err(invalid(format!(
                        "a JSON object with the key `{}` alone could not be told from a plain value",
                        self.field
                    ))
                    .with_hint("add a key, or set `value_field` or `shape = \"map\"`"));
                }
                if is_kept(value.expose_bytes(), keeping) && !has_repeated_key(value.expose_bytes())
                {
                    value.clone()
                } else {
                    self.single(value)?
                }
            }
            Shape::Auto => self.single(value)?,
        };
        let length = stored_length(map.expose_bytes());
        if length > MAX_MAP_BYTES {
            return Err(too_large(length, MAX_MAP_BYTES));
        }
        Ok(map)
    }

    /// The value that a stored map stands for.
    pub(crate) fn value_of(&self, map: SecretValue) -> Result<SecretValue> {
        if self.shape == Shape::Map {
            return Ok(map);
        }
        let entries = entries(map.expose_bytes())?;
        let has_field = entries.iter().any(|(key, _)| *key == self.field);
        if self.shape == Shape::Value && !has_field {
            return Err(
                invalid(format!("the secret has no key `{}`", self.field)).with_hint(
                    "set `value_field` to the key that holds the value, or `shape = \"auto\"`",
                ),
            );
        }
        let is_encoded = entries.iter().any(|(key, raw)| is_marker(key, raw));
        let single = self.looks_single(&entries)
            && entries.iter().all(|(_, raw)| raw.get().starts_with('"'));
        if self.shape == Shape::Auto && !single {
            return Ok(map);
        }
        let text = map.field(&self.field)?;
        if is_encoded {
            decode_base64(&text)
        } else {
            Ok(text)
        }
    }

    fn single(&self, value: &SecretValue) -> Result<SecretValue> {
        let unexpected = |_| Error::new(ErrorKind::Unexpected, "cannot write the value as JSON");
        let room = value.len() + value.len() / 3 + self.field.len() + ENCODING_KEY.len() + 64;
        let open = |room| {
            let mut out = WipedBuffer::with_capacity(room);
            out.extend_from_slice(b"{");
            serde_json::to_writer(&mut out, &self.field).map_err(unexpected)?;
            out.extend_from_slice(b":");
            Ok::<_, Error>(out)
        };
        if let Ok(text) = std::str::from_utf8(value.expose_bytes()) {
            let mut out = open(room)?;
            serde_json::to_writer(&mut out, text).map_err(unexpected)?;
            out.extend_from_slice(b"}");
            // Text that is mostly escapes is shorter in base64.
            let map = out.into_value();
            if stored_length(map.expose_bytes()) <= MAX_MAP_BYTES {
                return Ok(map);
            }
        }
        let mut out = open(room)?;
        let length = base64::encoded_len(value.len(), true).unwrap_or(usize::MAX);
        let mut encoded = Zeroizing::new(String::with_capacity(length));
        STANDARD.encode_string(value.expose_bytes(), &mut encoded);
        out.extend_from_slice(b"\"");
        out.extend_from_slice(encoded.as_bytes());
        out.extend_from_slice(format!("\",\"{ENCODING_KEY}\":\"{BASE64}\"}}").as_bytes());
        Ok(out.into_value())
    }

    /// Whether a map has the form in which a plain value is stored.
    fn looks_single(&self, entries: &[(Cow<'_, str>, &RawValue)]) -> bool {
        match entries {
            [(key, _)] => *key == self.field,
            [(a, x), (b, y)] => {
                *a == self.field && is_marker(b, y) || *b == self.field && is_marker(a, x)
            }
            _ => false,
        }
    }
}

fn is_marker(key: &str, raw: &RawValue) -> bool {
    key == ENCODING_KEY && raw.get().trim_matches('"') == BASE64
}

fn decode_base64(text: &SecretValue) -> Result<SecretValue> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len()));
    STANDARD
        .decode_vec(text.expose_bytes(), &mut bytes)
        .map_err(|_| {
            Error::new(
                ErrorKind::IntegrityFailure,
                "the secret says that it is base64, but it is not",
            )
            .with_hint("write it again; another program may have changed it")
        })?;
    Ok(SecretValue::from_zeroizing(bytes))
}

fn invalid(message: impl Into<Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::InvalidValue, message)
}

/// How many bytes the server makes of JSON: it writes `<`, `>` and `&` as escapes.
fn stored_length(json: &[u8]) -> usize {
    let longer = json
        .iter()
        .filter(|byte| matches!(byte, b'<' | b'>' | b'&'))
        .count();
    json.len() + 5 * longer
}

fn too_large(length: usize, limit: usize) -> Error {
    invalid(format!(
        "the value takes {length} bytes, of at most {limit}"
    ))
    .with_hint("store large values elsewhere, and the key that encrypts them here")
}

fn entries(map: &[u8]) -> Result<Vec<(Cow<'_, str>, &RawValue)>> {
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

/// Whether the server gives valid JSON back as it was: all numbers with their text, all strings with their characters.
fn is_kept(json: &[u8], keeping: Keeping) -> bool {
    let inside = json.trim_ascii().get(1..).unwrap_or_default();
    if keeping == Keeping::Text && inside.trim_ascii_start() == b"}" {
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
                if !is_kept_number(&rest[..=end], keeping) {
                    return false;
                }
                &tail[end..]
            }
            _ => tail,
        };
    }
    true
}

/// A key of an object. Keys with escapes are compared by what they mean, as the server does.
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

/// Whether an object in valid JSON, at any depth, has the same key twice, of which the server would keep the last. A key
/// that cannot be decoded counts as one.
fn has_repeated_key(json: &[u8]) -> bool {
    // One entry for each object or array that is open: the keys so far, none for an array.
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
        // A string is a key where an object begins or goes on, and only there.
        is_key = match first {
            b'{' | b',' => true,
            byte if byte.is_ascii_whitespace() => is_key,
            _ => false,
        };
    }
    false
}

/// What follows a string whose opening quote is gone; `None` if it holds half of a surrogate pair.
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

/// Whether the server gives this number back as it was. Go reads floating point as Rust does, and between 1e-6 and 1e21
/// writes the shortest digits without an exponent, as Rust does too.
fn is_kept_number(text: &[u8], keeping: Keeping) -> bool {
    let text = std::str::from_utf8(text).unwrap_or_default();
    text.parse::<f64>().is_ok_and(|number| match keeping {
        Keeping::Text => number.is_finite(),
        Keeping::Floats => {
            let size = number.abs();
            (size == 0.0 || (1.0e-6..1.0e21).contains(&size)) && number.to_string() == text
        }
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shaper(shape: Shape) -> Shaper {
        Shaper {
            shape,
            field: "value".to_owned(),
        }
    }

    fn stored(shape: Shape, value: impl Into<SecretValue>) -> String {
        let map = shaper(shape)
            .map_of(&value.into(), Keeping::Floats)
            .unwrap();
        map.expose_str().unwrap().to_owned()
    }

    fn read(shape: Shape, map: &str) -> Result<String> {
        let value = shaper(shape).value_of(map.into())?;
        Ok(value.expose_str()?.to_owned())
    }

    fn refused(shape: Shape, value: impl Into<SecretValue>) {
        let error = shaper(shape)
            .map_of(&value.into(), Keeping::Floats)
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidValue);
    }

    #[test]
    fn text_is_stored_under_the_value_field() {
        assert_eq!(stored(Shape::Auto, "hunter2"), r#"{"value":"hunter2"}"#);
        assert_eq!(stored(Shape::Auto, "[1]"), r#"{"value":"[1]"}"#);
        assert_eq!(stored(Shape::Auto, ""), r#"{"value":""}"#);
        assert_eq!(
            stored(Shape::Value, r#"{"a":1}"#),
            r#"{"value":"{\"a\":1}"}"#
        );
    }

    #[test]
    fn objects_are_the_map_if_they_come_back_unchanged() {
        for kept in [
            r#"{"a":1754110382,"b":0.5,"c":-0,"d":[9007199254740991,{"e":"1e400"}]}"#,
            r#"{"a":"\ud83d\ude00\\ud800\"1e400"}"#,
            "{}",
        ] {
            assert_eq!(stored(Shape::Auto, kept), kept);
            assert_eq!(stored(Shape::Map, kept), kept);
        }
        for changed in [
            r#"{"a":0.10}"#,
            r#"{"a":1e5}"#,
            r#"{"a":12345678901234567890123}"#,
            r#"{"a":9007199254740993}"#,
            r#"{"a":1e400}"#,
            r#"{"a":[0.0000001]}"#,
            r#"{"a":"\ud800"}"#,
            r#"{"a":"\udc00"}"#,
        ] {
            let map = stored(Shape::Auto, changed);
            assert!(map.starts_with(r#"{"value":"#), "{map}");
            assert_eq!(read(Shape::Auto, &map).unwrap(), changed);
            refused(Shape::Map, changed);
        }
        let numbers = shaper(Shape::Auto)
            .map_of(&r#"{"a":0.10}"#.into(), Keeping::Text)
            .unwrap();
        assert_eq!(numbers.expose_str().unwrap(), r#"{"a":0.10}"#);
    }

    #[test]
    fn an_object_with_a_key_twice_loses_none() {
        for repeated in [
            r#"{"a":1,"a":2}"#,
            r#"{"value":"x","value":"y"}"#,
            r#" { "a" : {"b":"", "b" : [] } }"#,
            r#"{"x":[{"a":1},{"k":"a","a":{},"a":{}}]}"#,
            r#"{"a":1,"\u0061":2}"#,
            r#"{"\"":1,"\u0022":2}"#,
            r#"{"é":1,"\u00e9":2}"#,
        ] {
            let map = stored(Shape::Auto, repeated);
            assert!(map.starts_with(r#"{"value":"#), "{map}");
            assert_eq!(read(Shape::Auto, &map).unwrap(), repeated);
            refused(Shape::Map, repeated);
            let first_version = shaper(Shape::Auto)
                .map_of(&repeated.into(), Keeping::Text)
                .unwrap();
            assert_ne!(first_version.expose_str().unwrap(), repeated);
        }
        for distinct in [
            r#"{"a":"b","b":"a","A":["a","a",{"a":{"a":1}}]}"#,
            r#"{"a":{"b":1},"c":{"b":1}}"#,
            r#"{"a":"{\"a\":1,","b":",","":","}"#,
            r#"{"a":[{"b":1},"b","b"],"b":"}"}"#,
        ] {
            assert_eq!(stored(Shape::Auto, distinct), distinct);
            assert_eq!(stored(Shape::Map, distinct), distinct);
        }
    }

    #[test]
    fn objects_that_look_like_a_plain_value_are_refused() {
        refused(Shape::Auto, r#"{"value":"x"}"#);
        refused(Shape::Auto, r#"{"value":{"a":1}}"#);
        refused(
            Shape::Auto,
            r#"{"value":"eA==","polysecrets-encoding":"base64"}"#,
        );
        assert_eq!(stored(Shape::Map, r#"{"value":"x"}"#), r#"{"value":"x"}"#);
    }

    #[test]
    fn only_objects_fit_the_shape_map() {
        for value in ["x", "[]", "", "{"] {
            refused(Shape::Map, value);
        }
    }

    #[test]
    fn maps_of_others_are_read() {
        let map = r#"{"password":"p","user":"u"}"#;
        assert_eq!(read(Shape::Auto, map).unwrap(), map);
        assert_eq!(
            read(Shape::Auto, r#"{"value":7}"#).unwrap(),
            r#"{"value":7}"#
        );
        assert_eq!(read(Shape::Auto, r#"{"value":"7"}"#).unwrap(), "7");
        assert_eq!(read(Shape::Value, r#"{"value":7,"x":1}"#).unwrap(), "7");
        assert_eq!(
            read(Shape::Map, r#"{"value":"7"}"#).unwrap(),
            r#"{"value":"7"}"#
        );
        let missing = read(Shape::Value, map).unwrap_err();
        assert_eq!(missing.kind(), ErrorKind::InvalidValue);
        let damaged = r#"{"value":"%","polysecrets-encoding":"base64"}"#;
        assert_eq!(
            read(Shape::Auto, damaged).unwrap_err().kind(),
            ErrorKind::IntegrityFailure
        );
    }

    #[test]
    fn every_value_up_to_the_limit_fits_and_none_beyond() {
        for unit in ["x", "\"", "\u{1}", "<", "é"] {
            let text = unit.repeat(MAX_VALUE_BYTES / unit.len());
            let map = stored(Shape::Auto, text.as_str());
            assert!(stored_length(map.as_bytes()) <= MAX_MAP_BYTES, "{unit:?}");
            assert_eq!(read(Shape::Auto, &map).unwrap(), text);
        }
        let bytes = vec![0xff; MAX_VALUE_BYTES];
        assert!(stored(Shape::Auto, bytes).len() <= MAX_MAP_BYTES);
        refused(Shape::Auto, vec![b'x'; MAX_VALUE_BYTES + 1]);
        refused(Shape::Auto, vec![0xff; MAX_VALUE_BYTES + 1]);
        refused(
            Shape::Map,
            format!("{{\"a\":\"{}\"}}", "<".repeat(MAX_VALUE_BYTES / 2)),
        );
    }

    #[test]
    fn version_1_keeps_numbers_but_not_all_maps() {
        let shaper = shaper(Shape::Auto);
        let map = |text: &str| {
            let map = shaper.map_of(&text.into(), Keeping::Text).unwrap();
            map.expose_str().unwrap().to_owned()
        };
        assert_eq!(map(r#"{"a":0.10}"#), r#"{"a":0.10}"#);
        assert_eq!(map("{}"), r#"{"value":"{}"}"#);
        assert_eq!(map(" { } "), r#"{"value":" { } "}"#);
        assert_eq!(map(r#"{"a":1e400}"#), r#"{"value":"{\"a\":1e400}"}"#);
    }

    proptest! {
        #[test]
        fn every_value_comes_back(bytes: Vec<u8>) {
            for shape in [Shape::Auto, Shape::Value] {
                let shaper = shaper(shape);
                let value = SecretValue::from(bytes.clone());
                let back = shaper.value_of(shaper.map_of(&value, Keeping::Floats).unwrap()).unwrap();
                prop_assert_eq!(back.expose_bytes(), &bytes[..]);
            }
        }
    }
}
