//! How a value becomes the map that a key/value engine stores, and back.
//!
//! A JSON object is stored as the map itself, unless the engine would change it: the engine reads numbers as 64-bit
//! floating point, replaces lone surrogates, and keeps only one of two equal keys. Such an object, and any other text,
//! is stored as text under one key, which returns every byte. Bytes that are not text are stored in base64 beside a
//! second key that marks them. The mark is in the map and not in the custom metadata because each version needs its own.

mod json;

use std::borrow::Cow;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrets_core::{Error, ErrorKind, Result, SecretValue};
use secrets_provider::WipedBuffer;
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use crate::Shape;
use crate::limits::{MAX_MAP_BYTES, MAX_VALUE_BYTES};

pub(crate) use json::Numbers;
use json::{count_strings, entries, has_repeated_key, stored_length, survives};

/// The key that marks a value in base64.
const ENCODING_KEY: &str = "polysecrets-encoding";
const BASE64: &str = "base64";

/// A mount's rules for values.
#[derive(Debug, Clone)]
pub(crate) struct Shaper {
    pub(crate) shape: Shape,
    pub(crate) field: Arc<str>,
}

impl Shaper {
    /// Checks the length, which needs no knowledge of the engine.
    pub(crate) fn check_length(value: &SecretValue) -> Result<()> {
        if value.len() > MAX_VALUE_BYTES {
            return Err(too_large(value.len(), MAX_VALUE_BYTES));
        }
        Ok(())
    }

    /// Returns the map to store, as JSON text, with at most this number of strings.
    pub(crate) fn to_map(
        &self,
        value: &SecretValue,
        numbers: Numbers,
        strings: usize,
    ) -> Result<SecretValue> {
        Self::check_length(value)?;
        let map = match self.shape {
            Shape::Value => self.wrap(value)?,
            Shape::Map => {
                if !value.is_json_object() {
                    return Err(invalid("the value is not a JSON object").with_hint(
                        "`shape = \"map\"` stores only objects; `auto` and `value` store anything",
                    ));
                }
                if has_repeated_key(value.expose_bytes()) {
                    return Err(invalid("the JSON object has a key more than once")
                        .with_hint("remove all but one of them, or use `shape = \"auto\"`"));
                }
                if !survives(value.expose_bytes(), numbers) {
                    return Err(invalid(
                        "the server would change a number or a character of the JSON object",
                    )
                    .with_hint("write the number as a string, or use `shape = \"auto\"`"));
                }
                if count_strings(value.expose_bytes()) > strings {
                    return Err(invalid(format!(
                        "the server accepts at most {strings} strings in a secret, keys and values together"
                    ))
                    .with_hint("split the secret, or use `shape = \"auto\"`"));
                }
                value.clone()
            }
            Shape::Auto if value.is_json_object() => {
                if self.is_wrapper(&entries(value.expose_bytes())?) {
                    return Err(invalid(format!(
                        "a JSON object whose only key is `{}` looks like a plain value",
                        self.field
                    ))
                    .with_hint("add a key, or set `value_field` or `shape = \"map\"`"));
                }
                let json = value.expose_bytes();
                if survives(json, numbers)
                    && !has_repeated_key(json)
                    && count_strings(json) <= strings
                {
                    value.clone()
                } else {
                    self.wrap(value)?
                }
            }
            Shape::Auto => self.wrap(value)?,
        };
        let length = stored_length(map.expose_bytes());
        if length > MAX_MAP_BYTES {
            return Err(too_large(length, MAX_MAP_BYTES));
        }
        Ok(map)
    }

    /// Returns the value that a stored map holds.
    pub(crate) fn read_map(&self, map: SecretValue) -> Result<SecretValue> {
        if self.shape == Shape::Map {
            return Ok(map);
        }
        let entries = entries(map.expose_bytes())?;
        let has_field = entries.iter().any(|(key, _)| **key == *self.field);
        if self.shape == Shape::Value && !has_field {
            return Err(
                invalid(format!("the secret has no key `{}`", self.field)).with_hint(
                    "set `value_field` to the key that holds the value, or set `shape = \"auto\"`",
                ),
            );
        }
        let is_encoded = entries.iter().any(|(key, raw)| is_marker(key, raw));
        let is_wrapped =
            self.is_wrapper(&entries) && entries.iter().all(|(_, raw)| raw.get().starts_with('"'));
        if self.shape == Shape::Auto && !is_wrapped {
            return Ok(map);
        }
        let text = map.field(&self.field)?;
        let value = if is_encoded {
            decode_base64(&text)?
        } else {
            text
        };
        Ok(value.with_field_name(Arc::clone(&self.field)))
    }

    fn wrap(&self, value: &SecretValue) -> Result<SecretValue> {
        let unexpected = |_| Error::new(ErrorKind::Unexpected, "cannot write the value as JSON");
        let room = value.len() + value.len() / 3 + self.field.len() + ENCODING_KEY.len() + 64;
        let open = |room| {
            let mut out = WipedBuffer::with_capacity(room);
            out.extend_from_slice(b"{");
            serde_json::to_writer(&mut out, &*self.field).map_err(unexpected)?;
            out.extend_from_slice(b":");
            Ok::<_, Error>(out)
        };
        if let Ok(text) = std::str::from_utf8(value.expose_bytes()) {
            let mut out = open(room)?;
            serde_json::to_writer(&mut out, text).map_err(unexpected)?;
            out.extend_from_slice(b"}");
            // Text that consists mostly of escapes is shorter in base64.
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

    /// Whether a map has the form of a stored plain value.
    fn is_wrapper(&self, entries: &[(Cow<'_, str>, &RawValue)]) -> bool {
        match entries {
            [(key, _)] => **key == *self.field,
            [(a, x), (b, y)] => {
                **a == *self.field && is_marker(b, y) || **b == *self.field && is_marker(a, x)
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
                "the secret is marked as base64, but is not",
            )
            .with_hint("another program may have changed it; write it again")
        })?;
    Ok(SecretValue::from_zeroizing(bytes))
}

fn invalid(message: impl Into<Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::InvalidValue, message)
}

fn too_large(length: usize, limit: usize) -> Error {
    invalid(format!(
        "the value takes {length} bytes; the limit is {limit}"
    ))
    .with_hint("store large values elsewhere, encrypted, and only their key here")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::limits::MAX_STRINGS;

    fn shaper(shape: Shape) -> Shaper {
        Shaper {
            shape,
            field: "value".into(),
        }
    }

    fn stored(shape: Shape, value: impl Into<SecretValue>) -> String {
        let map = shaper(shape)
            .to_map(&value.into(), Numbers::Float64, MAX_STRINGS)
            .unwrap();
        map.expose_str().unwrap().to_owned()
    }

    fn read(shape: Shape, map: &str) -> Result<String> {
        let value = shaper(shape).read_map(map.into())?;
        Ok(value.expose_str()?.to_owned())
    }

    fn refused(shape: Shape, value: impl Into<SecretValue>) {
        let error = shaper(shape)
            .to_map(&value.into(), Numbers::Float64, MAX_STRINGS)
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
            .to_map(&r#"{"a":0.10}"#.into(), Numbers::Text, MAX_STRINGS)
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
                .to_map(&repeated.into(), Numbers::Text, MAX_STRINGS)
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
            let map = shaper
                .to_map(&text.into(), Numbers::Text, MAX_STRINGS)
                .unwrap();
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
                let back = shaper.read_map(shaper.to_map(&value, Numbers::Float64, MAX_STRINGS).unwrap()).unwrap();
                prop_assert_eq!(back.expose_bytes(), &bytes[..]);
            }
        }
    }
}
