//! A provider with an optional delay that can be made to fail.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use secrets::layers::CacheConfig;
use secrets::{
    Capabilities, Capability, DeleteOptions, DescribeOptions, Error, ErrorKind, GetOptions, Health,
    ListOptions, Location, Metadata, Operation, Page, ProviderInfo, PutOptions, Result,
    RollbackOptions, Secret, SecretName, SecretProvider, SecretValue, Secrets, Version,
    VersionsOptions,
};

/// The value in every cache: 32 bytes.
pub(crate) const VALUE: &str = "0123456789abcdef0123456789abcdef";

#[derive(Debug)]
pub(crate) struct Store {
    info: ProviderInfo,
    value: SecretValue,
    delay: Duration,
    calls: AtomicU64,
    down: AtomicBool,
}

impl Store {
    pub(crate) fn new(delay: Duration) -> Arc<Self> {
        let capabilities = Capabilities::new(&[Capability::Put]);
        let mut info =
            ProviderInfo::new("bench", "main", Location::of_scheme("bench"), capabilities);
        info.concurrency = Some(1024);
        Arc::new(Self {
            info,
            value: VALUE.into(),
            delay,
            calls: AtomicU64::new(0),
            down: AtomicBool::new(false),
        })
    }

    pub(crate) fn calls(&self) -> u64 {
        self.calls.load(Ordering::SeqCst)
    }

    /// A handle with this provider and a cache.
    pub(crate) fn behind(self: &Arc<Self>, config: CacheConfig) -> Secrets {
        Secrets::builder()
            .provider("main", self.clone())
            .default_provider("main")
            .cache(config)
            .build()
            .expect("a handle")
    }

    /// Throttles every later call.
    pub(crate) fn fail(&self) {
        self.down.store(true, Ordering::SeqCst);
    }
}

fn unsupported<T>(operation: Operation) -> Result<T> {
    Err(Error::unsupported(operation))
}

#[async_trait]
impl SecretProvider for Store {
    fn info(&self) -> &ProviderInfo {
        &self.info
    }

    async fn get(&self, name: &SecretName, _: &GetOptions) -> Result<Secret> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        if !self.delay.is_zero() {
            tokio::time::sleep(self.delay).await;
        }
        if self.down.load(Ordering::SeqCst) {
            return Err(Error::of(ErrorKind::RateLimited));
        }
        Ok(Secret::new(self.value.clone(), Metadata::new(name.clone())))
    }

    async fn describe(&self, _: &SecretName, _: &DescribeOptions) -> Result<Metadata> {
        unsupported(Operation::Describe)
    }

    async fn list(&self, _: &ListOptions) -> Result<Page> {
        unsupported(Operation::List)
    }

    async fn put(&self, _: &SecretName, _: &SecretValue, _: &PutOptions) -> Result<Metadata> {
        unsupported(Operation::Put)
    }

    async fn delete(&self, _: &SecretName, _: &DeleteOptions) -> Result<()> {
        unsupported(Operation::Delete)
    }

    async fn restore(&self, _: &SecretName) -> Result<()> {
        unsupported(Operation::Restore)
    }

    async fn versions(&self, _: &SecretName, _: &VersionsOptions) -> Result<Page> {
        unsupported(Operation::Versions)
    }

    async fn rollback(&self, _: &SecretName, _: &Version, _: &RollbackOptions) -> Result<Metadata> {
        unsupported(Operation::Rollback)
    }

    async fn health(&self) -> Result<Health> {
        unsupported(Operation::Health)
    }

    async fn close(&self) -> Result<()> {
        Ok(())
    }
}
