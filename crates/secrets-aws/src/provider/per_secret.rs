//! Maps each name to its own secret.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use secrets_core::{
    CanonicalName, DeleteMode, Error, ErrorKind, GetItem, ListOptions, Metadata, Operation, Page,
    PageToken, PlannedCall, PutMode, PutOptions, Result, Secret, SecretName, SecretState,
    SecretValue, Version, VersionsOptions,
};
use secrets_provider::run_to_completion;
use sha2::{Digest, Sha256};

use crate::client::Client;
use crate::error::{self, about};
use crate::limits::MAX_PAGE;
use crate::limits::{BATCH, IN_FLIGHT, MAX_STAGE_BYTES, RECOVERY_DAYS, VERSION_ID_BYTES};
use crate::names::{Arn, Filter, Names};
use crate::value::{AWS_TAG, check_tags, check_value};
use crate::wire::{
    Batch, CURRENT, Creation, Deletion, Description, Payload, Read, Selector, VersionEntry,
};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The secrets below a prefix. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct PerSecret {
    client: Client,
    names: Names,
    kms_key: Option<String>,
    recovery_days: Option<u8>,
}

/// How the items of a batch are asked for.
#[derive(Default)]
struct Grouping {
    /// Those that are refused before any call.
    refused: Vec<(usize, Error)>,
    calls: Vec<(Group, Vec<usize>)>,
}

enum Group {
    One(String, Selector),
    /// Ids, each with the items that it answers.
    Batch(Vec<(String, Vec<usize>)>),
}

impl PerSecret {
    pub(crate) fn new(
        client: Client,
        names: Names,
        kms_key: Option<String>,
        recovery_days: Option<u8>,
    ) -> Self {
        Self {
            client,
            names,
            kms_key,
            recovery_days,
        }
    }

    /// The names that a name or an ARN may address.
    pub(crate) fn canonical_name(&self, name: &SecretName) -> CanonicalName {
        self.names.canonical(name)
    }

    /// What the service calls the secret.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidName`] if it takes no such name.
    pub(crate) fn id(&self, name: &SecretName) -> Result<String> {
        self.names.id(name)
    }

    /// The key that new secrets are encrypted with, if it is not AWS's own.
    pub(crate) fn kms_key(&self) -> Option<&str> {
        self.kms_key.as_deref()
    }

    pub(crate) async fn get(&self, name: &SecretName, version: Option<&Version>) -> Result<Secret> {
        let (id, selector) = (self.names.id(name)?, selector(version)?);
        let read = self.read(&id, &selector).await;
        read.map(|read| secret(name, read))
            .map_err(|failure| about(failure, name))
    }

    pub(crate) async fn get_many(&self, items: &[GetItem]) -> Vec<Result<Secret>> {
        let Grouping { refused, calls } = self.group(items);
        let mut answers: Vec<Option<Result<Secret>>> = items.iter().map(|_| None).collect();
        for (item, error) in refused {
            answers[item] = Some(Err(error.with_name(&items[item].name)));
        }
        let calls = calls
            .into_iter()
            .map(|(group, asked)| self.answer(group, asked));
        let answered: Vec<_> = stream::iter(calls)
            .buffer_unordered(IN_FLIGHT)
            .collect()
            .await;
        for (item, read) in answered.into_iter().flatten() {
            let name = &items[item].name;
            let answer = match read {
                Ok(read) => Ok(secret(name, read)),
                Err(failure) => Err(about(failure, name)),
            };
            answers[item] = Some(answer);
        }
        answers
            .into_iter()
            .map(|answer| answer.unwrap_or_else(|| Err(error::incomplete("secret"))))
            .collect()
    }

    pub(crate) fn plan(&self, items: &[GetItem]) -> Vec<PlannedCall> {
        let Grouping { refused, calls } = self.group(items);
        let mut planned: Vec<_> = calls
            .into_iter()
            .map(|(group, items)| {
                let call = match group {
                    Group::One(..) => "GetSecretValue",
                    Group::Batch(_) => "BatchGetSecretValue",
                };
                PlannedCall::new(call, items, 1)
            })
            .collect();
        if !refused.is_empty() {
            let items = refused.into_iter().map(|(item, _)| item).collect();
            planned.push(PlannedCall::new("refused", items, 0));
        }
        planned
    }

    /// Batches can only ask for current versions. One secret alone is read by itself, which every policy allows that
    /// allows batches.
    fn group(&self, items: &[GetItem]) -> Grouping {
        let mut grouping = Grouping::default();
        let mut singles: Vec<((String, Selector), Vec<usize>)> = Vec::new();
        let mut current: Vec<(String, Vec<usize>)> = Vec::new();
        let mut known: HashMap<(String, Selector), usize> = HashMap::with_capacity(items.len());
        for (number, item) in items.iter().enumerate() {
            let asked = self
                .names
                .id(&item.name)
                .and_then(|id| Ok((id, selector(item.options.version.as_ref())?)));
            let asked = match asked {
                Ok(asked) => asked,
                Err(refused) => {
                    grouping.refused.push((number, refused));
                    continue;
                }
            };
            let is_current = asked.1 == Selector::Current;
            match (known.get(&asked), is_current) {
                (Some(at), true) => current[*at].1.push(number),
                (Some(at), false) => singles[*at].1.push(number),
                (None, true) => {
                    known.insert(asked.clone(), current.len());
                    current.push((asked.0, vec![number]));
                }
                (None, false) => {
                    known.insert(asked.clone(), singles.len());
                    singles.push((asked, vec![number]));
                }
            }
        }
        let size = if self.client.batches_refused() {
            1
        } else {
            BATCH
        };
        let mut current = current.into_iter().peekable();
        while current.peek().is_some() {
            let mut batch: Vec<_> = current.by_ref().take(size).collect();
            if batch.len() > 1 {
                let all = batch.iter().flat_map(|(_, items)| items.clone()).collect();
                grouping.calls.push((Group::Batch(batch), all));
            } else if let Some((id, items)) = batch.pop() {
                grouping
                    .calls
                    .push((Group::One(id, Selector::Current), items));
            }
        }
        grouping.calls.extend(
            singles
                .into_iter()
                .map(|((id, selector), items)| (Group::One(id, selector), items)),
        );
        grouping
    }

    async fn answer(&self, group: Group, asked: Vec<usize>) -> Vec<(usize, Result<Read>)> {
        let batch = match group {
            Group::One(id, selector) => return spread(self.read(&id, &selector).await, &asked),
            Group::Batch(batch) => batch,
        };
        let mut answers = Vec::with_capacity(asked.len());
        let mut wanted = Vec::with_capacity(batch.len());
        for (id, items) in batch {
            // An ARN of another region would spoil the whole batch.
            match self.client.check_region(&id).await {
                Ok(()) => wanted.push((id, items)),
                Err(failure) => answers.extend(spread(Err(failure), &items)),
            }
        }
        let ids: Vec<String> = wanted.iter().map(|(id, _)| id.clone()).collect();
        let mut found = match self.client.batch(&ids).await {
            Ok(Some(found)) => found,
            Ok(None) => Batch {
                values: Vec::new(),
                errors: Vec::new(),
            },
            Err(failure) => {
                for (_, items) in wanted {
                    answers.extend(spread(Err(failure.clone()), &items));
                }
                return answers;
            }
        };
        let mut alone = Vec::new();
        for (id, items) in wanted {
            if let Some(at) = found.values.iter().position(|read| answers_to(read, &id)) {
                answers.extend(spread(Ok(found.values.swap_remove(at)), &items));
            } else if let Some(at) = found.errors.iter().position(|(of, _)| *of == id) {
                let (_, failure) = found.errors.swap_remove(at);
                answers.extend(spread(Err(failure), &items));
            } else {
                alone.push((id, items));
            }
        }
        // What a batch leaves out, or a policy that allows none.
        let alone: Vec<_> =
            stream::iter(alone)
                .map(|(id, items)| async move {
                    spread(self.read(&id, &Selector::Current).await, &items)
                })
                .buffer_unordered(IN_FLIGHT)
                .collect()
                .await;
        answers.extend(alone.into_iter().flatten());
        answers
    }

    async fn read(&self, id: &str, selector: &Selector) -> Result<Read> {
        self.client.check_region(id).await?;
        match (self.client.get(id, selector).await, selector) {
            // A stage may be as long as an id.
            (Err(missing), Selector::Id(stage)) if missing.kind() == ErrorKind::NotFound => {
                let stage = Selector::Stage(stage.clone());
                self.client.get(id, &stage).await.map_err(|_| missing)
            }
            (read, _) => read,
        }
    }

    pub(crate) async fn describe(
        &self,
        name: &SecretName,
        version: Option<&Version>,
    ) -> Result<Metadata> {
        let id = self.names.id(name)?;
        self.client.check_region(&id).await?;
        let found = self.client.describe(&id).await;
        let found = found.map_err(|failure| about(failure, name))?;
        let Some(version) = version else {
            return Ok(Metadata::new(name.clone())
                .with_version(found.staged(CURRENT).map(Version::new))
                .with_updated_at(found.changed)
                .with_state(state(&found))
                .with_tags(found.tags));
        };
        let wanted = match selector(Some(version))? {
            Selector::Stage(stage) => match found.staged(&stage) {
                Some(version) => version.to_owned(),
                None => return Err(error::no_version(version).with_name(name)),
            },
            Selector::Id(id) => found.staged(&id).map(str::to_owned).unwrap_or(id),
            Selector::Current => return Err(error::no_version(version).with_name(name)),
        };
        let versions = self.client.versions(&id).await?;
        let entry = versions
            .into_iter()
            .find(|entry| entry.version == wanted)
            .ok_or_else(|| error::no_version(version).with_name(name))?;
        Ok(version_metadata(name, &entry)
            .with_state(state(&found))
            .with_tags(found.tags))
    }

    pub(crate) async fn list(&self, options: &ListOptions) -> Result<Page> {
        let token = options.page_token.as_ref().map(PageToken::as_str);
        if token == Some("") {
            return Err(Error::invalid_config("the page token is empty"));
        }
        let filter = self.names.filter(&options.prefix);
        if matches!(&filter, Filter::BeginningWith(values) if values.is_empty()) {
            return Ok(Page::default());
        }
        let size = options.page_size.unwrap_or(MAX_PAGE);
        let page = self.client.list(&filter, size, token).await?;
        let mut left_out = 0_usize;
        let items = page
            .items
            .into_iter()
            .filter(|found| !found.is_deleted)
            .filter_map(|found| {
                let Some(name) = self.names.name(&found.id) else {
                    left_out += usize::from(self.names.covers(&found.id));
                    return None;
                };
                let fits = name.as_str().starts_with(&options.prefix);
                fits.then(|| {
                    Metadata::new(name)
                        .with_version(found.staged(CURRENT).map(Version::new))
                        .with_created_at(found.created)
                        .with_updated_at(found.changed)
                        .with_tags(found.tags)
                })
            })
            .collect();
        if left_out > 0 {
            tracing::warn!(
                secrets = left_out,
                "secrets are not listed whose names begin or end with `/` or hold `//`; `secret_prefix = \"/\"` reads the names that begin with `/`"
            );
        }
        Ok(Page::new(items, page.next.map(PageToken::new)))
    }

    pub(crate) async fn put(
        &self,
        name: &SecretName,
        value: &SecretValue,
        options: &PutOptions,
    ) -> Result<Metadata> {
        check_value(value).map_err(|error| error.with_name(name))?;
        if let Some(tags) = &options.tags {
            check_tags(tags).map_err(|error| error.with_name(name))?;
        }
        let id = self.names.id(name)?;
        self.client.check_region(&id).await?;
        let token = request_token(options.idempotency_token.as_deref());
        let (this, value, options) = (self.clone(), value.clone(), options.clone());
        // More than one request, that a caller who goes away must not separate.
        let written = run_to_completion("write", async move {
            this.write(&id, Payload::from(&value), &token, options)
                .await
        });
        let version = written.await.map_err(|failure| about(failure, name))?;
        Ok(Metadata::new(name.clone()).with_version(version.map(Version::new)))
    }

    /// Writes the value of one secret, whose id is known already.
    pub(crate) async fn write_whole(
        &self,
        id: &str,
        value: Payload<'_>,
        options: PutOptions,
    ) -> Result<Option<String>> {
        self.write(id, value, &request_token(None), options).await
    }

    async fn write(
        &self,
        id: &str,
        value: Payload<'_>,
        token: &str,
        options: PutOptions,
    ) -> Result<Option<String>> {
        let tags = options.tags.as_ref();
        let version = match &options.mode {
            PutMode::Create => return self.create(id, value, token, tags).await,
            PutMode::IfVersion(version) => self.replace(id, value, token, version.as_str()).await?,
            PutMode::Upsert => match self.client.put(id, value, token, None).await {
                Err(missing) if missing.kind() == ErrorKind::NotFound => {
                    match self.create(id, value, token, tags).await {
                        // Somebody else was faster.
                        Err(exists) if exists.kind() == ErrorKind::AlreadyExists => {
                            self.client.put(id, value, token, None).await?
                        }
                        created => return created,
                    }
                }
                written => written?,
            },
            _ => return Err(Error::unsupported(Operation::Put)),
        };
        if let Some(tags) = tags {
            self.set_tags(id, tags).await.map_err(|failure| {
                Error::new(
                    failure.kind(),
                    format!(
                        "version {} was written, but not its tags: {}",
                        version.as_deref().unwrap_or("?"),
                        failure.message()
                    ),
                )
            })?;
        }
        Ok(version)
    }

    async fn create(
        &self,
        id: &str,
        value: Payload<'_>,
        token: &str,
        tags: Option<&BTreeMap<String, String>>,
    ) -> Result<Option<String>> {
        if Arn::parse(id).is_some() {
            return Err(Error::new(
                ErrorKind::NotFound,
                "there is no secret with this ARN, and none can be made with it",
            )
            .with_hint("a new secret is given a name; AWS gives the ARN"));
        }
        let creation = Creation {
            kms_key: self.kms_key.as_deref(),
            tags: tags.filter(|tags| !tags.is_empty()),
        };
        self.client.create(id, value, token, &creation).await
    }

    /// Puts the value under a stage of its own and then moves the current stage from the expected version to it, which
    /// the service refuses if it is elsewhere by now.
    async fn replace(
        &self,
        id: &str,
        value: Payload<'_>,
        token: &str,
        expected: &str,
    ) -> Result<Option<String>> {
        if !VERSION_ID_BYTES.contains(&expected.len()) {
            return Err(Error::new(
                ErrorKind::Conflict,
                "the expected version is not the id of one",
            )
            .with_hint("take the id that `secrets versions` shows, not a stage"));
        }
        let stage = format!("polysecrets-{:016x}", fastrand::u64(..));
        let version = self.client.put(id, value, token, Some(&stage)).await?;
        let version = version.ok_or_else(|| error::incomplete("version"))?;
        let moved = self
            .client
            .move_stage(id, CURRENT, expected, Some(&version))
            .await;
        // Without a stage, a version that lost goes away by itself.
        let cleared = self.client.move_stage(id, &stage, &version, None).await;
        match moved {
            Ok(()) => {
                if let Err(failure) = cleared {
                    tracing::debug!(error = %failure, "the stage of a conditional write was left behind");
                }
                Ok(Some(version))
            }
            // The version that is expected is none of this secret's.
            Err(failure) if failure.kind() == ErrorKind::NotFound => {
                Err(Error::from(ErrorKind::Conflict)
                    .with_hint("read the secret again, then repeat the change"))
            }
            Err(failure) => Err(failure),
        }
    }

    async fn set_tags(&self, id: &str, tags: &BTreeMap<String, String>) -> Result<()> {
        let present = self.client.describe(id).await?.tags;
        let gone: Vec<String> = present
            .keys()
            .filter(|key| !tags.contains_key(*key) && !key.starts_with(AWS_TAG))
            .cloned()
            .collect();
        if !gone.is_empty() {
            self.client.untag(id, gone).await?;
        }
        let changed = || {
            tags.iter()
                .filter(|(key, value)| present.get(*key) != Some(*value))
        };
        if changed().next().is_some() {
            self.client.tag(id, changed()).await?;
        }
        Ok(())
    }

    pub(crate) async fn delete(&self, name: &SecretName, mode: DeleteMode) -> Result<()> {
        let deletion = match mode {
            DeleteMode::Soft => Deletion::Window(self.recovery_days),
            DeleteMode::Purge => Deletion::Forever,
            DeleteMode::Window(window) => Deletion::Window(Some(days(window)?)),
            _ => return Err(Error::unsupported(Operation::Delete)),
        };
        let id = self.names.id(name)?;
        self.client.check_region(&id).await?;
        let work = async {
            // A forced deletion of what does not exist succeeds.
            if deletion == Deletion::Forever {
                self.client.describe(&id).await?;
            }
            self.client.delete(&id, deletion).await
        };
        work.await.map_err(|failure| about(failure, name))
    }

    pub(crate) async fn restore(&self, name: &SecretName) -> Result<()> {
        let id = self.names.id(name)?;
        self.client.check_region(&id).await?;
        let restored = match self.client.restore(&id).await {
            Err(refused) if matches!(refused.kind(), ErrorKind::Conflict | ErrorKind::Deleted) => {
                match self.client.describe(&id).await {
                    Ok(found) if !found.is_deleted => Ok(()),
                    _ => Err(refused),
                }
            }
            restored => restored,
        };
        restored.map_err(|failure| about(failure, name))
    }

    pub(crate) async fn versions(
        &self,
        name: &SecretName,
        options: &VersionsOptions,
    ) -> Result<Page> {
        let id = self.names.id(name)?;
        self.client.check_region(&id).await?;
        let versions = self.client.versions(&id).await;
        let mut versions = versions.map_err(|failure| about(failure, name))?;
        // The service promises no order; within one second, those listed last count as the newest. At most some hundred
        // versions are kept.
        versions.reverse();
        versions.sort_by_key(|entry| std::cmp::Reverse((entry.created, entry.is_current)));
        let start = match &options.page_token {
            None => 0,
            Some(token) => {
                let last = versions
                    .iter()
                    .position(|entry| entry.version == token.as_str());
                last.ok_or_else(Error::invalid_page_token)? + 1
            }
        };
        let size = options.page_size.unwrap_or(versions.len()).max(1);
        let page = &versions[start..versions.len().min(start.saturating_add(size))];
        let next = match page.last() {
            Some(last) if start + page.len() < versions.len() => {
                Some(PageToken::new(last.version.clone()))
            }
            _ => None,
        };
        let items = page.iter().map(|entry| version_metadata(name, entry));
        Ok(Page::new(items.collect(), next))
    }

    pub(crate) async fn rollback(&self, name: &SecretName, to: &Version) -> Result<Metadata> {
        let (id, selector) = (self.names.id(name)?, selector(Some(to))?);
        self.client.check_region(&id).await?;
        let found = self.client.describe(&id).await;
        let found = found.map_err(|failure| about(failure, name))?;
        if found.is_deleted {
            return Err(Error::from(ErrorKind::Deleted)
                .with_name(name)
                .with_hint("restore it with `secrets restore`"));
        }
        let no_version = || error::no_version(to).with_name(name);
        let wanted = match selector {
            Selector::Id(version) => found.staged(&version).map(str::to_owned).unwrap_or(version),
            Selector::Stage(stage) => found
                .staged(&stage)
                .map(str::to_owned)
                .ok_or_else(no_version)?,
            Selector::Current => return Err(no_version()),
        };
        let current = found.staged(CURRENT).ok_or_else(no_version)?;
        if current != wanted {
            // A version without a stage is not in the description, and may exist all the same.
            if !found.stages.iter().any(|(version, _)| *version == wanted) {
                let versions = self.client.versions(&id).await?;
                if !versions.iter().any(|entry| entry.version == wanted) {
                    return Err(no_version());
                }
            }
            self.client
                .move_stage(&id, CURRENT, current, Some(&wanted))
                .await
                .map_err(|failure| about(failure, name))?;
        }
        Ok(Metadata::new(name.clone())
            .with_version(Version::new(wanted))
            .with_tags(found.tags))
    }

    /// Asks whether the service answers.
    pub(crate) async fn probe(&self) -> Result<String> {
        let page = self.client.list(&self.names.filter(""), 1, None).await?;
        Ok(match page.items.is_empty() {
            true => "no secrets yet".to_owned(),
            false => "secrets can be listed".to_owned(),
        })
    }
}

fn spread(read: Result<Read>, items: &[usize]) -> Vec<(usize, Result<Read>)> {
    items.iter().map(|item| (*item, read.clone())).collect()
}

/// Whether this is the secret that was asked for by name, by ARN, or by ARN without the suffix that AWS adds.
fn answers_to(read: &Read, id: &str) -> bool {
    read.id == id
        || read.arn == id
        || (Arn::parse(id).is_some()
            && read
                .arn
                .strip_prefix(id)
                .is_some_and(|suffix| suffix.len() == 7 && suffix.starts_with('-')))
}

fn secret(name: &SecretName, read: Read) -> Secret {
    let metadata = Metadata::new(name.clone())
        .with_version(read.version.map(Version::new))
        .with_created_at(read.created);
    Secret::new(read.value, metadata)
}

fn version_metadata(name: &SecretName, entry: &VersionEntry) -> Metadata {
    Metadata::new(name.clone())
        .with_version(Version::new(entry.version.as_str()))
        .with_created_at(entry.created)
}

fn state(found: &Description) -> SecretState {
    match found.is_deleted {
        true => SecretState::Deleted,
        false => SecretState::Enabled,
    }
}

/// An id of a version, or the name of a stage, distinguished by length.
fn selector(version: Option<&Version>) -> Result<Selector> {
    let Some(version) = version else {
        return Ok(Selector::Current);
    };
    let text = version.as_str();
    if text.is_empty() || text.len() > MAX_STAGE_BYTES {
        return Err(error::no_version(version));
    }
    Ok(match VERSION_ID_BYTES.contains(&text.len()) {
        true => Selector::Id(text.to_owned()),
        false => Selector::Stage(text.to_owned()),
    })
}

/// The token that makes a repeated write one write. The service takes 32 to 64 characters, and makes the id of the new
/// version of them.
fn request_token(given: Option<&str>) -> String {
    let Some(token) = given else {
        // As AWS's own tools send it.
        let random = fastrand::u128(..).to_be_bytes();
        return uuid::Builder::from_random_bytes(random)
            .into_uuid()
            .to_string();
    };
    let is_taken_as_is = VERSION_ID_BYTES.contains(&token.len())
        && token.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    if is_taken_as_is {
        return token.to_owned();
    }
    let mut text = String::with_capacity(64);
    for byte in Sha256::digest(token) {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

fn days(window: Duration) -> Result<u8> {
    let days = window.as_secs().div_ceil(DAY.as_secs());
    u8::try_from(days)
        .ok()
        .filter(|days| RECOVERY_DAYS.contains(days))
        .ok_or_else(|| {
            Error::invalid_config("a deleted secret can be restorable for 7 to 30 days")
                .with_hint("choose another window, or purge the secret")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ids_or_stages() {
        let selected = |text: &str| selector(Some(&Version::new(text)));
        let id = "a1b2c3d4-5678-90ab-cdef-1234567890ab";
        assert_eq!(selected(id).unwrap(), Selector::Id(id.to_owned()));
        assert_eq!(
            selected("AWSPREVIOUS").unwrap(),
            Selector::Stage("AWSPREVIOUS".to_owned())
        );
        assert_eq!(selector(None).unwrap(), Selector::Current);
        for none in ["", &"x".repeat(257)] {
            assert_eq!(selected(none).unwrap_err().kind(), ErrorKind::NotFound);
        }
    }

    #[test]
    fn tokens_have_a_form_that_the_service_takes() {
        let uuid = "b5d1f7f0-6a0f-4ab4-95d3-2f4b2e0c8a11";
        assert_eq!(request_token(Some(uuid)), uuid);
        assert_eq!(
            request_token(Some("deploy 7")),
            request_token(Some("deploy 7"))
        );
        assert_ne!(
            request_token(Some("deploy 7")),
            request_token(Some("deploy 8"))
        );
        for token in [request_token(Some("deploy 7")), request_token(None)] {
            assert!(VERSION_ID_BYTES.contains(&token.len()), "{token}");
        }
        assert_ne!(request_token(None), request_token(None));
        assert_eq!(request_token(None).len(), 36);
    }

    #[test]
    fn windows_are_whole_days() {
        assert_eq!(days(7 * DAY).unwrap(), 7);
        assert_eq!(days(7 * DAY + Duration::from_secs(1)).unwrap(), 8);
        for wrong in [Duration::ZERO, 6 * DAY, 31 * DAY, Duration::MAX] {
            assert_eq!(days(wrong).unwrap_err().kind(), ErrorKind::InvalidConfig);
        }
    }

    #[test]
    fn a_secret_answers_to_its_name_and_its_arn() {
        let arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:app/db-AbCdEf";
        let read = Read {
            arn: arn.to_owned(),
            id: "app/db".to_owned(),
            version: None,
            created: None,
            value: SecretValue::from("x"),
            is_binary: false,
        };
        for id in ["app/db", arn, &arn[..arn.len() - 7]] {
            assert!(answers_to(&read, id), "{id}");
        }
        for id in ["app", "app/d", &arn[..arn.len() - 8], &arn[..arn.len() - 1]] {
            assert!(!answers_to(&read, id), "{id}");
        }
    }
}
