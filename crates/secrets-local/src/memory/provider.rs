use std::fmt;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use async_trait::async_trait;
use secrets_core::{
    Capabilities, Capability, Clock, DeleteOptions, DescribeOptions, Error, ErrorKind, GetItem,
    GetOptions, Health, HealthStatus, ListOptions, Location, Metadata, OpenContext, Page,
    PlannedCall, Planner, ProviderInfo, ProviderKind, PutOptions, Result, RollbackOptions, Secret,
    SecretName, SecretProvider, SecretValue, Version, VersionsOptions,
};

use super::config::{MAX_VALUE_BYTES, MemoryConfig};
use super::store::{Now, Store};

/// The scheme of this provider.
pub const SCHEME: &str = "memory";

/// What it can do: everything. The limit for values is that of its configuration.
pub const CAPABILITIES: Capabilities = Capabilities::new(&[
    Capability::Put,
    Capability::Create,
    Capability::IfVersion,
    Capability::IdempotentPut,
    Capability::Delete,
    Capability::Restore,
    Capability::Purge,
    Capability::DeleteWindow,
    Capability::List,
    Capability::Describe,
    Capability::Versions,
    Capability::Rollback,
    Capability::Tags,
    Capability::Expiry,
    Capability::Binary,
    Capability::Batch,
])
.with_max_value_bytes(MAX_VALUE_BYTES);

/// Secrets in memory. A clone shares them; another [`open`] does not.
///
/// - Versions are numbers that count up from 1. A purged name goes on counting when it is used again.
/// - A value past its `expires_at` is [`Disabled`](secrets_core::ErrorKind::Disabled).
/// - A soft delete can be undone for ever, one with a window until the window ends on the monotonic clock.
/// - Writing to a deleted name makes a secret again; the versions from before stay deleted.
/// - Repeating a put with its idempotency token answers with the first one's version as long as that is kept; with
///   another value it is [`Conflict`](secrets_core::ErrorKind::Conflict).
#[derive(Clone)]
pub struct MemoryProvider {
    info: ProviderInfo,
    max_value_bytes: usize,
    clock: Arc<dyn Clock>,
    store: Arc<RwLock<Store>>,
}

/// Opens an empty store.
///
/// # Errors
/// None; the signature is that of every provider.
pub async fn open(config: MemoryConfig, context: OpenContext) -> Result<MemoryProvider> {
    Ok(MemoryProvider {
        info: ProviderInfo::new(
            SCHEME,
            context.provider,
            Location::from_scheme(SCHEME),
            CAPABILITIES.with_max_value_bytes(config.max_value_bytes),
        ),
        max_value_bytes: config.max_value_bytes,
        clock: context.clock,
        store: Arc::new(RwLock::new(Store::new(config.keep_versions))),
    })
}

#[async_trait]
impl ProviderKind for MemoryProvider {
    const SCHEME: &'static str = SCHEME;

    type Config = MemoryConfig;

    fn set_location(config: &mut MemoryConfig, location: &Location) -> Result<()> {
        config.set_location(location)
    }

    async fn open(config: MemoryConfig, context: OpenContext) -> Result<Self> {
        open(config, context).await
    }
}

impl MemoryProvider {
    fn now(&self) -> Now {
        Now::read(&*self.clock)
    }

    // A panic under the lock cannot leave half a change that matters: every change ends in one assignment or push.
    fn read(&self) -> RwLockReadGuard<'_, Store> {
        self.store.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Store> {
        self.store.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for MemoryProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryProvider")
            .field("name", &self.info.name)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl SecretProvider for MemoryProvider {
    fn info(&self) -> &ProviderInfo {
        &self.info
    }

    async fn get(&self, name: &SecretName, options: &GetOptions) -> Result<Secret> {
        self.read().get(name, options.version.as_ref(), self.now())
    }

    async fn get_many(&self, items: &[GetItem]) -> Vec<Result<Secret>> {
        let now = self.now();
        let store = self.read();
        items
            .iter()
            .map(|item| store.get(&item.name, item.options.version.as_ref(), now))
            .collect()
    }

    fn planner(&self) -> Option<&dyn Planner> {
        Some(self)
    }

    async fn describe(&self, name: &SecretName, options: &DescribeOptions) -> Result<Metadata> {
        self.read()
            .describe(name, options.version.as_ref(), self.now())
    }

    async fn list(&self, options: &ListOptions) -> Result<Page> {
        self.read().list(options, self.now())
    }

    async fn put(
        &self,
        name: &SecretName,
        value: &SecretValue,
        options: &PutOptions,
    ) -> Result<Metadata> {
        if value.len() > self.max_value_bytes {
            return Err(Error::new(
                ErrorKind::InvalidValue,
                format!(
                    "the value has {} bytes, at most {} are kept",
                    value.len(),
                    self.max_value_bytes
                ),
            )
            .with_hint("raise `max_value_bytes`, or store where the value lies instead")
            .with_name(name));
        }
        self.write().put(name, value, options, self.now())
    }

    async fn delete(&self, name: &SecretName, options: &DeleteOptions) -> Result<()> {
        self.write().delete(name, options.mode, self.now())
    }

    async fn restore(&self, name: &SecretName) -> Result<()> {
        self.write().restore(name, self.now())
    }

    async fn versions(&self, name: &SecretName, options: &VersionsOptions) -> Result<Page> {
        self.read().versions(name, options, self.now())
    }

    async fn rollback(
        &self,
        name: &SecretName,
        to: &Version,
        _options: &RollbackOptions,
    ) -> Result<Metadata> {
        self.write().rollback(name, to, self.now())
    }

    async fn health(&self) -> Result<Health> {
        let count = self.read().len(self.now());
        Ok(Health::new(
            HealthStatus::Healthy,
            format!("{count} secrets in memory"),
        ))
    }

    async fn close(&self) -> Result<()> {
        Ok(())
    }
}

impl Planner for MemoryProvider {
    fn plan(&self, items: &[GetItem]) -> Vec<PlannedCall> {
        PlannedCall::local(items)
    }
}
