use std::fmt;
use std::net::IpAddr;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Url;
use secrets_core::{Error, ErrorKind, Result, looks_like_content};

/// All but the characters that RFC 3986 calls unreserved.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// One segment of a path, percent-encoded so that nothing in it has a meaning of its own. `.` and `..` are not encoded:
/// a [`SecretName`](secrets_core::SecretName) has no such segment.
pub fn encode_segment(segment: &str) -> impl fmt::Display + '_ {
    utf8_percent_encode(segment, SEGMENT)
}

/// The address of a service: `http` or `https`, a host, perhaps a path that all requests start with; no user
/// information, query or fragment.
#[derive(Clone, PartialEq, Eq)]
pub struct BaseUrl {
    url: Url,
    origin: String,
}

impl BaseUrl {
    /// Reads an address such as `https://vault.example:8200`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`], which does not repeat the text: it may hold a password.
    pub fn parse(text: &str) -> Result<Self> {
        let text = text.trim();
        let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
        if looks_like_content(rest) {
            return Err(invalid("is not one: the content of a file is in its place"));
        }
        let url = Url::parse(text).map_err(|_| invalid("is not a URL"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(invalid("does not start with `http://` or `https://`"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(invalid("holds user information before `@`").with_hint(
                "credentials do not belong in an address; set them in the provider's own settings",
            ));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(invalid("has a query or a fragment"));
        }
        let origin = url.origin().ascii_serialization();
        Ok(Self { url, origin })
    }

    /// Reads the address that a setting or variable holds, with that name in the error and an address such as `example`
    /// in its hint.
    ///
    /// # Errors
    /// Those of [`parse`](Self::parse).
    pub fn from_setting(setting: &str, text: &str, example: &str) -> Result<Self> {
        Self::parse(text).map_err(|failure| {
            Error::new(
                ErrorKind::InvalidConfig,
                format!("{setting}: {}", failure.message()),
            )
            .with_hint(format!("an address looks like `{example}`"))
        })
    }

    /// Refuses plain http to another machine, unless that is allowed. `what` says what goes there.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`].
    pub fn refuse_clear(&self, what: &str, allow_http: bool) -> Result<()> {
        if self.is_https() || self.is_loopback() || allow_http {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::InvalidConfig,
            format!(
                "{} is another machine, and {what} would go there in clear",
                self.origin
            ),
        )
        .with_hint("use https, or set `allow_http = true` if the network is your own"))
    }

    /// Scheme, host and port, as it may be shown.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The host; an IPv6 address has brackets.
    pub fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    /// The port, also where it is the scheme's own.
    pub fn port(&self) -> u16 {
        self.url.port_or_known_default().unwrap_or_default()
    }

    /// Whether connections use TLS.
    pub fn is_https(&self) -> bool {
        self.url.scheme() == "https"
    }

    /// Whether the host is this machine: `localhost`, a name under it, or a loopback address.
    pub fn is_loopback(&self) -> bool {
        let host = self.host().trim_matches(['[', ']']);
        match host.parse::<IpAddr>() {
            Ok(address) => address.is_loopback(),
            Err(_) => host == "localhost" || host.ends_with(".localhost"),
        }
    }

    /// The URL of a path below the address. The path has no leading `/`, its segments are encoded.
    pub fn join(&self, path: &str) -> Url {
        let mut url = self.url.clone();
        let path = format!("{}/{path}", self.url.path().trim_end_matches('/'));
        url.set_path(&path);
        url
    }
}

fn invalid(rule: &'static str) -> Error {
    Error::new(ErrorKind::InvalidConfig, format!("the address {rule}"))
        .with_hint("an address looks like `https://host:8200`")
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}{}",
            self.origin,
            self.url.path().trim_end_matches('/')
        )
    }
}

impl fmt::Debug for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BaseUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joins_encoded_paths() {
        let base = BaseUrl::parse("https://Host/prefix/").unwrap();
        assert_eq!(base.to_string(), "https://host/prefix");
        assert_eq!((base.host(), base.port()), ("host", 443));
        let path = format!("v1/{}", encode_segment("a b?#%2e%2e/ü+"));
        assert_eq!(
            base.join(&path).as_str(),
            "https://host/prefix/v1/a%20b%3F%23%252e%252e%2F%C3%BC%2B"
        );
    }

    #[test]
    fn tells_what_is_local() {
        for (text, local) in [
            ("http://127.0.0.1:8200", true),
            ("http://127.9.9.9", true),
            ("http://[::1]:8200", true),
            ("http://localhost", true),
            ("http://localhost.evil.example", false),
            ("http://10.0.0.1", false),
            ("http://127.0.0.1.evil.example", false),
        ] {
            assert_eq!(BaseUrl::parse(text).unwrap().is_loopback(), local, "{text}");
        }
    }

    #[test]
    fn refuses_without_repeating() {
        for text in [
            "hunter2",
            "ftp://hunter2",
            "https://user:hunter2@host",
            "https://hunter2@host",
            "https://host?hunter2",
            "https://host#hunter2",
            "https://eyJhbGciOi.hunter2",
            "",
        ] {
            let error = BaseUrl::parse(text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidConfig);
            assert!(!format!("{error:?}").contains("hunter2"));
            let error = BaseUrl::from_setting("VAULT_ADDR", text, "https://h:1").unwrap_err();
            assert!(error.message().starts_with("VAULT_ADDR: the address "));
            assert_eq!(error.hint(), Some("an address looks like `https://h:1`"));
            assert!(!format!("{error:?}").contains("hunter2"));
        }
    }

    #[test]
    fn nothing_goes_in_clear_to_another_machine() {
        for (text, allow_http, is_refused) in [
            ("https://vault.example", false, false),
            ("http://127.0.0.1:8200", false, false),
            ("http://vault.example", true, false),
            ("http://vault.example", false, true),
        ] {
            let base = BaseUrl::parse(text).unwrap();
            let checked = base.refuse_clear("credentials", allow_http);
            assert_eq!(checked.is_err(), is_refused, "{text}");
            if let Err(failure) = checked {
                let says = "http://vault.example is another machine, and credentials would go there in clear";
                assert_eq!(failure.message(), says);
                assert!(failure.hint().is_some());
            }
        }
    }
}
