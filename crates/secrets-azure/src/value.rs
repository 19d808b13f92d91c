//! A value as the text that Key Vault keeps, and the time for which it is valid.

use std::borrow::Cow;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrets_core::{Error, ErrorKind, Result, SecretValue};
use secrets_provider::decode_base64;

use crate::limits::{MAX_BINARY_BYTES, MAX_VALUE_BYTES};
use crate::wire::Attributes;

/// The content type of a value that is stored in base64, because it is not text.
pub(crate) const BINARY: &str = "application/octet-stream; polysecrets-encoding=base64";

/// A value as it is sent.
pub(crate) struct Written<'a> {
    text: Cow<'a, str>,
    pub(crate) is_binary: bool,
}

impl Written<'_> {
    pub(crate) fn text(&self) -> &str {
        &self.text
    }
}

impl Drop for Written<'_> {
    fn drop(&mut self) {
        if let Cow::Owned(text) = &mut self.text {
            zeroize::Zeroize::zeroize(text);
        }
    }
}

/// The text for a value. A NUL ends texts in too many places for such a value to be stored as one.
pub(crate) fn write(value: &SecretValue) -> Result<Written<'_>> {
    let bytes = value.expose_bytes();
    let too_large = |limit: usize, what: &str| {
        Err(Error::new(
            ErrorKind::InvalidValue,
            format!("{what} has {} bytes, key vault takes {limit}", bytes.len()),
        )
        .with_hint("split it, or keep it in another store and its key here"))
    };
    match std::str::from_utf8(bytes) {
        Ok(_) if bytes.len() > MAX_VALUE_BYTES => too_large(MAX_VALUE_BYTES, "the value"),
        Ok(text) if !text.contains('\0') => Ok(Written {
            text: Cow::Borrowed(text),
            is_binary: false,
        }),
        _ if bytes.len() > MAX_BINARY_BYTES => {
            too_large(MAX_BINARY_BYTES, "the value, which is not plain text,")
        }
        _ => {
            let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
            STANDARD.encode_string(bytes, &mut text);
            Ok(Written {
                text: Cow::Owned(text),
                is_binary: true,
            })
        }
    }
}

/// The value behind a text.
pub(crate) fn read(text: SecretValue, content_type: Option<&str>) -> Result<SecretValue> {
    if content_type != Some(BINARY) {
        return Ok(text);
    }
    let damaged = || {
        Error::new(
            ErrorKind::IntegrityFailure,
            "the value is marked as base64, but is none",
        )
        .with_hint("another program has changed the value or its content type; write it again")
    };
    decode_base64(text.expose_bytes()).ok_or_else(damaged)
}

/// Why a value is not valid now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Invalidity {
    Disabled,
    Expired,
    NotYet,
}

impl Invalidity {
    pub(crate) fn of(attributes: &Attributes, now: SystemTime) -> Option<Self> {
        let now = seconds(now);
        if attributes.enabled == Some(false) {
            Some(Self::Disabled)
        } else if attributes.exp.is_some_and(|end| end <= now) {
            Some(Self::Expired)
        } else if attributes.nbf.is_some_and(|start| start > now) {
            Some(Self::NotYet)
        } else {
            None
        }
    }

    pub(crate) fn error(self) -> Error {
        match self {
            Self::Disabled => Error::from(ErrorKind::Disabled)
                .with_hint("enable the version again, or read another one"),
            Self::Expired => Error::new(ErrorKind::Disabled, "the secret has expired").with_hint(
                "write a new version; `outside_validity = \"allow\"` reads it all the same",
            ),
            Self::NotYet => Error::new(ErrorKind::Disabled, "the secret is not valid yet")
                .with_hint(
                    "check its activation date, and this machine's clock; `outside_validity = \"allow\"` reads it all the same",
                ),
        }
    }
}

/// Whole seconds since 1970.
pub(crate) fn seconds(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
        Err(before) => -i64::try_from(before.duration().as_secs()).unwrap_or(i64::MAX),
    }
}

/// The time of these seconds since 1970.
pub(crate) fn time(seconds: i64) -> Option<SystemTime> {
    let distance = Duration::from_secs(seconds.unsigned_abs());
    match seconds {
        0.. => UNIX_EPOCH.checked_add(distance),
        _ => UNIX_EPOCH.checked_sub(distance),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(bytes: &[u8]) -> (bool, SecretValue) {
        let value = SecretValue::from(bytes);
        let written = write(&value).unwrap();
        let content_type = written.is_binary.then_some(BINARY);
        (
            written.is_binary,
            read(written.text().into(), content_type).unwrap(),
        )
    }

    #[test]
    fn text_stays_text_and_bytes_come_back() {
        for text in ["", "plain", "aGVsbG8=", "\u{feff}a\r\n"] {
            assert_eq!(round_trip(text.as_bytes()), (false, text.into()));
        }
        for bytes in [&b"\xff"[..], b"a\0b", &[0; 19_200]] {
            assert_eq!(round_trip(bytes), (true, bytes.into()));
        }
    }

    #[test]
    fn the_limit_is_that_of_the_text_that_is_sent() {
        let fits = |bytes: Vec<u8>| write(&bytes.into()).is_ok();
        assert!(fits(vec![b'x'; 25_600]) && !fits(vec![b'x'; 25_601]));
        assert!(fits(vec![0xff; 19_200]) && !fits(vec![0xff; 19_201]));
    }

    #[test]
    fn what_is_marked_as_base64_and_is_none_is_damaged() {
        let error = read("hunter2!".into(), Some(BINARY)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::IntegrityFailure);
        assert!(!format!("{error:?}").contains("hunter2"));
        assert_eq!(read("x".into(), Some("text/plain")).unwrap(), "x".into());
    }

    #[test]
    fn validity_is_a_matter_of_whole_seconds() {
        let now = UNIX_EPOCH + Duration::from_millis(1_000_500);
        let of = |enabled, exp, nbf| {
            let mut attributes = Attributes::default();
            (attributes.enabled, attributes.exp, attributes.nbf) = (enabled, exp, nbf);
            Invalidity::of(&attributes, now)
        };
        assert_eq!(of(None, None, None), None);
        assert_eq!(of(Some(true), Some(1001), Some(1000)), None);
        assert_eq!(of(Some(false), None, None), Some(Invalidity::Disabled));
        assert_eq!(of(None, Some(1000), None), Some(Invalidity::Expired));
        assert_eq!(of(None, None, Some(1001)), Some(Invalidity::NotYet));
        assert_eq!(time(-5).map(seconds), Some(-5));
    }
}
