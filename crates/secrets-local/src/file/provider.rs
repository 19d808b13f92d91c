use std::sync::Arc;

use async_trait::async_trait;
use secrets_core::{
    DeleteOptions, DescribeOptions, Error, ErrorKind, GetItem, GetOptions, Health, HealthStatus,
    ListOptions, Location, Metadata, OpenContext, Page, PlannedCall, Planner, ProviderInfo,
    ProviderKind, PutOptions, Result, RollbackOptions, Secret, SecretName, SecretProvider,
    SecretValue, Version, VersionsOptions,
};

use super::config::FileConfig;
use super::contents::Change;
use super::guard;
use super::identity::IdentitySource;
use super::store::{FileStore, IDENTITY_VARIABLE, Opened};
use super::{CAPABILITIES, SCHEME};

/// The secrets of an encrypted file. Reading it again, and every change, happens on a thread for blocking work.
#[derive(Debug)]
pub struct FileProvider {
    store: FileStore,
    info: ProviderInfo,
}

impl FileProvider {
    pub(super) fn new(store: FileStore, context: &OpenContext) -> Self {
        let location =
            Location::from_scheme(SCHEME).with_path(store.path().to_string_lossy().into_owned());
        let mut info = ProviderInfo::new(SCHEME, context.provider.clone(), location, CAPABILITIES);
        let from_variable = context.environment.text(IDENTITY_VARIABLE).is_some();
        if from_variable && matches!(store.0.identity, IdentitySource::Variable(_)) {
            info = info.with_credential_variables(vec![IDENTITY_VARIABLE.to_owned()]);
        }
        Self { store, info }
    }

    /// The file, for what is done with it as a whole.
    pub fn store(&self) -> &FileStore {
        &self.store
    }

    async fn opened(&self) -> Result<Arc<Opened>> {
        match self.store.cached() {
            Some(opened) => Ok(opened),
            None => self.blocking(FileStore::read).await,
        }
    }

    /// Does what may take long elsewhere. It goes on to its end if the future is dropped.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&FileStore) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let store = self.store.clone();
        match tokio::runtime::Handle::try_current() {
            Err(_) => work(&store),
            Ok(runtime) => runtime
                .spawn_blocking(move || work(&store))
                .await
                .unwrap_or_else(|_| {
                    Err(Error::new(
                        ErrorKind::Unavailable,
                        "the work on the store was ended by the runtime",
                    ))
                }),
        }
    }
}

/// Opens a provider for the store of this configuration. The file is read at the first request.
///
/// # Errors
/// [`ErrorKind::InvalidConfig`] if a setting is out of its range.
pub async fn open(config: FileConfig, context: OpenContext) -> Result<FileProvider> {
    let store = FileStore::open(config, &context)?;
    Ok(FileProvider::new(store, &context))
}

#[async_trait]
impl ProviderKind for FileProvider {
    const SCHEME: &'static str = SCHEME;

    type Config = FileConfig;

    fn set_location(config: &mut FileConfig, location: &Location) -> Result<()> {
        config.set_location(location)
    }

    async fn open(config: FileConfig, context: OpenContext) -> Result<Self> {
        open(config, context).await
    }
}

#[async_trait]
impl SecretProvider for FileProvider {
    fn info(&self) -> &ProviderInfo {
        &self.info
    }

    async fn get(&self, name: &SecretName, options: &GetOptions) -> Result<Secret> {
        let opened = self.opened().await?;
        let now = self.store.now();
        opened.contents.get(name, options.version.as_ref(), now)
    }

    async fn get_many(&self, items: &[GetItem]) -> Vec<Result<Secret>> {
        let opened = match self.opened().await {
            Ok(opened) => opened,
            Err(error) => {
                let failed = |item: &GetItem| Err(error.clone().with_name(&item.name));
                return items.iter().map(failed).collect();
            }
        };
        let now = self.store.now();
        let get = |item: &GetItem| {
            let version = item.options.version.as_ref();
            opened.contents.get(&item.name, version, now)
        };
        items.iter().map(get).collect()
    }

    fn planner(&self) -> Option<&dyn Planner> {
        Some(self)
    }

    async fn describe(&self, name: &SecretName, options: &DescribeOptions) -> Result<Metadata> {
        let opened = self.opened().await?;
        let now = self.store.now();
        opened
            .contents
            .describe(name, options.version.as_ref(), now)
    }

    async fn list(&self, options: &ListOptions) -> Result<Page> {
        let opened = self.opened().await?;
        opened.contents.list(
            &options.prefix,
            options.page_size,
            options.page_token.as_ref(),
            self.store.now(),
        )
    }

    async fn put(
        &self,
        name: &SecretName,
        value: &SecretValue,
        options: &PutOptions,
    ) -> Result<Metadata> {
        let (name, value, options) = (name.clone(), value.clone(), options.clone());
        self.blocking(move |store| {
            let (keep, now) = (store.0.keep_versions, store.now());
            store.change(|contents| {
                contents
                    .put(&name, &value, &options, keep, now)
                    .map(Change::Made)
            })
        })
        .await
    }

    async fn delete(&self, name: &SecretName, options: &DeleteOptions) -> Result<()> {
        let (name, mode) = (name.clone(), options.mode);
        self.blocking(move |store| {
            let now = store.now();
            store.change(|contents| contents.delete(&name, mode, now).map(Change::Made))
        })
        .await
    }

    async fn restore(&self, name: &SecretName) -> Result<()> {
        let name = name.clone();
        self.blocking(move |store| {
            let now = store.now();
            store.change(|contents| {
                Ok(match contents.restore(&name, now)? {
                    true => Change::Made(()),
                    false => Change::Nothing(()),
                })
            })
        })
        .await
    }

    async fn versions(&self, name: &SecretName, options: &VersionsOptions) -> Result<Page> {
        let opened = self.opened().await?;
        opened.contents.versions(
            name,
            options.page_size,
            options.page_token.as_ref(),
            self.store.now(),
        )
    }

    async fn rollback(
        &self,
        name: &SecretName,
        to: &Version,
        _options: &RollbackOptions,
    ) -> Result<Metadata> {
        let (name, to) = (name.clone(), to.clone());
        self.blocking(move |store| {
            let (keep, now) = (store.0.keep_versions, store.now());
            store.change(|contents| contents.rollback(&name, &to, keep, now).map(Change::Made))
        })
        .await
    }

    async fn health(&self) -> Result<Health> {
        let opened = match self.opened().await {
            Ok(opened) => opened,
            Err(error) => return Ok(Health::new(HealthStatus::Unavailable, error.to_string())),
        };
        let contents = &opened.contents;
        let count = contents.secret_count();
        let noun = if count == 1 { "secret" } else { "secrets" };
        let mut detail = format!("{count} {noun}, revision {}", contents.header.revision);
        match &opened.unprotected {
            None if self.store.0.revisions.is_some() => {}
            None => detail.push_str(", no protection against rollback: there is no state folder"),
            Some(reason) => {
                detail.push_str(&format!(", no protection against rollback: {reason}"));
            }
        }
        let status = match guard::can_write_beside(self.store.path()) {
            true => HealthStatus::Healthy,
            false => {
                detail.push_str(", its folder cannot be written");
                HealthStatus::Degraded
            }
        };
        Ok(Health::new(status, detail))
    }

    async fn close(&self) -> Result<()> {
        self.store.forget();
        Ok(())
    }
}

impl Planner for FileProvider {
    fn plan(&self, items: &[GetItem]) -> Vec<PlannedCall> {
        PlannedCall::local(items)
    }
}
