//! Who we are to the server: a login at the first use, renewal in the background, one refresh after a refusal.

mod login;
mod method;
mod renewal;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use secrets_core::{Error, ErrorKind, Result, SecretValue};
use secrets_provider::{Method as HttpMethod, SharedToken};
use tokio::task::AbortHandle;

use crate::client::{Call, Endpoint};
use crate::error;
use crate::leases::LeaseBook;

pub(crate) use method::Method;
use method::Token;
use renewal::{keep_renewed, renew_after};

/// A given token is looked up only after this time, so a short process pays one request for one secret.
const LOOKUP_AFTER: Duration = Duration::from_secs(30);
/// The last part of a token's lifetime, in which it is not used, so it does not expire in transit.
const MARGIN: Duration = Duration::from_secs(5);

/// What to do after the server refused a token.
pub(crate) enum AfterRefusal {
    /// Send the request again with this token.
    Repeat(Arc<Token>),
    /// The token is valid, so the refusal stands.
    Denied,
}

/// The outcome of a successful attempt, shared with the callers that waited for it.
#[derive(Clone)]
enum Refresh {
    NewToken,
    TokenIsValid,
}

pub(crate) struct Auth(Arc<Inner>);

struct Inner {
    endpoint: Endpoint,
    method: Method,
    shared: SharedToken<Token, Refresh>,
    /// The unwrapped secret id: a wrapping opens only once.
    unwrapped: Mutex<Option<SecretValue>>,
    renewal: Mutex<Option<AbortHandle>>,
    leases: LeaseBook,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.stop_renewal();
    }
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0.method {
            Method::Token(..) => "Auth(token)",
            Method::TokenFile(_) => "Auth(token file)",
            Method::WrappedToken(_) => "Auth(wrapped token)",
            Method::AppRole { .. } => "Auth(approle)",
            Method::Userpass { .. } => "Auth(userpass)",
            Method::Jwt { .. } => "Auth(jwt)",
            Method::Cert { .. } => "Auth(cert)",
        })
    }
}

impl Auth {
    /// Checks what can be checked without a request.
    pub(crate) fn new(endpoint: Endpoint, method: Method) -> Result<Self> {
        match &method {
            Method::Token(value, _) => {
                Token::given(value, &method.token_name())?;
            }
            Method::WrappedToken(value) => {
                Token::given(value, "the wrapping token")?;
            }
            _ => {}
        }
        Ok(Self(Arc::new(Inner {
            shared: SharedToken::new(endpoint.clock.clone()),
            leases: LeaseBook::new(endpoint.clock.clone()),
            endpoint,
            method,
            unwrapped: Mutex::new(None),
            renewal: Mutex::new(None),
        })))
    }

    /// The token to use; logs in if there is none. Concurrent callers share one login.
    pub(crate) async fn token(&self) -> Result<Arc<Token>> {
        let shared = &self.0.shared;
        if let Some(token) = shared.usable() {
            return Ok(token);
        }
        // Neither sends a request, so there is nothing to share.
        if matches!(self.0.method, Method::Token(..) | Method::TokenFile(_)) {
            let token = self.0.acquire().await?;
            return Ok(self.0.install(token));
        }
        let login = Arc::clone(&self.0).login();
        let token = shared.one_for_all(|| shared.usable(), login).await?;
        token.ok_or_else(short_lived)
    }

    /// Decides what to do after a refusal, which may mean an expired token or a policy. Costs at most one lookup or one login
    /// for all callers that were refused with the same token.
    pub(crate) async fn refused(&self, used: &Arc<Token>, looks_bad: bool) -> Result<AfterRefusal> {
        let shared = &self.0.shared;
        let turn = shared.turn().await;
        if let Some(token) = shared.other_than(used) {
            return Ok(AfterRefusal::Repeat(token));
        }
        match turn.outcome() {
            Some(Ok(Refresh::TokenIsValid)) => return Ok(AfterRefusal::Denied),
            Some(Err(failure)) => return Err(failure.clone()),
            _ => {}
        }
        let (inner, refused) = (Arc::clone(&self.0), Arc::clone(used));
        let refresh = async move { inner.refresh(&refused, looks_bad).await };
        match (turn.run(refresh).await?, shared.other_than(used)) {
            (Refresh::NewToken, Some(token)) => Ok(AfterRefusal::Repeat(token)),
            (Refresh::NewToken, None) => Err(short_lived()),
            (Refresh::TokenIsValid, _) => Ok(AfterRefusal::Denied),
        }
    }

    /// The leases made with tokens of this login, which end with their token.
    pub(crate) fn leases(&self) -> &LeaseBook {
        &self.0.leases
    }

    /// Stops renewal, and revokes the token of a login unless a lease depends on it.
    pub(crate) async fn close(&self) -> Result<()> {
        self.0.stop_renewal();
        let lasts = |token: &Token| !token.life.is_over(self.0.shared.now());
        let token = self.0.shared.take().filter(|token| lasts(token));
        if let Some(token) = token
            && self.0.method.is_login()
            && self.0.leases.is_empty()
        {
            // A token that cannot be revoked expires.
            if let Err(failure) = self.0.revoke_token(&token).await {
                tracing::debug!(error = %failure, "the token was not revoked");
            }
        }
        Ok(())
    }

    /// Revokes the token of a login, and with it every lease made under it. `false` where the token is not ours or cannot
    /// be revoked.
    pub(crate) async fn revoke_with_leases(&self) -> bool {
        if !self.0.method.is_login() {
            return false;
        }
        let Some(token) = self.0.shared.usable() else {
            return false;
        };
        match self.0.revoke_token(&token).await {
            Ok(()) => {
                self.0.stop_renewal();
                self.0.shared.take();
                self.0.leases.clear();
                true
            }
            Err(failure) => {
                tracing::debug!(error = %failure, "the token was not revoked");
                false
            }
        }
    }
}

impl Inner {
    /// Makes a token the current one and keeps it renewed.
    fn install(self: &Arc<Self>, token: Token) -> Arc<Token> {
        let token = self.shared.install(token);
        let first_wait = match (token.renewable, token.granted) {
            (true, Some(life)) => Some(renew_after(life)),
            (_, None) => Some(LOOKUP_AFTER),
            _ => None,
        };
        let renewal = first_wait.map(|wait| {
            let task = keep_renewed(Arc::downgrade(self), Arc::downgrade(&token), wait);
            tokio::spawn(task).abort_handle()
        });
        self.replace_renewal(renewal);
        token
    }

    async fn revoke_token(&self, token: &Token) -> Result<()> {
        let revoke = Call {
            method: HttpMethod::POST,
            ..Call::delete("auth/token/revoke-self")
        };
        let revoked = self.endpoint.send_checked(&revoke, Some(&token.header));
        revoked.await.map(drop)
    }

    fn stop_renewal(&self) {
        self.replace_renewal(None);
    }

    fn replace_renewal(&self, next: Option<AbortHandle>) {
        let mut renewal = self.renewal.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = std::mem::replace(&mut *renewal, next) {
            running.abort();
        }
    }

    async fn login(self: Arc<Self>) -> Result<Refresh> {
        let token = self.acquire().await?;
        self.install(token);
        Ok(Refresh::NewToken)
    }

    async fn refresh(self: Arc<Self>, used: &Arc<Token>, looks_bad: bool) -> Result<Refresh> {
        if let Method::TokenFile(_) = self.method {
            let token = self.acquire().await?;
            if token.header != used.header {
                self.install(token);
                return Ok(Refresh::NewToken);
            }
        }
        let is_login = self.method.is_login();
        if !(is_login && (looks_bad || used.life.is_over(self.shared.now())))
            && self.is_valid(used).await?
        {
            return Ok(Refresh::TokenIsValid);
        }
        if is_login {
            return self.login().await;
        }
        let token = self.method.token_name();
        Err(Error::new(
            ErrorKind::Unauthenticated,
            format!("the server does not accept {token}"),
        )
        .with_hint("it is wrong, expired, revoked or from another namespace; set a new one"))
    }

    /// Whether the server knows the token. One that may not look itself up is refused by policy, and known.
    async fn is_valid(&self, token: &Token) -> Result<bool> {
        let call = Call::read("auth/token/lookup-self");
        let response = self.endpoint.send(&call, Some(&token.header)).await?;
        if error::is_refused_by_policy(&response) {
            return Ok(true);
        }
        if error::is_forbidden(&response) {
            return Ok(false);
        }
        self.endpoint.check(response, &call).map(|_| true)
    }
}

fn short_lived() -> Error {
    Error::new(
        ErrorKind::Unauthenticated,
        "the token from the login expired at once",
    )
    .with_hint("give the role a longer `token_ttl`")
}
