use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{Error, ErrorKind, Result};

/// The longest name, in bytes of UTF-8.
pub const MAX_NAME_BYTES: usize = 512;

/// Which secret: `db/password`. Cheap to clone.
///
/// 1 to [`MAX_NAME_BYTES`] bytes of UTF-8 without control characters; segments split by `/`, none of them empty, `.` or
/// `..`. ARNs are names. What a provider cannot hold is translated by its [`NameMapping`](crate::NameMapping).
#[allow(
    clippy::derived_hash_with_manual_eq,
    reason = "what the one tells apart, the other does too"
)]
#[derive(Clone, Eq, PartialOrd, Ord, Hash)]
pub struct SecretName(Arc<str>);

#[allow(
    clippy::derived_hash_with_manual_eq,
    reason = "it tells the same apart"
)]
impl PartialEq for SecretName {
    /// One name that is kept in two places, as in a cache and in the program, need not be read.
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0 == other.0
    }
}

impl SecretName {
    /// Checks a name.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidName`], saying which rule it breaks.
    pub fn new(name: impl AsRef<str>) -> Result<Self> {
        let name = name.as_ref();
        check(name).map_err(|rule| {
            Error::new(ErrorKind::InvalidName, format!("invalid secret name {}: {rule}", quoted(name))).with_hint(
                "a name has 1 to 512 bytes without control characters; its segments, split by `/`, are not empty, `.` or `..`",
            )
        })?;
        Ok(Self(name.into()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The segments, at least one.
    pub fn segments(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('/')
    }
}

fn check(name: &str) -> Result<(), &'static str> {
    if name.is_empty() {
        return Err("it is empty");
    }
    if name.len() > MAX_NAME_BYTES {
        return Err("it is longer than 512 bytes");
    }
    let is_control = match name.is_ascii() {
        true => name.bytes().any(|byte| byte.is_ascii_control()),
        false => name.chars().any(char::is_control),
    };
    if is_control {
        return Err("it holds a control character");
    }
    for segment in name.as_bytes().split(|byte| *byte == b'/') {
        match segment {
            b"" => return Err("it has an empty segment"),
            b"." | b".." => return Err("it has a segment `.` or `..`"),
            _ => {}
        }
    }
    Ok(())
}

/// A name as it may be shown: on one line, and not for pages.
fn quoted(name: &str) -> String {
    const SHOWN: usize = 64;
    match name.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{:?}…", &name[..end]),
        None => format!("{name:?}"),
    }
}

impl fmt::Display for SecretName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for SecretName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretName({:?})", &*self.0)
    }
}

impl FromStr for SecretName {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Self::new(name)
    }
}

impl TryFrom<&str> for SecretName {
    type Error = Error;

    fn try_from(name: &str) -> Result<Self> {
        Self::new(name)
    }
}

impl AsRef<str> for SecretName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for SecretName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl Serialize for SecretName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for SecretName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_what_providers_use() {
        for name in [
            "a",
            "db/password",
            "OPENAI_API_KEY",
            "arn:aws:secretsmanager:eu-west-1:123456789012:secret:app/db-AbCdEf",
            "naïve/ключ",
            "..a",
            "with space",
            &"x".repeat(512),
        ] {
            assert_eq!(SecretName::new(name).unwrap().as_str(), name);
        }
    }

    #[test]
    fn refuses_and_says_why() {
        for (name, rule) in [
            ("", "empty"),
            ("/a", "empty segment"),
            ("a/", "empty segment"),
            ("a//b", "empty segment"),
            ("a/../b", "`..`"),
            (".", "`.`"),
            ("a\nb", "control"),
            ("a\u{7f}", "control"),
            (&"x".repeat(513), "512"),
        ] {
            let error = SecretName::new(name).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidName);
            assert!(error.to_string().contains(rule), "{error}");
            assert!(!error.to_string().contains('\n'));
        }
    }
}
