//! The leases of dynamic secrets: renewed while they are used, given back when a handle is closed.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use secrets_core::{Error, ErrorKind, Lease, Result, SecretProvider};

use crate::Secrets;

/// How a handle is closed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CloseOptions {
    /// What becomes of the leases of the dynamic secrets that were read. Default: they are given back.
    pub leases: LeasesAtClose,
}

impl CloseOptions {
    /// With this instead.
    pub fn with_leases(mut self, leases: LeasesAtClose) -> Self {
        self.leases = leases;
        self
    }
}

/// What becomes of leases when a handle is closed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum LeasesAtClose {
    /// They are given back: whoever still uses one of their secrets is refused by the system that it is for.
    #[default]
    Revoke,
    /// They last until they end, because somebody else goes on to use the secrets, such as a program that was started
    /// with them. A login that they depend on is not ended either.
    Keep,
}

impl Secrets {
    /// Asks the provider of a dynamic secret that its lease lasts so long from now; zero for as long as the provider thinks
    /// best. Answers with the lease as it is then. Layers are not passed: this is not audited, and not repeated.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] for a lease that has ended; [`ErrorKind::Unsupported`] for one that cannot be renewed, or
    /// where the provider has none.
    pub async fn renew_lease(
        &self,
        provider: &str,
        lease: &Lease,
        increment: Duration,
    ) -> Result<Lease> {
        let lender = self.router().provider(provider).await?;
        let renewed = match lender.leases() {
            Some(leases) => within(self.limit(), leases.renew(lease, increment)).await,
            None => Err(no_leases()),
        };
        renewed.map_err(|error| of_provider(&*lender, error))
    }

    /// Gives one lease back before the handle is closed. A cache does not know of it: let it forget the secret.
    ///
    /// # Errors
    /// What the provider says; [`ErrorKind::Unsupported`] where it has no leases.
    pub async fn revoke_lease(&self, provider: &str, lease: &Lease) -> Result<()> {
        let lender = self.router().provider(provider).await?;
        let revoked = match lender.leases() {
            Some(leases) => within(self.limit(), leases.revoke(lease)).await,
            None => Err(no_leases()),
        };
        revoked.map_err(|error| of_provider(&*lender, error))
    }

    fn limit(&self) -> Duration {
        self.config().timeouts.deadline
    }

    /// Gives back what reads of this handle were lent. A half of the deadline is left for what else there is to close.
    pub(crate) async fn give_back_leases(&self) -> Result<()> {
        let limit = self.limit() / 2;
        let lenders = self.router().opened_providers();
        let outcomes = lenders.iter().map(|lender| async move {
            let outcome = match lender.leases() {
                Some(leases) if !leases.held().is_empty() => {
                    within(limit, leases.revoke_all()).await
                }
                _ => Ok(()),
            };
            outcome.map_err(|error| {
                let error = of_provider(&**lender, error);
                tracing::warn!(provider = &*lender.info().name, %error, "leases are not given back");
                error
            })
        });
        join_all(outcomes).await.into_iter().collect()
    }
}

async fn within<T>(limit: Duration, work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::time::timeout(limit, work).await.unwrap_or_else(|_| {
        Err(Error::new(
            ErrorKind::Timeout,
            "the provider does not answer about leases in time",
        )
        .with_hint(
            "leases expire by themselves; raise `deadline` in `[timeouts]` to allow more time",
        ))
    })
}

fn no_leases() -> Error {
    Error::new(ErrorKind::Unsupported, "its secrets have no leases")
}

fn of_provider(provider: &dyn SecretProvider, error: Error) -> Error {
    let info = provider.info();
    error.with_provider(Arc::clone(&info.name), info.scheme.to_owned())
}
