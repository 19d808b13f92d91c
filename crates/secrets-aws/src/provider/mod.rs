//! Requests of the contract to the half that answers them: a secret for each name, or a key of one secret.

mod json_keys;
mod per_secret;

use std::fmt;

use async_trait::async_trait;
use secrets_core::{
    CanonicalName, DeleteOptions, DescribeOptions, GetItem, GetOptions, Health, HealthStatus,
    LeastPrivilege, ListOptions, Metadata, Page, Permissions, PlannedCall, Planner, ProviderInfo,
    PutOptions, Result, RollbackOptions, Secret, SecretName, SecretProvider, SecretValue, Version,
    VersionsOptions,
};
use secrets_core::{Error, ErrorKind, Operation};

use crate::permissions;

pub(crate) use json_keys::{CAPABILITIES as KEY_CAPABILITIES, JsonKeys};
pub(crate) use per_secret::PerSecret;

/// The secrets of one region of an account, or the keys of one secret. Made by [`open`](crate::open).
pub struct AwsProvider {
    info: ProviderInfo,
    store: Store,
}

/// What a name is.
pub(crate) enum Store {
    /// A secret.
    PerSecret(PerSecret),
    /// A key of one secret.
    JsonKeys(JsonKeys),
}

impl AwsProvider {
    pub(crate) fn new(info: ProviderInfo, store: Store) -> Self {
        Self { info, store }
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }
}

impl fmt::Debug for AwsProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AwsProvider")
            .field("location", &self.info.location)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl SecretProvider for AwsProvider {
    fn info(&self) -> &ProviderInfo {
        &self.info
    }

    async fn get(&self, name: &SecretName, options: &GetOptions) -> Result<Secret> {
        match &self.store {
            Store::PerSecret(secrets) => secrets.get(name, options.version.as_ref()).await,
            Store::JsonKeys(keys) => keys.get(name, options).await,
        }
    }

    async fn get_many(&self, items: &[GetItem]) -> Vec<Result<Secret>> {
        match &self.store {
            Store::PerSecret(secrets) => secrets.get_many(items).await,
            Store::JsonKeys(keys) => keys.get_many(items).await,
        }
    }

    fn canonical_name(&self, name: &SecretName) -> CanonicalName {
        match &self.store {
            Store::PerSecret(secrets) => secrets.canonical_name(name),
            Store::JsonKeys(_) => CanonicalName::AsAsked,
        }
    }

    fn planner(&self) -> Option<&dyn Planner> {
        Some(self)
    }

    fn permissions(&self) -> Option<&dyn Permissions> {
        Some(self)
    }

    async fn describe(&self, name: &SecretName, options: &DescribeOptions) -> Result<Metadata> {
        match &self.store {
            Store::PerSecret(secrets) => secrets.describe(name, options.version.as_ref()).await,
            Store::JsonKeys(keys) => keys.describe(name, options).await,
        }
    }

    async fn list(&self, options: &ListOptions) -> Result<Page> {
        match &self.store {
            Store::PerSecret(secrets) => secrets.list(options).await,
            Store::JsonKeys(keys) => keys.list(options).await,
        }
    }

    async fn put(
        &self,
        name: &SecretName,
        value: &SecretValue,
        options: &PutOptions,
    ) -> Result<Metadata> {
        if options.expires_at.is_some() {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "AWS Secrets Manager keeps no end of validity",
            )
            .with_operation(Operation::Put));
        }
        match &self.store {
            Store::PerSecret(secrets) => secrets.put(name, value, options).await,
            Store::JsonKeys(keys) => keys.put(name, value, options).await,
        }
    }

    async fn delete(&self, name: &SecretName, options: &DeleteOptions) -> Result<()> {
        match &self.store {
            Store::PerSecret(secrets) => secrets.delete(name, options.mode).await,
            Store::JsonKeys(keys) => keys.delete(name, options.mode).await,
        }
    }

    async fn restore(&self, name: &SecretName) -> Result<()> {
        match &self.store {
            Store::PerSecret(secrets) => secrets.restore(name).await,
            Store::JsonKeys(_) => Err(Error::unsupported(Operation::Restore)),
        }
    }

    async fn versions(&self, name: &SecretName, options: &VersionsOptions) -> Result<Page> {
        match &self.store {
            Store::PerSecret(secrets) => secrets.versions(name, options).await,
            Store::JsonKeys(_) => Err(Error::unsupported(Operation::Versions)),
        }
    }

    async fn rollback(
        &self,
        name: &SecretName,
        to: &Version,
        _options: &RollbackOptions,
    ) -> Result<Metadata> {
        match &self.store {
            Store::PerSecret(secrets) => secrets.rollback(name, to).await,
            Store::JsonKeys(_) => Err(Error::unsupported(Operation::Rollback)),
        }
    }

    async fn health(&self) -> Result<Health> {
        let asked = match &self.store {
            Store::PerSecret(secrets) => secrets.probe().await,
            Store::JsonKeys(keys) => keys.probe().await,
        };
        Ok(match asked {
            Ok(detail) => Health::new(HealthStatus::Healthy, detail),
            // Whoever may read some secrets by name and no more is as healthy as can be.
            Err(error) if error.kind() == ErrorKind::PermissionDenied => Health::new(
                HealthStatus::Healthy,
                "AWS accepts the credential, which may not list or describe",
            ),
            Err(error) => Health::new(HealthStatus::Unavailable, error.message().to_owned()),
        })
    }

    async fn close(&self) -> Result<()> {
        Ok(())
    }
}

impl Planner for AwsProvider {
    fn plan(&self, items: &[GetItem]) -> Vec<PlannedCall> {
        match &self.store {
            Store::PerSecret(secrets) => secrets.plan(items),
            Store::JsonKeys(keys) => keys.plan(items),
        }
    }
}

impl Permissions for AwsProvider {
    fn least_privilege(&self, names: &[SecretName]) -> Result<LeastPrivilege> {
        permissions::for_names(self, self.info.location.host(), names)
    }
}
