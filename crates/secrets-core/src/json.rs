//! Fields of a JSON object, read without copying its values into memory that nobody wipes.

use std::borrow::Cow;
use std::fmt;

use serde::Deserializer as _;
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use crate::{Error, ErrorKind, Result};

pub(crate) fn is_object(bytes: &[u8]) -> bool {
    bytes.trim_ascii_start().first() == Some(&b'{') && for_each_field(bytes, |_, _| {}).is_ok()
}

pub(crate) fn field(bytes: &[u8], key: &str) -> Result<Zeroizing<Vec<u8>>> {
    let mut found = None;
    for_each_field(bytes, |name, raw| {
        if name == key {
            found = Some(raw);
        }
    })?;
    match found {
        Some(raw) => decode(raw.get()),
        None => Err(Error::new(
            ErrorKind::NotFound,
            format!("the secret has no field {key:?}"),
        )
        .with_hint("a field is a key of a value that is a JSON object")),
    }
}

pub(crate) fn fields(bytes: &[u8]) -> Result<Vec<(String, Zeroizing<Vec<u8>>)>> {
    let mut all: Vec<(String, &RawValue)> = Vec::new();
    for_each_field(bytes, |name, raw| all.push((name.to_owned(), raw)))?;
    all.into_iter()
        .map(|(name, raw)| Ok((name, decode(raw.get())?)))
        .collect()
}

fn for_each_field<'a>(bytes: &'a [u8], visit: impl FnMut(&str, &'a RawValue)) -> Result<()> {
    struct Fields<F>(F);

    impl<'de, F: FnMut(&str, &'de RawValue)> Visitor<'de> for Fields<F> {
        type Value = ();

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a JSON object")
        }

        fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
            while let Some(key) = map.next_key::<Cow<'de, str>>()? {
                let raw = map.next_value::<&'de RawValue>()?;
                (self.0)(&key, raw);
            }
            Ok(())
        }
    }

    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    deserializer
        .deserialize_map(Fields(visit))
        .and_then(|()| deserializer.end())
        // serde_json's own text may quote the value.
        .map_err(|_| {
            Error::new(
                ErrorKind::InvalidValue,
                "the value is not a JSON object, so it has no fields",
            )
            .with_hint("leave out the field, or store the secret as a JSON object")
        })
}

/// A string's text, anything else's source text. `raw` is valid JSON.
fn decode(raw: &str) -> Result<Zeroizing<Vec<u8>>> {
    let Some(inner) = raw
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
    else {
        return Ok(Zeroizing::new(raw.as_bytes().to_vec()));
    };
    // No escape is shorter than what it stands for, so the buffer never grows and leaves no copy behind.
    let mut text = Zeroizing::new(Vec::with_capacity(inner.len()));
    let mut rest = inner;
    while let Some(at) = rest.find('\\') {
        text.extend_from_slice(&rest.as_bytes()[..at]);
        rest = &rest[at + 1..];
        let (character, used) = unescape(rest).ok_or_else(lone_surrogate)?;
        text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        rest = &rest[used..];
    }
    text.extend_from_slice(rest.as_bytes());
    Ok(text)
}

/// The character that an escape stands for, and how many bytes the escape takes after its backslash.
fn unescape(rest: &str) -> Option<(char, usize)> {
    let character = match rest.as_bytes().first()? {
        b'n' => '\n',
        b't' => '\t',
        b'r' => '\r',
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'u' => return unescape_unicode(rest),
        other => char::from(*other),
    };
    Some((character, 1))
}

fn unescape_unicode(rest: &str) -> Option<(char, usize)> {
    let unit = |at: usize| u32::from_str_radix(rest.get(at..at + 4)?, 16).ok();
    let high = unit(1)?;
    if let Some(character) = char::from_u32(high) {
        return Some((character, 5));
    }
    if !(0xd800..0xdc00).contains(&high) || rest.get(5..7)? != "\\u" {
        return None;
    }
    let low = unit(7).filter(|low| (0xdc00..0xe000).contains(low))?;
    char::from_u32(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00))
        .map(|character| (character, 11))
}

fn lone_surrogate() -> Error {
    Error::new(
        ErrorKind::InvalidValue,
        "the field holds an escape that is not a Unicode character",
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(json: &str, key: &str) -> String {
        String::from_utf8(field(json.as_bytes(), key).unwrap().to_vec()).unwrap()
    }

    #[test]
    fn numbers_keep_their_text() {
        let json = r#"{"a":1754110382,"b":1e400,"c":0.10,"d":12345678901234567890123}"#;
        assert_eq!(text(json, "a"), "1754110382");
        assert_eq!(text(json, "b"), "1e400");
        assert_eq!(text(json, "c"), "0.10");
        assert_eq!(text(json, "d"), "12345678901234567890123");
    }

    #[test]
    fn other_types_keep_their_text() {
        assert_eq!(text(r#"{"a": [1, "x"], "b":null}"#, "a"), r#"[1, "x"]"#);
        assert_eq!(text(r#"{"a": [1], "b":true}"#, "b"), "true");
    }

    #[test]
    fn what_is_not_an_object_has_no_fields() {
        for bytes in [
            &b"plain"[..],
            b"[1]",
            b"",
            b"{",
            b"{}x",
            b"\xff{}",
            b"\"{}\"",
        ] {
            assert_eq!(
                field(bytes, "a").unwrap_err().kind(),
                ErrorKind::InvalidValue
            );
            assert!(!is_object(bytes));
        }
        assert!(is_object(b" {} "));
    }

    #[test]
    fn a_missing_field_is_not_found_and_the_last_of_two_counts() {
        assert_eq!(field(b"{}", "a").unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(text(r#"{"a":"1","\u0061":"2"}"#, "a"), "2");
    }

    #[test]
    fn a_lone_surrogate_is_an_error() {
        for json in [
            r#"{"a":"\ud800"}"#,
            r#"{"a":"\udc00"}"#,
            r#"{"a":"\ud800\u0041"}"#,
        ] {
            assert_eq!(
                field(json.as_bytes(), "a").unwrap_err().kind(),
                ErrorKind::InvalidValue
            );
        }
    }

    proptest! {
        #[test]
        fn strings_come_back_as_serde_json_wrote_them(value: String, key: String) {
            let json = serde_json::json!({ &key: &value }).to_string();
            prop_assert_eq!(text(&json, &key), value);
        }

        #[test]
        fn escaped_characters_come_back(value: String) {
            let escaped: String = value.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
            prop_assert_eq!(text(&format!(r#"{{"a":"{escaped}"}}"#), "a"), value);
        }
    }
}
