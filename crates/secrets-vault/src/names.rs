//! Names, prefixes and versions as the server's paths and numbers.

use secrets_core::{Error, ErrorKind, Result, SecretName, Version};
use secrets_provider::encode_segment;

use crate::error;

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
///
/// # Errors
/// [`ErrorKind::InvalidName`] for a name that the server refuses.
pub(crate) fn path_for(name: &SecretName) -> Result<String> {
    if name.as_str().contains("..") {
        return Err(Error::new(
            ErrorKind::InvalidName,
            "vault accepts no name that contains `..`",
        )
        .with_name(name));
    }
    Ok(encode_path(name.as_str()))
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
    !path.contains("..")
        && !path.chars().any(char::is_control)
        && path
            .split('/')
            .all(|segment| !segment.is_empty() && segment != ".")
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
    number.ok_or_else(|| error::no_version(version))
}

#[cfg(test)]
mod tests {
    use super::*;

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
