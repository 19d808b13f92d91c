use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use super::random::random_text;
use crate::fakes::time::Time;

/// The access tokens that were issued, each with what it is good for.
#[derive(Default)]
pub(super) struct Tokens(HashMap<String, Grant>);

struct Grant {
    resource: String,
    expires: u64,
}

/// How the vault finds a token.
pub(super) enum Found {
    Good,
    Unknown,
    Expired,
    For(String),
}

impl Tokens {
    /// A new token for `resource`. To its bearer it is opaque, as Entra says of its own.
    pub(super) fn issue(&mut self, resource: &str, life: Duration, time: &Time) -> String {
        let token = random_text("eyJ0eXAiOiJmYWtlIn0.");
        self.0.insert(
            token.clone(),
            Grant {
                resource: resource.trim_end_matches('/').to_owned(),
                expires: time.unix() + life.as_secs(),
            },
        );
        token
    }

    /// All that were issued so far are expired from now on.
    pub(super) fn expire_all(&mut self) {
        for grant in self.0.values_mut() {
            grant.expires = 0;
        }
    }

    pub(super) fn look_up(&self, token: &str, resource: &str, now: u64) -> Found {
        match self.0.get(token) {
            None => Found::Unknown,
            Some(grant) if grant.expires <= now => Found::Expired,
            Some(grant) if grant.resource != resource => Found::For(grant.resource.clone()),
            Some(_) => Found::Good,
        }
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tokens({})", self.0.len())
    }
}
