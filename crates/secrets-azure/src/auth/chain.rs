//! Where tokens come from, and which of several places is the one.

use std::fmt;
use std::sync::OnceLock;

use secrets_core::{Error, ErrorKind, Result};

use super::{ClientCredential, DeveloperTools, ManagedIdentity, Token};

/// One place that tokens come from.
#[derive(Debug)]
pub(crate) enum Source {
    /// An application, with a secret or a token of another issuer.
    Client(ClientCredential),
    /// The machine.
    Identity(ManagedIdentity),
    /// Whoever is logged in with a tool.
    Tools(DeveloperTools),
}

impl Source {
    /// Whether there is such a thing here. Asked only where several places are looked at.
    async fn is_there(&self) -> bool {
        match self {
            Self::Client(_) | Self::Tools(_) => true,
            Self::Identity(identity) => identity.is_there().await,
        }
    }

    async fn token(&self, scope: &str) -> Result<Token> {
        match self {
            Self::Client(client) => client.token(scope).await,
            Self::Identity(identity) => identity.token(scope).await,
            Self::Tools(tools) => tools.token(scope).await,
        }
    }

    /// Whether the next place is to be looked at after this failure: a machine without an identity is not one that has
    /// a wrong one.
    fn is_absent(&self, failure: &Error) -> bool {
        matches!(self, Self::Identity(_)) && failure.kind() == ErrorKind::Unauthenticated
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Client(client) => client.title(),
            Self::Identity(_) => "managed identity",
            Self::Tools(_) => "az and azd",
        })
    }
}

/// The places that may be looked at, in their order. The first that gives a token is the one from then on.
#[derive(Debug)]
pub(crate) struct Chain {
    sources: Vec<Source>,
    chosen: OnceLock<usize>,
}

impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, source) in self.sources.iter().enumerate() {
            let separator = if number == 0 { "" } else { ", " };
            write!(f, "{separator}{source}")?;
        }
        Ok(())
    }
}

impl Chain {
    pub(crate) fn new(sources: Vec<Source>) -> Self {
        Self {
            sources,
            chosen: OnceLock::new(),
        }
    }

    pub(crate) async fn token(&self, scope: &str) -> Result<Token> {
        if let [only] = self.sources.as_slice() {
            return only.token(scope).await;
        }
        if let Some(source) = self.chosen.get().and_then(|at| self.sources.get(*at)) {
            return source.token(scope).await;
        }
        let last = self.sources.len().saturating_sub(1);
        for (at, source) in self.sources.iter().enumerate() {
            if !source.is_there().await {
                continue;
            }
            match source.token(scope).await {
                Ok(token) => {
                    // One login at a time, so nobody else has chosen.
                    let _ = self.chosen.set(at);
                    return Ok(token);
                }
                Err(failure) if at < last && source.is_absent(&failure) => {}
                Err(failure) if at == last && failure.kind() == ErrorKind::Unauthenticated => {
                    return Err(Error::new(
                        ErrorKind::Unauthenticated,
                        format!(
                            "no credential for azure: no service principal or workload identity in the environment, no managed identity, and {}",
                            failure.message()
                        ),
                    )
                    .with_hint("log in with `az login`, set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET, or configure a credential"));
                }
                Err(failure) => return Err(failure),
            }
        }
        Err(Error::new(
            ErrorKind::Unauthenticated,
            "no credential for azure",
        ))
    }
}
