//! Options in, vendor calls, secrets out.

mod listing;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use secrets_core::{
    Capabilities, Capability, Clock, DeleteMode, DeleteOptions, DescribeOptions, Error, ErrorKind,
    GetOptions, Grants, Health, HealthStatus, Leases, ListOptions, Location, Metadata, Operation,
    Page, PageToken, ProviderInfo, PutMode, PutOptions, Result, RollbackOptions, Secret,
    SecretName, SecretProvider, SecretState, SecretValue, Version, VersionsOptions,
};

use crate::client::{Client, Found, Kv2Secret, PlainSecret, ServerState};
use crate::limits::{MAX_STRINGS, MAX_VALUE_BYTES, check_tags};
use crate::names::{folder_of, no_version, path_for, split_folder, version_number};
use crate::value::{Numbers, Shaper};
use crate::{CAPABILITIES, Engine, SCHEME, error, permissions};

const KV1_CAPABILITIES: Capabilities = Capabilities::new(&[
    Capability::Put,
    Capability::Delete,
    Capability::Purge,
    Capability::List,
    Capability::Describe,
    Capability::Binary,
])
.with_max_value_bytes(MAX_VALUE_BYTES);

const GENERIC_CAPABILITIES: Capabilities = Capabilities::new(&[]);

/// One mount of a Vault or OpenBao server. Made by [`open`](crate::open).
pub struct VaultProvider {
    client: Client,
    shaper: Shaper,
    clock: Arc<dyn Clock>,
    kv2: ProviderInfo,
    kv1: ProviderInfo,
    generic: ProviderInfo,
}

impl fmt::Debug for VaultProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VaultProvider")
            .field("location", &self.kv2.location)
            .field("engine", &self.client.known_engine())
            .finish_non_exhaustive()
    }
}

impl VaultProvider {
    pub(crate) fn new(
        client: Client,
        shaper: Shaper,
        clock: Arc<dyn Clock>,
        identity: (Arc<str>, Location, Vec<String>),
    ) -> Self {
        let (name, location, variables) = identity;
        let info = |capabilities| {
            ProviderInfo::new(SCHEME, Arc::clone(&name), location.clone(), capabilities)
                .with_credential_variables(variables.clone())
        };
        Self {
            client,
            clock,
            kv2: info(match shaper.shape {
                crate::Shape::Map => CAPABILITIES.without(Capability::Binary),
                _ => CAPABILITIES,
            }),
            kv1: info(match shaper.shape {
                crate::Shape::Map => KV1_CAPABILITIES.without(Capability::Binary),
                _ => KV1_CAPABILITIES,
            }),
            generic: info(GENERIC_CAPABILITIES),
            shaper,
        }
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// Fails for an operation that only KV version 2 has.
    async fn expect_kv2(&self, operation: Operation, name: &SecretName) -> Result<()> {
        let folder = folder_of(name.as_str());
        match self.client.engine_for(operation, folder).await? {
            Engine::KvV2 => Ok(()),
            _ => Err(Error::unsupported(operation)),
        }
    }

    fn kv2_secret(&self, name: &SecretName, found: Kv2Secret) -> Result<Secret> {
        let metadata = found.version.metadata(name, &found.version.tags);
        Ok(Secret::new(self.shaper.read_map(found.map)?, metadata))
    }

    fn plain_secret(
        &self,
        name: &SecretName,
        engine: Engine,
        found: PlainSecret,
    ) -> Result<Secret> {
        let metadata = Metadata::new(name.clone());
        if engine != Engine::Generic {
            return Ok(Secret::new(self.shaper.read_map(found.map)?, metadata));
        }
        let ends = found
            .lease
            .as_ref()
            .and_then(|lease| self.clock.wall().checked_add(lease.duration));
        Ok(Secret::new(
            found.map,
            metadata.with_expires_at(ends).with_lease(found.lease),
        ))
    }

    async fn put_kv2(
        &self,
        name: &SecretName,
        map: SecretValue,
        cas: Option<u64>,
        tags: Option<BTreeMap<String, String>>,
    ) -> Result<Metadata> {
        let path = path_for(name);
        let Some(tags) = tags else {
            let written = self.client.write_kv2(&path, &map, cas).await?;
            return Ok(written.metadata(name, &written.tags));
        };
        // Two requests, which a caller that goes away must not separate.
        let (client, name) = (self.client.clone(), name.clone());
        let task = tokio::spawn(async move {
            let written = client.write_kv2(&path, &map, cas).await?;
            client.write_tags(&path, &tags).await.map_err(|failure| {
                Error::new(
                    failure.kind(),
                    format!(
                        "wrote version {} but not its tags: {}",
                        written.number,
                        failure.message()
                    ),
                )
            })?;
            Ok(written.metadata(&name, &tags))
        });
        task.await
            .map_err(|_| Error::new(ErrorKind::Unexpected, "the write was interrupted"))?
    }
}

/// Names the requested version: the server answers alike for a missing version and a missing secret.
fn missing(failure: Error, version: Option<&Version>) -> Error {
    match version {
        Some(version) if failure.kind() == ErrorKind::NotFound => no_version(version),
        _ => failure,
    }
}

fn unavailable(failure: &Error) -> Health {
    Health::new(HealthStatus::Unavailable, failure.message().to_owned())
}

#[async_trait]
impl SecretProvider for VaultProvider {
    fn info(&self) -> &ProviderInfo {
        match self.client.known_engine() {
            Engine::Auto | Engine::KvV2 => &self.kv2,
            Engine::KvV1 => &self.kv1,
            Engine::Generic => &self.generic,
        }
    }

    async fn get(&self, name: &SecretName, options: &GetOptions) -> Result<Secret> {
        let path = path_for(name);
        let version = options.version.as_ref();
        let get = async {
            let number = version.map(version_number).transpose()?;
            match self.client.read(&path, number).await? {
                Found::Kv2(found) => self.kv2_secret(name, found),
                Found::Plain(engine, found) => self.plain_secret(name, engine, found),
            }
        };
        get.await
            .map_err(|failure| missing(failure, version).with_name(name))
    }

    fn grants(&self, names: &[SecretName]) -> Result<Option<Grants>> {
        let (engine, mount) = (self.client.known_engine(), self.client.mount());
        permissions::to_read(engine, mount, &self.kv2.location, names).map(Some)
    }

    fn leases(&self) -> Option<&dyn Leases> {
        Some(self)
    }

    async fn describe(&self, name: &SecretName, options: &DescribeOptions) -> Result<Metadata> {
        let path = path_for(name);
        let describe = async {
            match self
                .client
                .engine_for(Operation::Describe, folder_of(name.as_str()))
                .await?
            {
                Engine::KvV2 => {
                    let facts = self.client.metadata(&path).await?;
                    let number = match &options.version {
                        Some(version) => version_number(version)?,
                        None => facts.current,
                    };
                    let version = facts.version(number).ok_or_else(|| {
                        missing(Error::of(ErrorKind::NotFound), options.version.as_ref())
                    })?;
                    Ok(version
                        .metadata(name, &facts.tags)
                        .with_updated_at(facts.updated_at))
                }
                Engine::KvV1 if options.version.is_none() => {
                    let (folder, key) = split_folder(name.as_str());
                    let listed = self.client.list_plain(folder, None).await?;
                    if listed.keys.iter().any(|listed| listed == key) {
                        Ok(Metadata::new(name.clone()))
                    } else {
                        Err(Error::of(ErrorKind::NotFound))
                    }
                }
                _ => Err(Error::unsupported(Operation::Describe)),
            }
        };
        describe.await.map_err(|failure| failure.with_name(name))
    }

    async fn list(&self, options: &ListOptions) -> Result<Page> {
        match self
            .client
            .engine_for(Operation::List, folder_of(&options.prefix))
            .await?
        {
            engine @ (Engine::KvV2 | Engine::KvV1) => self.walk(engine, options).await,
            _ => Err(Error::unsupported(Operation::List)),
        }
    }

    async fn put(
        &self,
        name: &SecretName,
        value: &SecretValue,
        options: &PutOptions,
    ) -> Result<Metadata> {
        let path = path_for(name);
        if options.expires_at.is_some() {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "this provider cannot set when a value expires",
            )
            .with_operation(Operation::Put)
            .with_hint("set `delete_version_after` on a mount or secret of KV version 2"));
        }
        if let Some(tags) = &options.tags {
            check_tags(tags)?;
        }
        let put = async {
            Shaper::check_length(value)?;
            match self
                .client
                .engine_for(Operation::Put, folder_of(name.as_str()))
                .await?
            {
                Engine::KvV2 => {
                    let cas = match &options.mode {
                        PutMode::Upsert => None,
                        PutMode::Create => Some(0),
                        PutMode::IfVersion(version) => Some(
                            version_number(version).map_err(|_| Error::of(ErrorKind::Conflict))?,
                        ),
                        _ => return Err(Error::unsupported(Operation::Put)),
                    };
                    // `data`, and with a condition `options` and `cas`.
                    let strings = MAX_STRINGS - if cas.is_some() { 3 } else { 1 };
                    let map = self.shaper.to_map(value, Numbers::Float64, strings)?;
                    self.put_kv2(name, map, cas, options.tags.clone()).await
                }
                Engine::KvV1 => {
                    if options.mode != PutMode::Upsert || options.tags.is_some() {
                        return Err(Error::new(
                            ErrorKind::Unsupported,
                            "KV version 1 has neither conditional writes nor tags",
                        )
                        .with_operation(Operation::Put)
                        .with_hint("use a mount of KV version 2"));
                    }
                    let map = self.shaper.to_map(value, Numbers::Text, MAX_STRINGS)?;
                    self.client.write_plain(&path, &map).await?;
                    Ok(Metadata::new(name.clone()))
                }
                _ => Err(Error::unsupported(Operation::Put)),
            }
        };
        put.await.map_err(|failure| failure.with_name(name))
    }

    async fn delete(&self, name: &SecretName, options: &DeleteOptions) -> Result<()> {
        let path = path_for(name);
        let delete = async {
            let engine = self
                .client
                .engine_for(Operation::Delete, folder_of(name.as_str()))
                .await?;
            match (engine, options.mode) {
                // The server reports success even for a delete of nothing.
                (Engine::KvV2, DeleteMode::Soft) => {
                    let facts = self.client.metadata(&path).await?;
                    match facts.current_state() {
                        Some(SecretState::Enabled) => self.client.delete_current(&path).await,
                        Some(state) => Err(error::deleted(state == SecretState::Destroyed)),
                        None => Err(Error::of(ErrorKind::NotFound)),
                    }
                }
                (Engine::KvV2, DeleteMode::Purge) => {
                    self.client.metadata(&path).await?;
                    self.client.delete_metadata(&path).await
                }
                (Engine::KvV1, DeleteMode::Soft | DeleteMode::Purge) => {
                    self.client.read_plain(&path).await?;
                    self.client.delete_plain(&path).await
                }
                _ => Err(Error::unsupported(Operation::Delete)),
            }
        };
        delete.await.map_err(|failure| failure.with_name(name))
    }

    async fn restore(&self, name: &SecretName) -> Result<()> {
        let path = path_for(name);
        let restore = async {
            self.expect_kv2(Operation::Restore, name).await?;
            let facts = self.client.metadata(&path).await?;
            match facts.current_state() {
                Some(SecretState::Deleted) => self.client.undelete(&path, facts.current).await,
                Some(SecretState::Destroyed) => Err(error::deleted(true)),
                Some(_) => Ok(()),
                None => Err(Error::of(ErrorKind::NotFound)),
            }
        };
        restore.await.map_err(|failure| failure.with_name(name))
    }

    async fn versions(&self, name: &SecretName, options: &VersionsOptions) -> Result<Page> {
        let path = path_for(name);
        let versions = async {
            self.expect_kv2(Operation::Versions, name).await?;
            let before = match &options.page_token {
                None => u64::MAX,
                Some(token) => token
                    .as_str()
                    .parse()
                    .map_err(|_| error::foreign_page_token())?,
            };
            let facts = self.client.metadata(&path).await?;
            let mut older = facts
                .versions
                .iter()
                .rev()
                .filter(|version| version.number < before)
                .peekable();
            let size = options.page_size.map_or(usize::MAX, |size| size.max(1));
            let mut items = Vec::new();
            let mut last = 0;
            while items.len() < size
                && let Some(version) = older.next()
            {
                last = version.number;
                items.push(version.metadata(name, &facts.tags));
            }
            let next = older.peek().map(|_| PageToken::new(last.to_string()));
            Ok(Page::new(items, next))
        };
        versions
            .await
            .map_err(|failure: Error| failure.with_name(name))
    }

    async fn rollback(
        &self,
        name: &SecretName,
        to: &Version,
        _options: &RollbackOptions,
    ) -> Result<Metadata> {
        let path = path_for(name);
        let rollback = async {
            self.expect_kv2(Operation::Rollback, name).await?;
            let read = self.client.read_kv2(&path, Some(version_number(to)?)).await;
            let old = read.map_err(|failure| missing(failure, Some(to)))?;
            // The condition fails if somebody wrote since this read.
            let facts = self.client.metadata(&path).await?;
            let written = self
                .client
                .write_kv2(&path, &old.map, Some(facts.current))
                .await?;
            Ok(written.metadata(name, &facts.tags))
        };
        rollback
            .await
            .map_err(|failure: Error| failure.with_name(name))
    }

    async fn health(&self) -> Result<Health> {
        let (status, detail) = match self.client.server_state().await {
            Ok(ServerState::Active(version)) => {
                let version = version.map(|version| format!(", version {version}"));
                let detail = format!("unsealed{}", version.unwrap_or_default());
                (HealthStatus::Healthy, detail)
            }
            Ok(ServerState::Standby(detail)) => (HealthStatus::Degraded, detail.to_owned()),
            Ok(ServerState::Down(reason)) => {
                return Ok(Health::new(HealthStatus::Unavailable, reason));
            }
            Err(failure) => return Ok(unavailable(&failure)),
        };
        Ok(match self.client.check_credential().await {
            Ok(()) => Health::new(status, detail),
            Err(failure) => unavailable(&failure),
        })
    }

    async fn close(&self) -> Result<()> {
        self.client.auth().close().await
    }
}
