//! How a value is stored so that the server gives it back byte for byte.
//!
//! The server trims white space, refuses references to what it does not know, and takes text only. What it would change
//! is stored in base64 behind a mark in the value itself: metadata would not do, since the server does not tell that of an
//! earlier version, and keeps it when somebody else writes another value.

use secrets_core::{Error, ErrorKind, Result, SecretValue};
use secrets_provider::{WipedBuffer, decode_base64, encode_base64};

use crate::config::{Encoding, UnresolvedReferences};
use crate::limits::{MAX_JSON_BYTES, MAX_VALUE_BYTES};

/// A plain value never begins with this: such a one is encoded.
const RESERVED: &str = "polysecrets:";
const MARK: &str = "polysecrets:base64:";

#[derive(Debug, Clone, Copy)]
pub(crate) struct Codec {
    pub(crate) encoding: Encoding,
    pub(crate) writes_references: bool,
    pub(crate) unresolved: UnresolvedReferences,
    /// Whether the server expands references, so that one which is left is unresolved.
    pub(crate) expands: bool,
}

/// What is found in a value that was read.
pub(crate) enum Revealed {
    Whole(SecretValue),
    /// A reference is left in it.
    Unresolved(SecretValue),
}

impl Codec {
    /// The text to store for a value.
    pub(crate) fn stored(&self, value: &SecretValue) -> Result<SecretValue> {
        if value.len() > MAX_VALUE_BYTES {
            return Err(Error::new(
                ErrorKind::InvalidValue,
                format!(
                    "the value has {} bytes, more than the {MAX_VALUE_BYTES} that fit into a request",
                    value.len()
                ),
            )
            .with_hint("store it elsewhere, and a reference to it here"));
        }
        let plain = std::str::from_utf8(value.expose_bytes())
            .map_err(|_| "it is not UTF-8 text")
            .and_then(|text| self.check_plain(text));
        match (self.encoding, plain) {
            (Encoding::Auto | Encoding::Never, Ok(())) => Ok(value.clone()),
            (Encoding::Never, Err(why)) => Err(Error::new(
                ErrorKind::InvalidValue,
                format!("the server would not keep the value as it is: {why}"),
            )
            .with_hint("set `encoding = \"auto\"`, which stores such values in base64")),
            _ => Ok(encoded(value)),
        }
    }

    /// The same for what was stored before: a reference in it is meant.
    pub(crate) fn stored_again(&self, stored: &SecretValue) -> SecretValue {
        match stored.expose_str() {
            Ok(text) if is_kept(text) => stored.clone(),
            _ => encoded(stored),
        }
    }

    fn check_plain(&self, text: &str) -> Result<(), &'static str> {
        if text.starts_with(RESERVED) {
            return Err("it begins with `polysecrets:`, the mark of encoded values");
        }
        if !is_kept(text) {
            return Err("there is white space at its ends, which is trimmed");
        }
        if text
            .chars()
            .any(|c| c.is_control() && !matches!(c, '\t' | '\n' | '\r'))
        {
            return Err("it holds control characters");
        }
        if !self.writes_references && may_hold_reference(text) {
            return Err("it holds `${…}`, which is a reference");
        }
        if json_length(text) > MAX_JSON_BYTES {
            return Err("it has too many characters that JSON escapes");
        }
        Ok(())
    }

    /// The value behind a stored text.
    pub(crate) fn reveal(&self, stored: SecretValue) -> Result<Revealed> {
        let text = stored.expose_bytes();
        if let Some(encoded) = text.strip_prefix(MARK.as_bytes()) {
            return decoded(encoded).map(Revealed::Whole);
        }
        let is_checked = self.expands && self.unresolved != UnresolvedReferences::Keep;
        if is_checked && stored.expose_str().is_ok_and(holds_reference) {
            return Ok(Revealed::Unresolved(stored));
        }
        Ok(Revealed::Whole(stored))
    }
}

fn encoded(value: &SecretValue) -> SecretValue {
    encode_base64(MARK, value.expose_bytes())
}

fn decoded(encoded: &[u8]) -> Result<SecretValue> {
    decode_base64(encoded).ok_or_else(|| {
        Error::new(
            ErrorKind::IntegrityFailure,
            "the value is marked as base64, but is not",
        )
        .with_hint("another program may have changed it; write it again")
    })
}

/// Whether the server's trimming leaves a text as it is: it trims both ends, and puts one line feed back.
fn is_kept(text: &str) -> bool {
    // All that JavaScript's `trim` takes away, and U+0085 besides.
    let is_white = |c: char| c.is_whitespace() || c == '\u{feff}';
    let body = text.strip_suffix('\n').unwrap_or(text);
    body.is_empty() || !body.starts_with(is_white) && !body.ends_with(is_white)
}

/// Whether some version of the server may take a part of it for a reference.
fn may_hold_reference(text: &str) -> bool {
    text.split_once("${")
        .is_some_and(|(_, rest)| rest.find('}').is_some_and(|end| end > 0))
}

/// Whether it holds what the server's present version takes for a reference: `${…}` around letters, digits, `-_.@`.
fn holds_reference(text: &str) -> bool {
    text.split("${").skip(1).any(|rest| {
        rest.split_once('}').is_some_and(|(inside, _)| {
            !inside.is_empty()
                && inside
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '@'))
        })
    })
}

fn json_length(text: &str) -> usize {
    text.bytes()
        .map(|byte| match byte {
            b'"' | b'\\' | b'\n' | b'\r' | b'\t' => 2,
            _ => 1,
        })
        .sum()
}

/// The text of a JSON string, without a copy in memory that nobody wipes. `raw` is valid JSON.
pub(crate) fn text_of(raw: &str) -> Result<SecretValue> {
    let inner = raw
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    match inner {
        Some(inner) if !inner.contains('\\') => Ok(inner.into()),
        Some(_) => {
            let mut object = WipedBuffer::with_capacity(raw.len() + 8);
            object.extend_from_slice(b"{\"v\":");
            object.extend_from_slice(raw.as_bytes());
            object.extend_from_slice(b"}");
            object.into_value().field("v")
        }
        None => Err(Error::new(
            ErrorKind::InvalidResponse,
            "the answer holds a value that is not text",
        )),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CODEC: Codec = Codec {
        encoding: Encoding::Auto,
        writes_references: false,
        unresolved: UnresolvedReferences::Error,
        expands: true,
    };

    /// What the server makes of a value: JavaScript's `trim`, and one line feed put back.
    fn trimmed(text: &str) -> String {
        let body =
            text.trim_matches(|c: char| c == '\u{feff}' || c.is_whitespace() && c != '\u{85}');
        match text.ends_with('\n') {
            true => format!("{body}\n"),
            false => body.to_owned(),
        }
    }

    fn stored(text: &str) -> String {
        let stored = CODEC.stored(&text.into()).unwrap();
        stored.expose_str().unwrap().to_owned()
    }

    fn revealed(stored: &str) -> SecretValue {
        match CODEC.reveal(stored.into()).unwrap() {
            Revealed::Whole(value) => value,
            Revealed::Unresolved(_) => panic!("unresolved"),
        }
    }

    #[test]
    fn what_the_server_keeps_is_plain() {
        for text in [
            "",
            "a",
            "a b",
            "a\n",
            "\n",
            "$HOME $(id) ${}",
            "one\r\ntwo",
            "base64:YQ==",
        ] {
            assert_eq!(stored(text), text);
            assert_eq!(trimmed(text), text);
        }
    }

    #[test]
    fn what_it_would_change_is_encoded() {
        for text in [
            " a",
            "a ",
            "a\r\n",
            "a\n\n",
            "   ",
            "\u{feff}a",
            "a\u{a0}",
            "a\0",
            "${HOME}",
            "${ A }",
            "polysecrets:",
            "polysecrets:base64:YQ==",
        ] {
            assert!(stored(text).starts_with(MARK), "{text:?}");
            assert_eq!(revealed(&stored(text)).expose_str().unwrap(), text);
        }
    }

    #[test]
    fn references_are_found_as_the_server_finds_them() {
        for (text, holds) in [
            ("postgres://${USER}@db", true),
            ("${prod.db.KEY}", true),
            ("${@other.prod.KEY}", true),
            ("${a b} ${X}", true),
            ("${VAR:-default} ${}", false),
            ("${USER", false),
            ("$USER {}", false),
        ] {
            let found = CODEC.reveal(text.into()).unwrap();
            assert_eq!(matches!(found, Revealed::Unresolved(_)), holds, "{text}");
        }
        let kept = Codec {
            unresolved: UnresolvedReferences::Keep,
            ..CODEC
        };
        assert!(matches!(
            kept.reveal("${X}".into()).unwrap(),
            Revealed::Whole(_)
        ));
        let writing = Codec {
            writes_references: true,
            ..CODEC
        };
        assert_eq!(
            writing
                .stored(&"${X}".into())
                .unwrap()
                .expose_str()
                .unwrap(),
            "${X}"
        );
    }

    #[test]
    fn never_encoding_refuses_and_says_why() {
        let codec = Codec {
            encoding: Encoding::Never,
            ..CODEC
        };
        for value in [&b"\xff"[..], b" a", b"${X}", b"\0", b"polysecrets:x"] {
            let error = codec.stored(&value.into()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidValue);
        }
        assert!(codec.stored(&"a".into()).is_ok());
        let always = Codec {
            encoding: Encoding::Always,
            ..CODEC
        };
        let text = always.stored(&"a".into()).unwrap();
        assert_eq!(text.expose_str().unwrap(), "polysecrets:base64:YQ==");
    }

    #[test]
    fn a_damaged_encoding_is_told() {
        let error = CODEC.reveal("polysecrets:base64:Y!".into()).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::IntegrityFailure);
    }

    #[test]
    fn large_values_fit_into_a_request_or_are_refused() {
        let quotes = "\"".repeat(MAX_VALUE_BYTES);
        assert!(stored(&quotes).starts_with(MARK));
        let error = CODEC.stored(&format!("{quotes}x").into()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidValue);
    }

    proptest! {
        #[test]
        fn every_value_survives_the_server(text in "[ \\t\\n\\r\u{a0}\u{feff}\u{85}]{0,2}\\PC{0,6}(\\$\\{[a-z ]{0,2}\\}?)?[ \\t\\n\\r\u{2003}]{0,2}") {
            let value = revealed(&trimmed(&stored(&text)));
            prop_assert_eq!(value.expose_bytes(), text.as_bytes());
        }

        #[test]
        fn all_bytes_survive_the_server(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let stored = CODEC.stored(&bytes.clone().into()).unwrap();
            let kept = trimmed(stored.expose_str().unwrap());
            let value = revealed(&kept);
            prop_assert_eq!(value.expose_bytes(), &bytes[..]);
        }
    }
}
