//! Maps each name to a key of one secret whose value is a JSON object.

use secrets_core::{
    Capabilities, Capability, DeleteMode, DescribeOptions, Error, ErrorKind, GetItem, GetOptions,
    ListOptions, Metadata, Operation, Page, PageToken, PlannedCall, PutMode, PutOptions, Result,
    Secret, SecretName, SecretValue, Version,
};
use secrets_provider::run_to_completion;

use super::per_secret::PerSecret;
use crate::client::Client;
use crate::limits::MAX_VALUE_BYTES;
use crate::names::Names;
use crate::value::{Fields, not_an_object, without_mark};
use crate::wire::{Payload, Read, Selector};

/// How often a write starts again because another one came between. With that many writers at once, each one succeeds.
const ROUNDS: usize = 32;

/// What can be done with the keys of one secret. A key is deleted for good as far as the current version goes; earlier
/// versions of the whole secret keep it.
pub(crate) const CAPABILITIES: Capabilities = Capabilities::new(&[
    Capability::Put,
    Capability::Create,
    Capability::IfVersion,
    Capability::Delete,
    Capability::List,
    Capability::Describe,
    Capability::Batch,
])
// All keys share the room of one value, and text may need escapes.
.with_max_value_bytes(MAX_VALUE_BYTES / 2);

/// One secret with many keys. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct JsonKeys {
    client: Client,
    /// Writes the whole value.
    secrets: PerSecret,
    id: String,
}

impl JsonKeys {
    pub(crate) fn new(client: Client, id: String, kms_key: Option<String>) -> Self {
        Self {
            secrets: PerSecret::new(client.clone(), Names::default(), kms_key, None),
            client,
            id,
        }
    }

    /// What the service calls the secret.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// The key that it is encrypted with, if it is not AWS's own.
    pub(crate) fn kms_key(&self) -> Option<&str> {
        self.secrets.kms_key()
    }

    /// The whole secret as it is now.
    async fn read(&self) -> Result<Read> {
        self.client.check_region(&self.id).await?;
        let read = self.client.get(&self.id, &Selector::Current).await;
        let mut read = read.map_err(|failure| self.of_secret_name(failure))?;
        read.value = without_mark(read.value);
        Ok(read)
    }

    fn of_secret_name(&self, failure: Error) -> Error {
        let message = format!("{}, the secret of `secret_name`", failure.message());
        let mut error = Error::new(failure.kind(), message);
        if let Some(hint) = failure.hint() {
            error = error.with_hint(hint.to_owned());
        }
        match failure.retry_after() {
            Some(wait) => error.with_retry_after(wait),
            None => error,
        }
    }

    pub(crate) async fn get(&self, name: &SecretName, options: &GetOptions) -> Result<Secret> {
        no_versions(options)?;
        let read = self.read().await.map_err(|error| error.with_name(name))?;
        key_of(&read, name)
    }

    pub(crate) async fn get_many(&self, items: &[GetItem]) -> Vec<Result<Secret>> {
        let read = match items.iter().any(|item| item.options.version.is_none()) {
            true => self.read().await,
            false => Err(Error::unsupported(Operation::Versions)),
        };
        items
            .iter()
            .map(|item| {
                no_versions(&item.options)?;
                match &read {
                    Ok(read) => key_of(read, &item.name),
                    Err(failure) => Err(failure.clone().with_name(&item.name)),
                }
            })
            .collect()
    }

    pub(crate) fn plan(&self, items: &[GetItem]) -> Vec<PlannedCall> {
        let (refused, asked): (Vec<_>, Vec<_>) =
            (0..items.len()).partition(|item| items[*item].options.version.is_some());
        [("GetSecretValue", asked, 1), ("refused", refused, 0)]
            .into_iter()
            .filter(|(_, items, _)| !items.is_empty())
            .map(|(call, items, requests)| PlannedCall::new(call, items, requests))
            .collect()
    }

    pub(crate) async fn describe(
        &self,
        name: &SecretName,
        options: &DescribeOptions,
    ) -> Result<Metadata> {
        if options.version.is_some() {
            return Err(Error::unsupported(Operation::Versions));
        }
        let read = self.read().await.map_err(|error| error.with_name(name))?;
        key_of(&read, name).map(|secret| secret.metadata)
    }

    pub(crate) async fn list(&self, options: &ListOptions) -> Result<Page> {
        let read = match self.read().await {
            Ok(read) => read,
            // No secret yet is no key yet, as an empty folder is.
            Err(missing) if missing.kind() == ErrorKind::NotFound => return Ok(Page::default()),
            Err(failure) => return Err(failure),
        };
        let fields = Fields::parse(&read.value)?;
        let mut names: Vec<SecretName> = fields
            .keys()
            .filter_map(|key| SecretName::new(key).ok())
            .filter(|name| name.as_str().starts_with(&options.prefix))
            .collect();
        names.sort();
        names.dedup();
        let start = match &options.page_token {
            Some(token) => names.partition_point(|name| name.as_str() <= token.as_str()),
            None => 0,
        };
        let size = options.page_size.unwrap_or(names.len()).max(1);
        let page = &names[start..names.len().min(start.saturating_add(size))];
        let next = match page.last() {
            Some(last) if start + page.len() < names.len() => Some(PageToken::new(last.as_str())),
            _ => None,
        };
        let items = page.iter().map(|name| metadata(name, &read));
        Ok(Page::new(items.collect(), next))
    }

    pub(crate) async fn put(
        &self,
        name: &SecretName,
        value: &SecretValue,
        options: &PutOptions,
    ) -> Result<Metadata> {
        if options.tags.is_some() {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "a key of one secret has no tags of its own",
            )
            .with_operation(Operation::Put));
        }
        let limit = CAPABILITIES.max_value_bytes.unwrap_or(MAX_VALUE_BYTES);
        if value.len() > limit {
            return Err(too_large(limit).with_name(name));
        }
        value.expose_str().map_err(|_| {
            Error::new(
                ErrorKind::InvalidValue,
                "the value is not text, and a key of a JSON object holds nothing else",
            )
            .with_name(name)
            .with_hint(
                "encode it, for example as base64, or use `secret_prefix` instead of `secret_name`",
            )
        })?;
        let (this, task_name, value, mode) = (
            self.clone(),
            name.clone(),
            value.clone(),
            options.mode.clone(),
        );
        let written = run_to_completion("write", async move {
            this.write(&task_name, Some(&value), &mode).await
        });
        let version = written.await.map_err(|error| error.with_name(name))?;
        Ok(Metadata::new(name.clone()).with_version(version))
    }

    pub(crate) async fn delete(&self, name: &SecretName, mode: DeleteMode) -> Result<()> {
        if mode != DeleteMode::Soft {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "a key of one secret stays in its earlier versions",
            )
            .with_operation(Operation::Delete)
            .with_hint("delete it without purge or window, or delete the whole secret in AWS"));
        }
        let (this, task_name) = (self.clone(), name.clone());
        let written = run_to_completion("write", async move {
            this.write(&task_name, None, &PutMode::Upsert).await
        });
        written
            .await
            .map(drop)
            .map_err(|error| error.with_name(name))
    }

    /// Writes the whole value with one key changed, if it is still the one that was read; otherwise starts again.
    async fn write(
        &self,
        name: &SecretName,
        value: Option<&SecretValue>,
        mode: &PutMode,
    ) -> Result<Option<Version>> {
        for round in 0..ROUNDS {
            let written = self.try_write(name, value, mode).await;
            match written {
                Err(lost) if lost.kind() == ErrorKind::Conflict => {
                    if matches!(mode, PutMode::IfVersion(_)) {
                        return Err(lost);
                    }
                    let wait = fastrand::u64(1..=4 << round.min(5));
                    tokio::time::sleep(std::time::Duration::from_millis(wait)).await;
                }
                written => return written,
            }
        }
        Err(Error::new(
            ErrorKind::Conflict,
            format!("others changed the secret {ROUNDS} times in between"),
        )
        .with_hint("try again, or keep what changes often in secrets of its own"))
    }

    async fn try_write(
        &self,
        name: &SecretName,
        value: Option<&SecretValue>,
        mode: &PutMode,
    ) -> Result<Option<Version>> {
        let read = match self.read().await {
            Err(missing) if missing.kind() == ErrorKind::NotFound => None,
            read => Some(read?),
        };
        let fields = match &read {
            Some(read) => Fields::parse(&read.value)?,
            None => Fields::default(),
        };
        let version = read.as_ref().and_then(|read| read.version.as_deref());
        let is_there = fields.position(name).is_some();
        match mode {
            PutMode::Create if is_there => return Err(Error::from(ErrorKind::AlreadyExists)),
            PutMode::IfVersion(expected) if !is_there || version != Some(expected.as_str()) => {
                return Err(Error::from(ErrorKind::Conflict)
                    .with_hint("read the secret again, then repeat the change"));
            }
            _ if value.is_none() && !is_there => return Err(Error::from(ErrorKind::NotFound)),
            _ => {}
        }
        let whole = fields.with(name, value)?;
        if whole.len() > MAX_VALUE_BYTES {
            return Err(too_large(MAX_VALUE_BYTES));
        }
        let options = match version {
            Some(version) => PutOptions::default().with_mode(PutMode::IfVersion(version.into())),
            None => PutOptions::default().with_mode(PutMode::Create),
        };
        let payload = Payload {
            value: &whole,
            as_bytes: read.as_ref().is_some_and(|read| read.is_binary),
        };
        match self.secrets.write_whole(&self.id, payload, options).await {
            // Somebody else made the secret just now.
            Err(exists) if exists.kind() == ErrorKind::AlreadyExists => {
                Err(Error::from(ErrorKind::Conflict))
            }
            written => written.map(|version| version.map(Version::new)),
        }
    }

    /// Asks whether the secret is there.
    pub(crate) async fn probe(&self) -> Result<String> {
        self.client.check_region(&self.id).await?;
        match self.client.describe(&self.id).await {
            Ok(found) if found.is_deleted => {
                Err(self.of_secret_name(Error::from(ErrorKind::Deleted)))
            }
            Ok(_) => Ok("the secret of `secret_name` is there".to_owned()),
            Err(missing) if missing.kind() == ErrorKind::NotFound => {
                Ok("the secret of `secret_name` does not exist yet".to_owned())
            }
            Err(failure) => Err(self.of_secret_name(failure)),
        }
    }
}

fn no_versions(options: &GetOptions) -> Result<()> {
    match options.version {
        None => Ok(()),
        Some(_) => Err(Error::new(
            ErrorKind::Unsupported,
            "a key of one secret has no versions of its own",
        )
        .with_hint("leave the version out, or use `secret_prefix` instead of `secret_name`")),
    }
}

fn too_large(limit: usize) -> Error {
    Error::new(
        ErrorKind::InvalidValue,
        format!("the value is too large: {limit} bytes are the limit, and all keys share {MAX_VALUE_BYTES}"),
    )
    .with_hint("keep large values in secrets of their own, with `secret_prefix` instead of `secret_name`")
}

fn metadata(name: &SecretName, read: &Read) -> Metadata {
    Metadata::new(name.clone())
        .with_version(read.version.as_deref().map(Version::new))
        .with_created_at(read.created)
}

fn key_of(read: &Read, name: &SecretName) -> Result<Secret> {
    let value = read.value.field(name.as_str()).map_err(|error| {
        match error.kind() {
            ErrorKind::NotFound => Error::new(
                ErrorKind::NotFound,
                "the secret of `secret_name` has no such key",
            ),
            _ => not_an_object(),
        }
        .with_name(name)
    })?;
    Ok(Secret::new(value, metadata(name, read)))
}
