use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::stream::{self, StreamExt};

use crate::{Error, Lease, Result};

/// How many leases are given back at once.
const IN_FLIGHT: usize = 8;

/// Secrets that are only lent: a provider whose reads may come with a [`Lease`] can renew them and give them back.
#[async_trait]
pub trait Leases: Debug + Send + Sync {
    /// The leases that reads through this provider came with, and that have neither ended nor been given back. Costs no
    /// request.
    fn held(&self) -> Vec<Lease>;

    /// Asks that a lease lasts so long from now; zero for as long as the provider thinks best. Answers with the lease as it
    /// is then, which may end earlier than asked for.
    ///
    /// One that has ended is [`NotFound`](crate::ErrorKind::NotFound), one that cannot be renewed
    /// [`Unsupported`](crate::ErrorKind::Unsupported).
    async fn renew(&self, lease: &Lease, increment: Duration) -> Result<Lease>;

    /// Gives a lease back: its secret is no longer valid, in everybody's hands. One that has ended is left as it is.
    async fn revoke(&self, lease: &Lease) -> Result<()>;

    /// Gives back all that are [`held`](Self::held), also if some cannot be: of those the first error, which says how many
    /// they are. A provider that has a shorter way than one request each takes it.
    async fn revoke_all(&self) -> Result<()> {
        revoke_each(self).await
    }
}

/// Gives back all leases that are held with one request each, as [`Leases::revoke_all`] does unless a provider knows better.
///
/// # Errors
/// The first one, which says how many leases are not given back.
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
        "{} of {} cannot be given back: {}",
        1 + failures.count(),
        match held.len() {
            1 => "1 lease".to_owned(),
            count => format!("{count} leases"),
        },
        first.message()
    );
    let ends = "leases end by themselves in their time";
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

    /// Nothing on this shelf is waited for.
    fn revoke_all(shelf: &Shelf) -> Result<()> {
        shelf.revoke_all().now_or_never().unwrap()
    }

    #[test]
    fn all_are_given_back_that_can_be() {
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
        assert_eq!(error.message(), "2 of 40 leases cannot be given back: no");
        assert_eq!(
            error.hint(),
            Some("ask; leases end by themselves in their time")
        );
        assert_eq!(shelf.held().len(), 2);
    }
}
