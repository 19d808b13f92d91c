//! Leases of reads: listing, renewing and revoking them.

mod book;

use std::time::Duration;

use async_trait::async_trait;
use secrets_core::{ErrorKind, Lease, Leases, Result};

use crate::VaultProvider;

pub(crate) use book::LeaseBook;

#[async_trait]
impl Leases for VaultProvider {
    fn held(&self) -> Vec<Lease> {
        self.client().auth().leases().all()
    }

    async fn renew(&self, lease: &Lease, increment: Duration) -> Result<Lease> {
        self.client().renew_lease(&lease.id, increment).await
    }

    async fn revoke(&self, lease: &Lease) -> Result<()> {
        match self.client().revoke_lease(&lease.id).await {
            Err(ended) if ended.kind() == ErrorKind::NotFound => {
                self.client().auth().leases().forget(&lease.id);
                Ok(())
            }
            outcome => outcome,
        }
    }

    async fn revoke_all(&self) -> Result<()> {
        // Every lease of a login ends with its token, and every token may revoke itself.
        if self.held().is_empty() || self.client().auth().revoke_with_leases().await {
            return Ok(());
        }
        secrets_core::revoke_each(self).await
    }
}
