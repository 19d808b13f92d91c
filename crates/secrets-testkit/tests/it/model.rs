//! A provider in memory that is right, or wrong in exactly one way.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use base64::Engine as _;
use polysecrets_testkit::ManualClock;
use polysecrets_testkit::conformance::{Fixture, KnownGap};
use secrets_core::{
    Capabilities, Capability, Clock, DeleteMode, DeleteOptions, DescribeOptions, Error, ErrorKind,
    GetItem, GetOptions, Health, HealthStatus, ListOptions, Location, Metadata, Operation, Page,
    PageToken, PlannedCall, Planner, ProviderInfo, PutMode, PutOptions, Result, RollbackOptions,
    Secret, SecretName, SecretProvider, SecretState, SecretValue, Version, VersionsOptions,
};

/// What the provider does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Defect {
    None,
    TrimsNewlines,
    TrimsSpaces,
    UnixLineEnds,
    LossyUtf8,
    DecodesBase64,
    NumbersAsFloats,
    EmptyIsMissing,
    StripsByteOrderMark,
    KeepsTailOfLongerValue,
    FoldsCase,
    DecodesPercent,
    IgnoresCreate,
    IgnoresIfVersion,
    CreateReadsThenWrites,
    IfVersionReadsThenWrites,
    PutReadsThenWrites,
    WritesInTwoHalves,
    StaysBusyWhenDropped,
    DeniesRollback,
    DeniesPurge,
    ClaimsTags,
    ClaimsBatch,
    DropsTagsOnPut,
    GivesOutExpired,
    TakesSecondsForMillis,
    IgnoresTokens,
    ChecksSizeLate,
    SwallowsDeleted,
    DeletesQuietly,
    DeletesChildren,
    ListsDeleted,
    RestoresOldest,
    PurgeKeepsVersions,
    PageLosesLast,
    PageRepeatsLast,
    IgnoresPageSize,
    PrefixIsFolder,
    ListsValues,
    VersionsOldestFirst,
    UnknownVersionIsCurrent,
    RollbackDropsLater,
    RollbackAnswersTarget,
    ManyInOrderOfName,
    ManyStopsAtError,
    ManyOnlyOnce,
    RemembersMissing,
    DebugShowsValues,
    ErrorShowsValue,
    SourceShowsValue,
    TraceShowsValue,
    ErrorOfTwoLines,
    SaysUnhealthy,
    ClosesOnce,
    PanicsAfterClose,
    PanicsOnGet,
    HangsOnGet,
}

pub(crate) const LIMIT: usize = 64 * 1024;

#[derive(Debug, Clone)]
struct Revision {
    id: u64,
    value: Vec<u8>,
    created_at: SystemTime,
    expires_at: Option<SystemTime>,
    token: Option<String>,
}

#[derive(Debug, Clone, Default)]
struct Entry {
    revisions: Vec<Revision>,
    tags: BTreeMap<String, String>,
    deleted: bool,
    restorable_until: Option<SystemTime>,
}

#[derive(Default)]
struct Shared {
    entries: Mutex<BTreeMap<SecretName, Entry>>,
    missing: Mutex<Vec<SecretName>>,
    requests: AtomicU64,
    busy: AtomicBool,
}

pub(crate) struct Model {
    shared: Arc<Shared>,
    clock: Arc<ManualClock>,
    info: ProviderInfo,
    defect: Defect,
    closed: AtomicBool,
}

impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Model");
        if self.is(Defect::DebugShowsValues) {
            debug.field("entries", &self.shared.entries);
        }
        debug.finish_non_exhaustive()
    }
}

fn version(id: u64) -> Version {
    Version::new(id.to_string())
}

impl Model {
    fn is(&self, defect: Defect) -> bool {
        self.defect == defect
    }

    fn need(&self, capability: Capability, operation: Operation) -> Result<()> {
        let has = self.info.capabilities.has(capability)
            || (self.is(Defect::DeniesRollback) && capability == Capability::Rollback)
            || (self.is(Defect::DeniesPurge) && capability == Capability::Purge);
        match has {
            true => Ok(()),
            false => Err(Error::unsupported(operation)),
        }
    }

    /// What a network would do: count, and give others a turn.
    async fn call(&self) -> Result<()> {
        if self.is(Defect::PanicsAfterClose) {
            assert!(!self.closed.load(Ordering::SeqCst), "used after close");
        }
        self.shared.requests.fetch_add(1, Ordering::SeqCst);
        if self.is(Defect::StaysBusyWhenDropped) {
            if self.shared.busy.swap(true, Ordering::SeqCst) {
                return Err(Error::from(ErrorKind::Unavailable));
            }
            tokio::task::yield_now().await;
            self.shared.busy.store(false, Ordering::SeqCst);
        }
        tokio::task::yield_now().await;
        Ok(())
    }

    fn entries(&self) -> MutexGuard<'_, BTreeMap<SecretName, Entry>> {
        self.shared.entries.lock().unwrap()
    }

    /// The name as the store knows it.
    fn key(&self, name: &SecretName) -> SecretName {
        match self.defect {
            Defect::FoldsCase => SecretName::new(name.as_str().to_lowercase()).unwrap(),
            Defect::DecodesPercent => {
                SecretName::new(name.as_str().replace("%20", " ").replace("%2F", "/")).unwrap()
            }
            _ => name.clone(),
        }
    }

    fn stored(&self, value: &[u8], old: Option<&[u8]>) -> Vec<u8> {
        let text = || String::from_utf8_lossy(value).into_owned();
        match self.defect {
            Defect::TrimsNewlines => text().trim_end_matches('\n').into(),
            Defect::TrimsSpaces => value.trim_ascii().to_vec(),
            Defect::UnixLineEnds => text().replace("\r\n", "\n").into(),
            Defect::LossyUtf8 => text().into(),
            Defect::StripsByteOrderMark => text().trim_start_matches('\u{feff}').into(),
            Defect::NumbersAsFloats => match serde_json::from_slice::<serde_json::Value>(value) {
                Ok(json) if json.is_object() => json.to_string().into_bytes(),
                _ => value.to_vec(),
            },
            Defect::KeepsTailOfLongerValue => {
                let mut kept = value.to_vec();
                if let Some(old) = old
                    && old.len() > value.len()
                {
                    kept.extend_from_slice(&old[value.len()..]);
                }
                kept
            }
            _ => value.to_vec(),
        }
    }

    fn given(&self, value: &[u8]) -> Vec<u8> {
        if self.is(Defect::DecodesBase64)
            && let Ok(decoded) = base64::engine::general_purpose::STANDARD.decode(value)
        {
            return decoded;
        }
        value.to_vec()
    }

    fn error(&self, kind: ErrorKind, value: &SecretValue) -> Error {
        let shown = String::from_utf8_lossy(value.expose_bytes()).into_owned();
        match self.defect {
            Defect::ErrorShowsValue => Error::new(kind, format!("cannot put {shown:.20}")),
            Defect::SourceShowsValue => {
                Error::from(kind).with_source(std::io::Error::other(format!("body: {shown}")))
            }
            Defect::ErrorOfTwoLines => Error::new(kind, "cannot put\nbecause of something"),
            _ => Error::from(kind),
        }
    }

    fn metadata(&self, name: &SecretName, entry: &Entry, revision: &Revision) -> Metadata {
        Metadata::new(name.clone())
            .with_version(version(revision.id))
            .with_tags(entry.tags.clone())
            .with_created_at(revision.created_at)
            .with_expires_at(revision.expires_at)
            .with_state(match entry.deleted {
                true => SecretState::Deleted,
                false => SecretState::Enabled,
            })
    }

    fn find<'e>(
        &self,
        entries: &'e BTreeMap<SecretName, Entry>,
        name: &SecretName,
        wanted: Option<&Version>,
    ) -> Result<(&'e Entry, &'e Revision)> {
        let entry = entries
            .get(&self.key(name))
            .ok_or_else(|| Error::not_found(name))?;
        let revision = match wanted {
            None => entry.revisions.last(),
            Some(wanted) => {
                let found = entry
                    .revisions
                    .iter()
                    .find(|revision| version(revision.id) == *wanted);
                match found {
                    None if self.is(Defect::UnknownVersionIsCurrent) => entry.revisions.last(),
                    other => other,
                }
            }
        };
        Ok((entry, revision.ok_or_else(|| Error::not_found(name))?))
    }

    fn read(&self, name: &SecretName, wanted: Option<&Version>) -> Result<Secret> {
        let entries = self.entries();
        let (entry, revision) = self.find(&entries, name, wanted)?;
        if entry.deleted {
            return Err(match self.is(Defect::SwallowsDeleted) {
                true => Error::not_found(name),
                false => Error::from(ErrorKind::Deleted).with_name(name),
            });
        }
        let is_expired = revision
            .expires_at
            .is_some_and(|end| end <= self.clock.wall());
        if is_expired && !self.is(Defect::GivesOutExpired) {
            return Err(Error::from(ErrorKind::Disabled).with_name(name));
        }
        if revision.value.is_empty() && self.is(Defect::EmptyIsMissing) {
            return Err(Error::not_found(name));
        }
        Ok(Secret::new(
            self.given(&revision.value).into(),
            self.metadata(name, entry, revision),
        ))
    }

    /// Whether the write may happen, as things stand now.
    fn allowed(&self, name: &SecretName, value: &SecretValue, mode: &PutMode) -> Result<()> {
        let entries = self.entries();
        let entry = entries.get(&self.key(name));
        match mode {
            PutMode::Create if entry.is_some() && !self.is(Defect::IgnoresCreate) => {
                Err(self.error(ErrorKind::AlreadyExists, value))
            }
            PutMode::IfVersion(wanted) if !self.is(Defect::IgnoresIfVersion) => {
                let current = entry.and_then(|entry| entry.revisions.last());
                match current {
                    Some(revision) if version(revision.id) == *wanted => Ok(()),
                    _ => Err(self.error(ErrorKind::Conflict, value)),
                }
            }
            _ => Ok(()),
        }
    }

    fn write(&self, name: &SecretName, value: &[u8], options: &PutOptions) -> Metadata {
        let mut entries = self.entries();
        let entry = entries.entry(self.key(name)).or_default();
        let last = entry.revisions.last();
        if let Some(last) = last
            && last.token.is_some()
            && last.token == options.idempotency_token
            && !self.is(Defect::IgnoresTokens)
        {
            return self.metadata(name, entry, last);
        }
        let revision = Revision {
            id: last.map_or(1, |last| last.id + 1),
            value: self.stored(value, last.map(|last| last.value.as_slice())),
            created_at: match self.is(Defect::TakesSecondsForMillis) {
                true => SystemTime::UNIX_EPOCH + Duration::from_millis(1_767_225_600),
                false => self.clock.wall(),
            },
            expires_at: options.expires_at,
            token: options.idempotency_token.clone(),
        };
        entry.revisions.push(revision.clone());
        entry.deleted = false;
        match &options.tags {
            Some(_) if self.is(Defect::ClaimsTags) => {}
            Some(tags) => entry.tags = tags.clone(),
            None if self.is(Defect::DropsTagsOnPut) => entry.tags.clear(),
            None => {}
        }
        self.metadata(name, entry, &revision)
    }

    fn page(
        &self,
        all: Vec<Metadata>,
        size: Option<usize>,
        token: Option<&PageToken>,
    ) -> Result<Page> {
        let start = match token {
            None => 0,
            // The last item given, so that what is added meanwhile does not shift the rest.
            Some(token) => {
                let key = |item: &Metadata| format!("{} {:?}", item.name, item.version);
                all.iter()
                    .position(|item| key(item) == token.as_str())
                    .ok_or_else(|| Error::new(ErrorKind::InvalidConfig, "unknown page token"))?
                    + 1
            }
        };
        let size = match self.is(Defect::IgnoresPageSize) {
            true => usize::MAX,
            false => size.unwrap_or(100),
        };
        let mut items: Vec<_> = all[start..].iter().take(size).cloned().collect();
        let is_last = start + items.len() == all.len();
        let next = match items.last() {
            Some(last) if !is_last => {
                Some(PageToken::new(format!("{} {:?}", last.name, last.version)))
            }
            _ => None,
        };
        if next.is_some() && self.is(Defect::PageLosesLast) {
            items.pop();
        }
        if start > 0 && self.is(Defect::PageRepeatsLast) && items.len() > 1 {
            items[0] = all[start - 1].clone();
        }
        Ok(Page::new(items, next))
    }
}

#[async_trait]
impl SecretProvider for Model {
    fn info(&self) -> &ProviderInfo {
        &self.info
    }

    async fn get(&self, name: &SecretName, options: &GetOptions) -> Result<Secret> {
        if options.version.is_some() {
            self.need(Capability::Versions, Operation::Get)?;
        }
        self.call().await?;
        assert!(!self.is(Defect::PanicsOnGet), "no get today");
        if self.is(Defect::HangsOnGet) {
            std::future::pending::<()>().await;
        }
        if self.is(Defect::RemembersMissing) && self.shared.missing.lock().unwrap().contains(name) {
            return Err(Error::not_found(name));
        }
        let secret = self.read(name, options.version.as_ref());
        if secret.is_err() {
            self.shared.missing.lock().unwrap().push(name.clone());
        }
        secret
    }

    fn planner(&self) -> Option<&dyn Planner> {
        Some(self)
    }

    async fn get_many(&self, items: &[GetItem]) -> Vec<Result<Secret>> {
        if !items.is_empty() {
            let calls = match self.is(Defect::ClaimsBatch) {
                true => items.len(),
                false => 1,
            };
            for _ in 0..calls {
                if let Err(error) = self.call().await {
                    return items.iter().map(|_| Err(error.clone())).collect();
                }
            }
        }
        let mut items = items.to_vec();
        if self.is(Defect::ManyInOrderOfName) {
            items.sort_by(|left, right| left.name.cmp(&right.name));
        }
        if self.is(Defect::ManyOnlyOnce) {
            items.dedup_by(|left, right| left.name == right.name);
        }
        let mut answers: Vec<_> = items
            .iter()
            .map(|item| self.read(&item.name, item.options.version.as_ref()))
            .collect();
        if self.is(Defect::ManyStopsAtError)
            && let Some(first) = answers.iter().position(Result::is_err)
        {
            let error = answers[first].clone().unwrap_err();
            for answer in &mut answers[first..] {
                *answer = Err(error.clone());
            }
        }
        answers
    }

    async fn describe(&self, name: &SecretName, options: &DescribeOptions) -> Result<Metadata> {
        self.need(Capability::Describe, Operation::Describe)?;
        if options.version.is_some() {
            self.need(Capability::Versions, Operation::Describe)?;
        }
        self.call().await?;
        let entries = self.entries();
        let (entry, revision) = self.find(&entries, name, options.version.as_ref())?;
        Ok(self.metadata(name, entry, revision))
    }

    async fn list(&self, options: &ListOptions) -> Result<Page> {
        self.need(Capability::List, Operation::List)?;
        self.call().await?;
        let all = self
            .entries()
            .iter()
            .filter(|(_, entry)| !entry.deleted || self.is(Defect::ListsDeleted))
            .filter(|(name, _)| match self.is(Defect::PrefixIsFolder) {
                true => {
                    let folder = options.prefix.trim_end_matches('/');
                    name.as_str().strip_prefix(folder).is_some_and(|rest| {
                        folder.is_empty() || rest.is_empty() || rest.starts_with('/')
                    })
                }
                false => name.as_str().starts_with(&options.prefix),
            })
            .filter_map(|(name, entry)| {
                let revision = entry.revisions.last()?;
                let mut metadata = self.metadata(name, entry, revision).with_version(None);
                if self.is(Defect::ListsValues) {
                    let text = String::from_utf8_lossy(&revision.value).into_owned();
                    metadata.tags.insert("preview".into(), text);
                }
                Some(metadata)
            })
            .collect();
        self.page(all, options.page_size, options.page_token.as_ref())
    }

    async fn put(
        &self,
        name: &SecretName,
        value: &SecretValue,
        options: &PutOptions,
    ) -> Result<Metadata> {
        self.need(Capability::Put, Operation::Put)?;
        match options.mode {
            PutMode::Create => self.need(Capability::Create, Operation::Put)?,
            PutMode::IfVersion(_) => self.need(Capability::IfVersion, Operation::Put)?,
            _ => {}
        }
        if options.tags.is_some() {
            self.need(Capability::Tags, Operation::Put)?;
        }
        if options.expires_at.is_some() {
            self.need(Capability::Expiry, Operation::Put)?;
        }
        if !self.info.capabilities.has(Capability::Binary) {
            value.expose_str()?;
        }
        if self.is(Defect::ChecksSizeLate) {
            self.call().await?;
        }
        if value.len() > LIMIT {
            return Err(self.error(ErrorKind::InvalidValue, value));
        }
        if self.is(Defect::TraceShowsValue) {
            tracing::debug!(name = %name, body = ?value.expose_bytes(), "put");
        }
        self.call().await?;
        self.allowed(name, value, &options.mode)?;
        match (self.defect, &options.mode) {
            (Defect::CreateReadsThenWrites, PutMode::Create)
            | (Defect::IfVersionReadsThenWrites, PutMode::IfVersion(_)) => {
                tokio::task::yield_now().await;
            }
            (Defect::PutReadsThenWrites, _) => {
                let mut copy = self.entries().clone();
                tokio::task::yield_now().await;
                std::mem::swap(&mut *self.entries(), &mut copy);
            }
            (Defect::WritesInTwoHalves, _) => {
                self.write(name, &value.expose_bytes()[..value.len() / 2], options);
                tokio::task::yield_now().await;
            }
            _ => {}
        }
        Ok(self.write_if_still_allowed(name, value, options)?)
    }

    async fn delete(&self, name: &SecretName, options: &DeleteOptions) -> Result<()> {
        self.need(Capability::Delete, Operation::Delete)?;
        match options.mode {
            DeleteMode::Purge => self.need(Capability::Purge, Operation::Delete)?,
            DeleteMode::Window(_) => self.need(Capability::DeleteWindow, Operation::Delete)?,
            _ => {}
        }
        self.call().await?;
        let mut entries = self.entries();
        if self.is(Defect::DeletesChildren) {
            let folder = format!("{name}/");
            entries.retain(|other, _| !other.as_str().starts_with(&folder));
        }
        let key = self.key(name);
        let Some(entry) = entries.get_mut(&key) else {
            return match self.is(Defect::DeletesQuietly) {
                true => Ok(()),
                false => Err(Error::not_found(name)),
            };
        };
        if options.mode == DeleteMode::Purge {
            match self.is(Defect::PurgeKeepsVersions) {
                true => entry.deleted = true,
                false => drop(entries.remove(&key)),
            }
            return Ok(());
        }
        if entry.deleted {
            return Err(Error::from(ErrorKind::Deleted).with_name(name));
        }
        if !self.info.capabilities.has(Capability::Restore) {
            entries.remove(&key);
            return Ok(());
        }
        entry.deleted = true;
        entry.restorable_until = match options.mode {
            DeleteMode::Window(window) => Some(self.clock.wall() + window),
            _ => None,
        };
        Ok(())
    }

    async fn restore(&self, name: &SecretName) -> Result<()> {
        self.need(Capability::Restore, Operation::Restore)?;
        self.call().await?;
        let mut entries = self.entries();
        let entry = entries
            .get_mut(&self.key(name))
            .ok_or_else(|| Error::not_found(name))?;
        if entry.deleted
            && entry
                .restorable_until
                .is_some_and(|end| end < self.clock.wall())
        {
            return Err(Error::not_found(name));
        }
        if self.is(Defect::RestoresOldest) {
            entry.revisions.truncate(1);
        }
        entry.deleted = false;
        Ok(())
    }

    async fn versions(&self, name: &SecretName, options: &VersionsOptions) -> Result<Page> {
        self.need(Capability::Versions, Operation::Versions)?;
        self.call().await?;
        let mut all = {
            let entries = self.entries();
            let (entry, _) = self.find(&entries, name, None)?;
            let all: Vec<_> = entry
                .revisions
                .iter()
                .map(|revision| self.metadata(name, entry, revision))
                .collect();
            all
        };
        if !self.is(Defect::VersionsOldestFirst) {
            all.reverse();
        }
        self.page(all, options.page_size, options.page_token.as_ref())
    }

    async fn rollback(
        &self,
        name: &SecretName,
        to: &Version,
        _: &RollbackOptions,
    ) -> Result<Metadata> {
        self.need(Capability::Rollback, Operation::Rollback)?;
        self.call().await?;
        let (value, old) = {
            let mut entries = self.entries();
            let (entry, revision) = self.find(&entries, name, Some(to))?;
            let found = (revision.value.clone(), self.metadata(name, entry, revision));
            if self.is(Defect::RollbackDropsLater) {
                let entry = entries.get_mut(&self.key(name)).unwrap();
                let kept = entry
                    .revisions
                    .iter()
                    .position(|one| version(one.id) == *to);
                entry.revisions.truncate(kept.unwrap() + 1);
            }
            found
        };
        let new = self.write(name, &value, &PutOptions::default());
        Ok(match self.is(Defect::RollbackAnswersTarget) {
            true => old,
            false => new,
        })
    }

    async fn health(&self) -> Result<Health> {
        Ok(Health::new(
            match self.is(Defect::SaysUnhealthy) {
                true => HealthStatus::Unavailable,
                false => HealthStatus::Healthy,
            },
            format!("{} secrets", self.entries().len()),
        ))
    }

    async fn close(&self) -> Result<()> {
        let was_closed = self.closed.swap(true, Ordering::SeqCst);
        match was_closed && self.is(Defect::ClosesOnce) {
            true => Err(Error::new(ErrorKind::Unexpected, "closed already")),
            false => Ok(()),
        }
    }
}

impl Planner for Model {
    fn plan(&self, items: &[GetItem]) -> Vec<PlannedCall> {
        match items.len() {
            0 => Vec::new(),
            count if self.is(Defect::ClaimsBatch) => (0..count)
                .map(|item| PlannedCall::new("read", vec![item], 1))
                .collect(),
            count => vec![PlannedCall::new("read", (0..count).collect(), 1)],
        }
    }
}

impl Model {
    /// The check and the write under one lock, as it should be, unless the defect is that they are not.
    fn write_if_still_allowed(
        &self,
        name: &SecretName,
        value: &SecretValue,
        options: &PutOptions,
    ) -> Result<Metadata> {
        if !matches!(
            self.defect,
            Defect::CreateReadsThenWrites
                | Defect::IfVersionReadsThenWrites
                | Defect::WritesInTwoHalves
        ) {
            self.allowed(name, value, &options.mode)?;
        }
        Ok(self.write(name, value.expose_bytes(), options))
    }
}

/// A store of [`Model`]s.
pub(crate) struct ModelFixture {
    shared: Arc<Shared>,
    clock: Arc<ManualClock>,
    capabilities: Capabilities,
    defect: Defect,
    pub(crate) gaps: Vec<KnownGap>,
    pub(crate) is_shared: bool,
    pub(crate) is_disposable: bool,
    pub(crate) cannot_open: bool,
}

impl ModelFixture {
    /// How many secrets the store holds, deleted ones included.
    pub(crate) fn secrets(&self) -> usize {
        self.shared.entries.lock().unwrap().len()
    }

    pub(crate) fn new(defect: Defect) -> Self {
        let all = Capabilities::new(Capability::ALL);
        Self::with_capabilities(
            match defect {
                Defect::DeniesRollback => all.without(Capability::Rollback),
                Defect::DeniesPurge => all.without(Capability::Purge),
                _ => all,
            },
            defect,
        )
    }

    pub(crate) fn with_capabilities(capabilities: Capabilities, defect: Defect) -> Self {
        Self {
            shared: Arc::default(),
            clock: Arc::new(ManualClock::new()),
            capabilities: capabilities.with_max_value_bytes(LIMIT),
            defect,
            gaps: Vec::new(),
            is_shared: true,
            is_disposable: true,
            cannot_open: false,
        }
    }
}

#[async_trait]
impl Fixture for ModelFixture {
    async fn open(&self) -> Result<Arc<dyn SecretProvider>> {
        if self.cannot_open {
            return Err(Error::new(ErrorKind::Unavailable, "nobody is there"));
        }
        Ok(Arc::new(Model {
            shared: match self.is_shared {
                true => Arc::clone(&self.shared),
                false => Arc::default(),
            },
            clock: Arc::clone(&self.clock),
            info: ProviderInfo::new(
                "model",
                "model",
                Location::from_scheme("model"),
                self.capabilities,
            ),
            defect: self.defect,
            closed: AtomicBool::new(false),
        }))
    }

    async fn seed(&self, name: &SecretName, value: &SecretValue) -> Result<()> {
        if !self.capabilities.has(Capability::Binary) {
            let text = value.expose_str()?;
            if text.contains('\0') {
                return Err(Error::from(ErrorKind::InvalidValue));
            }
        }
        let revision = Revision {
            id: 1,
            value: value.expose_bytes().to_vec(),
            created_at: self.clock.wall(),
            expires_at: None,
            token: None,
        };
        let entry = Entry {
            revisions: vec![revision],
            ..Entry::default()
        };
        self.shared
            .entries
            .lock()
            .unwrap()
            .insert(name.clone(), entry);
        Ok(())
    }

    fn server(&self) -> String {
        format!("{:?}", self.defect)
    }

    fn is_shared(&self) -> bool {
        self.is_shared
    }

    fn is_disposable(&self) -> bool {
        self.is_disposable
    }

    /// Providers with a store of their own count for themselves.
    fn requests_sent(&self) -> Option<u64> {
        let sent = self.shared.requests.load(Ordering::SeqCst);
        self.is_shared.then_some(sent)
    }

    fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.clock) as Arc<dyn Clock>
    }

    fn advance(&self, by: Duration) -> bool {
        self.clock.advance(by);
        true
    }

    fn case_limit(&self) -> Duration {
        match self.defect {
            Defect::HangsOnGet => Duration::from_millis(200),
            _ => Duration::from_secs(20),
        }
    }

    fn known_gaps(&self) -> Vec<KnownGap> {
        self.gaps.clone()
    }
}
