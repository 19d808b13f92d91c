use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use secrets_core::{
    Clock, Error, Operation, Result, SecretName, SecretProvider, SecretValue, SystemClock, Version,
};

/// A store to test a provider on: how to open it, and what the suite cannot know by itself.
///
/// Only [`open`](Self::open) must be written; [`seed`](Self::seed) too for a store that cannot be written through the
/// provider. The defaults of the rest are right for a writable store that this run has to itself.
#[async_trait]
pub trait Fixture: Send + Sync {
    /// Opens one more provider on the store.
    ///
    /// Called once for each case and a few times more. A provider that holds its store in itself may hand out an empty
    /// one each time, and then says so in [`is_shared`](Self::is_shared).
    async fn open(&self) -> Result<Arc<dyn SecretProvider>>;

    /// Puts a secret into the store by another way than the provider. Needed where
    /// [`Capability::Put`](secrets_core::Capability::Put) is absent; the provider is opened afterwards.
    ///
    /// What the store cannot hold answers [`InvalidValue`](secrets_core::ErrorKind::InvalidValue) or
    /// [`InvalidName`](secrets_core::ErrorKind::InvalidName).
    async fn seed(&self, name: &SecretName, value: &SecretValue) -> Result<()> {
        let _ = (name, value);
        Err(Error::unsupported(Operation::Put)
            .with_hint("a provider without the capability put needs `Fixture::seed`"))
    }

    /// Waits until what was written can be read. Called after every write; for stores that are consistent only in time.
    async fn settle(&self) {}

    /// What stands behind the provider, for the report: `openbao 2.4`, `a fake`. Empty if there is nothing.
    fn server(&self) -> String {
        String::new()
    }

    /// Whether all providers that [`open`](Self::open) gives work on one store.
    fn is_shared(&self) -> bool {
        true
    }

    /// Whether the store is thrown away after the run. If not, the suite deletes what it wrote, as far as it can.
    fn is_disposable(&self) -> bool {
        true
    }

    /// Turns a label of the suite, such as `ct-x1y2z3/042/first`, into a name that the store can hold.
    ///
    /// Labels are letters, digits, `-` and `/`. Different labels must give different names, and a label that begins
    /// with another one a name that begins with the other's.
    fn name(&self, label: &str) -> String {
        label.to_owned()
    }

    /// A version that a secret of the suite never has.
    fn unknown_version(&self) -> Version {
        Version::new("999999")
    }

    /// How many requests the provider has sent over the network so far, where that is counted. With it, the suite
    /// proves that what must be refused before any call is refused so, and that batches save calls.
    fn requests_sent(&self) -> Option<u64> {
        None
    }

    /// The clock that the provider was opened with.
    fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(SystemClock)
    }

    /// Moves the clock of the provider and of its store; `false` if it cannot be moved.
    fn advance(&self, by: Duration) -> bool {
        let _ = by;
        false
    }

    /// How long a case may take before it counts as hanging.
    fn case_limit(&self) -> Duration {
        Duration::from_secs(60)
    }

    /// The cases that are known to fail, each with the reason. They are run all the same, and one that does not fail
    /// makes the run fail, so that the list stays true.
    fn known_gaps(&self) -> Vec<KnownGap> {
        Vec::new()
    }
}

/// A case that a provider is known to fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownGap {
    pub(super) case: String,
    pub(super) reason: String,
    pub(super) failure: Option<String>,
}

impl KnownGap {
    /// This case fails, for this reason.
    pub fn new(case: impl Into<String>, reason: impl Into<String>) -> Self {
        Self {
            case: case.into(),
            reason: reason.into(),
            failure: None,
        }
    }

    /// It fails with this text in the failure; another failure is no known gap.
    #[must_use]
    pub fn failing_with(mut self, text: impl Into<String>) -> Self {
        self.failure = Some(text.into());
        self
    }
}
