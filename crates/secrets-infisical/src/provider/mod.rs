//! The contract over a folder of an environment: options in, calls of the client, secrets out.

mod batch;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::future;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use secrets_core::{
    Capability, DeleteMode, DeleteOptions, DescribeOptions, Error, ErrorKind, GetItem, GetOptions,
    Health, HealthStatus, LeastPrivilege, ListOptions, Location, Metadata, Operation, Page,
    PageToken, Permissions, PlannedCall, Planner, ProviderInfo, PutMode, PutOptions, Result,
    RollbackOptions, Secret, SecretName, SecretProvider, SecretValue, Version, VersionsOptions,
};

use crate::client::{Client, Created, Found, View};
use crate::config::{Encoding, Region, UnresolvedReferences};
use crate::error;
use crate::limits::{
    CLOUD_CALLS_A_SECOND, IN_FLIGHT, MAX_TAG_KEY_UNITS, MAX_TAG_VALUE_UNITS, MAX_VERSION,
    VERSIONS_ON_A_PAGE,
};
use crate::names::{Place, Root};
use crate::permissions;
use crate::value::{Codec, Revealed};
use crate::{CAPABILITIES, SCHEME};

/// What of a provider does not change.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Behaviour {
    pub(crate) codec: Codec,
    pub(crate) imports: bool,
    pub(crate) creates_folders: bool,
}

/// One folder of one environment of an Infisical project, with all below it. Made by [`open`](crate::open).
pub struct InfisicalProvider {
    client: Client,
    root: Root,
    behaviour: Behaviour,
    info: ProviderInfo,
}

impl fmt::Debug for InfisicalProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InfisicalProvider")
            .field("location", &self.info.location)
            .finish_non_exhaustive()
    }
}

impl InfisicalProvider {
    pub(crate) fn new(
        client: Client,
        root: Root,
        behaviour: Behaviour,
        identity: (Arc<str>, Location, Vec<String>),
    ) -> Self {
        let (name, location, variables) = identity;
        let capabilities = match behaviour.codec.encoding {
            Encoding::Never => CAPABILITIES.without(Capability::Binary),
            _ => CAPABILITIES,
        };
        let is_cloud = Region::is_at(location.host());
        let info = ProviderInfo::new(SCHEME, name, location, capabilities)
            .with_credential_variables(variables)
            .with_concurrency(IN_FLIGHT);
        Self {
            client,
            root,
            behaviour,
            info: if is_cloud {
                info.with_rate(CLOUD_CALLS_A_SECOND)
            } else {
                info
            },
        }
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    pub(crate) fn root(&self) -> &Root {
        &self.root
    }

    /// How a value is read.
    pub(crate) fn view(&self) -> View {
        View {
            has_value: true,
            expands: self.behaviour.codec.expands,
            imports: self.imports(),
        }
    }

    fn described(&self) -> View {
        View {
            imports: self.imports(),
            ..View::FACTS
        }
    }

    /// A service token is answered from its own scope, which would look like an import.
    fn imports(&self) -> bool {
        self.behaviour.imports && !self.client.auth().is_service_token()
    }

    pub(crate) async fn read(&self, name: &SecretName, options: &GetOptions) -> Result<Secret> {
        let read = async {
            let place = self.root.place(name)?;
            let found = match &options.version {
                None => self.client.secret(&place, None, self.view()).await?,
                Some(version) => self.version(&place, version, self.view()).await?,
            };
            self.secret(name, &found)
        };
        read.await.map_err(|failure| failure.with_name(name))
    }

    /// The secret of a value that was read.
    pub(crate) fn secret(&self, name: &SecretName, found: &Found) -> Result<Secret> {
        let stored = found.stored.clone().ok_or_else(error::hidden)?;
        let codec = &self.behaviour.codec;
        let value = match codec.reveal(stored)? {
            Revealed::Whole(value) => value,
            Revealed::Unresolved(_) if codec.unresolved == UnresolvedReferences::Error => {
                return Err(error::unresolved());
            }
            Revealed::Unresolved(value) => {
                tracing::warn!(secret = %name, "a reference in the value is not resolved");
                value
            }
        };
        Ok(Secret::new(value, metadata(name, found)))
    }

    /// One version of the present secret. The server finds versions by key and number alone, those of a deleted secret of
    /// the same key too, and old releases do not look at the number: what comes back is checked for both.
    async fn version(&self, place: &Place, version: &Version, view: View) -> Result<Found> {
        let number = number_of(version)?;
        let view = View {
            imports: false,
            ..view
        };
        let (current, found) = future::join(
            self.client.secret(place, None, View::FACTS),
            self.client.secret(place, Some(number), view),
        )
        .await;
        let current = current?;
        if current.version.is_some_and(|current| number > current) {
            return Err(error::no_version(version));
        }
        match found {
            Ok(found) if found.version != Some(number) => Err(error::versions_ignored()),
            Ok(found) if found.id == current.id => Ok(found),
            // One of a deleted secret hides it. The current one can be had without its number.
            Ok(_) if current.version == Some(number) => self.client.secret(place, None, view).await,
            Ok(_) => Err(error::no_version(version)),
            Err(failure) if failure.kind() == ErrorKind::NotFound => {
                Err(error::no_version(version))
            }
            Err(failure) => Err(failure),
        }
    }

    async fn write(
        &self,
        place: &Place,
        stored: &SecretValue,
        options: &PutOptions,
    ) -> Result<Found> {
        let tags = options.tags.as_ref();
        if options.mode == PutMode::Upsert {
            match self.client.update(place, stored, tags).await {
                Err(failure) if failure.kind() == ErrorKind::NotFound => {}
                outcome => return outcome,
            }
        }
        match self.create(place, stored, tags).await {
            // Somebody else has made it since.
            Err(failure)
                if failure.kind() == ErrorKind::AlreadyExists
                    && options.mode == PutMode::Upsert =>
            {
                self.client.update(place, stored, tags).await
            }
            outcome => outcome,
        }
    }

    /// Old releases leave out fields that they do not know, without a word.
    async fn check_kept(&self, place: &Place, tags: &BTreeMap<String, String>) -> Result<()> {
        if tags.is_empty() || !self.client.may_lose_tags() {
            return Ok(());
        }
        let kept = self.client.secret(place, None, View::FACTS).await?.tags;
        if kept == *tags {
            return Ok(());
        }
        Err(unsupported(
            Operation::Put,
            "the value was written, but the server does not keep its tags",
            "update the server, or write without tags",
        ))
    }

    async fn create(
        &self,
        place: &Place,
        stored: &SecretValue,
        tags: Option<&BTreeMap<String, String>>,
    ) -> Result<Found> {
        let mut created = self.client.create(place, stored, tags).await?;
        if matches!(created, Created::NoFolder(_))
            && self.behaviour.creates_folders
            && place.folder != "/"
        {
            self.client.create_folders(&place.folder).await?;
            created = self.client.create(place, stored, tags).await?;
        }
        match created {
            Created::Done(found) => Ok(found),
            Created::NoFolder(failure) => Err(Error::new(
                failure.kind(),
                "the folder, environment or project to write to is not there",
            )
            .with_hint(match self.behaviour.creates_folders {
                true => "check `project_id` and `environment`, and what the identity may see",
                false => "make the folder, or set `create_folders = true`",
            })),
            // The server's code for a duplicate is that of any bad request.
            Created::Refused(failure) => match self.client.secret(place, None, View::FACTS).await {
                Ok(_) => Err(Error::from(ErrorKind::AlreadyExists)),
                Err(_) => Err(failure),
            },
        }
    }

    /// All secrets below a folder, by their names.
    async fn walk(&self, folder: &str) -> Result<BTreeMap<SecretName, Found>> {
        let view = self.described();
        let all = self.client.contents(folder, true, view).await?;
        let mut names = BTreeMap::new();
        for found in all.own {
            let answered = found.folder.as_deref().unwrap_or(folder);
            if let Some(name) = self.root.name(answered, &found.key) {
                names.insert(name, found);
            }
        }
        if all.imported.is_empty() {
            return Ok(names);
        }
        // Only a listing of one folder alone says what that folder imports.
        let mut folders = vec![folder.to_owned()];
        folders.extend(self.client.folders(folder).await?);
        let listings: Vec<_> = folders
            .iter()
            .map(|folder| async move {
                let contents = self.client.contents(folder, false, view).await?;
                Ok::<_, Error>((folder, contents.imported))
            })
            .collect();
        let mut listings = stream::iter(listings).buffer_unordered(IN_FLIGHT);
        while let Some((folder, imported)) = listings.try_next().await? {
            for found in imported {
                if let Some(name) = self.root.name(folder, &found.key) {
                    names.entry(name).or_insert(found);
                }
            }
        }
        Ok(names)
    }
}

/// A version's number. Anything else is a version that never was.
fn number_of(version: &Version) -> Result<u64> {
    let text = version.as_str();
    let number = text
        .parse::<u64>()
        .ok()
        .filter(|number| (1..=MAX_VERSION).contains(number) && number.to_string() == text);
    number.ok_or_else(|| error::no_version(version))
}

/// What is known of a secret that was read: its revision was written at the last change.
fn metadata(name: &SecretName, found: &Found) -> Metadata {
    listed(name, found).with_created_at(found.updated_at.or(found.created_at))
}

/// What is known of an earlier revision, which never changes.
fn version_metadata(name: &SecretName, found: &Found) -> Metadata {
    listed(name, found)
        .with_created_at(found.created_at)
        .with_updated_at(None)
}

/// What is known of a listed secret.
fn listed(name: &SecretName, found: &Found) -> Metadata {
    Metadata::new(name.clone())
        .with_version(found.version.map(|number| Version::new(number.to_string())))
        .with_created_at(found.created_at)
        .with_updated_at(found.updated_at)
        .with_tags(found.tags.clone())
}

fn check_tags(tags: &BTreeMap<String, String>) -> Result<()> {
    let fits = |text: &str, limit: usize| {
        let is_trimmed = text.trim() == text && text.trim_matches('\u{feff}') == text;
        is_trimmed && text.encode_utf16().count() <= limit
    };
    let is_sound = tags.iter().all(|(key, value)| {
        !key.is_empty() && fits(key, MAX_TAG_KEY_UNITS) && fits(value, MAX_TAG_VALUE_UNITS)
    });
    if is_sound {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::InvalidValue,
        "the tags do not fit into the metadata of a secret",
    )
    .with_hint(format!(
        "keys of 1 to {MAX_TAG_KEY_UNITS} characters, values of up to {MAX_TAG_VALUE_UNITS}, no white space at their ends"
    )))
}

fn unsupported(operation: Operation, why: &'static str, hint: &'static str) -> Error {
    Error::new(ErrorKind::Unsupported, why)
        .with_operation(operation)
        .with_hint(hint)
}

#[async_trait]
impl SecretProvider for InfisicalProvider {
    fn info(&self) -> &ProviderInfo {
        &self.info
    }

    async fn get(&self, name: &SecretName, options: &GetOptions) -> Result<Secret> {
        self.read(name, options).await
    }

    async fn get_many(&self, items: &[GetItem]) -> Vec<Result<Secret>> {
        self.read_many(items).await
    }

    fn planner(&self) -> Option<&dyn Planner> {
        Some(self)
    }

    fn permissions(&self) -> Option<&dyn Permissions> {
        Some(self)
    }

    async fn describe(&self, name: &SecretName, options: &DescribeOptions) -> Result<Metadata> {
        let describe = async {
            let place = self.root.place(name)?;
            match &options.version {
                None => {
                    let found = self.client.secret(&place, None, self.described()).await?;
                    Ok(metadata(name, &found))
                }
                Some(version) => {
                    let found = self.version(&place, version, View::FACTS).await?;
                    Ok(version_metadata(name, &found))
                }
            }
        };
        describe
            .await
            .map_err(|failure: Error| failure.with_name(name))
    }

    async fn list(&self, options: &ListOptions) -> Result<Page> {
        let Some(folder) = self.root.folder_of_prefix(&options.prefix) else {
            return Ok(Page::default());
        };
        let names = self.walk(&folder).await?;
        let after = options.page_token.as_ref().map(PageToken::as_str);
        let mut matching = names
            .iter()
            .filter(|(name, _)| name.as_str().starts_with(&options.prefix))
            .skip_while(|(name, _)| after.is_some_and(|after| name.as_str() <= after))
            .peekable();
        let size = options.page_size.map_or(usize::MAX, |size| size.max(1));
        let mut items = Vec::new();
        while items.len() < size
            && let Some((name, found)) = matching.next()
        {
            items.push(listed(name, found));
        }
        let last = items.last().filter(|_| matching.peek().is_some());
        let next = last.map(|last: &Metadata| PageToken::new(last.name.as_str()));
        Ok(Page::new(items, next))
    }

    async fn put(
        &self,
        name: &SecretName,
        value: &SecretValue,
        options: &PutOptions,
    ) -> Result<Metadata> {
        let put = async {
            let place = self.root.place(name)?;
            if options.expires_at.is_some() {
                return Err(unsupported(
                    Operation::Put,
                    "values of this provider do not expire",
                    "leave the end of validity out",
                ));
            }
            if !matches!(options.mode, PutMode::Upsert | PutMode::Create) {
                return Err(unsupported(
                    Operation::Put,
                    "infisical has no writes that depend on the version they replace",
                    "write without the condition, or only if the secret does not exist",
                ));
            }
            if let Some(tags) = &options.tags {
                check_tags(tags)?;
            }
            let stored = self.behaviour.codec.stored(value)?;
            let mut found = self.write(&place, &stored, options).await?;
            if let Some(tags) = &options.tags {
                self.check_kept(&place, tags).await?;
                // The server does not repeat them.
                found.tags.clone_from(tags);
            }
            Ok(metadata(name, &found))
        };
        put.await.map_err(|failure: Error| failure.with_name(name))
    }

    async fn delete(&self, name: &SecretName, options: &DeleteOptions) -> Result<()> {
        let delete = async {
            let place = self.root.place(name)?;
            if options.mode != DeleteMode::Soft {
                return Err(unsupported(
                    Operation::Delete,
                    "infisical keeps the history of what is deleted, and its API cannot end it",
                    "delete without `--purge`; an administrator can still see the history",
                ));
            }
            self.client.delete(&place).await
        };
        delete.await.map_err(|failure| failure.with_name(name))
    }

    async fn restore(&self, name: &SecretName) -> Result<()> {
        Err(unsupported(
            Operation::Restore,
            "a deleted secret cannot be restored through infisical's API",
            "an administrator can bring it back from the folder's history",
        )
        .with_name(name))
    }

    async fn versions(&self, name: &SecretName, options: &VersionsOptions) -> Result<Page> {
        let versions = async {
            let place = self.root.place(name)?;
            let current = self.client.secret(&place, None, View::FACTS).await?;
            let newest = current
                .version
                .ok_or_else(|| error::not_understood("no version"))?;
            let from = match &options.page_token {
                None => newest,
                Some(token) => token
                    .as_str()
                    .parse::<u64>()
                    .map_err(|_| Error::invalid_page_token())?
                    .min(newest),
            };
            let size = options.page_size.unwrap_or(VERSIONS_ON_A_PAGE).max(1);
            let oldest = from.saturating_sub(size as u64) + 1;
            let place = &place;
            let reads: Vec<_> = (oldest.max(1)..=from)
                .rev()
                .map(|number| async move {
                    (
                        number,
                        self.client.secret(place, Some(number), View::FACTS).await,
                    )
                })
                .collect();
            let mut reads = stream::iter(reads).buffered(IN_FLIGHT);
            let mut items = Vec::new();
            while let Some((number, read)) = reads.next().await {
                match read {
                    Ok(found) if found.version != Some(number) => {
                        return Err(error::versions_ignored());
                    }
                    Ok(found) if found.id == current.id => {
                        items.push(version_metadata(name, &found));
                    }
                    // One of a deleted secret of the same key hides it.
                    Ok(_) if number == newest => {
                        items.push(metadata(name, &current).with_updated_at(None));
                    }
                    Ok(_) => {}
                    // The server removes the oldest ones, so that there is none before it either.
                    Err(failure) if failure.kind() == ErrorKind::NotFound => {
                        return Ok(Page::new(items, None));
                    }
                    Err(failure) => return Err(failure),
                }
            }
            let next = (oldest > 1).then(|| PageToken::new((oldest - 1).to_string()));
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
        let rollback = async {
            let place = self.root.place(name)?;
            let old = self.version(&place, to, View::STORED).await?;
            let stored = old.stored.as_ref().ok_or_else(error::hidden)?;
            let stored = self.behaviour.codec.stored_again(stored);
            let found = self.client.update(&place, &stored, None).await?;
            Ok(metadata(name, &found))
        };
        rollback
            .await
            .map_err(|failure: Error| failure.with_name(name))
    }

    async fn health(&self) -> Result<Health> {
        Ok(match self.client.status().await {
            Ok(()) => Health::new(HealthStatus::Healthy, "the server is up"),
            Err(failure) => Health::new(HealthStatus::Unavailable, failure.message().to_owned()),
        })
    }

    async fn close(&self) -> Result<()> {
        self.client.auth().close().await
    }
}

impl Planner for InfisicalProvider {
    fn plan(&self, items: &[GetItem]) -> Vec<PlannedCall> {
        batch::planned(batch::steps(&self.root, items), items)
    }
}

impl Permissions for InfisicalProvider {
    fn least_privilege(&self, names: &[SecretName]) -> Result<LeastPrivilege> {
        let (project, environment) = (self.client.project(), self.client.environment());
        permissions::for_names(&self.root, project, environment, names)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_numbers_from_1_are_versions() {
        assert_eq!(number_of(&Version::new("12")).unwrap(), 12);
        for text in ["0", "", "01", "+1", "-1", "1.0", "latest", "2147483648"] {
            let error = number_of(&Version::new(text)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NotFound);
        }
    }

    #[test]
    fn tags_that_the_server_would_change_are_refused() {
        let tags = |key: &str, value: &str| [(key.to_owned(), value.to_owned())].into();
        assert!(check_tags(&tags("team", "")).is_ok());
        assert!(check_tags(&tags(&"é".repeat(255), &"é".repeat(1020))).is_ok());
        for (key, value) in [
            ("", "a"),
            (" a", ""),
            ("a", "b\n"),
            ("a\u{feff}", ""),
            (&"a".repeat(256), ""),
            ("a", &"b".repeat(1021)),
        ] {
            assert!(check_tags(&tags(key, value)).is_err(), "{key:?} {value:?}");
        }
    }
}
