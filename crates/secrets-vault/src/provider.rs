use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use async_trait::async_trait;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use secrets_core::{
    Capabilities, Capability, Clock, DeleteMode, DeleteOptions, DescribeOptions, Error, ErrorKind,
    GetOptions, Grants, Health, HealthStatus, Leases, ListOptions, Location, MAX_NAME_BYTES,
    Metadata, Operation, Page, PageToken, ProviderInfo, PutMode, PutOptions, Result,
    RollbackOptions, Secret, SecretName, SecretProvider, SecretState, SecretValue, Version,
    VersionsOptions,
};

use crate::client::{Client, Detailed, Guess, Keys, Kv2Secret, SecretFacts, VersionFacts};
use crate::endpoint::encode_path;
use crate::error;
use crate::grants;
use crate::shape::{Keeping, MAX_VALUE_BYTES, Shaper};
use crate::{CAPABILITIES, Engine, SCHEME};

/// How many keys a folder is asked for at once, by servers that page.
const KEYS_AT_ONCE: usize = 1000;
/// How many secrets are described at once, for a listing that does not tell which are deleted.
const DESCRIBED_AT_ONCE: usize = 16;
/// The server's limits for custom metadata (KV version 2 API documentation).
const MAX_TAGS: usize = 64;
const MAX_TAG_KEY_BYTES: usize = 128;
const MAX_TAG_VALUE_BYTES: usize = 512;

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
    engine: KnownEngine,
    detection: tokio::sync::Mutex<()>,
    /// The server refused to tell the engine, so that a refused read is not followed by that question again.
    detection_refused: AtomicBool,
    lists_details: AtomicBool,
    kv2: ProviderInfo,
    kv1: ProviderInfo,
    generic: ProviderInfo,
}

struct KnownEngine(AtomicU8);

impl KnownEngine {
    const ALL: [Engine; 4] = [Engine::Auto, Engine::KvV2, Engine::KvV1, Engine::Generic];

    fn new(engine: Engine) -> Self {
        let known = Self(AtomicU8::new(0));
        known.set(engine);
        known
    }

    /// `Auto` while it is not known.
    fn load(&self) -> Engine {
        Self::ALL[usize::from(self.0.load(Ordering::Acquire))]
    }

    fn set(&self, engine: Engine) {
        for (number, candidate) in (0u8..).zip(Self::ALL) {
            if candidate == engine {
                self.0.store(number, Ordering::Release);
            }
        }
    }
}

impl fmt::Debug for VaultProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VaultProvider")
            .field("location", &self.kv2.location)
            .field("engine", &self.engine.load())
            .finish_non_exhaustive()
    }
}

impl VaultProvider {
    pub(crate) fn new(
        client: Client,
        shaper: Shaper,
        engine: Engine,
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
            engine: KnownEngine::new(engine),
            detection: tokio::sync::Mutex::new(()),
            detection_refused: AtomicBool::new(false),
            lists_details: AtomicBool::new(true),
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

    /// The engine, asked from the server once if it is not known. Of many callers at once one asks.
    async fn engine(&self) -> Result<Engine> {
        if self.engine.load() == Engine::Auto {
            let _one = self.detection.lock().await;
            if self.engine.load() == Engine::Auto {
                match self.client.engine().await {
                    Ok(engine) => self.engine.set(engine),
                    Err(failure) => {
                        if failure.kind() == ErrorKind::PermissionDenied {
                            self.detection_refused.store(true, Ordering::Relaxed);
                        }
                        return Err(failure);
                    }
                }
            }
        }
        Ok(self.engine.load())
    }

    /// The engine for an operation in this folder (empty, or with a trailing `/`) that cannot start with a guess.
    async fn engine_for(&self, operation: Operation, folder: &str) -> Result<Engine> {
        match self.engine().await {
            Ok(engine) => Ok(engine),
            // The server answers so to every token, an administrator's too, if nothing is mounted.
            Err(failure) if failure.kind() == ErrorKind::PermissionDenied => {
                self.client.expect_mount(folder).await?;
                Err(error::unknown_engine(self.client.mount(), &failure))
            }
            Err(failure) => Err(failure.with_operation(operation)),
        }
    }

    /// For operations that only KV version 2 has.
    async fn expect_kv2(&self, operation: Operation, name: &SecretName) -> Result<()> {
        match self.engine_for(operation, folder_of(name.as_str())).await? {
            Engine::KvV2 => Ok(()),
            _ => Err(Error::unsupported(operation)),
        }
    }

    async fn read(
        &self,
        path: &str,
        name: &SecretName,
        version: Option<&Version>,
    ) -> Result<Secret> {
        let number = version.map(number_of).transpose()?;
        match self.engine.load() {
            Engine::KvV2 => self.kv2_secret(name, self.client.read_kv2(path, number).await?),
            Engine::Auto => {
                let open = match self.client.guess_kv2(path, number).await? {
                    Guess::Right(outcome) => {
                        self.engine.set(Engine::KvV2);
                        return self.kv2_secret(name, outcome?);
                    }
                    Guess::Open(open) => open,
                };
                let is_denied = open
                    .as_ref()
                    .is_some_and(|open| open.kind() == ErrorKind::PermissionDenied);
                if let (Some(open), true) = (&open, is_denied)
                    && self.detection_refused.load(Ordering::Relaxed)
                {
                    return Err(error::denied_at(self.client.mount(), open.clone()));
                }
                match (self.engine().await, open) {
                    (Ok(Engine::KvV2), Some(open)) => Err(open),
                    (Ok(Engine::KvV2), None) => {
                        self.kv2_secret(name, self.client.read_kv2(path, number).await?)
                    }
                    (Ok(_), _) => self.read_plain(path, name, version).await,
                    // Nothing there says that this is version 2, so "not found" would be a guess.
                    (Err(failure), Some(open)) if open.kind() == ErrorKind::NotFound => {
                        Err(match failure.kind() {
                            ErrorKind::PermissionDenied => {
                                error::unknown_engine(self.client.mount(), &failure)
                            }
                            _ => failure,
                        })
                    }
                    (Err(failure), Some(open)) => match failure.kind() {
                        ErrorKind::PermissionDenied if is_denied => {
                            Err(error::denied_at(self.client.mount(), open))
                        }
                        ErrorKind::PermissionDenied => Err(open),
                        _ => Err(failure),
                    },
                    (Err(failure), None) => {
                        Err(error::unknown_engine(self.client.mount(), &failure))
                    }
                }
            }
            _ => self.read_plain(path, name, version).await,
        }
    }

    fn kv2_secret(&self, name: &SecretName, found: Kv2Secret) -> Result<Secret> {
        let metadata = version_metadata(name, &found.version, &found.version.tags);
        Ok(Secret::new(self.shaper.value_of(found.map)?, metadata))
    }

    async fn read_plain(
        &self,
        path: &str,
        name: &SecretName,
        version: Option<&Version>,
    ) -> Result<Secret> {
        if version.is_some() {
            return Err(
                Error::new(ErrorKind::Unsupported, "this mount keeps no versions")
                    .with_hint("leave the version out, or use a mount of KV version 2"),
            );
        }
        let found = self.client.read_plain(path).await?;
        let metadata = Metadata::new(name.clone());
        if self.engine.load() != Engine::Generic {
            return Ok(Secret::new(self.shaper.value_of(found.map)?, metadata));
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
        let path = path_of(name)?;
        let Some(tags) = tags else {
            let written = self.client.write_kv2(&path, &map, cas).await?;
            return Ok(version_metadata(name, &written, &written.tags));
        };
        // Two requests, that a caller who goes away must not separate.
        let (client, name) = (self.client.clone(), name.clone());
        let task = tokio::spawn(async move {
            let written = client.write_kv2(&path, &map, cas).await?;
            client.write_tags(&path, &tags).await.map_err(|failure| {
                Error::new(
                    failure.kind(),
                    format!(
                        "version {} was written, but not its tags: {}",
                        written.number,
                        failure.message()
                    ),
                )
            })?;
            Ok(version_metadata(&name, &written, &tags))
        });
        task.await
            .map_err(|_| Error::new(ErrorKind::Unexpected, "the write did not come to its end"))?
    }

    /// One page of the names below a prefix: a walk through the folders, which starts behind the last name of the page
    /// before. Keys of folders end in `/`, so that their order is that of all full names.
    async fn walk(&self, engine: Engine, options: &ListOptions) -> Result<Page> {
        let wanted = options.page_size.map(|size| size.max(1));
        let after = options.page_token.as_ref().map(PageToken::as_str);
        let mut folders = starting_points(&options.prefix, after)?;
        let mut items = Vec::new();
        let mut last = after.unwrap_or_default().to_owned();
        while let Some(mut folder) = folders.pop() {
            let found = items.len();
            if found >= wanted.unwrap_or(KEYS_AT_ONCE) {
                return Ok(Page::new(items, Some(PageToken::new(last))));
            }
            let mut listed = match folder.listed.take() {
                Some(listed) => listed,
                None => {
                    let room = wanted.map_or(KEYS_AT_ONCE, |wanted| wanted - found);
                    self.list_folder(engine, &folder, room.min(KEYS_AT_ONCE))
                        .await?
                }
            };
            let mut taken = Vec::new();
            let mut subfolder = None;
            while let Some(key) = listed.keys.pop_front() {
                let full = format!("{}{key}", folder.path);
                let is_folder = key.ends_with('/');
                if full.starts_with(&options.prefix)
                    || is_folder && options.prefix.starts_with(&full)
                {
                    if is_folder {
                        // No name of ours is so long, and a server may know folders without end.
                        subfolder = (full.len() < MAX_NAME_BYTES).then_some(full);
                    } else if wanted == Some(found + taken.len()) {
                        self.take(&mut items, taken).await?;
                        return Ok(Page::new(items, Some(PageToken::new(last))));
                    } else {
                        last.clone_from(&full);
                        // A name that is none of ours, such as one with an empty segment, could not be asked for.
                        if let Ok(name) = SecretName::new(&full) {
                            taken.push((name, listed.facts.remove(&key)));
                        }
                    }
                } else if full > options.prefix {
                    listed.keys.clear();
                    listed.is_cut = false;
                }
                folder.after = Some(key);
                if subfolder.is_some() {
                    break;
                }
            }
            self.take(&mut items, taken).await?;
            if subfolder.is_some() && !listed.keys.is_empty() {
                folder.listed = Some(listed);
                folders.push(folder);
            } else if listed.is_cut {
                folders.push(folder);
            }
            // What follows a folder has to wait until that has been walked.
            folders.extend(subfolder.map(|path| Folder::new(path, None)));
        }
        Ok(Page::new(items, None))
    }

    /// Adds those that are not deleted, and asks about each whose state the listing did not tell.
    async fn take(
        &self,
        items: &mut Vec<Metadata>,
        taken: Vec<(SecretName, Option<SecretFacts>)>,
    ) -> Result<()> {
        let is_kv2 = self.engine.load() == Engine::KvV2;
        let described: Vec<_> = taken
            .into_iter()
            .map(|(name, facts)| async move {
                match facts {
                    Some(facts) => Ok(Some(secret_metadata(&name, &facts))),
                    None if !is_kv2 => Ok(Some(Metadata::new(name))),
                    None => match self.client.metadata(&path_of(&name)?).await {
                        Ok(facts) => Ok(Some(secret_metadata(&name, &facts))),
                        // Deleted since it was listed.
                        Err(gone) if gone.kind() == ErrorKind::NotFound => Ok(None),
                        Err(failure) => Err(failure),
                    },
                }
            })
            .collect();
        let described: Vec<_> = stream::iter(described)
            .buffered(DESCRIBED_AT_ONCE)
            .try_collect()
            .await?;
        let enabled = |metadata: &Metadata| metadata.state == SecretState::Enabled;
        items.extend(described.into_iter().flatten().filter(enabled));
        Ok(())
    }

    async fn list_folder(&self, engine: Engine, folder: &Folder, limit: usize) -> Result<Keys> {
        let after = folder.after.as_deref();
        if engine == Engine::KvV1 {
            let mut listed = self.client.list_plain(&folder.path).await?;
            if let Some(after) = after {
                listed.keys.retain(|key| key.as_str() > after);
            }
            return Ok(listed);
        }
        if self.lists_details.load(Ordering::Relaxed) {
            match self
                .client
                .list_detailed(&folder.path, after, limit)
                .await?
            {
                Detailed::Keys(keys) => return Ok(keys),
                Detailed::Absent => self.lists_details.store(false, Ordering::Relaxed),
            }
        }
        self.client.list_kv2(&folder.path, after, limit).await
    }
}

/// A folder still to be walked, from behind this key.
struct Folder {
    /// With a trailing `/`; empty for the mount's root.
    path: String,
    after: Option<String>,
    /// What was listed already and not walked yet.
    listed: Option<Keys>,
}

impl Folder {
    fn new(path: String, after: Option<String>) -> Self {
        Self {
            path,
            after,
            listed: None,
        }
    }
}

/// The folders of a walk, the first one last: the prefix's own, or those that hold what follows a name.
fn starting_points(prefix: &str, after: Option<&str>) -> Result<Vec<Folder>> {
    let folder = folder_of(prefix);
    let Some(after) = after else {
        return Ok(vec![Folder::new(folder.to_owned(), None)]);
    };
    let below = after.strip_prefix(folder).ok_or_else(|| {
        error::invalid_config("the page token is not of this listing")
            .with_hint("start the listing again")
    })?;
    let mut folders = Vec::new();
    let mut path = folder.to_owned();
    let mut rest = below;
    while let Some(at) = rest.find('/') {
        let key = &rest[..=at];
        folders.push(Folder::new(path.clone(), Some(key.to_owned())));
        path.push_str(key);
        rest = &rest[at + 1..];
    }
    folders.push(Folder::new(path, Some(rest.to_owned())));
    Ok(folders)
}

/// The folder that a name or prefix is in: empty, or with a trailing `/`.
fn folder_of(name: &str) -> &str {
    &name[..name.rfind('/').map_or(0, |at| at + 1)]
}

/// The path of a name below the mount, encoded.
fn path_of(name: &SecretName) -> Result<String> {
    if name.as_str().contains("..") {
        return Err(error::name_with_dots(name));
    }
    Ok(encode_path(name.as_str()))
}

/// A version's number. Anything else is a version that never was; 0 would be the current one to the server.
fn number_of(version: &Version) -> Result<u64> {
    let text = version.as_str();
    let number = text
        .parse::<u64>()
        .ok()
        .filter(|number| *number > 0 && number.to_string() == text);
    number.ok_or_else(|| error::no_version(version))
}

/// Names the version where one was asked for: the server does not tell a missing version from a missing secret.
fn missing(failure: Error, version: Option<&Version>) -> Error {
    match version {
        Some(version) if failure.kind() == ErrorKind::NotFound => error::no_version(version),
        _ => failure,
    }
}

fn version_metadata(
    name: &SecretName,
    version: &VersionFacts,
    tags: &BTreeMap<String, String>,
) -> Metadata {
    Metadata::new(name.clone())
        .with_version(Version::new(version.number.to_string()))
        .with_created_at(version.created_at)
        .with_expires_at(version.ends_at)
        .with_tags(tags.clone())
        .with_state(state_of(version))
}

fn state_of(version: &VersionFacts) -> SecretState {
    if version.is_destroyed {
        SecretState::Destroyed
    } else if version.is_deleted {
        SecretState::Deleted
    } else {
        SecretState::Enabled
    }
}

/// A secret as a listing tells it: its own time of creation, the state of its current version.
fn secret_metadata(name: &SecretName, facts: &SecretFacts) -> Metadata {
    match facts.version(facts.current) {
        Some(current) => version_metadata(name, current, &facts.tags)
            .with_created_at(facts.created_at)
            .with_updated_at(facts.updated_at),
        // Metadata alone can be written too; there is nothing to read then.
        None => Metadata::new(name.clone())
            .with_tags(facts.tags.clone())
            .with_state(SecretState::Destroyed),
    }
}

fn check_tags(tags: &BTreeMap<String, String>) -> Result<()> {
    let fits = |(key, value): (&String, &String)| {
        !key.is_empty() && key.len() <= MAX_TAG_KEY_BYTES && value.len() <= MAX_TAG_VALUE_BYTES
    };
    if tags.len() <= MAX_TAGS && tags.iter().all(fits) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::InvalidValue, "the tags do not fit into custom metadata").with_hint(
        format!(
            "at most {MAX_TAGS} tags, keys of 1 to {MAX_TAG_KEY_BYTES} bytes, values of up to {MAX_TAG_VALUE_BYTES} bytes"
        ),
    ))
}

/// Text of the server on one line of bounded length.
pub(crate) fn one_line(text: &str, length: usize) -> String {
    text.chars()
        .filter(|c| !c.is_control())
        .take(length)
        .collect()
}

#[async_trait]
impl SecretProvider for VaultProvider {
    fn info(&self) -> &ProviderInfo {
        match self.engine.load() {
            Engine::Auto | Engine::KvV2 => &self.kv2,
            Engine::KvV1 => &self.kv1,
            Engine::Generic => &self.generic,
        }
    }

    async fn get(&self, name: &SecretName, options: &GetOptions) -> Result<Secret> {
        let path = path_of(name)?;
        let version = options.version.as_ref();
        self.read(&path, name, version)
            .await
            .map_err(|failure| missing(failure, version).with_name(name))
    }

    fn grants(&self, names: &[SecretName]) -> Result<Option<Grants>> {
        let (engine, mount) = (self.engine.load(), self.client.mount());
        grants::of(engine, mount, &self.kv2.location, names).map(Some)
    }

    fn leases(&self) -> Option<&dyn Leases> {
        Some(self)
    }

    async fn describe(&self, name: &SecretName, options: &DescribeOptions) -> Result<Metadata> {
        let path = path_of(name)?;
        let describe = async {
            match self
                .engine_for(Operation::Describe, folder_of(name.as_str()))
                .await?
            {
                Engine::KvV2 => {
                    let facts = self.client.metadata(&path).await?;
                    let number = match &options.version {
                        Some(version) => number_of(version)?,
                        None => facts.current,
                    };
                    let version = facts.version(number).ok_or_else(|| {
                        missing(Error::of(ErrorKind::NotFound), options.version.as_ref())
                    })?;
                    Ok(version_metadata(name, version, &facts.tags)
                        .with_updated_at(facts.updated_at))
                }
                Engine::KvV1 if options.version.is_none() => {
                    let (folder, key) = match name.as_str().rsplit_once('/') {
                        Some((folder, key)) => (format!("{folder}/"), key),
                        None => (String::new(), name.as_str()),
                    };
                    let listed = self.client.list_plain(&folder).await?;
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
        let path = path_of(name)?;
        if options.expires_at.is_some() {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "values of this provider do not expire",
            )
            .with_operation(Operation::Put)
            .with_hint("a mount or secret of KV version 2 can have `delete_version_after`"));
        }
        if let Some(tags) = &options.tags {
            check_tags(tags)?;
        }
        let put = async {
            Shaper::check_length(value)?;
            match self
                .engine_for(Operation::Put, folder_of(name.as_str()))
                .await?
            {
                Engine::KvV2 => {
                    let cas = match &options.mode {
                        PutMode::Upsert => None,
                        PutMode::Create => Some(0),
                        PutMode::IfVersion(version) => {
                            Some(number_of(version).map_err(|_| Error::of(ErrorKind::Conflict))?)
                        }
                        _ => return Err(Error::unsupported(Operation::Put)),
                    };
                    let map = self.shaper.map_of(value, Keeping::Floats)?;
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
                    let map = self.shaper.map_of(value, Keeping::Text)?;
                    self.client.write_plain(&path, &map).await?;
                    Ok(Metadata::new(name.clone()))
                }
                _ => Err(Error::unsupported(Operation::Put)),
            }
        };
        put.await.map_err(|failure| failure.with_name(name))
    }

    async fn delete(&self, name: &SecretName, options: &DeleteOptions) -> Result<()> {
        let path = path_of(name)?;
        let delete = async {
            let engine = self
                .engine_for(Operation::Delete, folder_of(name.as_str()))
                .await?;
            match (engine, options.mode) {
                // The server calls every delete a success, also that of nothing.
                (Engine::KvV2, DeleteMode::Soft) => {
                    let facts = self.client.metadata(&path).await?;
                    match facts.version(facts.current).map(state_of) {
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
        let path = path_of(name)?;
        let restore = async {
            self.expect_kv2(Operation::Restore, name).await?;
            let facts = self.client.metadata(&path).await?;
            match facts.version(facts.current).map(state_of) {
                Some(SecretState::Deleted) => self.client.undelete(&path, facts.current).await,
                Some(SecretState::Destroyed) => Err(error::deleted(true)),
                Some(_) => Ok(()),
                None => Err(Error::of(ErrorKind::NotFound)),
            }
        };
        restore.await.map_err(|failure| failure.with_name(name))
    }

    async fn versions(&self, name: &SecretName, options: &VersionsOptions) -> Result<Page> {
        let path = path_of(name)?;
        let versions = async {
            self.expect_kv2(Operation::Versions, name).await?;
            let before = match &options.page_token {
                None => u64::MAX,
                Some(token) => token.as_str().parse().map_err(|_| {
                    error::invalid_config("the page token is not of this listing")
                        .with_hint("start the listing again")
                })?,
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
                items.push(version_metadata(name, version, &facts.tags));
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
        let path = path_of(name)?;
        let rollback = async {
            self.expect_kv2(Operation::Rollback, name).await?;
            let read = self.client.read_kv2(&path, Some(number_of(to)?)).await;
            let old = read.map_err(|failure| missing(failure, Some(to)))?;
            // The write happens only if nothing was written since this was read.
            let facts = self.client.metadata(&path).await?;
            let written = self
                .client
                .write_kv2(&path, &old.map, Some(facts.current))
                .await?;
            Ok(version_metadata(name, &written, &facts.tags))
        };
        rollback
            .await
            .map_err(|failure: Error| failure.with_name(name))
    }

    async fn health(&self) -> Result<Health> {
        let state = match self.client.health().await {
            Ok(state) => state,
            Err(failure) => {
                return Ok(Health::new(
                    HealthStatus::Unavailable,
                    failure.message().to_owned(),
                ));
            }
        };
        let version = state
            .version
            .map(|version| format!(", version {version}"))
            .unwrap_or_default();
        let (status, detail) = if state.is_initialized == Some(false) || state.status == 501 {
            (HealthStatus::Unavailable, "not initialised".to_owned())
        } else if state.is_sealed == Some(true) || state.status == 503 {
            (HealthStatus::Unavailable, "sealed".to_owned())
        } else {
            match state.status {
                200 if state.is_standby == Some(true) => {
                    (HealthStatus::Degraded, "standby".to_owned())
                }
                200 => (HealthStatus::Healthy, format!("unsealed{version}")),
                429 => (HealthStatus::Degraded, "standby".to_owned()),
                473 => (HealthStatus::Degraded, "performance standby".to_owned()),
                472 => (
                    HealthStatus::Unavailable,
                    "secondary for disaster recovery".to_owned(),
                ),
                474 => (
                    HealthStatus::Unavailable,
                    "standby without its active node".to_owned(),
                ),
                530 => (
                    HealthStatus::Unavailable,
                    "removed from its cluster".to_owned(),
                ),
                status => (
                    HealthStatus::Unavailable,
                    format!("unexpected status {status}"),
                ),
            }
        };
        Ok(Health::new(status, detail))
    }

    async fn close(&self) -> Result<()> {
        self.client.auth().close().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_resumes_in_every_folder_above_the_last_name() {
        let points = |prefix: &str, after: Option<&str>| -> Vec<(String, Option<String>)> {
            let folders = starting_points(prefix, after).unwrap();
            folders
                .into_iter()
                .rev()
                .map(|folder| (folder.path, folder.after))
                .collect()
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(points("", None), [(String::new(), None)]);
        assert_eq!(points("a/b", None), [("a/".to_owned(), None)]);
        assert_eq!(
            points("a/b", Some("a/b/c/d")),
            [
                ("a/b/c/".to_owned(), some("d")),
                ("a/b/".to_owned(), some("c/")),
                ("a/".to_owned(), some("b/")),
            ]
        );
        assert!(starting_points("a/", Some("b/c")).is_err());
    }

    #[test]
    fn only_whole_numbers_from_1_are_versions() {
        assert_eq!(number_of(&Version::new("12")).unwrap(), 12);
        for text in [
            "0",
            "",
            "01",
            "+1",
            "-1",
            "1.0",
            "latest",
            "99999999999999999999",
        ] {
            assert_eq!(
                number_of(&Version::new(text)).unwrap_err().kind(),
                ErrorKind::NotFound
            );
        }
    }
}
