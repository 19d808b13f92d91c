//! Who we are to the vault: tokens, kept until shortly before they expire, renewed once when the vault refuses one.

mod chain;
mod entra;
mod metadata;
mod tools;

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use azure_core::time::OffsetDateTime;
use secrets_core::{Clock, Error, ErrorKind, Result, SecretValue};
use secrets_provider::{HeaderValue, sensitive_header};
use tokio::sync::Mutex;
use tracing::instrument::WithSubscriber as _;

pub(crate) use chain::{Chain, Source};
pub(crate) use entra::{ClientCredential, Entra, Proof};
pub(crate) use metadata::{Endpoint, ManagedIdentity};
pub(crate) use tools::DeveloperTools;

use crate::client::http::carry_error;

/// A token is renewed when it has less than this left, or less than half of its life if that is shorter.
const RENEW_BEFORE: Duration = Duration::from_secs(300);

/// What the SDK is given as a token. The real one stays with us; the last step before the network puts it in.
const PLACEHOLDER: &str = "held-by-the-provider";

/// How long the SDK may keep the placeholder, which has no end of its own.
const PLACEHOLDER_LIFE: Duration = Duration::from_secs(24 * 60 * 60);

/// A token as a source gives it.
pub(crate) struct Token {
    pub(crate) value: SecretValue,
    /// How long it is valid from now.
    pub(crate) life: Duration,
}

/// The token of one identity for one vault, shared by all requests to it. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Session(Arc<Inner>);

struct Inner {
    chain: Chain,
    clock: Arc<dyn Clock>,
    held: RwLock<Option<Arc<Held>>>,
    /// What tokens are asked for: `https://vault.azure.net/.default`.
    scope: RwLock<Option<Arc<str>>>,
    login: Arc<Mutex<()>>,
}

/// A token that requests are sent with.
pub(crate) struct Held {
    header: HeaderValue,
    scope: Arc<str>,
    renew_at: SystemTime,
    ends_at: SystemTime,
}

impl Held {
    /// `Bearer` and the token.
    pub(crate) fn header(&self) -> HeaderValue {
        self.header.clone()
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Session({})", self.0.chain)
    }
}

impl Session {
    pub(crate) fn new(chain: Chain, clock: Arc<dyn Clock>) -> Self {
        Self(Arc::new(Inner {
            chain,
            clock,
            held: RwLock::default(),
            scope: RwLock::default(),
            login: Arc::default(),
        }))
    }

    /// The token that is valid now. Of many callers at once one logs in, the others wait for it. A login goes on if its
    /// caller gives up: a tool that asks a person takes longer than one attempt, and must not be started again.
    pub(crate) async fn token(&self) -> Result<Arc<Held>> {
        let scope = read(&self.0.scope)
            .ok_or_else(|| Error::new(ErrorKind::Unexpected, "the vault has not been asked yet"))?;
        if let Some(held) = self.0.fresh(&scope) {
            return Ok(held);
        }
        let alone = Arc::clone(&self.0.login).lock_owned().await;
        if let Some(held) = self.0.fresh(&scope) {
            return Ok(held);
        }
        let inner = Arc::clone(&self.0);
        let login = async move {
            let _alone = alone;
            let got = inner.log_in(&scope).await;
            if let Ok(held) = &got {
                write(&inner.held, Some(Arc::clone(held)));
            }
            // It is too early to be without a token.
            got.or_else(|failure| match inner.valid(&scope) {
                Some(held) if failure.is_retryable() => Ok(held),
                _ => Err(failure),
            })
        };
        tokio::spawn(login.with_current_subscriber())
            .await
            .unwrap_or_else(|_| {
                Err(Error::new(
                    ErrorKind::Unexpected,
                    "the login was interrupted",
                ))
            })
    }

    /// The vault does not take this token. Unless another one took its place meanwhile, the next request logs in.
    pub(crate) fn refuse(&self, refused: &Arc<Held>) {
        let mut held = self.0.held.write().unwrap_or_else(PoisonError::into_inner);
        if held.as_ref().is_some_and(|held| Arc::ptr_eq(held, refused)) {
            *held = None;
        }
    }

    /// Forgets the token.
    pub(crate) fn close(&self) {
        write(&self.0.held, None);
    }
}

impl Inner {
    async fn log_in(&self, scope: &Arc<str>) -> Result<Arc<Held>> {
        let token = self.chain.token(scope).await?;
        let now = self.clock.wall();
        let mut bearer = zeroize::Zeroizing::new(Vec::with_capacity(7 + token.value.len()));
        bearer.extend_from_slice(b"Bearer ");
        bearer.extend_from_slice(token.value.expose_bytes());
        let header =
            sensitive_header(&SecretValue::from_zeroizing(bearer), "the token").map_err(|_| {
                Error::new(
                    ErrorKind::InvalidResponse,
                    "the login gives a token that no request can carry",
                )
            })?;
        let life = token.life;
        Ok(Arc::new(Held {
            header,
            scope: Arc::clone(scope),
            renew_at: now + life.saturating_sub(RENEW_BEFORE.min(life / 2)),
            ends_at: now + life,
        }))
    }

    /// The token that is held, if it has long enough left.
    fn fresh(&self, scope: &str) -> Option<Arc<Held>> {
        let held = read(&self.held)?;
        (*held.scope == *scope && self.clock.wall() < held.renew_at).then_some(held)
    }

    /// The token that is held, if it has not ended.
    fn valid(&self, scope: &str) -> Option<Arc<Held>> {
        let held = read(&self.held)?;
        (*held.scope == *scope && self.clock.wall() < held.ends_at).then_some(held)
    }
}

fn read<T: Clone>(lock: &RwLock<Option<T>>) -> Option<T> {
    lock.read().unwrap_or_else(PoisonError::into_inner).clone()
}

fn write<T>(lock: &RwLock<Option<T>>, value: Option<T>) {
    *lock.write().unwrap_or_else(PoisonError::into_inner) = value;
}

/// Tells the session what the vault's tokens are for, and gives the SDK something to go on with.
#[async_trait]
impl TokenCredential for Session {
    async fn get_token(
        &self,
        scopes: &[&str],
        _options: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        let scope = scopes.first().copied().unwrap_or_default();
        if read(&self.0.scope).as_deref() != Some(scope) {
            write(&self.0.scope, Some(scope.into()));
        }
        // Here and not only at the request, since requests that wait for the SDK's lock need not wait for ours then.
        self.token().await.map_err(carry_error)?;
        Ok(AccessToken::new(
            PLACEHOLDER,
            OffsetDateTime::now_utc() + PLACEHOLDER_LIFE,
        ))
    }
}
