//! The contract over a vault: options in, calls of the client, secrets out.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use secrets_core::{
    Clock, DeleteMode, DeleteOptions, DescribeOptions, Error, ErrorKind, GetItem, GetOptions,
    Health, HealthStatus, LeastPrivilege, ListOptions, Metadata, Operation, Page, PageToken,
    Permissions, PlannedCall, Planner, ProviderInfo, PutMode, PutOptions, Result, RollbackOptions,
    Secret, SecretName, SecretProvider, SecretState, SecretValue, Version, VersionsOptions,
};
use secrets_provider::run_to_completion;

use crate::OutsideValidity;
use crate::client::{Client, Facts};
use crate::error;
use crate::limits::{PAGE, VERSION_LENGTH};
use crate::names;
use crate::permissions;
use crate::value::{self, Invalidity};
use crate::wire::{NewAttributes, NewSecret};

/// What Key Vault calls a read.
const GET: &str = "GetSecret";
/// How long it is waited for a delete, restore or purge to be done, which takes the service some seconds; layers above have
/// deadlines of their own.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// One Azure Key Vault. Made by [`open`](crate::open).
pub struct AzureProvider {
    client: Client,
    clock: Arc<dyn Clock>,
    outside_validity: OutsideValidity,
    info: ProviderInfo,
}

impl fmt::Debug for AzureProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AzureProvider")
            .field("location", &self.info.location)
            .finish_non_exhaustive()
    }
}

/// What there is already, before a write.
struct Before {
    tags: BTreeMap<String, String>,
    content_type: Option<String>,
    sequence: u32,
}

impl AzureProvider {
    pub(crate) fn new(
        client: Client,
        clock: Arc<dyn Clock>,
        outside_validity: OutsideValidity,
        info: ProviderInfo,
    ) -> Self {
        Self {
            client,
            clock,
            outside_validity,
            info,
        }
    }

    async fn read(&self, name: &SecretName, version: Option<&Version>) -> Result<Secret> {
        let own = names::encode(name)?;
        let version = version.map(version_id).transpose()?;
        let (text, facts) = match self.client.get(&own, version).await {
            Ok(found) => found,
            Err(failure) => return Err(self.missing(failure, &own, version).await),
        };
        names::expect(name, &facts)?;
        if let Some(why) = Invalidity::of(&facts.attributes, self.clock.wall()) {
            match self.outside_validity {
                _ if why == Invalidity::Disabled => return Err(why.error()),
                OutsideValidity::Refuse => return Err(why.error()),
                OutsideValidity::Warn => tracing::warn!(
                    name = name.as_str(),
                    provider = &*self.info.name,
                    "{}",
                    why.error().message()
                ),
                OutsideValidity::Allow => {}
            }
        }
        let value = value::read(text, facts.content_type.as_deref())?;
        Ok(Secret::new(value, self.metadata(name, &facts)))
    }

    /// The error for what is not there: deleted, or without the version, or not there at all.
    async fn missing(&self, failure: Error, own: &str, version: Option<&str>) -> Error {
        if failure.kind() != ErrorKind::NotFound {
            return failure;
        }
        match self.client.deleted(own).await {
            Ok(_) => error::deleted(),
            // Retried, this may become the answer.
            Err(unsure) if unsure.is_retryable() => unsure,
            Err(_) => match version {
                Some(version) => error::no_version(&Version::new(version)),
                None => failure,
            },
        }
    }

    fn metadata(&self, name: &SecretName, facts: &Facts) -> Metadata {
        let attributes = &facts.attributes;
        let state = match Invalidity::of(attributes, self.clock.wall()) {
            None => SecretState::Enabled,
            Some(_) => SecretState::Disabled,
        };
        Metadata::new(name.clone())
            .with_version(facts.version.as_deref().map(Version::new))
            .with_created_at(attributes.created.and_then(value::time))
            .with_updated_at(attributes.updated.and_then(value::time))
            .with_expires_at(attributes.exp.and_then(value::time))
            .with_tags(names::visible(&facts.tags))
            .with_state(state)
    }

    /// All versions, newest first. The vault lists them in the order of their ids, which are random, and tells when they
    /// were made in whole seconds.
    async fn all_versions(&self, own: &str) -> Result<Vec<Facts>> {
        let mut all = Vec::new();
        let mut query: Option<String> = None;
        loop {
            let listed = self.client.versions(own, PAGE, query.as_deref()).await;
            let listed = match listed {
                Ok(listed) => listed,
                Err(failure) => return Err(self.missing(failure, own, None).await),
            };
            all.extend(listed.items);
            match listed.next {
                Some(next) if query.as_ref() == Some(&next) => return Err(turning_in_circles()),
                Some(next) => query = Some(next),
                None => break,
            }
        }
        if all.is_empty() {
            let failure = Error::from(ErrorKind::NotFound);
            return Err(self.missing(failure, own, None).await);
        }
        let rank = |facts: &Facts| (facts.attributes.created, names::sequence(facts));
        all.sort_by_cached_key(|facts| Reverse((rank(facts), facts.version.clone())));
        // Of two that were written within a second by others, only the vault knows which one is current.
        if let [first, second, ..] = all.as_slice()
            && rank(first) == rank(second)
            && let Ok((_, current)) = self.client.get(own, None).await
            && let Some(at) = all
                .iter()
                .position(|facts| facts.version == current.version)
        {
            all[..=at].rotate_right(1);
        }
        Ok(all)
    }

    /// What there is, for a write that keeps what it does not change. `None` if there is nothing.
    async fn before(&self, name: &SecretName, own: &str) -> Result<Option<Before>> {
        let current = match self.client.get(own, None).await {
            Ok((_, facts)) => facts,
            Err(failure) => match failure.kind() {
                ErrorKind::NotFound => return Ok(None),
                // The current version is disabled, but it is there.
                ErrorKind::Disabled => match self.all_versions(own).await?.into_iter().next() {
                    Some(facts) => facts,
                    None => return Ok(None),
                },
                _ => return Err(failure),
            },
        };
        names::expect(name, &current)?;
        // A write may fall into the second of the one before. The machines' clocks may differ by a second, too.
        let now = value::seconds(self.clock.wall());
        let is_recent = current
            .attributes
            .created
            .is_none_or(|created| created >= now.saturating_sub(2));
        Ok(Some(Before {
            tags: names::visible(&current.tags),
            sequence: match is_recent {
                true => names::sequence(&current).saturating_add(1),
                false => 0,
            },
            content_type: current.content_type,
        }))
    }

    async fn write(
        &self,
        name: &SecretName,
        value: &SecretValue,
        options: &PutOptions,
    ) -> Result<Metadata> {
        let own = names::encode(name)?;
        let written = value::write(value)?;
        if let Some(tags) = &options.tags {
            names::check_tags(tags)?;
        }
        let before = match self.before(name, &own).await {
            Ok(before) => before,
            // Who may only write knows the tags, or leaves them alone.
            Err(failure)
                if failure.kind() == ErrorKind::PermissionDenied && options.tags.is_some() =>
            {
                None
            }
            Err(failure) if failure.kind() == ErrorKind::PermissionDenied => {
                return Err(failure.with_hint(
                    "a write keeps the secret's tags, for which it reads them; allow that, or give the tags",
                ));
            }
            Err(failure) => return Err(failure),
        };
        let kept = before.as_ref().map(|before| &before.tags);
        let empty = BTreeMap::new();
        let theirs = options.tags.as_ref().or(kept).unwrap_or(&empty);
        let sequence = before.as_ref().map_or(0, |before| before.sequence);
        let content_type = match written.is_binary {
            true => Some(value::BINARY),
            false => before
                .as_ref()
                .and_then(|before| before.content_type.as_deref())
                .filter(|content_type| *content_type != value::BINARY),
        };
        let new = NewSecret {
            value: written.text(),
            content_type,
            tags: &names::with_ours(theirs, name, sequence),
            attributes: NewAttributes {
                exp: options.expires_at.map(value::seconds),
                nbf: None,
            },
        };
        let facts = set(&self.client, &own, &new).await?;
        Ok(self.metadata(name, &facts))
    }

    async fn bring_back(&self, name: &SecretName) -> Result<()> {
        let own = names::encode(name)?;
        match self.client.recover(&own).await {
            Ok(()) => {}
            Err(failure) if failure.kind() == ErrorKind::NotFound => {
                return match exists(&self.client, &own).await? {
                    true => Ok(()),
                    false => Err(failure),
                };
            }
            Err(failure) => return Err(failure),
        }
        Pending::Restore.wait(&self.client, &own).await
    }

    async fn copy_back(&self, name: &SecretName, to: &Version) -> Result<Metadata> {
        let own = names::encode(name)?;
        let version = version_id(to)?;
        let (text, old) = match self.client.get(&own, Some(version)).await {
            Ok(found) => found,
            Err(failure) => return Err(self.missing(failure, &own, Some(version)).await),
        };
        names::expect(name, &old)?;
        match Invalidity::of(&old.attributes, self.clock.wall()) {
            // What would not be given out must not become current unseen.
            Some(why) if self.outside_validity == OutsideValidity::Refuse => {
                return Err(why.error());
            }
            _ => {}
        }
        let before = self.before(name, &own).await?;
        let tags = match &before {
            Some(before) => before.tags.clone(),
            None => names::visible(&old.tags),
        };
        let sequence = before.map_or(0, |before| before.sequence);
        let new = NewSecret {
            value: text.expose_str()?,
            content_type: old.content_type.as_deref(),
            tags: &names::with_ours(&tags, name, sequence),
            attributes: NewAttributes {
                exp: old.attributes.exp,
                nbf: old.attributes.nbf,
            },
        };
        let facts = set(&self.client, &own, &new).await?;
        Ok(self.metadata(name, &facts))
    }
}

/// A version as it stands in a path. What cannot be one is none.
fn version_id(version: &Version) -> Result<&str> {
    let id = version.as_str();
    let is_sound =
        id.len() == VERSION_LENGTH && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
    match is_sound {
        true => Ok(id),
        false => Err(error::no_version(version)),
    }
}

fn turning_in_circles() -> Error {
    Error::new(
        ErrorKind::InvalidResponse,
        "the listing names the same page twice",
    )
}

/// What the service does after its answer.
#[derive(Clone, Copy)]
enum Pending {
    Delete,
    Restore,
    Purge,
}

impl Pending {
    async fn is_done(self, client: &Client, own: &str) -> Result<bool> {
        match self {
            Self::Delete => is_deleted(client, own).await,
            Self::Restore => exists(client, own).await,
            Self::Purge => is_deleted(client, own).await.map(|is_deleted| !is_deleted),
        }
    }

    /// Waits until it is done.
    async fn wait(self, client: &Client, own: &str) -> Result<()> {
        let waiting = async {
            let mut pause = FIRST_PAUSE;
            loop {
                match self.is_done(client, own).await {
                    Ok(true) => return Ok(()),
                    Ok(false) => {}
                    // Who may not look cannot wait.
                    Err(failure) if failure.kind() == ErrorKind::PermissionDenied => {
                        return Ok(());
                    }
                    Err(failure) if failure.is_retryable() => {
                        pause = pause.max(failure.retry_after().unwrap_or_default());
                    }
                    Err(failure) => return Err(failure),
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        };
        match tokio::time::timeout(LONGEST_WAIT, waiting).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Error::new(
                ErrorKind::Timeout,
                format!("key vault has accepted the {self}, but it is not done yet"),
            )
            .with_hint("it may still happen; look again in a while")),
        }
    }
}

impl fmt::Display for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Delete => "delete",
            Self::Restore => "restore",
            Self::Purge => "purge",
        })
    }
}

/// Writes a version. A secret that is on its way out or back is waited for: it has refused the write, and takes it once it
/// has arrived, or tells that it stays deleted.
async fn set(client: &Client, own: &str, secret: &NewSecret<'_>) -> Result<Facts> {
    let mut pause = FIRST_PAUSE;
    let mut left = LONGEST_WAIT;
    loop {
        match client.set(own, secret).await {
            Err(failure) if error::is_passing(&failure) && left > Duration::ZERO => {
                tokio::time::sleep(pause).await;
                left = left.saturating_sub(pause);
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            outcome => return outcome,
        }
    }
}

/// Whether the secret has a version, without reading a value.
async fn exists(client: &Client, own: &str) -> Result<bool> {
    match client.versions(own, 1, None).await {
        Ok(listed) => Ok(!listed.items.is_empty() || listed.next.is_some()),
        Err(failure) if failure.kind() == ErrorKind::NotFound => Ok(false),
        Err(failure) => Err(failure),
    }
}

/// Whether a secret is among the deleted ones.
async fn is_deleted(client: &Client, own: &str) -> Result<bool> {
    match client.deleted(own).await {
        Ok(_) => Ok(true),
        Err(failure) if failure.kind() == ErrorKind::NotFound => Ok(false),
        Err(failure) => Err(failure),
    }
}

async fn delete_softly(client: &Client, own: &str) -> Result<()> {
    match client.delete(own).await {
        Ok(true) => Pending::Delete.wait(client, own).await,
        // A vault of old that keeps nothing.
        Ok(false) => Ok(()),
        Err(failure) if failure.kind() == ErrorKind::NotFound => {
            match is_deleted(client, own).await {
                Ok(true) => Err(error::deleted()),
                _ => Err(failure),
            }
        }
        Err(failure) => Err(failure),
    }
}

async fn purge(client: &Client, own: &str) -> Result<()> {
    match delete_softly(client, own).await {
        Ok(()) => {}
        Err(failure) if failure.kind() == ErrorKind::Deleted => {
            Pending::Delete.wait(client, own).await?;
        }
        Err(failure) => return Err(failure),
    }
    match client.purge(own).await {
        Ok(()) => {}
        // A vault of old keeps nothing that could be purged.
        Err(failure) if failure.kind() == ErrorKind::NotFound => return Ok(()),
        Err(failure) => return Err(failure),
    }
    Pending::Purge.wait(client, own).await
}

#[async_trait]
impl SecretProvider for AzureProvider {
    fn info(&self) -> &ProviderInfo {
        &self.info
    }

    async fn get(&self, name: &SecretName, options: &GetOptions) -> Result<Secret> {
        self.read(name, options.version.as_ref())
            .await
            .map_err(|failure| failure.with_name(name))
    }

    fn planner(&self) -> Option<&dyn Planner> {
        Some(self)
    }

    fn permissions(&self) -> Option<&dyn Permissions> {
        Some(self)
    }

    async fn describe(&self, name: &SecretName, options: &DescribeOptions) -> Result<Metadata> {
        let describe = async {
            let own = names::encode(name)?;
            let version = options.version.as_ref();
            let id = version.map(version_id).transpose()?;
            let all = match self.all_versions(&own).await {
                Ok(all) => all,
                // It is reported as such, with what is known about it.
                Err(failure) if failure.kind() == ErrorKind::Deleted && version.is_none() => {
                    let facts = self.client.deleted(&own).await?;
                    names::expect(name, &facts)?;
                    return Ok(self.metadata(name, &facts).with_state(SecretState::Deleted));
                }
                Err(failure) => return Err(failure),
            };
            let found = match (id, version) {
                (Some(id), Some(version)) => all
                    .iter()
                    .find(|facts| facts.version.as_deref() == Some(id))
                    .ok_or_else(|| error::no_version(version))?,
                _ => &all[0],
            };
            names::expect(name, found)?;
            Ok(self.metadata(name, found))
        };
        describe
            .await
            .map_err(|failure: Error| failure.with_name(name))
    }

    async fn list(&self, options: &ListOptions) -> Result<Page> {
        let query = match &options.page_token {
            None => None,
            Some(token) if token.as_str().contains('=') => Some(token.as_str()),
            Some(_) => {
                return Err(Error::invalid_page_token());
            }
        };
        let size = options.page_size.unwrap_or(PAGE);
        let listed = self.client.list(size, query).await?;
        let mut items = Vec::with_capacity(listed.items.len());
        for facts in &listed.items {
            let name = names::decode(facts)?;
            if name.as_str().starts_with(&options.prefix) {
                items.push(self.metadata(&name, facts).with_version(None));
            }
        }
        Ok(Page::new(items, listed.next.map(PageToken::new)))
    }

    async fn put(
        &self,
        name: &SecretName,
        value: &SecretValue,
        options: &PutOptions,
    ) -> Result<Metadata> {
        if options.mode != PutMode::Upsert {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "key vault has no conditional writes",
            )
            .with_operation(Operation::Put)
            .with_name(name)
            .with_hint("write without a condition, or use a store that has them"));
        }
        self.write(name, value, options)
            .await
            .map_err(|failure| failure.with_name(name))
    }

    async fn delete(&self, name: &SecretName, options: &DeleteOptions) -> Result<()> {
        let delete = async {
            let own = names::encode(name)?;
            let client = self.client.clone();
            match options.mode {
                DeleteMode::Soft => delete_softly(&client, &own).await,
                DeleteMode::Purge => {
                    // Several requests, that a caller who goes away must not separate.
                    run_to_completion("purge", async move { purge(&client, &own).await }).await
                }
                _ => Err(Error::new(
                    ErrorKind::Unsupported,
                    "the time for which a deleted secret can be restored is the vault's own",
                )
                .with_operation(Operation::Delete)
                .with_hint(
                    "it is set for the whole vault, to 7 to 90 days, when the vault is made",
                )),
            }
        };
        delete
            .await
            .map_err(|failure: Error| failure.with_name(name))
    }

    async fn restore(&self, name: &SecretName) -> Result<()> {
        self.bring_back(name)
            .await
            .map_err(|failure| failure.with_name(name))
    }

    async fn versions(&self, name: &SecretName, options: &VersionsOptions) -> Result<Page> {
        let versions = async {
            let own = names::encode(name)?;
            let all = self.all_versions(&own).await?;
            if let Some(newest) = all.first() {
                names::expect(name, newest)?;
            }
            let start = match &options.page_token {
                None => 0,
                Some(token) => all
                    .iter()
                    .position(|facts| facts.version.as_deref() == Some(token.as_str()))
                    .map(|at| at + 1)
                    .ok_or_else(Error::invalid_page_token)?,
            };
            let size = options.page_size.map_or(usize::MAX, |size| size.max(1));
            let end = start.saturating_add(size).min(all.len());
            let items = all[start..end]
                .iter()
                .map(|facts| self.metadata(name, facts))
                .collect();
            let next = match all[start..end].last() {
                Some(last) if end < all.len() => last.version.clone().map(PageToken::new),
                _ => None,
            };
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
        self.copy_back(name, to)
            .await
            .map_err(|failure| failure.with_name(name))
    }

    async fn health(&self) -> Result<Health> {
        Ok(match self.client.list(1, None).await {
            Ok(_) => Health::new(HealthStatus::Healthy, "the vault answers"),
            Err(failure) if failure.kind() == ErrorKind::PermissionDenied => Health::new(
                HealthStatus::Degraded,
                format!(
                    "the vault answers, but not to a listing: {}",
                    failure.message()
                ),
            ),
            Err(failure) => Health::new(HealthStatus::Unavailable, failure.message().to_owned()),
        })
    }

    async fn close(&self) -> Result<()> {
        self.client.close();
        Ok(())
    }
}

impl Planner for AzureProvider {
    fn plan(&self, items: &[GetItem]) -> Vec<PlannedCall> {
        (0..items.len())
            .map(|item| PlannedCall::new(GET, vec![item], 1))
            .collect()
    }
}

impl Permissions for AzureProvider {
    fn least_privilege(&self, names: &[SecretName]) -> Result<LeastPrivilege> {
        permissions::for_names(&self.info.location, names)
    }
}
