//! What the server reports about itself.

use secrets_core::{ErrorKind, Result};
use secrets_provider::decode;

use super::{Call, Client, Endpoint, WriteIndex};
use crate::wire::HealthInfo;

/// Whether the server answers requests.
pub(crate) enum ServerState {
    /// It does; with its version.
    Active(Option<String>),
    /// It is a standby of some kind.
    Standby(&'static str),
    /// It does not, for this reason.
    Down(String),
}

impl Client {
    /// `GET sys/health`, which needs no token and is the same for all namespaces.
    pub(crate) async fn server_state(&self) -> Result<ServerState> {
        let endpoint = Endpoint {
            namespace: None,
            // With an index, a standby would only say that it lags behind.
            index: WriteIndex::default(),
            ..self.endpoint.clone()
        };
        let response = endpoint.send(&Call::read("sys/health"), None).await?;
        let info: HealthInfo<'_> = decode(&response.body).unwrap_or_default();
        let down = |reason: &str| ServerState::Down(reason.to_owned());
        Ok(match response.status.as_u16() {
            _ if info.initialized == Some(false) => down("not initialised"),
            501 => down("not initialised"),
            _ if info.sealed == Some(true) => down("sealed"),
            503 => down("sealed"),
            200 if info.standby == Some(true) => ServerState::Standby("standby"),
            200 => ServerState::Active(info.version.map(|version| one_line(&version, 40))),
            429 => ServerState::Standby("standby"),
            472 => down("secondary for disaster recovery"),
            473 => ServerState::Standby("performance standby"),
            474 => down("standby without its active node"),
            530 => down("removed from its cluster"),
            status => ServerState::Down(format!("unexpected status {status}")),
        })
    }

    /// `GET auth/token/lookup-self`: fails if the server does not accept the credential. A token that may not look itself up
    /// is accepted.
    pub(crate) async fn check_credential(&self) -> Result<()> {
        let call = Call::read("auth/token/lookup-self");
        match self.send_checked(&call).await {
            Err(failure) if failure.kind() == ErrorKind::PermissionDenied => Ok(()),
            outcome => outcome.map(drop),
        }
    }
}

/// Text of the server on one line of bounded length.
fn one_line(text: &str, length: usize) -> String {
    text.chars()
        .filter(|c| !c.is_control())
        .take(length)
        .collect()
}
