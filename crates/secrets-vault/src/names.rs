//! Names, prefixes and versions as the server's paths and numbers.

use percent_encoding::percent_decode_str;
use secrets_core::{Error, ErrorKind, Result, SecretName, Version};
use secrets_provider::encode_segment;

/// A path such as a mount, with each segment percent-encoded.
pub(crate) fn encode_path(path: &str) -> String {
    let mut encoded = String::with_capacity(path.len() + 8);
    for (number, segment) in path.split('/').enumerate() {
        if number > 0 {
            encoded.push('/');
        }
        encoded.push_str(&encode_segment(segment).to_string());
    }
    encoded
}

/// The path of a name below the mount, percent-encoded.
pub(crate) fn path_for(name: &SecretName) -> String {
    encode_path(name.as_str())
}

/// The folder of a name or prefix: empty, or with a trailing `/`.
pub(crate) fn folder_of(name: &str) -> &str {
    split_folder(name).0
}

/// The folder of a name, as [`folder_of`] returns it, and the key below it.
pub(crate) fn split_folder(name: &str) -> (&str, &str) {
    name.split_at(name.rfind('/').map_or(0, |at| at + 1))
}

/// Whether a setting is a path such as `secret` or `team/secret`.
pub(crate) fn is_path(path: &str) -> bool {
    !path.chars().any(char::is_control)
        && path
            .split('/')
            .all(|segment| !matches!(segment, "" | "." | ".."))
}

/// Whether the server accepts a character in paths and tags: letters, marks, numbers, punctuation, symbols and the space
/// of ASCII (Go's `unicode.IsPrint`).
pub(crate) fn is_printable(character: char) -> bool {
    if character.is_ascii() {
        return (' '..='~').contains(&character);
    }
    // The standard library escapes what is not printable, and a combining mark only at the beginning of a text.
    let text = ['x', character].iter().collect::<String>();
    text.escape_debug().nth(1) == Some(character)
}

/// The first character of a percent-encoded path that the server does not accept.
pub(crate) fn unprintable(path: &str) -> Option<char> {
    let text = percent_decode_str(path).decode_utf8().ok()?;
    text.chars().find(|character| !is_printable(*character))
}

/// [`ErrorKind::NotFound`] for a version that the secret does not have.
pub(crate) fn no_version(version: &Version) -> Error {
    Error::new(
        ErrorKind::NotFound,
        format!("there is no version {:?} of the secret", version.as_str()),
    )
    .with_hint("versions are whole numbers from 1; see `secrets versions`")
}

/// The number of a version.
///
/// # Errors
/// [`ErrorKind::NotFound`] for anything else; the server would take 0 for the current version.
pub(crate) fn version_number(version: &Version) -> Result<u64> {
    let text = version.as_str();
    let number = text
        .parse::<u64>()
        .ok()
        .filter(|number| *number > 0 && number.to_string() == text);
    number.ok_or_else(|| no_version(version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printable_characters_are_those_of_the_server() {
        for printable in [
            'a',
            ' ',
            '~',
            'é',
            '\u{301}',
            '\u{5bc6}',
            '\u{1f600}',
            '€',
            '«',
        ] {
            assert!(is_printable(printable), "{printable:?}");
        }
        for other in [
            '\n', '\t', '\u{7f}', '\u{85}', '\u{a0}', '\u{ad}', '\u{200b}', '\u{202e}', '\u{2028}',
            '\u{3000}', '\u{feff}', '\u{378}', '\u{e000}',
        ] {
            assert!(!is_printable(other), "{other:?}");
            let path = encode_path(&format!("kv/data/ä/a{other}"));
            assert_eq!(unprintable(&path), Some(other));
        }
        assert_eq!(unprintable("kv/data/100%25/%C3%A4%20%"), None);
    }

    #[test]
    fn only_whole_numbers_from_1_are_versions() {
        assert_eq!(version_number(&Version::new("12")).unwrap(), 12);
        for text in [
            "0",
            "",
            "01",
            "+1",
            "-1",
            "1.0",
            "latest",
            "99999999999999999999",
        ] {
            assert_eq!(
                version_number(&Version::new(text)).unwrap_err().kind(),
                ErrorKind::NotFound
            );
        }
    }
}
