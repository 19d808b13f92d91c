//! The contract over a project: options in, calls of the client, secrets out.

mod tags;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::future::join;
use secrets_core::{
    DeleteMode, DeleteOptions, DescribeOptions, Error, ErrorKind, GetItem, GetOptions, Health,
    HealthStatus, LeastPrivilege, ListOptions, Location, Metadata, Operation, Page, PageToken,
    Permissions, PlannedCall, Planner, ProviderInfo, PutMode, PutOptions, Result, RollbackOptions,
    Secret, SecretName, SecretProvider, SecretState, SecretValue, Version, VersionsOptions,
};
use secrets_provider::run_to_completion;

use crate::client::{Client, Maps, PageQuery, Switch, VersionFacts};
use crate::error;
use crate::limits::{MAX_ALIAS_BYTES, MAX_VALUE_BYTES, PAGE_SIZE, READS_A_SECOND, READS_IN_FLIGHT};
use crate::names::Ids;
use crate::permissions;
use crate::wire::VersionState;
use crate::{CAPABILITIES, SCHEME};

const LATEST: &str = "latest";

/// The secrets of one project of Google Secret Manager. Made by [`open`](crate::open).
pub struct GcpProvider {
    client: Client,
    ids: Ids,
    info: ProviderInfo,
}

impl fmt::Debug for GcpProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GcpProvider")
            .field("location", &self.info.location)
            .field("client", &self.client)
            .finish_non_exhaustive()
    }
}

impl GcpProvider {
    pub(crate) fn new(
        client: Client,
        ids: Ids,
        (name, location, variables): (Arc<str>, Location, Vec<String>),
    ) -> Self {
        let info = ProviderInfo::new(SCHEME, name, location, CAPABILITIES)
            .with_credential_variables(variables)
            .with_concurrency(READS_IN_FLIGHT)
            .with_rate(READS_A_SECOND);
        Self { client, ids, info }
    }

    /// Switches a version on: it can be read again.
    ///
    /// # Errors
    /// [`ErrorKind::Deleted`] if it is destroyed, [`ErrorKind::NotFound`] if there is none, and the errors of the way.
    pub async fn enable_version(&self, name: &SecretName, version: &Version) -> Result<Metadata> {
        self.switch(name, version, Switch::Enable).await
    }

    /// Switches a version off: reading it is [`ErrorKind::Disabled`] until it is enabled. While it is the newest one, so
    /// is reading the secret without a version.
    ///
    /// # Errors
    /// [`ErrorKind::Deleted`] if it is destroyed, [`ErrorKind::NotFound`] if there is none, and the errors of the way.
    pub async fn disable_version(&self, name: &SecretName, version: &Version) -> Result<Metadata> {
        self.switch(name, version, Switch::Disable).await
    }

    /// Destroys the value of a version, for good. Where the secret has a delay for that, the version is disabled until the
    /// delay has passed.
    ///
    /// # Errors
    /// [`ErrorKind::Deleted`] if it is destroyed already, [`ErrorKind::NotFound`] if there is none, and the errors of the
    /// way.
    pub async fn destroy_version(&self, name: &SecretName, version: &Version) -> Result<Metadata> {
        self.switch(name, version, Switch::Destroy).await
    }

    async fn switch(&self, name: &SecretName, version: &Version, to: Switch) -> Result<Metadata> {
        let switch = async {
            let id = self.ids.id_of(name)?;
            let facts = self.client.switch(&id, checked(version)?, to).await;
            let facts = facts.map_err(|failure| missing(failure, Some(version)))?;
            Ok(version_metadata(name, &facts))
        };
        switch
            .await
            .map_err(|failure: Error| failure.with_name(name))
    }

    async fn read(&self, name: &SecretName, version: Option<&Version>) -> Result<Secret> {
        let id = self.ids.id_of(name)?;
        let wanted = version.map(checked).transpose()?.unwrap_or(LATEST);
        let read = self.client.access(&id, wanted).await;
        let read = read.map_err(|failure| missing(failure, version))?;
        let metadata = Metadata::new(name.clone()).with_version(Version::new(read.number));
        Ok(Secret::new(read.value, metadata))
    }

    /// The maps of a secret with these tags, the name among them if its id hides it.
    fn maps(
        &self,
        name: &SecretName,
        id: &str,
        tags: Option<&BTreeMap<String, String>>,
    ) -> Result<Maps> {
        let none = BTreeMap::new();
        let hidden = self.ids.is_translated(id, name).then_some(name);
        tags::maps_of(tags.unwrap_or(&none), hidden)
    }

    async fn write(
        &self,
        name: &SecretName,
        value: &SecretValue,
        options: &PutOptions,
    ) -> Result<Metadata> {
        if options.expires_at.is_some() {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "values of this provider do not expire",
            )
            .with_operation(Operation::Put)
            .with_hint(
                "the expiry of Secret Manager deletes the whole secret; set it with gcloud",
            ));
        }
        let id = self.ids.id_of(name)?;
        let is_create = match options.mode {
            PutMode::Upsert => false,
            PutMode::Create => true,
            _ => {
                return Err(Error::new(
                    ErrorKind::Unsupported,
                    "a write cannot name the version that it replaces",
                )
                .with_operation(Operation::Put)
                .with_hint("secret manager adds versions whatever the newest one is"));
            }
        };
        let maps = self.maps(name, &id, options.tags.as_ref())?;
        check_length(value)?;
        if !is_create && options.tags.is_none() {
            match self.client.add_version(&id, value).await {
                Err(failure) if failure.kind() == ErrorKind::NotFound => {}
                written => return Ok(version_metadata(name, &written?)),
            }
        }
        let write = Write {
            client: self.client.clone(),
            id,
            value: value.clone(),
            maps,
        };
        let is_tagged = options.tags.is_some();
        // Several requests, that a caller who goes away must not separate.
        let write = async move {
            if is_create {
                write.create().await
            } else if is_tagged {
                write.with_tags().await
            } else {
                write.to_new_secret().await
            }
        };
        let written = run_to_completion("write", write).await?;
        let tags = options.tags.clone().unwrap_or_default();
        Ok(version_metadata(name, &written).with_tags(tags))
    }
}

/// A write of more than one request.
struct Write {
    client: Client,
    id: String,
    value: SecretValue,
    maps: Maps,
}

impl Write {
    async fn add_version(&self) -> Result<VersionFacts> {
        self.client.add_version(&self.id, &self.value).await
    }

    /// Of many that create at once, the one that made the secret adds the version.
    async fn create(&self) -> Result<VersionFacts> {
        self.client.create(&self.id, &self.maps).await?;
        self.add_version().await.map_err(|failure| {
            Error::new(
                failure.kind(),
                format!(
                    "the secret was created, but not its first version: {}",
                    failure.message()
                ),
            )
            .with_hint("write the value once more, without asking for a secret that is new")
        })
    }

    async fn to_new_secret(&self) -> Result<VersionFacts> {
        match self.client.create(&self.id, &self.maps).await {
            // Somebody else was faster, which is as good.
            Err(failure) if failure.kind() != ErrorKind::AlreadyExists => Err(failure),
            _ => self.add_version().await,
        }
    }

    async fn with_tags(&self) -> Result<VersionFacts> {
        let written = match self.add_version().await {
            Err(failure) if failure.kind() == ErrorKind::NotFound => {
                match self.client.create(&self.id, &self.maps).await {
                    Ok(()) => return self.add_version().await,
                    Err(failure) if failure.kind() == ErrorKind::AlreadyExists => {
                        self.add_version().await?
                    }
                    Err(failure) => return Err(failure),
                }
            }
            written => written?,
        };
        self.replace_tags().await.map_err(|failure| {
            Error::new(
                failure.kind(),
                format!(
                    "version {} was written, but not its tags: {}",
                    written.number,
                    failure.message()
                ),
            )
        })?;
        Ok(written)
    }

    /// Other programs keep their state in annotations of their own, which stay.
    async fn replace_tags(&self) -> Result<()> {
        let found = self.client.secret(&self.id).await?;
        let wanted = tags::replaced(&found.maps, &self.maps);
        if wanted == found.maps {
            return Ok(());
        }
        let replaced = self.client.replace_maps(&self.id, &wanted, &found.etag);
        replaced.await
    }
}

fn check_length(value: &SecretValue) -> Result<()> {
    match value.len() {
        0 => Err(Error::new(
            ErrorKind::InvalidValue,
            "secret manager takes no value without bytes",
        )
        .with_hint("write a word that your program understands as nothing, or delete the secret")),
        length if length > MAX_VALUE_BYTES => Err(Error::new(
            ErrorKind::InvalidValue,
            format!(
                "the value has {length} bytes, and secret manager takes up to {MAX_VALUE_BYTES}"
            ),
        )
        .with_hint("split it, or keep it in Cloud Storage and only its key here")),
        _ => Ok(()),
    }
}

/// A version as it may stand in a path: a number, an alias, or `latest`. No version has any other form.
fn checked(version: &Version) -> Result<&str> {
    let text = version.as_str();
    let is_number =
        text.starts_with(|c: char| ('1'..='9').contains(&c)) && text.parse::<i64>().is_ok();
    let is_alias = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.len() <= MAX_ALIAS_BYTES
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    if is_number || is_alias {
        Ok(text)
    } else {
        Err(error::no_version(version))
    }
}

/// Names the version, if one was asked for: the service has one code for a missing version and a missing secret.
fn missing(failure: Error, version: Option<&Version>) -> Error {
    match version {
        Some(version) if failure.kind() == ErrorKind::NotFound => error::no_version(version),
        _ => failure,
    }
}

fn version_metadata(name: &SecretName, facts: &VersionFacts) -> Metadata {
    Metadata::new(name.clone())
        .with_version(Version::new(facts.number.as_str()))
        .with_created_at(facts.created_at)
        .with_state(match facts.state {
            VersionState::Enabled => SecretState::Enabled,
            VersionState::Disabled | VersionState::Unknown => SecretState::Disabled,
            VersionState::Destroyed => SecretState::Destroyed,
        })
}

fn next_page(token: String) -> Option<PageToken> {
    (!token.is_empty()).then(|| PageToken::new(token))
}

#[async_trait]
impl SecretProvider for GcpProvider {
    fn info(&self) -> &ProviderInfo {
        &self.info
    }

    async fn get(&self, name: &SecretName, options: &GetOptions) -> Result<Secret> {
        let read = self.read(name, options.version.as_ref()).await;
        read.map_err(|failure| failure.with_name(name))
    }

    fn planner(&self) -> Option<&dyn Planner> {
        Some(self)
    }

    fn permissions(&self) -> Option<&dyn Permissions> {
        Some(self)
    }

    async fn describe(&self, name: &SecretName, options: &DescribeOptions) -> Result<Metadata> {
        let version = options.version.as_ref();
        let describe = async {
            let id = self.ids.id_of(name)?;
            let wanted = version.map(checked).transpose()?.unwrap_or(LATEST);
            let (secret, facts) =
                join(self.client.secret(&id), self.client.version(&id, wanted)).await;
            let secret = secret?;
            let metadata = match facts {
                Ok(facts) => version_metadata(name, &facts),
                // A secret can be without versions; there is nothing to read then.
                Err(failure) if failure.kind() == ErrorKind::NotFound && version.is_none() => {
                    Metadata::new(name.clone())
                        .with_created_at(secret.created_at)
                        .with_state(SecretState::Destroyed)
                }
                Err(failure) => return Err(missing(failure, version)),
            };
            Ok(metadata
                .with_expires_at(secret.expires_at)
                .with_tags(tags::tags_of(secret.maps)))
        };
        describe
            .await
            .map_err(|failure: Error| failure.with_name(name))
    }

    async fn list(&self, options: &ListOptions) -> Result<Page> {
        let filter = self.ids.filter_of(&options.prefix);
        let query = PageQuery {
            size: Some(options.page_size.unwrap_or(PAGE_SIZE)),
            token: options.page_token.as_ref().map(PageToken::as_str),
            filter: filter.as_deref(),
        };
        let listed = self.client.list(&query).await?;
        let items = listed
            .items
            .into_iter()
            .filter_map(|secret| {
                let name = self.ids.name_of(&secret.id)?;
                if !name.as_str().starts_with(&options.prefix) {
                    return None;
                }
                Some(
                    Metadata::new(name)
                        .with_created_at(secret.created_at)
                        .with_expires_at(secret.expires_at)
                        .with_tags(tags::tags_of(secret.maps)),
                )
            })
            .collect();
        Ok(Page::new(items, next_page(listed.next)))
    }

    async fn put(
        &self,
        name: &SecretName,
        value: &SecretValue,
        options: &PutOptions,
    ) -> Result<Metadata> {
        let written = self.write(name, value, options).await;
        written.map_err(|failure| failure.with_name(name))
    }

    async fn delete(&self, name: &SecretName, options: &DeleteOptions) -> Result<()> {
        let delete = async {
            match options.mode {
                // There is one way to delete here, and none back.
                DeleteMode::Soft | DeleteMode::Purge => {
                    self.client.delete(&self.ids.id_of(name)?).await
                }
                _ => Err(Error::new(
                    ErrorKind::Unsupported,
                    "a delete is for good at once",
                )
                .with_operation(Operation::Delete)
                .with_hint("disable the newest version instead, for a time in which it may be wanted back")),
            }
        };
        delete
            .await
            .map_err(|failure: Error| failure.with_name(name))
    }

    async fn restore(&self, name: &SecretName) -> Result<()> {
        Err(Error::unsupported(Operation::Restore)
            .with_name(name)
            .with_hint("a secret that is deleted here is gone; write it again"))
    }

    async fn versions(&self, name: &SecretName, options: &VersionsOptions) -> Result<Page> {
        let versions = async {
            let query = PageQuery {
                size: Some(options.page_size.unwrap_or(PAGE_SIZE)),
                token: options.page_token.as_ref().map(PageToken::as_str),
                filter: None,
            };
            let listed = self.client.versions(&self.ids.id_of(name)?, &query).await?;
            let items = listed.items.iter();
            let items = items.map(|facts| version_metadata(name, facts)).collect();
            Ok(Page::new(items, next_page(listed.next)))
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
        let rollback = async {
            let id = self.ids.id_of(name)?;
            let old = self.client.access(&id, checked(to)?).await;
            let old = old.map_err(|failure| missing(failure, Some(to)))?;
            let written = self.client.add_version(&id, &old.value).await?;
            Ok(version_metadata(name, &written))
        };
        rollback
            .await
            .map_err(|failure: Error| failure.with_name(name))
    }

    async fn health(&self) -> Result<Health> {
        let query = PageQuery {
            size: Some(1),
            ..PageQuery::default()
        };
        Ok(match self.client.list(&query).await {
            Ok(_) => Health::new(HealthStatus::Healthy, "secrets can be listed"),
            // An account that may read single secrets and no more is well set up.
            Err(failure) if failure.kind() == ErrorKind::PermissionDenied => Health::new(
                HealthStatus::Degraded,
                "reachable; the account may not list secrets",
            ),
            Err(failure) => Health::new(HealthStatus::Unavailable, failure.message().to_owned()),
        })
    }

    async fn close(&self) -> Result<()> {
        self.client.close();
        Ok(())
    }
}

impl Planner for GcpProvider {
    fn plan(&self, items: &[GetItem]) -> Vec<PlannedCall> {
        items
            .iter()
            .enumerate()
            .map(|(number, item)| {
                // What cannot be asked for is refused without a request.
                let is_sent = self.ids.id_of(&item.name).is_ok()
                    && item
                        .options
                        .version
                        .as_ref()
                        .is_none_or(|version| checked(version).is_ok());
                PlannedCall::new("AccessSecretVersion", vec![number], usize::from(is_sent))
            })
            .collect()
    }
}

impl Permissions for GcpProvider {
    fn least_privilege(&self, names: &[SecretName]) -> Result<LeastPrivilege> {
        let project = self.client.project();
        permissions::for_names(&self.ids, project, &self.info.location, names)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_numbers_and_aliases() {
        for text in ["1", "12", "latest", "prod", "a-b_c9", "9223372036854775807"] {
            assert_eq!(checked(&Version::new(text)).unwrap(), text);
        }
        let long = "a".repeat(64);
        for text in [
            "",
            "0",
            "01",
            "-1",
            "+1",
            "1.0",
            "../1",
            "1?x=y&z",
            "no version",
            "9a",
            "_a",
            "-",
            "9223372036854775808",
            long.as_str(),
        ] {
            let error = checked(&Version::new(text)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NotFound, "{text}");
        }
    }
}
