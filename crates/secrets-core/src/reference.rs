use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{Error, ErrorKind, Result, SecretName, Version};

const NAME: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'?')
    .add(b'#')
    .add(b'%')
    .add(b'{')
    .add(b'}');
const PARAMETER: &AsciiSet = &NAME.add(b'&').add(b'=');

/// The address of a secret: `[provider://]name[?version=V&default=D][#field]`.
///
/// The word before `://` is the name of a configured provider or chain. `? # % { }` and space are percent-encoded inside
/// the parts. `Display` and `FromStr` are inverse.
///
/// ```
/// use polysecrets_core::SecretRef;
///
/// let reference: SecretRef = "main://db/primary?version=3#password".parse()?;
/// assert_eq!(reference.provider(), Some("main"));
/// assert_eq!(reference.name().as_str(), "db/primary");
/// assert_eq!(reference.field(), Some("password"));
/// # Ok::<(), polysecrets_core::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SecretRef {
    provider: Option<Arc<str>>,
    name: SecretName,
    version: Option<Version>,
    default: Option<Arc<str>>,
    field: Option<Arc<str>>,
}

impl SecretRef {
    /// The current version of a secret of the default provider.
    pub fn new(name: SecretName) -> Self {
        Self {
            provider: None,
            name,
            version: None,
            default: None,
            field: None,
        }
    }

    /// Sets the provider or chain.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`] if this is not a provider's name: a lowercase letter, then lowercase letters, digits,
    /// `-` and `_`.
    pub fn with_provider(mut self, provider: &str) -> Result<Self> {
        let well_formed = provider.starts_with(|c: char| c.is_ascii_lowercase())
            && provider
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_'));
        if !well_formed {
            return Err(invalid(
                "the word before `://` is not a provider's name of lowercase letters, digits, `-` and `_`",
            ));
        }
        self.provider = Some(provider.into());
        Ok(self)
    }

    /// Sets the version.
    pub fn with_version(mut self, version: Version) -> Self {
        self.version = Some(version);
        self
    }

    /// Sets the text to use if the secret is missing.
    pub fn with_default(mut self, default: &str) -> Self {
        self.default = Some(default.into());
        self
    }

    /// Sets the field.
    pub fn with_field(mut self, field: &str) -> Self {
        self.field = Some(field.into());
        self
    }

    /// The configured provider or chain; `None` for the default one.
    pub fn provider(&self) -> Option<&str> {
        self.provider.as_deref()
    }

    /// The secret's name.
    pub fn name(&self) -> &SecretName {
        &self.name
    }

    /// The version; `None` for the current one.
    pub fn version(&self) -> Option<&Version> {
        self.version.as_ref()
    }

    /// The text to use if the secret is missing.
    pub fn default(&self) -> Option<&str> {
        self.default.as_deref()
    }

    /// The key to take out of a value that is a JSON object.
    pub fn field(&self) -> Option<&str> {
        self.field.as_deref()
    }
}

fn invalid(rule: impl fmt::Display) -> Error {
    Error::new(
        ErrorKind::InvalidConfig,
        format!("invalid reference: {rule}"),
    )
    .with_hint("a reference looks like `[provider://]name[?version=V&default=D][#field]`")
}

fn decode<'p>(part: &'p str, what: &str) -> Result<Cow<'p, str>> {
    // `percent_decode_str` lets a stray `%` pass, which would not be printed back as it was read.
    let mut rest = part;
    while let Some(at) = rest.find('%') {
        let digits = rest.as_bytes().get(at + 1..at + 3);
        if !digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) {
            return Err(invalid(format!(
                "`%` in the {what} is not followed by two hexadecimal digits"
            )));
        }
        rest = &rest[at + 3..];
    }
    percent_decode_str(part)
        .decode_utf8()
        .map_err(|_| invalid(format!("the {what} is not UTF-8")))
}

impl FromStr for SecretRef {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (rest, field) = match text.split_once('#') {
            Some((rest, field)) => (rest, Some(decode(field, "field")?)),
            None => (text, None),
        };
        let (rest, query) = match rest.split_once('?') {
            Some((rest, query)) => (rest, Some(query)),
            None => (rest, None),
        };
        // Most have no colon at all, which is cheaper to see than that they have no `://`.
        let split = rest.contains(':').then(|| rest.split_once("://")).flatten();
        let (provider, name) = match split {
            Some((provider, name)) => (Some(provider), name),
            None => (None, rest),
        };
        let name = SecretName::new(decode(name, "name")?)?;
        let mut reference = Self::new(name);
        if let Some(provider) = provider {
            reference = reference.with_provider(provider)?;
        }
        for pair in query.into_iter().flat_map(|query| query.split('&')) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = decode(value, "query")?;
            let occupied = match key {
                "version" if value.is_empty() => return Err(invalid("the version is empty")),
                "version" => reference.version.replace(Version::new(value)).is_some(),
                "default" => reference.default.replace(value.into()).is_some(),
                _ => {
                    return Err(invalid(format!(
                        "unknown parameter {key:?}, known are `version` and `default`"
                    )));
                }
            };
            if occupied {
                return Err(invalid(format!("the parameter `{key}` occurs twice")));
            }
        }
        match field {
            Some(field) if field.is_empty() => Err(invalid("the field after `#` is empty")),
            Some(field) => Ok(reference.with_field(&field)),
            None => Ok(reference),
        }
    }
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(provider) = self.provider() {
            write!(f, "{provider}://")?;
        }
        write!(f, "{}", utf8_percent_encode(self.name.as_str(), NAME))?;
        let mut separator = '?';
        if let Some(version) = self.version() {
            write!(
                f,
                "{separator}version={}",
                utf8_percent_encode(version.as_str(), PARAMETER)
            )?;
            separator = '&';
        }
        if let Some(default) = self.default() {
            write!(
                f,
                "{separator}default={}",
                utf8_percent_encode(default, PARAMETER)
            )?;
        }
        if let Some(field) = self.field() {
            write!(f, "#{}", utf8_percent_encode(field, NAME))?;
        }
        Ok(())
    }
}

impl fmt::Debug for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretRef({:?})", self.to_string())
    }
}

impl From<SecretName> for SecretRef {
    fn from(name: SecretName) -> Self {
        Self::new(name)
    }
}

impl From<&SecretRef> for SecretRef {
    fn from(reference: &SecretRef) -> Self {
        reference.clone()
    }
}

/// Addresses a secret: a [`SecretRef`], its text, or a name.
///
/// A [`SecretRef`] is borrowed, so readers on many threads do not contend for its reference count; text is parsed on each
/// use.
pub trait ToSecretRef {
    /// The reference.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`] or [`ErrorKind::InvalidName`] for text that is not a reference.
    fn to_secret_ref(&self) -> Result<Cow<'_, SecretRef>>;
}

impl<T: ToSecretRef + ?Sized> ToSecretRef for &T {
    fn to_secret_ref(&self) -> Result<Cow<'_, SecretRef>> {
        (**self).to_secret_ref()
    }
}

impl ToSecretRef for SecretRef {
    fn to_secret_ref(&self) -> Result<Cow<'_, SecretRef>> {
        Ok(Cow::Borrowed(self))
    }
}

impl ToSecretRef for SecretName {
    fn to_secret_ref(&self) -> Result<Cow<'_, SecretRef>> {
        Ok(Cow::Owned(SecretRef::new(self.clone())))
    }
}

impl ToSecretRef for str {
    fn to_secret_ref(&self) -> Result<Cow<'_, SecretRef>> {
        self.parse().map(Cow::Owned)
    }
}

impl ToSecretRef for String {
    fn to_secret_ref(&self) -> Result<Cow<'_, SecretRef>> {
        self.as_str().to_secret_ref()
    }
}

impl TryFrom<String> for SecretRef {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl TryFrom<&String> for SecretRef {
    type Error = Error;

    fn try_from(text: &String) -> Result<Self> {
        text.parse()
    }
}

impl TryFrom<&str> for SecretRef {
    type Error = Error;

    fn try_from(text: &str) -> Result<Self> {
        text.parse()
    }
}

impl Serialize for SecretRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SecretRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn parses_every_part() {
        let reference: SecretRef = "vault://db/p%23w?version=3&default=a%26b#user"
            .parse()
            .unwrap();
        assert_eq!(reference.provider(), Some("vault"));
        assert_eq!(reference.name().as_str(), "db/p#w");
        assert_eq!(reference.version().unwrap().as_str(), "3");
        assert_eq!(reference.default(), Some("a&b"));
        assert_eq!(reference.field(), Some("user"));
    }

    #[test]
    fn a_bare_name_is_a_reference() {
        let reference: SecretRef = "arn:aws:secretsmanager:eu-west-1:1:secret:a-b"
            .parse()
            .unwrap();
        assert_eq!(reference.provider(), None);
        assert_eq!(
            reference.name().as_str(),
            "arn:aws:secretsmanager:eu-west-1:1:secret:a-b"
        );
    }

    #[test]
    fn refuses_and_says_why() {
        for (text, rule) in [
            ("", "empty"),
            ("Main://a", "provider's name"),
            ("://a", "provider's name"),
            ("a?v=1", "unknown parameter"),
            ("a?version=1&version=2", "twice"),
            ("a?version=", "empty"),
            ("a#", "empty"),
            ("a%2", "hexadecimal"),
            ("a%ff", "UTF-8"),
            ("main://../etc", "`..`"),
        ] {
            let error = text.parse::<SecretRef>().unwrap_err();
            assert!(error.to_string().contains(rule), "{text}: {error}");
        }
    }

    fn names() -> impl Strategy<Value = SecretName> {
        "[^/\\p{C}]{1,12}(/[^/\\p{C}]{1,12}){0,3}"
            .prop_filter_map("a valid name", |name| SecretName::new(name).ok())
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_back(
            provider in proptest::option::of("[a-z][a-z0-9_-]{0,8}"),
            name in names(),
            version in proptest::option::of("\\PC{1,8}"),
            default in proptest::option::of(any::<String>()),
            field in proptest::option::of("\\PC{1,8}"),
        ) {
            let mut reference = SecretRef::new(name);
            if let Some(provider) = provider {
                reference = reference.with_provider(&provider).unwrap();
            }
            if let Some(version) = version {
                reference = reference.with_version(Version::new(version));
            }
            if let Some(default) = default {
                reference = reference.with_default(&default);
            }
            if let Some(field) = field {
                reference = reference.with_field(&field);
            }
            let printed = reference.to_string();
            prop_assert!(!printed.contains(['{', '}', ' ']), "not encoded");
            prop_assert_eq!(printed.parse::<SecretRef>().unwrap(), reference);
        }

        #[test]
        fn parsing_never_panics(text: String) {
            if let Ok(reference) = text.parse::<SecretRef>() {
                prop_assert_eq!(reference.to_string().parse::<SecretRef>().unwrap(), reference);
            }
        }
    }
}
