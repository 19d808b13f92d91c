//! Values as the service keeps them: text or bytes, and JSON objects whose keys are names.

use crate::limits::{MAX_TAG_KEY_CHARS, MAX_TAG_VALUE_CHARS, MAX_TAGS, MAX_VALUE_BYTES};
use crate::wire::Payload;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use aws_smithy_types::Blob;
use secrets_core::{Error, ErrorKind, Result, SecretName, SecretValue};
use secrets_provider::{WipedBuffer, encode};
use serde::Deserializer as _;
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;

/// What begins the keys of tags that AWS sets and nobody else can change.
pub(crate) const AWS_TAG: &str = "aws:";

/// Text goes as text, so that other programs and the console can show it; any other bytes as bytes, and what was kept as
/// bytes before.
pub(crate) fn payload(payload: Payload<'_>) -> (Option<String>, Option<Blob>) {
    let bytes = payload.value.expose_bytes();
    match payload.value.expose_str() {
        Ok(text) if !payload.as_bytes => (Some(text.to_owned()), None),
        _ => (None, Some(Blob::new(bytes))),
    }
}

/// The text of a JSON object without the byte order mark that some editors put before it.
pub(crate) fn without_mark(value: SecretValue) -> SecretValue {
    match value.expose_bytes().strip_prefix(b"\xef\xbb\xbf") {
        Some(text) => SecretValue::from(text),
        None => value,
    }
}

pub(crate) fn check_value(value: &SecretValue) -> Result<()> {
    if value.is_empty() {
        return Err(
            Error::new(ErrorKind::InvalidValue, "AWS keeps no empty value")
                .with_hint("a value has 1 to 65536 bytes; delete the secret instead"),
        );
    }
    if value.len() > MAX_VALUE_BYTES {
        return Err(Error::new(
            ErrorKind::InvalidValue,
            format!(
                "the value has {} bytes, AWS takes {MAX_VALUE_BYTES}",
                value.len()
            ),
        )
        .with_hint("split it, or keep it elsewhere, encrypted with a key that is the secret"));
    }
    Ok(())
}

pub(crate) fn check_tags(tags: &BTreeMap<String, String>) -> Result<()> {
    let invalid = |rule: String| {
        Err(Error::new(ErrorKind::InvalidValue, rule)
            .with_hint("see the quotas of AWS Secrets Manager"))
    };
    if tags.len() > MAX_TAGS {
        return invalid(format!("{} tags, AWS keeps {MAX_TAGS}", tags.len()));
    }
    for (key, value) in tags {
        if key.is_empty() || key.chars().count() > MAX_TAG_KEY_CHARS {
            return invalid(format!(
                "a tag's key has not 1 to {MAX_TAG_KEY_CHARS} characters"
            ));
        }
        if value.chars().count() > MAX_TAG_VALUE_CHARS {
            return invalid(format!(
                "a tag's value has more than {MAX_TAG_VALUE_CHARS} characters"
            ));
        }
        if key.starts_with(AWS_TAG) {
            return invalid(format!(
                "only AWS sets tags whose keys begin with `{AWS_TAG}`"
            ));
        }
    }
    Ok(())
}

pub(crate) fn not_an_object() -> Error {
    Error::new(
        ErrorKind::InvalidValue,
        "the secret of `secret_name` is not a JSON object",
    )
    .with_hint("store an object of strings in it, or use `secret_prefix`")
}

/// The keys and the source texts of their values, in the order of the text, which they are borrowed from.
#[derive(Default)]
pub(crate) struct Fields<'a>(Vec<(String, &'a RawValue)>);

impl<'a> Fields<'a> {
    pub(crate) fn parse(value: &'a SecretValue) -> Result<Self> {
        struct FieldsVisitor;

        impl<'de> Visitor<'de> for FieldsVisitor {
            type Value = Vec<(String, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::new();
                while let Some(key) = map.next_key::<Cow<'de, str>>()? {
                    fields.push((key.into_owned(), map.next_value()?));
                }
                Ok(fields)
            }
        }

        let mut deserializer = serde_json::Deserializer::from_slice(value.expose_bytes());
        let fields = deserializer.deserialize_map(FieldsVisitor);
        // serde_json's own text may quote the value.
        let fields = fields.map_err(|_| not_an_object())?;
        deserializer.end().map_err(|_| not_an_object())?;
        Ok(Self(fields))
    }

    /// The keys, in the order of the text.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(key, _)| key.as_str())
    }

    /// Where the key is; of several the last one counts.
    pub(crate) fn position(&self, name: &SecretName) -> Option<usize> {
        self.0.iter().rposition(|(key, _)| key == name.as_str())
    }

    /// The whole text with one key set, or taken away. All else keeps its order and its source text.
    pub(crate) fn with(
        &self,
        name: &SecretName,
        value: Option<&SecretValue>,
    ) -> Result<SecretValue> {
        let length: usize = self
            .0
            .iter()
            .map(|(key, raw)| key.len() + raw.get().len() + 8)
            .sum();
        let room = length + name.as_str().len() + 2 * value.map_or(0, SecretValue::len) + 16;
        let mut text = WipedBuffer::with_capacity(room);
        let at = self.position(name);
        let mut separator: &[u8] = b"{";
        let mut write = |key: &str, value: &[u8]| {
            text.extend_from_slice(separator);
            text.extend_from_slice(encode(key, key.len() + 2)?.expose_bytes());
            text.extend_from_slice(b":");
            text.extend_from_slice(value);
            separator = b",";
            Ok::<(), Error>(())
        };
        let new = match value {
            Some(value) => Some(encode(value.expose_str()?, 2 * value.len() + 2)?),
            None => None,
        };
        for (number, (key, raw)) in self.0.iter().enumerate() {
            if key != name.as_str() {
                write(key, raw.get().as_bytes())?;
            } else if let (Some(new), true) = (&new, Some(number) == at) {
                write(key, new.expose_bytes())?;
            }
        }
        if let (Some(new), None) = (&new, at) {
            write(name.as_str(), new.expose_bytes())?;
        }
        if separator == b"{" {
            text.extend_from_slice(b"{");
        }
        text.extend_from_slice(b"}");
        Ok(text.into_value())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(text: &str, key: &str, value: Option<&str>) -> String {
        let whole = SecretValue::from(text);
        let fields = Fields::parse(&whole).unwrap();
        let name = SecretName::new(key).unwrap();
        let value = value.map(SecretValue::from);
        let new = fields.with(&name, value.as_ref()).unwrap();
        new.expose_str().unwrap().to_owned()
    }

    #[test]
    fn one_key_changes_and_all_else_stays_as_it_is_written() {
        let text = r#"{"a": 0.10,"b" : {"x": [1, 1e400]},"c":"\u00e9"}"#;
        assert_eq!(
            with(text, "b", Some("line\n\"")),
            r#"{"a":0.10,"b":"line\n\"","c":"\u00e9"}"#
        );
        assert_eq!(
            with(text, "d/e", Some("")),
            r#"{"a":0.10,"b":{"x": [1, 1e400]},"c":"\u00e9","d/e":""}"#
        );
        assert_eq!(
            with(text, "a", None),
            r#"{"b":{"x": [1, 1e400]},"c":"\u00e9"}"#
        );
        assert_eq!(with("{}", "a", Some("1")), r#"{"a":"1"}"#);
        assert_eq!(with(r#"{"a":1}"#, "a", None), "{}");
        assert_eq!(
            with(r#"{"a":1,"a":2,"b":3}"#, "a", Some("4")),
            r#"{"a":"4","b":3}"#
        );
        assert_eq!(with(r#"{"a":1,"a":2,"b":3}"#, "a", None), r#"{"b":3}"#);
    }

    #[test]
    fn what_is_not_an_object_is_refused_without_being_shown() {
        for text in [
            "hunter2",
            "[\"hunter2\"]",
            "{\"a\":\"hunter2\"",
            "{}hunter2",
            "",
        ] {
            let value = SecretValue::from(text);
            let error = Fields::parse(&value).err().unwrap();
            assert_eq!(error.kind(), ErrorKind::InvalidValue);
            assert!(!format!("{error:?}").contains("hunter2"));
        }
    }

    #[test]
    fn values_and_tags_beyond_the_quotas_are_refused() {
        assert!(check_value(&SecretValue::from(vec![b'x'; MAX_VALUE_BYTES])).is_ok());
        for wrong in [Vec::new(), vec![b'x'; MAX_VALUE_BYTES + 1]] {
            let error = check_value(&SecretValue::from(wrong)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidValue);
        }
        let tags = |pairs: &[(&str, &str)]| {
            pairs
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect()
        };
        assert!(check_tags(&tags(&[("team", "")])).is_ok());
        for wrong in [
            tags(&[("", "x")]),
            tags(&[("aws:x", "y")]),
            tags(&[(&"k".repeat(129), "")]),
        ] {
            assert_eq!(
                check_tags(&wrong).unwrap_err().kind(),
                ErrorKind::InvalidValue
            );
        }
    }
}
