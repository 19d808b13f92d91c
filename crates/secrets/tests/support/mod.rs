//! Providers for the tests of the stacks: a real one, and one that fails as scripted.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use polysecrets::{
    Capabilities, Capability, DeleteOptions, DescribeOptions, Error, ErrorKind, GetOptions, Health,
    ListOptions, Location, Metadata, OpenContext, Page, ProviderInfo, PutOptions, Result,
    RollbackOptions, Secret, SecretName, SecretProvider, SecretValue, Version, VersionsOptions,
};
use secrets_local::memory::{self, MemoryConfig};

/// The in-memory provider under this name.
pub(crate) async fn memory(name: &str) -> Arc<dyn SecretProvider> {
    Arc::new(
        memory::open(MemoryConfig::default(), OpenContext::new(name))
            .await
            .unwrap(),
    )
}

/// Fails its first calls with one kind of error, then passes them on, and counts all gets and puts.
#[derive(Debug)]
pub(crate) struct Failing {
    info: ProviderInfo,
    kind: ErrorKind,
    failures: AtomicUsize,
    retry_after: Option<Duration>,
    then: Option<Arc<dyn SecretProvider>>,
    gets: AtomicUsize,
    puts: AtomicUsize,
}

impl Failing {
    /// Fails every call.
    pub(crate) fn new(kind: ErrorKind) -> Self {
        let capabilities = Capabilities::new(&[Capability::Put, Capability::List]);
        Self {
            info: ProviderInfo::new(
                "failing",
                "broken",
                Location::from_scheme("failing"),
                capabilities,
            ),
            kind,
            failures: AtomicUsize::new(usize::MAX),
            retry_after: None,
            then: None,
            gets: AtomicUsize::new(0),
            puts: AtomicUsize::new(0),
        }
    }

    /// Fails no call.
    #[allow(dead_code, reason = "each test binary uses a part of this module")]
    pub(crate) fn counting(then: Arc<dyn SecretProvider>) -> Self {
        Self {
            failures: AtomicUsize::new(0),
            then: Some(then),
            ..Self::new(ErrorKind::Unavailable)
        }
    }

    /// Fails this many calls only.
    #[allow(dead_code, reason = "each test binary uses a part of this module")]
    pub(crate) fn times(self, failures: usize, then: Arc<dyn SecretProvider>) -> Self {
        Self {
            failures: AtomicUsize::new(failures),
            then: Some(then),
            ..self
        }
    }

    /// Asks to be left alone for so long.
    #[allow(dead_code, reason = "each test binary uses a part of this module")]
    pub(crate) fn asking_for(self, wait: Duration) -> Self {
        Self {
            retry_after: Some(wait),
            ..self
        }
    }

    /// How often it was asked for a secret.
    #[allow(dead_code, reason = "each test binary uses a part of this module")]
    pub(crate) fn gets(&self) -> usize {
        self.gets.load(Ordering::SeqCst)
    }

    /// How often it was asked to write one.
    #[allow(dead_code, reason = "each test binary uses a part of this module")]
    pub(crate) fn puts(&self) -> usize {
        self.puts.load(Ordering::SeqCst)
    }

    fn next(&self) -> Result<&dyn SecretProvider> {
        let failing = self
            .failures
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                left.checked_sub(1)
            })
            .is_ok();
        match (&self.then, failing) {
            (Some(then), false) => Ok(&**then),
            _ => {
                let error = Error::from(self.kind);
                Err(match self.retry_after {
                    Some(wait) => error.with_retry_after(wait),
                    None => error,
                })
            }
        }
    }
}

#[async_trait]
impl SecretProvider for Failing {
    fn info(&self) -> &ProviderInfo {
        &self.info
    }

    async fn get(&self, name: &SecretName, options: &GetOptions) -> Result<Secret> {
        self.gets.fetch_add(1, Ordering::SeqCst);
        self.next()?.get(name, options).await
    }

    async fn describe(&self, name: &SecretName, options: &DescribeOptions) -> Result<Metadata> {
        self.next()?.describe(name, options).await
    }

    async fn list(&self, options: &ListOptions) -> Result<Page> {
        self.next()?.list(options).await
    }

    async fn put(
        &self,
        name: &SecretName,
        value: &SecretValue,
        options: &PutOptions,
    ) -> Result<Metadata> {
        self.puts.fetch_add(1, Ordering::SeqCst);
        self.next()?.put(name, value, options).await
    }

    async fn delete(&self, name: &SecretName, options: &DeleteOptions) -> Result<()> {
        self.next()?.delete(name, options).await
    }

    async fn restore(&self, name: &SecretName) -> Result<()> {
        self.next()?.restore(name).await
    }

    async fn versions(&self, name: &SecretName, options: &VersionsOptions) -> Result<Page> {
        self.next()?.versions(name, options).await
    }

    async fn rollback(
        &self,
        name: &SecretName,
        to: &Version,
        options: &RollbackOptions,
    ) -> Result<Metadata> {
        self.next()?.rollback(name, to, options).await
    }

    async fn health(&self) -> Result<Health> {
        self.next()?.health().await
    }

    async fn close(&self) -> Result<()> {
        Ok(())
    }
}
