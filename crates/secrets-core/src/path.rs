//! Paths that a setting names, and how an error shows them.

use std::borrow::Cow;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::{Error, ErrorKind, Result};

/// The longest path and the longest component of one that Linux and macOS take (`PATH_MAX`, `NAME_MAX`), in bytes.
const LONGEST_PATH: usize = 4095;
const LONGEST_COMPONENT: usize = 255;
/// From this length on, text in an alphabet of keys counts as a key rather than as a name, in bytes.
const KEY_LENGTH: usize = 40;
/// The same for one component of a path that an error would show.
const RANDOM_COMPONENT: usize = 24;

/// A path, and the setting, variable or argument that names it.
///
/// People put the content of a file where its path belongs (`TOKEN_FILE="$(cat token)"`). Such a path is refused before
/// anything is looked for, and the error names the setting only. A path that may still be a credential is used, and not
/// shown: `Display` and `Debug` have it only where it looks like a path.
#[derive(Clone, PartialEq, Eq)]
pub struct NamedPath {
    setting: Cow<'static, str>,
    path: PathBuf,
    is_shown: bool,
}

impl NamedPath {
    /// The path as `setting` has it; a setting of the configuration is written in backquotes.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`], which names the setting alone, if it holds content: several lines, JSON, PEM, a JWT,
    /// an age key, a long run of base64, or more than a path can be.
    pub fn new(setting: impl Into<Cow<'static, str>>, path: impl Into<PathBuf>) -> Result<Self> {
        let (setting, path) = (setting.into(), path.into());
        let text = path.to_string_lossy();
        if looks_like_content(&text) {
            return Err(Error::new(
                ErrorKind::InvalidConfig,
                format!("{setting}: holds content, not a path"),
            )
            .with_hint(
                "write the content to a file that only you can read, and set the file's path",
            ));
        }
        let is_shown = looks_like_path(&text);
        Ok(Self {
            setting,
            is_shown,
            path,
        })
    }

    /// The same path, starting from `folder` if it is relative.
    #[must_use]
    pub fn below(mut self, folder: &Path) -> Self {
        self.path = folder.join(self.path);
        self
    }

    /// What names the path.
    pub fn setting(&self) -> &str {
        &self.setting
    }

    /// The path, to use and not to show.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path, to use and not to show.
    pub fn into_path(self) -> PathBuf {
        self.path
    }

    /// The path as an error may show it; `None` if it may be a credential.
    pub fn shown(&self) -> Option<std::path::Display<'_>> {
        self.is_shown.then(|| self.path.display())
    }
}

impl fmt::Display for NamedPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.shown() {
            Some(path) => write!(f, "the file {path} of {}", self.setting),
            None => write!(f, "the file of {}", self.setting),
        }
    }
}

impl fmt::Debug for NamedPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NamedPath({self})")
    }
}

/// Whether a text is the content of a file rather than a path or a name: several lines, JSON, PEM, a JWT, a token of
/// Vault, an age key, a long run of base64, an address with a password, or more than a path can be. Such text is never
/// shown.
pub fn looks_like_content(text: &str) -> bool {
    let starts_with = |start: &str| text.trim_start().starts_with(start);
    text.contains(char::is_control)
        || text.contains("-----BEGIN")
        || contains_age_key(text)
        || (text.contains("://") && text.contains('@'))
        || ["{", "eyJ", "hvs.", "hvb.", "hvr."]
            .iter()
            .any(|start| starts_with(start))
        || text.len() > LONGEST_PATH
        || text.split('/').any(|part| part.len() > LONGEST_COMPONENT)
        || (!is_rooted(text) && is_like_key(text))
}

/// An age key in either case: in lowercase it opens nothing, but must not be shown either.
fn contains_age_key(text: &str) -> bool {
    const START: &[u8] = b"AGE-SECRET-KEY-";
    let mut windows = text.as_bytes().windows(START.len());
    windows.any(|part| part.eq_ignore_ascii_case(START))
}

/// Whether a text that is not content for certain is a path for certain.
fn looks_like_path(text: &str) -> bool {
    if is_like_key(text) {
        return false;
    }
    let is_random = |part: &str| {
        part.len() >= RANDOM_COMPONENT && is_mixed(part) && !part.contains(['.', '-', '_'])
    };
    if text.split('/').any(is_random) {
        return false;
    }
    let last = text.rsplit('/').next().unwrap_or_default();
    let has_extension = last.rsplit_once('.').is_some_and(|(_, end)| {
        (1..=10).contains(&end.len()) && end.bytes().all(|byte| byte.is_ascii_alphanumeric())
    });
    is_rooted(text) || (!text.contains(['+', '=']) && (text.contains(['/', '\\']) || has_extension))
}

fn is_rooted(text: &str) -> bool {
    ["/", "./", "../", "~/"]
        .iter()
        .any(|start| text.starts_with(start))
        || Path::new(text).is_absolute()
}

/// Long, in the alphabets of base64 and hexadecimal keys.
fn is_like_key(text: &str) -> bool {
    let is_of_alphabet = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=_-".contains(&byte);
    let is_hex = || text.len() >= 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hex() || (text.len() >= KEY_LENGTH && text.bytes().all(is_of_alphabet) && is_mixed(text))
}

/// Whether uppercase, lowercase and digits occur.
fn is_mixed(text: &str) -> bool {
    let has = |is: fn(&u8) -> bool| text.as_bytes().iter().any(is);
    has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase) && has(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEM: &str = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n-----END PRIVATE KEY-----\n";

    #[test]
    fn content_is_refused_and_not_repeated() {
        let line = "A1b".repeat(100);
        for content in [
            PEM,
            "-----BEGIN PRIVATE KEY----- MIIEvQIBADANBgkqh",
            "{\"type\":\"service_account\",\"private_key\":\"x\"}",
            "  {\"a\":1}",
            "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln",
            "AGE-SECRET-KEY-1QQPQYXXXXXXXXXXXXXXXXXXX",
            "age-secret-key-1qqpqyxxxxxxxxxxxxxxxxxxx",
            "hvs.CAESIJ0x",
            "t0ken\n",
            "a\0b",
            "dGhpcyBpcyBhIHZlcnkgbG9uZyBzZWNyZXQga2V5IDEyMw==",
            "0123456789abcdef0123456789abcdef",
            "https://me:hunter2@host",
            &line,
        ] {
            let failure = NamedPath::new("TOKEN_FILE", content).unwrap_err();
            assert_eq!(failure.kind(), ErrorKind::InvalidConfig);
            assert_eq!(failure.message(), "TOKEN_FILE: holds content, not a path");
            let all = format!("{failure:?} {failure} {:?}", failure.hint());
            assert!(!all.contains(content.trim()), "{all}");
        }
    }

    #[test]
    fn paths_are_used_and_shown() {
        for path in [
            "/var/run/secrets/kubernetes.io/serviceaccount/token",
            "/var/run/secrets/eks.amazonaws.com/serviceaccount/token",
            "/tmp/.tmpAbC123xYz/key.json",
            "/home/me/.config/gcloud/application_default_credentials.json",
            "./token",
            "../keys/my key.pem",
            "certs/ca.pem",
            "ca.pem",
            ".env",
            "keys/3f2504e0-4f89-11d3-9a0c-0305e82c3301.json",
        ] {
            let named = NamedPath::new("`ca_cert`", path).unwrap();
            assert_eq!(named.path(), Path::new(path));
            assert_eq!(named.to_string(), format!("the file {path} of `ca_cert`"));
        }
        let named = NamedPath::new("`ca_cert`", "ca.pem").unwrap();
        let named = named.below(Path::new("/srv"));
        assert_eq!(named.shown().unwrap().to_string(), "/srv/ca.pem");
    }

    #[test]
    fn what_may_be_a_credential_is_used_and_not_shown() {
        for doubtful in [
            "hunter2",
            "dGhp/cyBpc+w",
            "/x9Y+abcdefghijklmnopqrstuvABCDEFGHIJ0123",
        ] {
            let named = NamedPath::new("`token_file`", doubtful).unwrap();
            let named = named.below(Path::new("/srv"));
            assert!(named.path().ends_with(doubtful));
            assert_eq!(named.to_string(), "the file of `token_file`");
            assert!(!format!("{named:?}").contains(doubtful));
        }
    }
}
