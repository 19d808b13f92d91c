//! The one place where failures of the network become errors of ours.

use std::error::Error as StdError;
use std::io;

use http::HeaderMap;
use http::header::LOCATION;
use reqwest::Url;
use rustls::{AlertDescription, CertificateError};
use secrets_core::{Error, ErrorKind};

/// `origin` is scheme, host and port; paths and queries are left out, they may say what was asked for.
pub(crate) fn from_reqwest(failure: &reqwest::Error, origin: &str) -> Error {
    let cause = Cause::of(failure);
    if let Some(tls) = cause.tls {
        return from_tls(tls, origin);
    }
    if failure.is_timeout() {
        let message = if failure.is_connect() {
            format!("no connection to {origin} in time")
        } else {
            format!("no answer from {origin} in time")
        };
        return Error::new(ErrorKind::Timeout, message)
            .with_hint("check that the server is up and can be reached from here");
    }
    if failure.is_connect() {
        let why = match cause.io {
            Some(kind) if kind != io::ErrorKind::Other => format!(": {kind}"),
            _ => String::new(),
        };
        return Error::new(
            ErrorKind::Unavailable,
            format!("cannot connect to {origin}{why}"),
        )
        .with_hint("check the address, and that the server is up");
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

impl<'a> Cause<'a> {
    fn of(failure: &'a reqwest::Error) -> Self {
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

fn from_tls(tls: &rustls::Error, origin: &str) -> Error {
    let untrusted = |why: &str, hint: &'static str| {
        Error::new(
            ErrorKind::InvalidConfig,
            format!("the certificate of {origin} is not trusted: {why}"),
        )
        .with_hint(hint)
    };
    match tls {
        rustls::Error::InvalidCertificate(problem) => match problem {
            // A CA of the same name with another key gives a bad signature.
            CertificateError::UnknownIssuer | CertificateError::BadSignature => untrusted(
                "its issuer is unknown",
                "name the file with the issuing CA's certificate in the provider's settings",
            ),
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => untrusted(
                "it has expired",
                "renew it on the server, or check this machine's clock",
            ),
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                untrusted("it is not valid yet", "check this machine's clock")
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                untrusted(
                    "it is for another host",
                    "use the host name that the certificate was issued for",
                )
            }
            CertificateError::Revoked => untrusted("it is revoked", "renew it on the server"),
            _ => untrusted("it is not valid", "check the server's certificate chain"),
        },
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
