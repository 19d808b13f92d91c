//! Who we are to the server: login at the first use, renewal in the background, one refresh after a refusal.

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use secrets_core::{Error, ErrorKind, Result, SecretValue};
use secrets_provider::{
    Backoff, Credential, Expiring, HeaderValue, HttpResponse, Life, Method as HttpMethod,
    NamedFile, SharedToken, decode, encode, sensitive_header,
};
use tokio::task::AbortHandle;

use crate::endpoint::{Call, Endpoint, encode_path};
use crate::error::Asked;
use crate::leases::LeaseBook;
use crate::wire::{
    AppRoleLogin, CertLogin, Envelope, JwtLogin, PasswordLogin, TokenInfo, WrappedSecretId,
};

/// A given token is looked up only by a process that lives this long: whoever reads one secret pays one request.
const LOOKUP_AFTER: Duration = Duration::from_secs(30);
/// The first and the longest wait after a renewal that failed.
const FIRST_BACKOFF: Duration = Duration::from_secs(1);
const LONGEST_BACKOFF: Duration = Duration::from_secs(300);
/// A token is not used in the last part of its life, so that it does not end under way.
const MARGIN: Duration = Duration::from_secs(5);

/// How a token is come by.
pub(crate) enum Method {
    /// A token, and the setting or variable that it comes from.
    Token(SecretValue, Cow<'static, str>),
    TokenFile(NamedFile),
    WrappedToken(SecretValue),
    AppRole {
        mount: String,
        role_id: SecretValue,
        secret_id: Option<Credential>,
        wrapped: bool,
    },
    Userpass {
        mount: String,
        username: String,
        password: SecretValue,
    },
    /// Kubernetes and JWT differ by nothing but where they are mounted.
    Jwt {
        mount: String,
        role: Option<String>,
        jwt: Credential,
    },
    Cert {
        mount: String,
        name: Option<String>,
    },
}

impl Method {
    /// Whether the token is ours, from a login that can be repeated.
    fn is_login(&self) -> bool {
        matches!(
            self,
            Self::AppRole { .. } | Self::Userpass { .. } | Self::Jwt { .. } | Self::Cert { .. }
        )
    }

    /// The token, named by where it comes from.
    fn token_name(&self) -> Cow<'static, str> {
        match self {
            Self::Token(_, source) => format!("the token of {source}").into(),
            Self::TokenFile(file) => format!("the token in {file}").into(),
            _ => "the token".into(),
        }
    }
}

/// A token and what is known of its life.
pub(crate) struct Token {
    pub(crate) header: HeaderValue,
    life: Life,
    /// How long the server said that it lives.
    granted: Option<Duration>,
    renewable: bool,
}

impl Token {
    fn given(value: &SecretValue, what: &str) -> Result<Self> {
        Ok(Self {
            header: sensitive_header(value, what)?,
            life: Life::endless(),
            granted: None,
            renewable: false,
        })
    }
}

impl Expiring for Token {
    fn life(&self) -> &Life {
        &self.life
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(***)")
    }
}

/// What to do after the server has refused a token.
pub(crate) enum Refused {
    /// Ask once more, with this one.
    Repeat(Arc<Token>),
    /// The token is good: the refusal is meant.
    Denied,
}

/// What an attempt came to that did not fail, also for those who waited while it was made.
#[derive(Clone)]
enum Outcome {
    Refreshed,
    TokenIsGood,
}

pub(crate) struct Auth(Arc<Inner>);

struct Inner {
    endpoint: Endpoint,
    method: Method,
    shared: SharedToken<Token, Outcome>,
    /// The secret id that was in the wrapping: that opens only once.
    unwrapped: Mutex<Option<SecretValue>>,
    upkeep: Mutex<Option<AbortHandle>>,
    leases: LeaseBook,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.stop_upkeep();
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
            upkeep: Mutex::new(None),
        })))
    }

    /// The token to use; logs in if there is none. Of many callers at once one logs in, the others take its outcome.
    pub(crate) async fn token(&self) -> Result<Arc<Token>> {
        let shared = &self.0.shared;
        if let Some(token) = shared.usable() {
            return Ok(token);
        }
        // Neither needs a request, so there is nothing to do only once.
        if matches!(self.0.method, Method::Token(..) | Method::TokenFile(_)) {
            let token = self.0.acquire().await?;
            return Ok(self.0.install(token));
        }
        let login = Arc::clone(&self.0).login();
        let token = shared.one_for_all(|| shared.usable(), login).await?;
        token.ok_or_else(short_lived)
    }

    /// Says what to do after a 403: that may mean a token that has ended, or that the policies do not allow it. At most
    /// one lookup, or one login, for all callers that were refused with the same token.
    pub(crate) async fn refused(&self, used: &Arc<Token>, looks_bad: bool) -> Result<Refused> {
        let shared = &self.0.shared;
        let turn = shared.turn().await;
        if let Some(token) = shared.other_than(used) {
            return Ok(Refused::Repeat(token));
        }
        match turn.outcome() {
            Some(Ok(Outcome::TokenIsGood)) => return Ok(Refused::Denied),
            Some(Err(failure)) => return Err(failure.clone()),
            _ => {}
        }
        let (inner, refused) = (Arc::clone(&self.0), Arc::clone(used));
        let refresh = async move { inner.refresh(&refused, looks_bad).await };
        match (turn.run(refresh).await?, shared.other_than(used)) {
            (Outcome::Refreshed, Some(token)) => Ok(Refused::Repeat(token)),
            (Outcome::Refreshed, None) => Err(short_lived()),
            (Outcome::TokenIsGood, _) => Ok(Refused::Denied),
        }
    }

    /// The leases that were given under tokens of this login, which end together with their token.
    pub(crate) fn leases(&self) -> &LeaseBook {
        &self.0.leases
    }

    /// Ends renewal, and gives back the token of a login that no lease depends on.
    pub(crate) async fn close(&self) -> Result<()> {
        self.0.stop_upkeep();
        let lasts = |token: &Token| !token.life.is_over(self.0.shared.now());
        let token = self.0.shared.take().filter(|token| lasts(token));
        if let Some(token) = token
            && self.0.method.is_login()
            && self.0.leases.is_empty()
        {
            // A token that cannot be revoked ends by itself.
            if let Err(failure) = self.0.revoke_token(&token).await {
                tracing::debug!(error = %failure, "the token was not revoked");
            }
        }
        Ok(())
    }

    /// Gives the token of a login back, and with it every lease that was made under it. `false` where the token is not
    /// ours, or cannot be given back.
    pub(crate) async fn revoke_with_leases(&self) -> bool {
        if !self.0.method.is_login() {
            return false;
        }
        let Some(token) = self.0.shared.usable() else {
            return false;
        };
        match self.0.revoke_token(&token).await {
            Ok(()) => {
                self.0.stop_upkeep();
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
    /// Makes a token the current one and looks after it.
    fn install(self: &Arc<Self>, token: Token) -> Arc<Token> {
        let token = self.shared.install(token);
        let first_wait = match (token.renewable, token.granted) {
            (true, Some(life)) => Some(renew_after(life)),
            (_, None) => Some(LOOKUP_AFTER),
            _ => None,
        };
        let upkeep = first_wait.map(|wait| {
            let task = upkeep(Arc::downgrade(self), Arc::downgrade(&token), wait);
            tokio::spawn(task).abort_handle()
        });
        self.replace_upkeep(upkeep);
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

    fn stop_upkeep(&self) {
        self.replace_upkeep(None);
    }

    fn replace_upkeep(&self, next: Option<AbortHandle>) {
        let mut upkeep = self.upkeep.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = std::mem::replace(&mut *upkeep, next) {
            running.abort();
        }
    }

    async fn login(self: Arc<Self>) -> Result<Outcome> {
        let token = self.acquire().await?;
        self.install(token);
        Ok(Outcome::Refreshed)
    }

    async fn refresh(self: Arc<Self>, used: &Arc<Token>, looks_bad: bool) -> Result<Outcome> {
        if let Method::TokenFile(_) = self.method {
            let token = self.acquire().await?;
            if token.header != used.header {
                self.install(token);
                return Ok(Outcome::Refreshed);
            }
        }
        let is_login = self.method.is_login();
        if !(is_login && (looks_bad || used.life.is_over(self.shared.now())))
            && self.is_good(used).await?
        {
            return Ok(Outcome::TokenIsGood);
        }
        if is_login {
            return self.login().await;
        }
        let token = self.method.token_name();
        Err(Error::new(
            ErrorKind::Unauthenticated,
            format!("the server does not accept {token}"),
        )
        .with_hint(
            "it is wrong, expired, revoked, of another namespace, or may not look itself up; set a new one",
        ))
    }

    /// Whether the server knows the token, for which it is asked.
    async fn is_good(&self, token: &Token) -> Result<bool> {
        let call = Call::read("auth/token/lookup-self");
        let response = self.endpoint.send(&call, Some(&token.header)).await?;
        match response.status.as_u16() {
            403 => Ok(false),
            _ => self.endpoint.check(response, Asked::Other).map(|_| true),
        }
    }

    /// Comes by a token, however the method does that.
    async fn acquire(&self) -> Result<Token> {
        let (path, body) = match &self.method {
            Method::Token(value, _) => return Token::given(value, &self.method.token_name()),
            Method::TokenFile(file) => {
                return Token::given(&file.read_credential()?, &self.method.token_name());
            }
            Method::WrappedToken(wrapping) => {
                let response = self.unwrap(wrapping).await?;
                return self.issued(&response);
            }
            Method::AppRole {
                mount,
                role_id,
                secret_id,
                wrapped,
            } => {
                let secret_id = self.secret_id(secret_id.as_ref(), *wrapped).await?;
                let login = AppRoleLogin {
                    role_id: role_id.expose_str()?,
                    secret_id: secret_id
                        .as_ref()
                        .map(SecretValue::expose_str)
                        .transpose()?,
                };
                (
                    format!("auth/{}/login", encode_path(mount)),
                    encode(&login, 256)?,
                )
            }
            Method::Userpass {
                mount,
                username,
                password,
            } => {
                let login = PasswordLogin {
                    password: password.expose_str()?,
                };
                let user = encode_path(username).replace('/', "%2F");
                let path = format!("auth/{}/login/{user}", encode_path(mount));
                (path, encode(&login, 6 * password.len() + 32)?)
            }
            Method::Jwt { mount, role, jwt } => {
                let jwt = jwt.read()?;
                let login = JwtLogin {
                    role: role.as_deref(),
                    jwt: jwt.expose_str()?,
                };
                let path = format!("auth/{}/login", encode_path(mount));
                (path, encode(&login, jwt.len() + 256)?)
            }
            Method::Cert { mount, name } => {
                let login = CertLogin {
                    name: name.as_deref(),
                };
                (
                    format!("auth/{}/login", encode_path(mount)),
                    encode(&login, 64)?,
                )
            }
        };
        let call = Call::post(path, body, Asked::Login);
        let response = self.endpoint.send_checked(&call, None).await?;
        self.issued(&response)
    }

    async fn secret_id(
        &self,
        given: Option<&Credential>,
        wrapped: bool,
    ) -> Result<Option<SecretValue>> {
        let Some(given) = given else { return Ok(None) };
        let opened = {
            let unwrapped = self
                .unwrapped
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            unwrapped.clone()
        };
        if !wrapped {
            return given.read().map(Some);
        }
        if opened.is_some() {
            return Ok(opened);
        }
        let wrapping = given.read()?;
        let response = self.unwrap(&wrapping).await?;
        let envelope: Envelope<'_> = decode(&response.body)?;
        let Some(data) = envelope.data else {
            return Err(not_wrapped("secret id"));
        };
        let inside: WrappedSecretId<'_> =
            decode(data.get().as_bytes()).map_err(|_| not_wrapped("secret id"))?;
        let secret_id = SecretValue::from(&*inside.secret_id);
        *self
            .unwrapped
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(secret_id.clone());
        Ok(Some(secret_id))
    }

    async fn unwrap(&self, wrapping: &SecretValue) -> Result<HttpResponse> {
        let header = sensitive_header(wrapping, "the wrapping token")?;
        let call = Call {
            method: HttpMethod::POST,
            asked: Asked::Login,
            ..Call::read("sys/wrapping/unwrap")
        };
        let answer = self.endpoint.send_checked(&call, Some(&header)).await;
        answer.map_err(|failure| match failure.kind() {
            ErrorKind::Unauthenticated => Error::new(
                ErrorKind::Unauthenticated,
                "the wrapping token is expired or used up",
            )
            .with_hint("if you have not used it, somebody else has: revoke what was in it and have it issued anew"),
            _ => failure,
        })
    }

    fn issued(&self, response: &HttpResponse) -> Result<Token> {
        let envelope: Envelope<'_> = decode(&response.body)?;
        let Some(login) = envelope.auth else {
            return Err(not_wrapped("token"));
        };
        let value = SecretValue::from(&*login.client_token);
        let mut token = Token::given(&value, "the token from the server")?;
        if login.lease_duration > 0 {
            let lasts = Duration::from_secs(login.lease_duration);
            token.granted = Some(lasts);
            token.renewable = login.renewable;
            token.life = Life::ending(self.shared.now(), lasts, MARGIN);
        } else {
            // A root token: it has no end, and nothing to renew.
            token.granted = Some(Duration::MAX);
        }
        Ok(token)
    }

    /// Renews the token, and answers how long it lives now.
    async fn renew(&self, token: &Token) -> Result<Duration> {
        let call = Call::post("auth/token/renew-self", "{}".into(), Asked::Other);
        let response = self
            .endpoint
            .send_checked(&call, Some(&token.header))
            .await?;
        let envelope: Envelope<'_> = decode(&response.body)?;
        let seconds = envelope.auth.map_or(0, |auth| auth.lease_duration);
        Ok(Duration::from_secs(seconds))
    }

    /// How long a given token still lives, if it can be renewed.
    async fn look_up(&self, token: &Token) -> Result<Option<Duration>> {
        let call = Call::read("auth/token/lookup-self");
        let response = self
            .endpoint
            .send_checked(&call, Some(&token.header))
            .await?;
        let envelope: Envelope<'_> = decode(&response.body)?;
        let Some(data) = envelope.data else {
            return Ok(None);
        };
        let info: TokenInfo = decode(data.get().as_bytes())?;
        Ok((info.renewable && info.ttl > 0).then(|| Duration::from_secs(info.ttl)))
    }
}

/// Renews a token for as long as it and its provider are there. After a failure it waits, longer each time; when the
/// token cannot be renewed any more, it ends, and the next use logs in.
async fn upkeep(inner: Weak<Inner>, token: Weak<Token>, first_wait: Duration) {
    let mut wait = first_wait;
    let backoff = Backoff::new(FIRST_BACKOFF, LONGEST_BACKOFF);
    let mut granted = None;
    loop {
        tokio::time::sleep(wait).await;
        let (Some(inner), Some(token)) = (inner.upgrade(), token.upgrade()) else {
            return;
        };
        let known = granted.or(token.granted);
        let renewed = match known {
            Some(_) => inner.renew(&token).await.map(Some),
            None => inner.look_up(&token).await,
        };
        match (renewed, known) {
            (Ok(Some(lives)), None) => {
                granted = Some(lives);
                wait = renew_after(lives);
            }
            // Less than half of what it was: the server will not let it live much longer.
            (Ok(Some(lives)), Some(before)) if lives >= before / 2 => {
                token.life.prolong(inner.shared.now(), lives, MARGIN);
                granted = Some(lives);
                backoff.reset();
                wait = renew_after(lives);
            }
            (Ok(Some(lives)), Some(_)) => {
                token.life.prolong(inner.shared.now(), lives, MARGIN);
                return;
            }
            (Ok(None), _) => return,
            (Err(failure), _)
                if failure.is_retryable() && !token.life.is_over(inner.shared.now()) =>
            {
                tracing::debug!(error = %failure, "the token was not renewed");
                wait = backoff.after(&failure);
            }
            (Err(failure), _) => {
                tracing::debug!(error = %failure, "the token cannot be renewed");
                if inner.method.is_login() {
                    inner.shared.forget(&token);
                }
                return;
            }
        }
    }
}

/// A life of a second or less does not keep the server busy.
fn renew_after(life: Duration) -> Duration {
    secrets_provider::renew_after(life).max(Duration::from_millis(500))
}

fn short_lived() -> Error {
    Error::new(
        ErrorKind::Unauthenticated,
        "the token from the login ended at once",
    )
    .with_hint("give the role a longer `token_ttl`")
}

fn not_wrapped(what: &str) -> Error {
    Error::new(
        ErrorKind::InvalidResponse,
        format!("the answer to the login holds no {what}"),
    )
    .with_hint("check that the wrapping token was made around the right thing")
}
