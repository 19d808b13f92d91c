use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::stream::{self, StreamExt};

use crate::{Error, Lease, Result};

/// How many leases are revoked at once.
const IN_FLIGHT: usize = 8;

/// Renews and revokes the [`Lease`]s that come with a provider's secrets.
#[async_trait]
pub trait Leases: Debug + Send + Sync {
    /// The leases of reads through this provider that have neither expired nor been revoked. Makes no request.
    fn held(&self) -> Vec<Lease>;

    /// Extends a lease by `increment` from now; zero lets the provider choose. Returns the renewed lease, which may end
    /// earlier than requested.
    ///
    /// An expired lease is [`NotFound`](crate::ErrorKind::NotFound), one that cannot be renewed
    /// [`Unsupported`](crate::ErrorKind::Unsupported).
    async fn renew(&self, lease: &Lease, increment: Duration) -> Result<Lease>;

    /// Revokes a lease: its secret becomes invalid for everyone who holds it. Does nothing for an expired lease.
    async fn revoke(&self, lease: &Lease) -> Result<()>;

    /// Revokes all leases that are [`held`](Self::held), and goes on when some fail. Returns the first error, which says how
    /// many failed. A provider with a cheaper way than one request a lease overrides it.
    async fn revoke_all(&self) -> Result<()> {
        revoke_each(self).await
    }
}

/// Revokes all held leases with one request each: the default of [`Leases::revoke_all`].
///
/// # Errors
/// The first failure; its message counts the leases that are not revoked.
pub async fn revoke_each<L: Leases + ?Sized>(leases: &L) -> Result<()> {
    let held = leases.held();
    let revokes: Vec<_> = held.iter().map(|lease| leases.revoke(lease)).collect();
    let outcomes: Vec<Result<()>> = stream::iter(revokes)
        .buffer_unordered(IN_FLIGHT)
        .collect()
        .await;
    let mut failures = outcomes.into_iter().filter_map(Result::err);
    let Some(first) = failures.next() else {
        return Ok(());
    };
    let message = format!(
        "cannot revoke {} of {}: {}",
        1 + failures.count(),
        match held.len() {
            1 => "1 lease".to_owned(),
            count => format!("{count} leases"),
        },
        first.message()
    );
    let ends = "leases expire by themselves";
    Err(
        Error::new(first.kind(), message).with_hint(match first.hint() {
            Some(hint) => format!("{hint}; {ends}"),
            None => ends.to_owned(),
        }),
    )
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use futures_util::FutureExt;

    use super::*;
    use crate::ErrorKind;

    #[derive(Debug, Default)]
    struct Shelf(Mutex<Vec<Lease>>);

    #[async_trait]
    impl Leases for Shelf {
        fn held(&self) -> Vec<Lease> {
            self.0.lock().unwrap().clone()
        }

        async fn renew(&self, lease: &Lease, _: Duration) -> Result<Lease> {
            Ok(lease.clone())
        }

        async fn revoke(&self, lease: &Lease) -> Result<()> {
            if lease.id.starts_with("stuck") {
                return Err(Error::new(ErrorKind::PermissionDenied, "no").with_hint("ask"));
            }
            self.0.lock().unwrap().retain(|one| one.id != lease.id);
            Ok(())
        }
    }

    /// Nothing on this shelf waits.
    fn revoke_all(shelf: &Shelf) -> Result<()> {
        shelf.revoke_all().now_or_never().unwrap()
    }

    #[test]
    fn revoke_all_goes_on_after_a_failure() {
        let shelf = Shelf::default();
        revoke_all(&shelf).unwrap();
        let ids = (0..40).map(|number| match number % 20 {
            0 => format!("stuck/{number}"),
            _ => format!("db/{number}"),
        });
        let hour = Duration::from_secs(3600);
        *shelf.0.lock().unwrap() = ids.map(|id| Lease::new(id, hour, true)).collect();
        let error = revoke_all(&shelf).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);
        assert_eq!(error.message(), "cannot revoke 2 of 40 leases: no");
        assert_eq!(error.hint(), Some("ask; leases expire by themselves"));
        assert_eq!(shelf.held().len(), 2);
    }
}
