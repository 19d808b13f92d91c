//! Who we are to Google: a login at the first use, one for all who need it, renewed before it ends, and once after a refusal.

mod credentials;
mod exchange;
mod external;
mod metadata;
mod service_account;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use secrets_core::{Clock, Error, ErrorKind, Result, SecretValue};
use secrets_provider::{
    Backoff, Expiring, HeaderValue, NamedFile, SharedToken, TokenLifetime, WipedBuffer,
    sensitive_header,
};

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
    life: TokenLifetime,
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

/// The current token. Cheap to clone; clones share it.
#[derive(Clone)]
pub(crate) struct Auth(Arc<Inner>);

struct Inner {
    source: Arc<dyn TokenSource>,
    /// What the credential is called in errors.
    what: Cow<'static, str>,
    shared: SharedToken<Token>,
    backoff: Backoff,
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
            shared: SharedToken::new(clock),
            backoff: Backoff::new(FIRST_BACKOFF, LONGEST_BACKOFF),
        }))
    }

    /// The token to use. Of many callers at once one logs in, and the others take its outcome; who finds a token that
    /// nears its end uses it, and has it renewed meanwhile.
    pub(crate) async fn token(&self) -> Result<Arc<Token>> {
        let shared = &self.0.shared;
        if let Some(token) = shared.usable() {
            if token.life.is_due(shared.now())
                && let Some(turn) = shared.try_refresh_guard()
            {
                let (inner, old) = (Arc::clone(&self.0), Arc::clone(&token));
                drop(turn.start(async move { inner.renew(&old).await }));
            }
            return Ok(token);
        }
        let inner = Arc::clone(&self.0);
        let login = async move { inner.log_in().await };
        let token = shared.get_or_refresh(|| shared.usable(), login).await?;
        token.ok_or_else(over_already)
    }

    /// Another token than the one that was refused: one login for all callers that it was refused to.
    ///
    /// # Errors
    /// [`ErrorKind::Unauthenticated`] if there is no other one.
    pub(crate) async fn instead_of(&self, refused: &Arc<Token>) -> Result<Arc<Token>> {
        let shared = &self.0.shared;
        let other = || {
            let token = shared.usable();
            token.filter(|token| token.header != refused.header)
        };
        let inner = Arc::clone(&self.0);
        let login = async move { inner.log_in().await };
        shared.get_or_refresh(other, login).await?.ok_or_else(|| {
            Error::new(
                ErrorKind::Unauthenticated,
                format!("the service does not accept {}", self.0.what),
            )
            .with_hint("it is wrong or has expired, or belongs to another service; set a new one")
        })
    }

    /// Forgets the token.
    pub(crate) fn close(&self) {
        self.0.shared.take();
    }
}

impl Inner {
    /// Asks the source, and makes what it gives the current token.
    async fn log_in(&self) -> Result<()> {
        let issued = self.source.token().await?;
        self.shared.install(self.token_of(&issued)?);
        self.backoff.reset();
        Ok(())
    }

    /// The same while the token at hand still serves; after a failure it is tried again later.
    async fn renew(&self, old: &Token) -> Result<()> {
        let renewed = self.log_in().await;
        if let Err(failure) = &renewed {
            tracing::debug!(error = %failure, "the access token was not renewed");
            let wait = self.backoff.after(failure);
            old.life
                .defer_refresh(self.shared.now().saturating_add(wait));
        }
        renewed
    }

    fn token_of(&self, issued: &AccessToken) -> Result<Token> {
        let header = bearer(&issued.value, &self.what)?;
        let Some(lasts) = issued.expires_in else {
            return Ok(Token {
                header,
                life: TokenLifetime::endless(),
            });
        };
        if lasts.is_zero() {
            return Err(over_already());
        }
        // Processes that started together do not stay together.
        let early = RENEW_BEFORE
            .min(lasts / 4)
            .mul_f64(0.75 + 0.25 * fastrand::f64());
        let now = self.shared.now();
        let life =
            TokenLifetime::expiring(now, lasts, MARGIN).with_due(now.saturating_add(lasts - early));
        Ok(Token { header, life })
    }
}

fn over_already() -> Error {
    Error::new(
        ErrorKind::Unauthenticated,
        "the access token from the login has ended already",
    )
    .with_hint("check this machine's clock, and what the credential is")
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
