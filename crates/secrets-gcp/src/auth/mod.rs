//! Who we are to Google: a login at the first use, one for all who need it, renewed before it ends, and once after a refusal.

mod credentials;
mod exchange;
mod external;
mod metadata;
mod service_account;

use std::borrow::Cow;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use secrets_core::{Clock, Error, ErrorKind, Result, SecretValue};
use secrets_http::{HeaderValue, WipedBuffer, sensitive_header};
use tokio::sync::OwnedMutexGuard;

use crate::config::NamedFile;

pub(crate) use credentials::{CredentialsJson, CredentialsSource};
pub(crate) use exchange::Exchange;
pub(crate) use metadata::MetadataServer;

/// What every token of ours may do; the permissions of the account narrow it down (OAuth scopes of Google's APIs).
pub(crate) const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";

/// A token is renewed this long before its end, or a quarter of its life. The metadata server gives out a new one only in
/// the last five minutes.
const RENEW_BEFORE: Duration = Duration::from_secs(240);
/// A token is not used in the last part of its life, so that it does not end under way.
const MARGIN: Duration = Duration::from_secs(10);
/// The first and the longest wait after a renewal that failed.
const FIRST_BACKOFF: Duration = Duration::from_secs(1);
const LONGEST_BACKOFF: Duration = Duration::from_secs(60);

/// An OAuth access token for Google's APIs.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct AccessToken {
    /// The token, without `Bearer`.
    pub value: SecretValue,
    /// How long it is valid from now on; `None` where that is not known, and it is used until it is refused.
    pub expires_in: Option<Duration>,
}

impl AccessToken {
    /// A token of which nothing more is known.
    pub fn new(value: impl Into<SecretValue>) -> Self {
        Self {
            value: value.into(),
            expires_in: None,
        }
    }

    /// Valid for so long from now on.
    pub fn with_expires_in(mut self, life: impl Into<Option<Duration>>) -> Self {
        self.expires_in = life.into();
        self
    }
}

/// Where access tokens come from. A program that has its own way to log in implements this, and gives it to
/// [`GcpConfig::with_token_source`](crate::GcpConfig::with_token_source).
#[async_trait]
pub trait TokenSource: fmt::Debug + Send + Sync {
    /// Comes by a token. It is kept until shortly before its end, and asked for by one caller at a time; so a source needs
    /// no memory of its own. After a refusal it is asked once more, and should then not answer with the same token.
    ///
    /// # Errors
    /// Whatever says why there is none; [`ErrorKind::Unauthenticated`] if the credential is at fault.
    async fn token(&self) -> Result<AccessToken>;
}

/// A token that was given, and can only be replaced by whoever gave it.
#[derive(Debug)]
pub(crate) struct GivenToken(pub(crate) SecretValue);

#[async_trait]
impl TokenSource for GivenToken {
    async fn token(&self) -> Result<AccessToken> {
        Ok(AccessToken::new(self.0.clone()))
    }
}

/// A file that somebody else keeps a token in.
#[derive(Debug)]
pub(crate) struct TokenFile(pub(crate) NamedFile);

#[async_trait]
impl TokenSource for TokenFile {
    async fn token(&self) -> Result<AccessToken> {
        Ok(AccessToken::new(self.0.read_credential()?))
    }
}

/// A token as it is sent, and what is known of its life.
pub(crate) struct Token {
    pub(crate) header: HeaderValue,
    /// On the monotonic clock.
    ends: Duration,
    /// When it is time to renew it, in milliseconds of the monotonic clock.
    renew_at: AtomicU64,
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(***)")
    }
}

/// The current token. Cheap to clone; clones share it.
#[derive(Clone)]
pub(crate) struct Auth(Arc<Inner>);

struct Inner {
    source: Arc<dyn TokenSource>,
    /// What the credential is called in errors.
    what: Cow<'static, str>,
    clock: Arc<dyn Clock>,
    current: RwLock<Option<Arc<Token>>>,
    /// Held by whoever logs in; what failed last, for those who waited meanwhile.
    gate: Arc<tokio::sync::Mutex<Option<Error>>>,
    attempts: AtomicU64,
    is_renewing: AtomicBool,
    failures: AtomicU32,
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Auth({:?})", self.0.source)
    }
}

impl Auth {
    /// `what` names the credential in errors, such as "the token of `token`".
    pub(crate) fn new(
        source: Arc<dyn TokenSource>,
        what: impl Into<Cow<'static, str>>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self(Arc::new(Inner {
            source,
            what: what.into(),
            clock,
            current: RwLock::new(None),
            gate: Arc::default(),
            attempts: AtomicU64::new(0),
            is_renewing: AtomicBool::new(false),
            failures: AtomicU32::new(0),
        }))
    }

    /// The token to use. Of many callers at once one logs in, and the others take its outcome; who finds a token that
    /// nears its end uses it, and has it renewed meanwhile.
    pub(crate) async fn token(&self) -> Result<Arc<Token>> {
        if let Some(token) = self.0.usable() {
            if millis(self.0.clock.monotonic()) >= token.renew_at.load(Ordering::Relaxed) {
                self.renew(&token);
            }
            return Ok(token);
        }
        let seen = self.0.attempts.load(Ordering::Acquire);
        let gate = Arc::clone(&self.0.gate).lock_owned().await;
        if let Some(token) = self.0.usable() {
            return Ok(token);
        }
        self.outcome_since(seen, &gate)?;
        self.login(gate).await
    }

    /// Another token than the one that was refused: one login for all callers that it was refused to.
    ///
    /// # Errors
    /// [`ErrorKind::Unauthenticated`] if there is no other one.
    pub(crate) async fn instead_of(&self, refused: &Arc<Token>) -> Result<Arc<Token>> {
        let seen = self.0.attempts.load(Ordering::Acquire);
        let gate = Arc::clone(&self.0.gate).lock_owned().await;
        let other = self
            .0
            .usable()
            .filter(|token| token.header != refused.header);
        if let Some(other) = other {
            return Ok(other);
        }
        self.outcome_since(seen, &gate)?;
        let token = self.login(gate).await?;
        if token.header == refused.header {
            return Err(Error::new(
                ErrorKind::Unauthenticated,
                format!("the service does not accept {}", self.0.what),
            )
            .with_hint(
                "it is wrong or has expired, or belongs to another service; set a new one",
            ));
        }
        Ok(token)
    }

    /// Forgets the token.
    pub(crate) fn close(&self) {
        *self.0.write() = None;
    }

    /// Fails if somebody tried in vain while we waited for the gate.
    fn outcome_since(&self, seen: u64, gate: &OwnedMutexGuard<Option<Error>>) -> Result<()> {
        match &**gate {
            Some(failure) if self.0.attempts.load(Ordering::Acquire) != seen => {
                Err(failure.clone())
            }
            _ => Ok(()),
        }
    }

    /// Logs in, to the end even if the caller goes away: others wait for the outcome.
    async fn login(&self, mut gate: OwnedMutexGuard<Option<Error>>) -> Result<Arc<Token>> {
        let inner = Arc::clone(&self.0);
        let task = tokio::spawn(async move {
            let outcome = inner.acquire().await;
            *gate = outcome.as_ref().err().cloned();
            inner.attempts.fetch_add(1, Ordering::Release);
            outcome
        });
        task.await
            .map_err(|_| Error::new(ErrorKind::Unexpected, "the login did not come to its end"))?
    }

    fn renew(&self, token: &Arc<Token>) {
        if self.0.is_renewing.swap(true, Ordering::AcqRel) {
            return;
        }
        let (inner, token) = (Arc::clone(&self.0), Arc::clone(token));
        tokio::spawn(async move {
            if let Err(failure) = inner.acquire().await {
                tracing::debug!(error = %failure, "the access token was not renewed");
                let failures = inner.failures.fetch_add(1, Ordering::Relaxed).min(16);
                let wait = (FIRST_BACKOFF * 2u32.pow(failures)).min(LONGEST_BACKOFF);
                let wait = wait.mul_f64(0.8 + 0.4 * fastrand::f64());
                let wait = wait.max(failure.retry_after().unwrap_or_default());
                let again = millis(inner.clock.monotonic() + wait);
                token.renew_at.store(again, Ordering::Relaxed);
            }
            inner.is_renewing.store(false, Ordering::Release);
        });
    }
}

impl Inner {
    fn usable(&self) -> Option<Arc<Token>> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        let token = current.as_ref()?;
        (self.clock.monotonic() < token.ends).then(|| Arc::clone(token))
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, Option<Arc<Token>>> {
        self.current.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the source, and makes what it gives the current token.
    async fn acquire(&self) -> Result<Arc<Token>> {
        let issued = self.source.token().await?;
        let token = Arc::new(self.token_of(&issued)?);
        self.failures.store(0, Ordering::Relaxed);
        *self.write() = Some(Arc::clone(&token));
        Ok(token)
    }

    fn token_of(&self, issued: &AccessToken) -> Result<Token> {
        let header = bearer(&issued.value, &self.what)?;
        let now = self.clock.monotonic();
        let Some(life) = issued.expires_in else {
            return Ok(Token {
                header,
                ends: Duration::MAX,
                renew_at: AtomicU64::new(u64::MAX),
            });
        };
        if life.is_zero() {
            return Err(Error::new(
                ErrorKind::Unauthenticated,
                "the access token from the login has ended already",
            )
            .with_hint("check this machine's clock, and what the credential is"));
        }
        // Processes that started together do not stay together.
        let early = RENEW_BEFORE
            .min(life / 4)
            .mul_f64(0.75 + 0.25 * fastrand::f64());
        Ok(Token {
            header,
            ends: now.saturating_add(life - MARGIN.min(life / 10)),
            renew_at: AtomicU64::new(millis(now.saturating_add(life - early))),
        })
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// The value of the header `Authorization`.
pub(crate) fn bearer(token: &SecretValue, what: &str) -> Result<HeaderValue> {
    // A token of white space would be sent as a header without one.
    let bytes = token.expose_bytes().trim_ascii();
    let mut text = WipedBuffer::with_capacity(bytes.len() + 7);
    if !bytes.is_empty() {
        text.extend_from_slice(b"Bearer ");
        text.extend_from_slice(bytes);
    }
    sensitive_header(&text.into_value(), what)
}
