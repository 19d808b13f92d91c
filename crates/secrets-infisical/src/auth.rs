//! Who we are to the server: login at the first use, a fresh token well before the old one ends, one refresh after a
//! refusal. There is no ticking task: a token that nobody uses is not kept alive.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use secrets_core::{Error, ErrorKind, Result, SecretValue};
use secrets_provider::{
    Credential, Expiring, HeaderValue, HttpResponse, Method as HttpMethod, NamedFile, SharedToken,
    TokenLifetime, WipedBuffer, decode, encode, renew_after, sensitive_header,
};

use crate::client::endpoint::{Call, Endpoint};
use crate::error::Asked;
use crate::value::text_of;
use crate::wire::{Issued, TokenBody, UniversalLogin};

/// A token is not used in the last part of its life, so that it does not end under way.
const MARGIN: Duration = Duration::from_secs(5);
/// How long a refused login is not repeated: longer than the server counts wrong ones (30 s by default), so that the
/// three that lock an identity out never come together.
const HOLD: Duration = Duration::from_secs(60);
/// How long a refresh that failed for reasons of the way is not repeated while the token still lives.
const BACKOFF: Duration = Duration::from_secs(10);

/// The prefix of service tokens.
const SERVICE_TOKEN: &[u8] = b"st.";

/// How a token is come by.
pub(crate) enum Method {
    /// A token, and the setting or variable that it comes from.
    Token(SecretValue, &'static str),
    TokenFile(NamedFile),
    Universal {
        client_id: String,
        client_secret: Credential,
        sub_organization: Option<String>,
    },
}

/// A token and what is known of its life, in durations of the monotonic clock.
pub(crate) struct Token {
    pub(crate) header: HeaderValue,
    value: SecretValue,
    /// When the login was; renewals are counted from it.
    born: Duration,
    life: TokenLifetime,
    /// How long the server said that it lives; zero where it has no end, or none that is known.
    granted: Duration,
    /// Beyond this moment the server does not renew it.
    last: Option<Duration>,
}

impl Expiring for Token {
    fn life(&self) -> &TokenLifetime {
        &self.life
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(***)")
    }
}

impl Token {
    fn given(value: SecretValue, what: &str, now: Duration) -> Result<Self> {
        let mut bearer = WipedBuffer::with_capacity(value.len() + 7);
        if !value.is_empty() {
            bearer.extend_from_slice(b"Bearer ");
        }
        bearer.extend_from_slice(value.expose_bytes());
        Ok(Self {
            header: sensitive_header(&bearer.into_value(), what)?,
            value,
            born: now,
            life: TokenLifetime::endless(),
            granted: Duration::ZERO,
            last: None,
        })
    }

    fn issued(response: &HttpResponse, now: Duration, born: Option<Duration>) -> Result<Self> {
        let issued: Issued<'_> = decode(&response.body)?;
        let value = text_of(issued.access_token.get())?;
        let mut token = Self::given(value, "the token from the server", now)?;
        token.born = born.unwrap_or(now);
        let max = Duration::from_secs(issued.max_ttl);
        token.last = (!max.is_zero()).then(|| token.born.saturating_add(max));
        token.granted = Duration::from_secs(issued.expires_in);
        if !token.granted.is_zero() {
            let ends = now.saturating_add(token.granted);
            let left = token
                .last
                .map_or(ends, |last| ends.min(last))
                .saturating_sub(now);
            token.life =
                TokenLifetime::expiring(now, left, MARGIN).with_due(now + renew_after(left));
        }
        Ok(token)
    }

    /// Whether a renewal would stay within the maximum life. The server deletes a token whose renewal would not.
    fn is_renewable(&self, now: Duration) -> bool {
        let after = now.saturating_add(self.granted).saturating_add(MARGIN);
        !self.life.is_over(now) && self.last.is_none_or(|last| after <= last)
    }
}

fn is_service_token(token: &SecretValue) -> bool {
    token.expose_bytes().starts_with(SERVICE_TOKEN)
}

/// A login that was refused, with which secret, and until when it is not repeated.
struct Held {
    secret: SecretValue,
    until: Duration,
    failure: Error,
}

pub(crate) struct Auth(Arc<Inner>);

struct Inner {
    endpoint: Endpoint,
    method: Method,
    shared: SharedToken<Token>,
    held: Mutex<Option<Held>>,
    is_warned: AtomicBool,
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0.method {
            Method::Token(..) => "Auth(token)",
            Method::TokenFile(_) => "Auth(token file)",
            Method::Universal { .. } => "Auth(universal auth)",
        })
    }
}

impl Auth {
    /// Checks what can be checked without a request.
    pub(crate) fn new(endpoint: Endpoint, method: Method) -> Result<Self> {
        let auth = Self(Arc::new(Inner {
            shared: SharedToken::new(endpoint.clock.clone()),
            endpoint,
            method,
            held: Mutex::new(None),
            is_warned: AtomicBool::new(false),
        }));
        if matches!(auth.0.method, Method::Token(..)) {
            auth.0.read_token()?;
        }
        Ok(auth)
    }

    /// The token to use; logs in if there is none. Of many callers at once one logs in, the others take its outcome.
    pub(crate) async fn token(&self) -> Result<Arc<Token>> {
        let shared = &self.0.shared;
        if let Some(token) = shared.usable() {
            if token.life.is_due(shared.now())
                && let Some(turn) = shared.try_refresh_guard()
            {
                // In the background: the token at hand still serves.
                let (inner, old) = (Arc::clone(&self.0), Arc::clone(&token));
                drop(turn.start(async move { inner.freshen(&old).await }));
            }
            return Ok(token);
        }
        // Needs no request, so there is nothing to do only once.
        if !matches!(self.0.method, Method::Universal { .. }) {
            return Ok(shared.install(self.0.read_token()?));
        }
        let inner = Arc::clone(&self.0);
        let login = async move { inner.log_in().await };
        let token = shared.get_or_refresh(|| shared.usable(), login).await?;
        token.ok_or_else(short_lived)
    }

    /// The token to ask once more with after the server has refused this one: one login for all that were refused with it.
    pub(crate) async fn refused(&self, used: &Arc<Token>) -> Result<Arc<Token>> {
        let shared = &self.0.shared;
        let (inner, old) = (Arc::clone(&self.0), Arc::clone(used));
        let replace = async move { inner.replace(&old).await };
        let token = shared
            .get_or_refresh(|| shared.other_than(used), replace)
            .await?;
        token.ok_or_else(short_lived)
    }

    /// A token that was fresh is refused too: more logins would not help, and may be counted.
    pub(crate) fn refused_again(&self) {
        if let Method::Universal { client_secret, .. } = &self.0.method
            && let Ok(secret) = client_secret.read()
        {
            let failure = Error::new(
                ErrorKind::Unauthenticated,
                "the server accepts the login, but not the token from it",
            )
            .with_hint(
                "check the identity: whether its tokens may be used from this address, how often, and in this organization",
            );
            self.0.hold(secret, &failure);
        }
    }

    /// Whether requests carry a service token, whose scope the server puts before what is asked for.
    pub(crate) fn is_service_token(&self) -> bool {
        match &self.0.method {
            Method::Token(value, _) => is_service_token(value),
            Method::TokenFile(_) => {
                let shared = &self.0.shared;
                let read = || self.0.read_token().ok().map(|token| shared.install(token));
                let token = shared.current().or_else(read);
                token.is_some_and(|token| is_service_token(&token.value))
            }
            Method::Universal { .. } => false,
        }
    }

    /// Gives back the token of a login.
    pub(crate) async fn close(&self) -> Result<()> {
        let is_ours = matches!(self.0.method, Method::Universal { .. });
        if let Some(token) = self.0.shared.take()
            && is_ours
            && !token.life.is_over(self.0.shared.now())
        {
            let revoked = self.0.post_token("v1/auth/token/revoke", &token).await;
            // A token that cannot be revoked ends by itself.
            if let Err(failure) = revoked {
                tracing::debug!(error = %failure, "the token was not revoked");
            }
        }
        Ok(())
    }
}

impl Inner {
    fn now(&self) -> Duration {
        self.shared.now()
    }

    /// The token that is given, or in its file now.
    fn read_token(&self) -> Result<Token> {
        let token = match &self.method {
            Method::Token(value, source) => {
                Token::given(value.clone(), &format!("the token of {source}"), self.now())?
            }
            Method::TokenFile(file) => Token::given(
                file.read_credential()?,
                &format!("the token in {file}"),
                self.now(),
            )?,
            Method::Universal { .. } => return Err(short_lived()),
        };
        if is_service_token(&token.value) && !self.is_warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "service tokens are deprecated by Infisical; use a machine identity with universal auth"
            );
        }
        Ok(token)
    }

    async fn log_in(&self) -> Result<()> {
        let Method::Universal {
            client_id,
            client_secret,
            sub_organization,
        } = &self.method
        else {
            return Err(short_lived());
        };
        let secret = client_secret.read()?;
        if let Some(failure) = self.held(&secret) {
            return Err(failure);
        }
        let login = UniversalLogin {
            client_id,
            client_secret: secret.expose_str()?,
            sub_organization: sub_organization.as_deref(),
        };
        let body = encode(&login, 6 * secret.len() + client_id.len() + 128)?;
        let call = Call::with_body(
            HttpMethod::POST,
            "v1/auth/universal-auth/login",
            body,
            Asked::Login,
        );
        let answer = self.send(&call).await;
        if let Err(failure) = &answer
            && failure.kind() == ErrorKind::Unauthenticated
        {
            self.hold(secret, failure);
        }
        let token = Token::issued(&answer?, self.now(), None)?;
        self.shared.install(token);
        Ok(())
    }

    /// The failure of the last login, if that is too fresh for another one with the same secret.
    fn held(&self, secret: &SecretValue) -> Option<Error> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let failure = held
            .as_ref()
            .filter(|held| held.secret == *secret && self.now() < held.until)
            .map(|held| held.failure.clone());
        if failure.is_none() {
            *held = None;
        }
        failure
    }

    fn hold(&self, secret: SecretValue, failure: &Error) {
        let wait = failure.retry_after().unwrap_or(HOLD).max(HOLD);
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = Some(Held {
            secret,
            until: self.now().saturating_add(wait),
            failure: failure.clone(),
        });
    }

    /// A token instead of one that the server has refused.
    async fn replace(&self, used: &Arc<Token>) -> Result<()> {
        let source = match &self.method {
            Method::Universal { .. } => return self.log_in().await,
            Method::TokenFile(file) => {
                let token = self.read_token()?;
                if token.header != used.header {
                    self.shared.install(token);
                    return Ok(());
                }
                format!("the token in {file}")
            }
            Method::Token(_, source) => format!("the token of {source}"),
        };
        Err(Error::new(
            ErrorKind::Unauthenticated,
            format!("the server does not accept {source}"),
        )
        .with_hint("it is wrong, expired, revoked, or of another server; set a new one"))
    }

    /// A fresh token instead of one that is near its end: a renewal where that keeps within the maximum life, else a login.
    async fn freshen(&self, old: &Token) -> Result<()> {
        let now = self.now();
        let fresh = if old.is_renewable(now) {
            match self.post_token("v1/auth/token/renew", old).await {
                Ok(response) => Token::issued(&response, self.now(), Some(old.born)).map(|token| {
                    self.shared.install(token);
                }),
                Err(failure) if failure.is_retryable() => Err(failure),
                Err(_) => self.log_in().await,
            }
        } else {
            self.log_in().await
        };
        if let Err(failure) = &fresh {
            tracing::debug!(error = %failure, "the token was not renewed");
            let wait = failure.retry_after().unwrap_or(BACKOFF).max(BACKOFF);
            old.life.defer_refresh(now + wait);
        }
        fresh
    }

    async fn post_token(&self, path: &str, token: &Token) -> Result<HttpResponse> {
        let body = TokenBody {
            access_token: token.value.expose_str()?,
        };
        let body = encode(&body, token.value.len() + 32)?;
        self.send(&Call::with_body(HttpMethod::POST, path, body, Asked::Login))
            .await
    }

    async fn send(&self, call: &Call) -> Result<HttpResponse> {
        let response = self.endpoint.send(call, None).await?;
        self.endpoint.check(response, call.asked)
    }
}

fn short_lived() -> Error {
    Error::new(
        ErrorKind::Unauthenticated,
        "the token from the login ended at once",
    )
    .with_hint("give the identity's universal auth a longer access token TTL")
}
