use std::collections::BTreeMap;
use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

use crate::{Error, ErrorKind, Result};

const PATH: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'?')
    .add(b'#')
    .add(b'%')
    .add(b'"')
    .add(b'<')
    .add(b'>');
const PARAMETER: &AsciiSet = &PATH.add(b'&').add(b'=').add(b'+');

/// Where a provider is: `vault://127.0.0.1:8200/secret?namespace=team`, `file:///home/me/store.txt`.
///
/// It holds no credential: `user:password@` is refused, and the error does not repeat it.
///
/// ```
/// use polysecrets_core::Location;
///
/// let location: Location = "vault://127.0.0.1:8200/secret?namespace=team".parse()?;
/// assert_eq!(location.port(), Some(8200));
/// assert_eq!(location.parameter("namespace"), Some("team"));
/// # Ok::<(), polysecrets_core::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Location {
    scheme: String,
    host: String,
    port: Option<u16>,
    path: String,
    parameters: BTreeMap<String, String>,
}

impl Location {
    /// A location with a scheme alone, such as `env:`.
    pub fn from_scheme(scheme: impl Into<String>) -> Self {
        Self {
            scheme: scheme.into(),
            host: String::new(),
            port: None,
            path: String::new(),
            parameters: BTreeMap::new(),
        }
    }

    /// Sets host and port.
    pub fn with_host(mut self, host: impl Into<String>, port: Option<u16>) -> Self {
        self.host = host.into();
        self.port = port;
        self
    }

    /// Sets the decoded path.
    pub fn with_path(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }

    /// Adds a decoded parameter.
    pub fn with_parameter(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.parameters.insert(key.into(), value.into());
        self
    }

    /// The word before `://`, lowercase.
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// The host; empty if there is none. An IPv6 address keeps its brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// The decoded path with its leading `/`; empty if there is none.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// A decoded parameter of the query.
    pub fn parameter(&self, key: &str) -> Option<&str> {
        self.parameters.get(key).map(String::as_str)
    }

    /// All parameters, ordered by key.
    pub fn parameters(&self) -> impl Iterator<Item = (&str, &str)> {
        self.parameters
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// Refuses all parameters but these.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`] with the unknown parameter; the hint lists the known ones.
    pub fn expect_parameters(&self, known: &[&str]) -> Result<()> {
        match self
            .parameters
            .keys()
            .find(|key| !known.contains(&key.as_str()))
        {
            None => Ok(()),
            Some(unknown) => Err(Error::new(
                ErrorKind::InvalidConfig,
                format!(
                    "unknown parameter {unknown:?} in a location of scheme {}",
                    self.scheme
                ),
            )
            .with_hint(match known {
                [] => "this scheme takes no parameters".to_owned(),
                known => format!("known parameters: {}", known.join(", ")),
            })),
        }
    }
}

fn invalid(rule: &'static str) -> Error {
    Error::new(
        ErrorKind::InvalidConfig,
        format!("invalid location: {rule}"),
    )
    .with_hint("a location looks like `scheme://host:port/path?key=value`")
}

fn decode(text: &str, rule: &'static str) -> Result<String> {
    let decoded = percent_decode_str(text)
        .decode_utf8()
        .map_err(|_| invalid(rule))?;
    if decoded.chars().any(char::is_control) {
        return Err(invalid("it holds a control character"));
    }
    Ok(decoded.into_owned())
}

impl FromStr for Location {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (scheme, rest) = text
            .split_once(':')
            .ok_or_else(|| invalid("it has no scheme"))?;
        let starts_well = scheme.starts_with(|c: char| c.is_ascii_alphabetic());
        if !starts_well
            || !scheme
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '+'))
        {
            return Err(invalid(
                "its scheme is not a word of letters, digits, `-`, `_` and `+`",
            ));
        }
        if rest.contains('#') {
            return Err(invalid("it has a fragment"));
        }
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = match rest.strip_prefix("//") {
            Some(rest) => rest.split_at(rest.find('/').unwrap_or(rest.len())),
            None => ("", rest),
        };
        if authority.contains('@') {
            return Err(invalid("it holds user information before `@`").with_hint(
                "credentials do not belong in a location; set them in the provider's own settings",
            ));
        }
        let (host, port) = split_port(authority)?;
        let mut parameters = BTreeMap::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair
                .split_once('=')
                .ok_or_else(|| invalid("a parameter has no `=`"))?;
            let key = decode(key, "a parameter is not UTF-8")?;
            let value = decode(value, "a parameter is not UTF-8")?;
            if parameters.insert(key, value).is_some() {
                return Err(invalid("a parameter occurs twice"));
            }
        }
        Ok(Self {
            scheme: scheme.to_ascii_lowercase(),
            host: host.to_ascii_lowercase(),
            port,
            path: decode(path, "its path is not UTF-8")?,
            parameters,
        })
    }
}

fn split_port(authority: &str) -> Result<(&str, Option<u16>)> {
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let bracketed = host.starts_with('[') && host.ends_with(']');
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    let is_address = |text: &str| text.parse::<Ipv6Addr>().is_ok();
    if !bracketed && !host.chars().all(plain) || bracketed && !is_address(&host[1..host.len() - 1])
    {
        return Err(invalid("its host is not a host name or an address"));
    }
    let port = port.map(|port| {
        port.parse()
            .map_err(|_| invalid("its port is not a number up to 65535"))
    });
    Ok((host, port.transpose()?))
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.scheme)?;
        if !self.host.is_empty() || self.port.is_some() || self.path.starts_with('/') {
            write!(f, "//{}", self.host)?;
        }
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        write!(f, "{}", utf8_percent_encode(&self.path, PATH))?;
        for (number, (key, value)) in self.parameters.iter().enumerate() {
            let separator = if number == 0 { '?' } else { '&' };
            let key = utf8_percent_encode(key, PARAMETER);
            write!(
                f,
                "{separator}{key}={}",
                utf8_percent_encode(value, PARAMETER)
            )?;
        }
        Ok(())
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Location({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_and_prints() {
        for text in [
            "vault://127.0.0.1:8200/secret?namespace=team%20a",
            "vault://[::1]:8200/kv",
            "file:///home/me/store.txt",
            "env:",
            "dotenv:.env.local",
            "gcp-sm:///my-project",
            "vault://:8200",
        ] {
            let location: Location = text.parse().unwrap();
            assert_eq!(location.to_string(), text);
            assert_eq!(location.to_string().parse::<Location>().unwrap(), location);
        }
        let location: Location = "VAULT://Host:1/a%20b?x=1".parse().unwrap();
        assert_eq!(
            (location.scheme(), location.host(), location.port()),
            ("vault", "host", Some(1))
        );
        assert_eq!(
            (location.path(), location.parameter("x")),
            ("/a b", Some("1"))
        );
    }

    #[test]
    fn refuses_credentials_without_repeating_them() {
        for text in ["vault://root:hunter2@host/secret", "https://hunter2@host"] {
            let error = text.parse::<Location>().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidConfig);
            assert!(!format!("{error} {error:?} {:?}", error.hint()).contains("hunter2"));
        }
    }

    #[test]
    fn refuses_what_is_not_a_location() {
        for text in [
            "",
            "vault",
            "://x",
            "vault://h:99999/",
            "vault://h/a#b",
            "vault://h?a",
            "vault://h?a=1&a=2",
            "vault://a b/",
            "vault://[:\u{1}:0]:81/x",
            "vault://[host:1]",
        ] {
            assert_eq!(
                text.parse::<Location>().unwrap_err().kind(),
                ErrorKind::InvalidConfig,
                "{text}"
            );
        }
    }

    #[test]
    fn unknown_parameters_are_named() {
        let location: Location = "vault://h?nmespace=x".parse().unwrap();
        let error = location.expect_parameters(&["namespace"]).unwrap_err();
        assert!(
            error.to_string().contains("nmespace") && error.hint().unwrap().contains("namespace")
        );
    }
}
