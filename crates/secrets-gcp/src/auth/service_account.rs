//! The key of a service account: signs a JWT, and exchanges it for an access token.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls::SignatureScheme;
use rustls::sign::Signer;
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject as _;
use secrets_core::{Error, ErrorKind, Result, SecretValue};
use secrets_provider::{HttpResponse, WipedBuffer, encode, header};

use super::exchange::Exchange;
use super::{AccessToken, SCOPE};
use crate::error;
use crate::wire::{Claims, JwtHeader};

pub(super) const DEFAULT_TOKEN_URI: &str = "https://oauth2.googleapis.com/token";
const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// The longest life that Google takes (OAuth 2.0 for server to server applications).
const LIFE: u64 = 3600;
/// A clock that is less off than this is not the reason for a refusal.
const NOTABLE_SKEW: i64 = 60;
const HINT: &str = "the key is expired, deleted or disabled, or its service account is; make a new one with `gcloud iam service-accounts keys create`";

/// What is in the file, as far as it matters here.
#[derive(serde::Deserialize)]
pub(super) struct ServiceAccount {
    client_email: String,
    #[serde(default)]
    private_key_id: Option<String>,
    private_key: SecretValue,
    #[serde(default)]
    token_uri: Option<String>,
}

/// By how much the clock of the login is ahead of ours, in seconds, once that is known.
#[derive(Debug, Default)]
pub(super) struct Skew(AtomicI64);

impl ServiceAccount {
    /// Checks what can be checked without a request.
    pub(super) fn check(&self, exchange: &Exchange) -> Result<()> {
        exchange.address(self.token_uri(), "token_uri")?;
        self.signer().map(drop)
    }

    fn token_uri(&self) -> &str {
        self.token_uri.as_deref().unwrap_or(DEFAULT_TOKEN_URI)
    }

    /// Logs in. If that is refused while the clocks differ, it is tried once more by the login's own clock.
    pub(super) async fn token(&self, exchange: &Exchange, skew: &Skew) -> Result<AccessToken> {
        let known = skew.0.load(Ordering::Relaxed);
        let response = self.ask(exchange, known).await?;
        if response.status.is_success() || !error::is_invalid_grant(&response) {
            return exchange.issued(&response, HINT);
        }
        let measured = difference(&response, exchange.now()).unwrap_or(known);
        if (measured - known).abs() < NOTABLE_SKEW {
            return exchange.issued(&response, HINT);
        }
        let response = self.ask(exchange, measured).await?;
        if response.status.is_success() {
            skew.0.store(measured, Ordering::Relaxed);
            tracing::debug!(seconds = measured, "this machine's clock is off");
            return exchange.issued(&response, HINT);
        }
        let failure = error::from_login(&response, HINT, exchange.now());
        if failure.kind() != ErrorKind::Unauthenticated {
            return Err(failure);
        }
        let side = if measured > 0 { "behind" } else { "ahead" };
        Err(failure.with_hint(format!(
            "this machine's clock is {} minutes {side} that of Google: set it; if that does not help, the key is expired, deleted or disabled",
            (measured.abs() + 30) / 60
        )))
    }

    async fn ask(&self, exchange: &Exchange, skew: i64) -> Result<HttpResponse> {
        let url = exchange.address(self.token_uri(), "token_uri")?;
        let assertion = self.assertion(seconds_of(exchange.now()).saturating_add_signed(skew))?;
        let fields = [("grant_type", &GRANT.into()), ("assertion", &assertion)];
        exchange.post_form(url, &fields).await
    }

    /// The signed JWT of this moment, in seconds since 1970.
    fn assertion(&self, now: u64) -> Result<SecretValue> {
        let header = JwtHeader {
            alg: "RS256",
            typ: "JWT",
            kid: self.private_key_id.as_deref(),
        };
        let claims = Claims {
            iss: &self.client_email,
            scope: SCOPE,
            aud: self.token_uri(),
            iat: now,
            exp: now + LIFE,
        };
        let mut jwt = WipedBuffer::with_capacity(2048);
        push_base64(&mut jwt, encode(&header, 128)?.expose_bytes());
        jwt.extend_from_slice(b".");
        push_base64(&mut jwt, encode(&claims, 512)?.expose_bytes());
        let signed = jwt.into_value();
        let signature = self
            .signer()?
            .sign(signed.expose_bytes())
            .map_err(|_| Error::new(ErrorKind::Unexpected, "the key cannot sign"))?;
        let mut jwt = WipedBuffer::with_capacity(signed.len() + signature.len() * 2);
        jwt.extend_from_slice(signed.expose_bytes());
        jwt.extend_from_slice(b".");
        push_base64(&mut jwt, &signature);
        Ok(jwt.into_value())
    }

    fn signer(&self) -> Result<Box<dyn Signer>> {
        let unusable = || {
            Error::invalid_config("`private_key` in the credential is not an RSA key in PEM form")
                .with_hint("take the file as Google made it; line feeds stand in it as \\n")
        };
        let der = PrivateKeyDer::from_pem_slice(self.private_key.expose_bytes())
            .map_err(|_| unusable())?;
        let key =
            rustls::crypto::aws_lc_rs::sign::any_supported_type(&der).map_err(|_| unusable())?;
        key.choose_scheme(&[SignatureScheme::RSA_PKCS1_SHA256])
            .ok_or_else(unusable)
    }
}

fn push_base64(buffer: &mut WipedBuffer, bytes: &[u8]) {
    // What is signed is public as long as its signature is not there, and the signature is wiped with the buffer.
    let text = zeroize::Zeroizing::new(URL_SAFE_NO_PAD.encode(bytes));
    buffer.extend_from_slice(text.as_bytes());
}

fn seconds_of(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .unwrap_or(Duration::ZERO)
        .as_secs()
}

/// By how many seconds the server's clock is ahead.
fn difference(response: &HttpResponse, now: SystemTime) -> Option<i64> {
    let date = response.headers.get(header::DATE)?.to_str().ok()?;
    let theirs = seconds_of(httpdate::parse_http_date(date).ok()?);
    Some(theirs as i64 - seconds_of(now) as i64)
}
