use std::collections::{HashMap, HashSet};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::Value;

use super::account::ServiceAccount;

/// The scope that covers all of Google Cloud.
pub(super) const CLOUD_PLATFORM: &str = "https://www.googleapis.com/auth/cloud-platform";
const IAM: &str = "https://www.googleapis.com/auth/iam";
/// An hour: developers.google.com/identity/protocols/oauth2/service-account.
pub(super) const LIFE: u64 = 3600;
/// How far a client's clock may be off, in seconds.
const SKEW: u64 = 300;

/// Who may call, and until when.
#[derive(Default)]
pub(super) struct Tokens {
    given: HashMap<String, Grant>,
    /// Signed by the client, never given out here, and expired by a switch.
    expired: HashSet<String>,
}

struct Grant {
    /// Seconds since 1970.
    until: u64,
    scopes: String,
}

/// What is called with a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Service {
    SecretManager,
    /// The IAM Credentials API.
    Iam,
}

impl Service {
    /// Whether scopes, separated by spaces or commas, open it.
    fn is_covered_by(self, scopes: &str) -> bool {
        scopes
            .split([' ', ','])
            .any(|scope| scope == CLOUD_PLATFORM || (self == Self::Iam && scope == IAM))
    }

    fn address(self) -> &'static str {
        match self {
            Self::SecretManager => "https://secretmanager.googleapis.com",
            Self::Iam => "https://iamcredentials.googleapis.com",
        }
    }
}

/// Why a bearer is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    Missing,
    Expired,
    Unknown,
    Scope,
}

/// What the client signed.
#[derive(Debug, Deserialize)]
pub(super) struct Claims {
    pub(super) iss: String,
    #[serde(default)]
    pub(super) aud: Option<String>,
    #[serde(default)]
    pub(super) scope: Option<String>,
    iat: u64,
    exp: u64,
}

impl Tokens {
    /// A new one for `life` seconds.
    pub(super) fn issue(&mut self, now: u64, life: u64, scopes: &str) -> String {
        let token = format!("ya29.{}", random(40));
        let grant = Grant {
            until: now + life,
            scopes: scopes.to_owned(),
        };
        self.given.insert(token.clone(), grant);
        token
    }

    /// Lets a call of `service` in, or says why not. `own` is the address under which it is reached.
    pub(super) fn check(
        &self,
        bearer: Option<&str>,
        now: u64,
        service: Service,
        account: &ServiceAccount,
        own: &str,
    ) -> Result<(), Refusal> {
        let bearer = bearer.ok_or(Refusal::Missing)?;
        if let Some(grant) = self.given.get(bearer) {
            return match (grant.until > now, service.is_covered_by(&grant.scopes)) {
                (false, _) => Err(Refusal::Expired),
                (true, false) => Err(Refusal::Scope),
                (true, true) => Ok(()),
            };
        }
        if self.expired.contains(bearer) {
            return Err(Refusal::Expired);
        }
        let claims = verify(bearer, account).ok_or(Refusal::Unknown)?;
        if !claims.is_timely(now) {
            return Err(Refusal::Expired);
        }
        match (&claims.scope, &claims.aud) {
            (Some(scopes), _) if service.is_covered_by(scopes) => Ok(()),
            (Some(_), _) => Err(Refusal::Scope),
            (None, Some(audience)) => {
                let audience = audience.trim_end_matches('/');
                match audience == service.address() || audience == own {
                    true => Ok(()),
                    false => Err(Refusal::Unknown),
                }
            }
            (None, None) => Err(Refusal::Unknown),
        }
    }

    pub(super) fn expire(&mut self, bearer: &str) {
        match self.given.get_mut(bearer) {
            Some(grant) => grant.until = 0,
            None => {
                self.expired.insert(bearer.to_owned());
            }
        }
    }

    pub(super) fn expire_all(&mut self) {
        for grant in self.given.values_mut() {
            grant.until = 0;
        }
    }
}

impl Claims {
    /// Issued by now, not expired, and for an hour at most.
    pub(super) fn is_timely(&self, now: u64) -> bool {
        self.iat <= now + SKEW
            && self.exp > now.saturating_sub(SKEW)
            && self.exp <= self.iat + LIFE
            && self.exp > self.iat
    }
}

/// The claims of a JWT that the account's key has signed with RS256.
pub(super) fn verify(token: &str, account: &ServiceAccount) -> Option<Claims> {
    let (signed, signature) = token.rsplit_once('.')?;
    let (header, claims) = signed.split_once('.')?;
    let header: Value = decode(header)?;
    if header["alg"] != "RS256"
        || header
            .get("kid")
            .is_some_and(|kid| *kid != account.key_id())
    {
        return None;
    }
    let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).ok()?;
    if !account.has_signed(signed.as_bytes(), &signature) {
        return None;
    }
    let claims: Claims = decode(claims)?;
    (claims.iss == account.email()).then_some(claims)
}

fn decode<T: serde::de::DeserializeOwned>(part: &str) -> Option<T> {
    let bytes = BASE64_URL_SAFE_NO_PAD
        .decode(part.trim_end_matches('='))
        .ok()?;
    serde_json::from_slice(&bytes).ok()
}

pub(super) fn random(length: usize) -> String {
    std::iter::repeat_with(fastrand::alphanumeric)
        .take(length)
        .collect()
}
