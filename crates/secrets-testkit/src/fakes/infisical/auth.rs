use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::{hmac, rand};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::error::ApiError;
use super::id;
use super::options::InfisicalOptions;
use super::state::Place;

/// Wrong secrets after which an identity is locked, for how long, and how long a wrong one counts: the server's defaults.
const THRESHOLD: u32 = 3;
const LOCKED: Duration = Duration::from_secs(300);
const COUNTED: Duration = Duration::from_secs(30);

const TOKEN_TYPE: &str = "identityAccessToken";

/// Who may log in, and with what they did.
pub(super) struct Credentials {
    key: hmac::Key,
    client_id: String,
    client_secret: String,
    identity: String,
    life: u64,
    most: u64,
    tokens: HashMap<String, Token>,
    failures: u32,
    failures_until: Option<SystemTime>,
    service_tokens: HashMap<String, ServiceToken>,
}

struct Token {
    created: SystemTime,
    renewed: SystemTime,
    expired: bool,
}

/// A service token: what stands behind `st.`, and where it may go.
#[derive(Clone)]
pub(super) struct ServiceToken {
    secret: String,
    pub(super) project: String,
    pub(super) scopes: Vec<(String, String)>,
    writes: bool,
}

/// Who is asking.
#[derive(Clone)]
pub(super) enum Actor {
    Identity { id: String },
    Service(ServiceToken),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Read,
    Create,
    Edit,
    Delete,
}

impl Action {
    fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Create => "create",
            Self::Edit => "edit",
            Self::Delete => "delete",
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Claims {
    identity_id: String,
    client_secret_id: String,
    identity_access_token_id: String,
    auth_token_type: String,
    iat: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    exp: Option<u64>,
}

impl Credentials {
    #[expect(
        clippy::expect_used,
        reason = "fails only where the system has no randomness, and the caller is a test"
    )]
    pub(super) fn new(options: &InfisicalOptions) -> Self {
        Self {
            key: hmac::Key::generate(hmac::HMAC_SHA256, &rand::SystemRandom::new())
                .expect("a key can be made"),
            client_id: options.client_id.clone(),
            client_secret: options.client_secret.clone(),
            identity: id::uuid(),
            life: options.token_seconds,
            most: options.most_token_seconds,
            tokens: HashMap::new(),
            failures: 0,
            failures_until: None,
            service_tokens: HashMap::new(),
        }
    }

    pub(super) fn login(
        &mut self,
        client_id: &str,
        client_secret: &str,
        now: SystemTime,
    ) -> Result<Value, ApiError> {
        if client_id != self.client_id {
            return Err(ApiError::unauthorized("Invalid credentials"));
        }
        if self.failures_until.is_some_and(|until| until <= now) {
            self.forget_failures();
        }
        if self.failures >= THRESHOLD {
            return Err(ApiError::unauthorized(
                "This identity auth method is temporarily locked, please try again later",
            ));
        }
        if client_secret != self.client_secret {
            self.failures += 1;
            let span = if self.failures >= THRESHOLD {
                LOCKED
            } else {
                COUNTED
            };
            self.failures_until = Some(now + span);
            return Err(ApiError::unauthorized("Invalid credentials"));
        }
        self.forget_failures();
        let token_id = id::uuid();
        self.tokens.insert(
            token_id.clone(),
            Token {
                created: now,
                renewed: now,
                expired: false,
            },
        );
        Ok(self.issued(&token_id, now))
    }

    /// Locks the identity, as three wrong secrets do.
    pub(super) fn lock(&mut self, now: SystemTime) {
        self.failures = THRESHOLD;
        self.failures_until = Some(now + LOCKED);
    }

    fn forget_failures(&mut self) {
        self.failures = 0;
        self.failures_until = None;
    }

    fn issued(&self, token_id: &str, now: SystemTime) -> Value {
        let iat = seconds(now);
        let token = self.signed(&Claims {
            identity_id: self.identity.clone(),
            client_secret_id: id::uuid(),
            identity_access_token_id: token_id.to_owned(),
            auth_token_type: TOKEN_TYPE.to_owned(),
            iat,
            exp: (self.life > 0).then_some(iat + self.life),
        });
        json!({
            "accessToken": token,
            "expiresIn": self.life,
            "accessTokenMaxTTL": self.most,
            "tokenType": "Bearer",
        })
    }

    /// A renewal that would reach beyond the longest life ends the token, as one after its life does.
    pub(super) fn renew(&mut self, token: &str, now: SystemTime) -> Result<Value, ApiError> {
        let token_id = self.verified(token, now)?;
        self.alive(&token_id, now)?;
        if self.most > 0
            && let Some(created) = self.tokens.get(&token_id).map(|token| token.created)
        {
            let end = created + Duration::from_secs(self.most);
            if now > end || now + Duration::from_secs(self.life) > end {
                self.tokens.remove(&token_id);
                return Err(ApiError::unauthorized(if now > end {
                    "Failed to renew MI access token due to Max TTL expiration"
                } else {
                    "Failed to renew MI access token past its Max TTL expiration"
                }));
            }
        }
        if let Some(token) = self.tokens.get_mut(&token_id) {
            token.renewed = now;
        }
        Ok(self.issued(&token_id, now))
    }

    pub(super) fn revoke(&mut self, token: &str, now: SystemTime) -> Result<Value, ApiError> {
        let token_id = self.verified(token, now)?;
        match self.tokens.remove(&token_id) {
            Some(_) => Ok(json!({"message": "Successfully revoked access token"})),
            None => Err(not_allowed()),
        }
    }

    /// From now on no token that was given out is any good.
    pub(super) fn expire_tokens(&mut self) {
        for token in self.tokens.values_mut() {
            token.expired = true;
        }
    }

    /// Makes a service token for places of one project. A path may end in `/**`.
    pub(super) fn add_service_token(
        &mut self,
        project: &str,
        scopes: Vec<(String, String)>,
        writes: bool,
    ) -> String {
        let (token_id, secret) = (id::uuid(), id::text(32));
        let text = format!("st.{token_id}.{secret}");
        self.service_tokens.insert(
            token_id,
            ServiceToken {
                secret,
                project: project.to_owned(),
                scopes,
                writes,
            },
        );
        text
    }

    /// Who an `Authorization` header stands for. Like the server this takes what is behind the seventh character.
    pub(super) fn actor(&mut self, header: &str, now: SystemTime) -> Result<Actor, ApiError> {
        let token = header.get(7..).unwrap_or_default();
        if let Some(rest) = token.strip_prefix("st.") {
            return self.service_actor(rest);
        }
        let token_id = self.verified(token, now)?;
        self.alive(&token_id, now)?;
        Ok(Actor::Identity {
            id: self.identity.clone(),
        })
    }

    fn service_actor(&self, rest: &str) -> Result<Actor, ApiError> {
        let mut parts = rest.split('.');
        let token_id = parts.next().unwrap_or_default();
        let secret = parts.next().unwrap_or_default();
        let token = self.service_tokens.get(token_id).ok_or_else(|| {
            ApiError::not_found(format!("Service token with ID '{token_id}' not found"))
        })?;
        if token.secret != secret {
            return Err(ApiError::unauthorized("Invalid service token"));
        }
        Ok(Actor::Service(token.clone()))
    }

    /// The token is known, and its life is not over.
    fn alive(&mut self, token_id: &str, now: SystemTime) -> Result<(), ApiError> {
        let token = self.tokens.get(token_id).ok_or_else(not_allowed)?;
        if self.life > 0 && now > token.renewed + Duration::from_secs(self.life) {
            self.tokens.remove(token_id);
            return Err(ApiError::unauthorized(
                "Failed to renew MI access token due to TTL expiration",
            ));
        }
        Ok(())
    }

    /// The id in a token whose signature and time are right.
    fn verified(&self, token: &str, now: SystemTime) -> Result<String, ApiError> {
        const MALFORMED: &str = "The provided access token is malformed. Please use a valid token or generate a new one and try again.";
        if token.is_empty() {
            return Err(ApiError::token("jwt must be provided"));
        }
        let parts: Vec<&str> = token.split('.').collect();
        let [header, payload, signature] = parts.as_slice() else {
            return Err(ApiError::token(MALFORMED));
        };
        let decoded = |part: &str| URL_SAFE_NO_PAD.decode(part).ok();
        let json = |part: &str| serde_json::from_slice::<Value>(&decoded(part)?).ok();
        let Some(header_json) = json(header) else {
            return Err(ApiError::token("invalid token"));
        };
        if header_json["alg"] != "HS256" {
            return Err(ApiError::token(
                "The access token is signed with an invalid algorithm. Please provide a valid token and try again.",
            ));
        }
        let signed = format!("{header}.{payload}");
        let right = decoded(signature)
            .is_some_and(|tag| hmac::verify(&self.key, signed.as_bytes(), &tag).is_ok());
        if !right {
            return Err(ApiError::token("invalid signature"));
        }
        let claims: Claims = decoded(payload)
            .and_then(|payload| serde_json::from_slice(&payload).ok())
            .ok_or_else(|| ApiError::token(MALFORMED))?;
        let made_to_expire = self
            .tokens
            .get(&claims.identity_access_token_id)
            .is_some_and(|token| token.expired);
        if made_to_expire || claims.exp.is_some_and(|exp| seconds(now) >= exp) {
            return Err(ApiError::token(
                "Your token has expired. Please re-authenticate.",
            ));
        }
        Ok(claims.identity_access_token_id)
    }

    fn signed(&self, claims: &Claims) -> String {
        let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"JWT"}"#);
        let payload = URL_SAFE_NO_PAD.encode(serde_json::to_vec(claims).unwrap_or_default());
        let signed = format!("{header}.{payload}");
        let tag = hmac::sign(&self.key, signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag))
    }
}

impl Actor {
    pub(super) fn id(&self) -> Option<&str> {
        match self {
            Self::Identity { id } => Some(id),
            Self::Service(_) => None,
        }
    }

    /// Whether this may be done there.
    pub(super) fn may(&self, action: Action, place: &Place) -> Result<(), ApiError> {
        let Self::Service(token) = self else {
            return Ok(());
        };
        let covered = token.project == place.project
            && token.scopes.iter().any(|(environment, path)| {
                *environment == place.environment && covers(path, &place.path)
            });
        if covered && (action == Action::Read || token.writes) {
            Ok(())
        } else {
            Err(ApiError::denied(action.word(), "secrets"))
        }
    }

    /// A service token with one scope reads there, whatever was asked for.
    pub(super) fn only_place(&self) -> Option<Place> {
        let Self::Service(token) = self else {
            return None;
        };
        match token.scopes.as_slice() {
            [(environment, path)] if !path.contains('*') => Some(Place {
                project: token.project.clone(),
                environment: environment.clone(),
                path: path.clone(),
            }),
            _ => None,
        }
    }
}

fn covers(scope: &str, path: &str) -> bool {
    match scope.strip_suffix("/**") {
        Some(above) => {
            path == above
                || path
                    .strip_prefix(above)
                    .is_some_and(|rest| rest.starts_with('/'))
        }
        None => scope == path,
    }
}

fn not_allowed() -> ApiError {
    ApiError::unauthorized("You are not allowed to access this resource")
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
