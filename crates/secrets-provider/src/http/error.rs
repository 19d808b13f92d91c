//! The one place where failures of the network become errors of ours.

use std::error::Error as StdError;
use std::io;

use http::HeaderMap;
use http::header::LOCATION;
use reqwest::Url;
use rustls::{AlertDescription, CertificateError};
use secrets_core::{Error, ErrorKind};

use crate::SettingNames;

/// What an error may say of the one who sends.
pub(crate) struct Sender<'a> {
    /// Scheme, host and port; paths and queries are left out, they may say what was asked for.
    pub(crate) origin: &'a str,
    pub(crate) names: &'a SettingNames,
    /// Whether requests to other machines go through a proxy.
    pub(crate) has_proxy: bool,
}

pub(crate) fn from_reqwest(failure: &reqwest::Error, sender: &Sender<'_>) -> Error {
    let (origin, names) = (sender.origin, sender.names);
    let cause = Cause::from(failure);
    if let Some(tls) = cause.tls {
        return from_tls(tls, origin, names);
    }
    if failure.is_dns() {
        return unresolved(sender);
    }
    if failure.is_timeout() {
        let message = if failure.is_connect() {
            format!("no connection to {origin} in time")
        } else {
            format!("no answer from {origin} in time")
        };
        return Error::new(ErrorKind::Timeout, message).with_hint(format!(
            "check {}, and that the server is up and can be reached from here",
            names.address
        ));
    }
    if failure.is_connect() {
        let why = cause.io.and_then(words).map(|why| format!(": {why}"));
        return Error::new(
            ErrorKind::Unavailable,
            format!("cannot connect to {origin}{}", why.unwrap_or_default()),
        )
        .with_hint(format!(
            "check {}, and that the server is up",
            names.address
        ));
    }
    match cause.http {
        Some(http) if http.is_parse() => Error::new(
            ErrorKind::InvalidResponse,
            format!("what {origin} answers is not HTTP"),
        )
        .with_hint("check the address, and whether the server expects https"),
        _ => Error::new(
            ErrorKind::Unavailable,
            format!("the connection to {origin} broke"),
        )
        .with_hint("try again; check the server's log if it happens often"),
    }
}

fn unresolved(sender: &Sender<'_>) -> Error {
    let host = reqwest::Url::parse(sender.origin)
        .ok()
        .and_then(|url| url.host_str().map(str::to_owned))
        .unwrap_or_else(|| sender.origin.to_owned());
    let address = &sender.names.address;
    let (message, hint) = if sender.has_proxy {
        (
            format!("cannot resolve the host name {host}, or that of the proxy"),
            format!(
                "check {address}, the variable HTTPS_PROXY or HTTP_PROXY, and this machine's name service"
            ),
        )
    } else {
        (
            format!("cannot resolve the host name {host}"),
            format!("check {address}, and this machine's name service"),
        )
    };
    Error::new(ErrorKind::Unavailable, message).with_hint(hint)
}

/// What happened to a connection, for people; `None` where the kind says nothing that helps.
fn words(kind: io::ErrorKind) -> Option<&'static str> {
    Some(match kind {
        io::ErrorKind::ConnectionRefused => "connection refused",
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => "connection reset",
        io::ErrorKind::ConnectionAborted | io::ErrorKind::UnexpectedEof => {
            "the other side closes the connection"
        }
        io::ErrorKind::TimedOut => "no answer in time",
        io::ErrorKind::HostUnreachable => "no way leads to the host",
        io::ErrorKind::NetworkUnreachable => "no way leads to its network",
        io::ErrorKind::NetworkDown => "the network is down",
        io::ErrorKind::AddrNotAvailable => "the address cannot be used from here",
        io::ErrorKind::PermissionDenied => "the system does not allow the connection",
        _ => return None,
    })
}

/// The error for a redirect in answer to a request to this URL. No path and no credential of either is in it.
pub fn refused_redirect(asked: &Url, headers: &HeaderMap) -> Error {
    redirect(&asked.origin().ascii_serialization(), headers)
}

pub(crate) fn redirect(origin: &str, headers: &HeaderMap) -> Error {
    let target = headers
        .get(LOCATION)
        .and_then(|location| Url::parse(location.to_str().ok()?).ok())
        .filter(|url| url.has_host())
        .map(|url| format!(" to {}", url.origin().ascii_serialization()))
        .unwrap_or_default();
    Error::new(
        ErrorKind::InvalidResponse,
        format!("{origin} redirects{target}, which is not followed"),
    )
    .with_hint("credentials are never sent on; set the address to where the service really is")
}

pub(crate) fn too_large(limit: usize, origin: &str) -> Error {
    Error::new(
        ErrorKind::InvalidResponse,
        format!("the answer of {origin} has more than {limit} bytes"),
    )
    .with_hint("check that the address is that of the service")
}

/// What lies beneath reqwest's error, found by type and never by text.
#[derive(Default)]
struct Cause<'a> {
    tls: Option<&'a rustls::Error>,
    http: Option<&'a hyper::Error>,
    io: Option<io::ErrorKind>,
}

impl<'a> From<&'a reqwest::Error> for Cause<'a> {
    fn from(failure: &'a reqwest::Error) -> Self {
        let mut cause = Self::default();
        let mut next = failure.source();
        while let Some(error) = next {
            next = error.source();
            if let Some(tls) = error.downcast_ref::<rustls::Error>() {
                cause.tls = Some(tls);
            } else if let Some(http) = error.downcast_ref::<hyper::Error>() {
                cause.http = Some(http);
            } else if let Some(io) = error.downcast_ref::<io::Error>() {
                cause.io = Some(io.kind());
                // `source` skips the error that an I/O error wraps.
                if let Some(inner) = io.get_ref() {
                    next = Some(inner);
                }
            }
        }
        cause
    }
}

fn from_tls(tls: &rustls::Error, origin: &str, names: &SettingNames) -> Error {
    let refused = |why: &str, hint: String| {
        Error::new(
            ErrorKind::InvalidConfig,
            format!("the certificate of {origin} is not trusted: {why}"),
        )
        .with_hint(hint)
    };
    let untrusted = |why: &str, hint: &str| refused(why, hint.to_owned());
    match tls {
        rustls::Error::InvalidCertificate(problem) => {
            match problem {
                // A CA of the same name with another key gives a bad signature.
                CertificateError::UnknownIssuer | CertificateError::BadSignature => refused(
                    "its issuer is unknown",
                    format!(
                        "set {} to a PEM file with the certificate of the CA that issued it",
                        names.ca
                    ),
                ),
                CertificateError::Expired | CertificateError::ExpiredContext { .. } => untrusted(
                    "it has expired",
                    "renew it on the server, or check this machine's clock",
                ),
                CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                    untrusted("it is not valid yet", "check this machine's clock")
                }
                CertificateError::NotValidForName
                | CertificateError::NotValidForNameContext { .. } => refused(
                    "it is for another host",
                    format!(
                        "set {} to a host name that the certificate was issued for",
                        names.address
                    ),
                ),
                CertificateError::Revoked => untrusted("it is revoked", "renew it on the server"),
                CertificateError::InvalidPurpose
                | CertificateError::InvalidPurposeContext { .. } => untrusted(
                    "it is not one for a server",
                    "have one issued whose extended key usage is that of a server",
                ),
                // Such as a self-signed certificate that is marked as a CA's.
                _ => refused(
                    "it is not valid",
                    format!(
                        "the server needs a certificate that a CA issued for its host, `CA:FALSE`; name that CA in {}",
                        names.ca
                    ),
                ),
            }
        }
        rustls::Error::General(problem) => untrusted(
            problem,
            "install the system's CA certificates, or set SSL_CERT_FILE",
        ),
        rustls::Error::AlertReceived(
            AlertDescription::CertificateRequired
            | AlertDescription::NoCertificate
            | AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied,
        ) => Error::new(
            ErrorKind::Unauthenticated,
            format!("{origin} does not take the client certificate, or wants one"),
        )
        .with_hint("check the client certificate and its key in the provider's settings"),
        _ => Error::new(
            ErrorKind::InvalidResponse,
            format!("no TLS connection to {origin}: the server does not speak TLS as expected"),
        )
        .with_hint("check the port, and whether the server speaks plain http there"),
    }
}
