//! A provider whose listings wait until no write is under way.

use std::sync::Arc;

use async_trait::async_trait;
use secrets_core::{
    DeleteOptions, DescribeOptions, GetItem, GetOptions, Health, ListOptions, Metadata, Page,
    Planner, ProviderInfo, PutOptions, Result, RollbackOptions, Secret, SecretName, SecretProvider,
    SecretValue, Version, VersionsOptions,
};
use tokio::sync::RwLock;

/// moto walks through its table of secrets while other threads add to it, and answers with status 500 now and then.
#[derive(Debug)]
pub(crate) struct Calm<P> {
    pub(crate) inner: P,
    /// Held by writes together, by a listing alone; shared by all providers on the server.
    pub(crate) table: Arc<RwLock<()>>,
}

#[async_trait]
impl<P: SecretProvider> SecretProvider for Calm<P> {
    fn info(&self) -> &ProviderInfo {
        self.inner.info()
    }

    async fn get(&self, name: &SecretName, options: &GetOptions) -> Result<Secret> {
        self.inner.get(name, options).await
    }

    async fn get_many(&self, items: &[GetItem]) -> Vec<Result<Secret>> {
        self.inner.get_many(items).await
    }

    fn planner(&self) -> Option<&dyn Planner> {
        self.inner.planner()
    }

    async fn describe(&self, name: &SecretName, options: &DescribeOptions) -> Result<Metadata> {
        self.inner.describe(name, options).await
    }

    async fn list(&self, options: &ListOptions) -> Result<Page> {
        let _alone = self.table.write().await;
        self.inner.list(options).await
    }

    async fn put(
        &self,
        name: &SecretName,
        value: &SecretValue,
        options: &PutOptions,
    ) -> Result<Metadata> {
        let _together = self.table.read().await;
        self.inner.put(name, value, options).await
    }

    async fn delete(&self, name: &SecretName, options: &DeleteOptions) -> Result<()> {
        let _together = self.table.read().await;
        self.inner.delete(name, options).await
    }

    async fn restore(&self, name: &SecretName) -> Result<()> {
        self.inner.restore(name).await
    }

    async fn versions(&self, name: &SecretName, options: &VersionsOptions) -> Result<Page> {
        self.inner.versions(name, options).await
    }

    async fn rollback(
        &self,
        name: &SecretName,
        to: &Version,
        options: &RollbackOptions,
    ) -> Result<Metadata> {
        self.inner.rollback(name, to, options).await
    }

    async fn health(&self) -> Result<Health> {
        let _alone = self.table.write().await;
        self.inner.health().await
    }

    async fn close(&self) -> Result<()> {
        self.inner.close().await
    }
}
