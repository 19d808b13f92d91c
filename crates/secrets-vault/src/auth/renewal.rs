//! Keeps a token alive in the background.

use std::sync::Weak;
use std::time::Duration;

use secrets_core::Result;
use secrets_provider::{Backoff, decode};

use super::method::Token;
use super::{Inner, MARGIN};
use crate::client::Call;
use crate::error::Purpose;
use crate::wire::{Envelope, TokenInfo};

/// The first and the longest wait after a failed renewal.
const FIRST_BACKOFF: Duration = Duration::from_secs(1);
const LONGEST_BACKOFF: Duration = Duration::from_secs(300);

impl Inner {
    /// Renews the token, and returns its new lifetime.
    async fn renew(&self, token: &Token) -> Result<Duration> {
        let call = Call::post("auth/token/renew-self", "{}".into(), Purpose::Other);
        let response = self
            .endpoint
            .send_checked(&call, Some(&token.header))
            .await?;
        let envelope: Envelope<'_> = decode(&response.body)?;
        let seconds = envelope.auth.map_or(0, |auth| auth.lease_duration);
        Ok(Duration::from_secs(seconds))
    }

    /// The remaining lifetime of a given token, if it can be renewed.
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

/// Renews a token while it and its provider exist. After a failure it backs off; when the token can no longer be renewed,
/// it stops, and the next use logs in.
pub(super) async fn keep_renewed(inner: Weak<Inner>, token: Weak<Token>, first_wait: Duration) {
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
            (Ok(Some(lives)), Some(before)) if lives >= before / 2 => {
                token.life.prolong(inner.shared.now(), lives, MARGIN);
                granted = Some(lives);
                backoff.reset();
                wait = renew_after(lives);
            }
            // Less than half of what it was: the server is about to stop renewing.
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

/// A lifetime of a second or less must not keep the server busy.
pub(super) fn renew_after(life: Duration) -> Duration {
    secrets_provider::renew_after(life).max(Duration::from_millis(500))
}
