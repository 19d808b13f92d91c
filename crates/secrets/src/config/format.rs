//! What a declared secret's value has to look like.

use std::fmt::Write as _;

use secrets_core::{Error, ErrorKind, Result, SecretValue, suggestion};
use zeroize::Zeroizing;

/// The words for [`Declared::format`](super::Declared::format).
pub(super) const NAMES: &[&str] = &[
    "text", "json", "url", "pem", "base64", "hex", "uuid", "integer", "boolean",
];

/// Checks a value against one of [`NAMES`]. The error names the format and nothing of the value.
pub(super) fn check(format: &str, value: &SecretValue) -> Result<()> {
    let text = std::str::from_utf8(value.expose_bytes()).ok();
    let fits = match (format, text) {
        (_, None) => false,
        ("text", _) => true,
        ("json", Some(text)) => serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok(),
        ("url", Some(text)) => is_url(text),
        ("pem", Some(text)) => is_pem(text),
        ("base64", Some(text)) => is_base64(text),
        ("hex", Some(text)) => {
            !text.is_empty()
                && text.len().is_multiple_of(2)
                && text.bytes().all(|byte| byte.is_ascii_hexdigit())
        }
        ("uuid", Some(text)) => is_uuid(text),
        ("integer", Some(text)) => is_integer(text),
        ("boolean", Some(text)) => matches!(text, "true" | "false"),
        _ => {
            let mut message = "unknown format".to_owned();
            let _ = write!(message, " {format:?}");
            return Err(Error::new(ErrorKind::InvalidConfig, message)
                .with_hint(suggestion::hint(format, NAMES, "formats")));
        }
    };
    if fits {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::InvalidValue,
        format!("the value is not of the declared format `{format}`"),
    )
    .with_hint("set another value, or change `format` in the configuration"))
}

fn is_url(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else {
        return false;
    };
    let scheme_fits = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'));
    scheme_fits && !rest.is_empty() && !rest.contains(|c: char| c.is_whitespace() || c.is_control())
}

fn is_pem(text: &str) -> bool {
    let Some(label) = text
        .trim_start()
        .strip_prefix("-----BEGIN ")
        .and_then(|rest| rest.split_once("-----"))
        .map(|(label, _)| label)
    else {
        return false;
    };
    text.contains(&format!("-----END {label}-----"))
}

/// Either alphabet, with or without padding, line breaks allowed.
fn is_base64(text: &str) -> bool {
    let text: Zeroizing<String> =
        Zeroizing::new(text.chars().filter(|c| !c.is_ascii_whitespace()).collect());
    let digits = text.trim_end_matches('=');
    let padding = text.len() - digits.len();
    let standard = digits
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'));
    let url_safe = digits
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    let length = match padding {
        0 => digits.len() % 4 != 1,
        1 | 2 => text.len().is_multiple_of(4),
        _ => false,
    };
    !digits.is_empty() && (standard || url_safe) && length
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

fn is_integer(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_takes_its_own_and_refuses_the_rest() {
        let cases: &[(&str, &[&str], &[&str])] = &[
            ("text", &["", "any ü"], &[]),
            ("json", &["{}", "7", "[1, 2]"], &["{", "a"]),
            (
                "url",
                &["postgres://u@h/db"],
                &["h/db", "://x", "a b://c", "a://b c"],
            ),
            (
                "pem",
                &["-----BEGIN KEY-----\nAA==\n-----END KEY-----\n"],
                &["-----BEGIN KEY-----\nAA==", "key"],
            ),
            (
                "base64",
                &["aGk=", "aGk", "_-8", "aGk\n="],
                &["", "a", "a=", "+_", "===="],
            ),
            ("hex", &["00fF"], &["0", "", "zz"]),
            (
                "uuid",
                &["123e4567-e89b-12d3-a456-426614174000"],
                &["123e4567"],
            ),
            ("integer", &["-12", "0"], &["", "-", "1.5"]),
            ("boolean", &["true", "false"], &["1", "True"]),
        ];
        assert_eq!(cases.len(), NAMES.len());
        for (format, good, bad) in cases {
            for value in *good {
                check(format, &SecretValue::from(*value)).unwrap();
            }
            for value in *bad {
                let error = check(format, &SecretValue::from(*value)).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::InvalidValue, "{format} {value}");
            }
        }
        assert!(check("text", &SecretValue::from(vec![0xff])).is_err());
        assert_eq!(
            check("yaml", &SecretValue::from("a")).unwrap_err().kind(),
            ErrorKind::InvalidConfig
        );
    }
}
