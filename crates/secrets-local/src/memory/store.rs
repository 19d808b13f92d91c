//! The secrets and what happens to them: pure state, given the time with every call.

use std::collections::{BTreeMap, VecDeque};
use std::num::NonZeroUsize;
use std::ops::Bound;
use std::time::{Duration, SystemTime};

use secrets_core::{
    Clock, DeleteMode, Error, ErrorKind, ListOptions, Metadata, Page, PageToken, PutMode,
    PutOptions, Result, Secret, SecretName, SecretState, SecretValue, Version, VersionsOptions,
};

const PAGE_SIZE: usize = 1_000;

/// Both clocks, read once for a call: the wall clock for what people see, the monotonic one for how long a deleted
/// secret can be restored, since a step of the wall clock must neither lose nor keep it.
#[derive(Clone, Copy)]
pub(super) struct Now {
    wall: SystemTime,
    monotonic: Duration,
}

impl Now {
    pub(super) fn read(clock: &dyn Clock) -> Self {
        Self {
            wall: clock.wall(),
            monotonic: clock.monotonic(),
        }
    }
}

pub(super) struct Store {
    secrets: BTreeMap<SecretName, Entry>,
    keep_versions: NonZeroUsize,
}

/// A purged secret stays as an entry without revisions, so that its version numbers are not given out a second time:
/// else a conditional write could mistake the new secret for the old one.
#[derive(Default)]
struct Entry {
    /// Oldest first; the last one is current.
    revisions: VecDeque<Revision>,
    last_number: u64,
    tags: BTreeMap<String, String>,
    created_at: Option<SystemTime>,
    updated_at: Option<SystemTime>,
    deletion: Option<Deletion>,
}

struct Revision {
    number: u64,
    value: SecretValue,
    written_at: SystemTime,
    expires_at: Option<SystemTime>,
    idempotency_token: Option<String>,
    /// Deleted, and not brought back by a later write to the same name.
    buried: bool,
}

struct Deletion {
    gone_at: Option<Duration>,
}

impl Store {
    pub(super) fn new(keep_versions: NonZeroUsize) -> Self {
        Self {
            secrets: BTreeMap::new(),
            keep_versions,
        }
    }

    pub(super) fn get(
        &self,
        name: &SecretName,
        version: Option<&Version>,
        now: Now,
    ) -> Result<Secret> {
        let entry = self.entry(name, now)?;
        if entry.deletion.is_some() {
            return Err(deleted(name));
        }
        let revision = entry.revision(name, version)?;
        match revision.state(now) {
            SecretState::Enabled => Ok(Secret::new(
                revision.value.clone(),
                entry.metadata(name, revision, now),
            )),
            SecretState::Disabled => Err(Error::new(ErrorKind::Disabled, "the value has expired")
                .with_name(name)
                .with_hint("write a new value")),
            _ => Err(deleted(name)),
        }
    }

    pub(super) fn describe(
        &self,
        name: &SecretName,
        version: Option<&Version>,
        now: Now,
    ) -> Result<Metadata> {
        let entry = self.entry(name, now)?;
        Ok(entry.metadata(name, entry.revision(name, version)?, now))
    }

    pub(super) fn list(&self, options: &ListOptions, now: Now) -> Result<Page> {
        let size = page_size(options.page_size)?;
        let after = options.page_token.as_ref().map(PageToken::as_str);
        // Names before the prefix cannot match; the token is the last name of the page before.
        let from = match after {
            Some(after) if after >= options.prefix.as_str() => Bound::Excluded(after),
            _ => Bound::Included(options.prefix.as_str()),
        };
        let mut items = Vec::new();
        let matching = self
            .secrets
            .range::<str, _>((from, Bound::Unbounded))
            .take_while(|(name, _)| name.as_str().starts_with(&options.prefix))
            .filter(|(_, entry)| entry.exists(now) && entry.deletion.is_none());
        for (name, entry) in matching {
            if items.len() == size {
                return Ok(page_before(items));
            }
            let revision = entry.revision(name, None)?;
            items.push(
                entry
                    .metadata(name, revision, now)
                    .with_created_at(entry.created_at),
            );
        }
        Ok(Page::new(items, None))
    }

    pub(super) fn put(
        &mut self,
        name: &SecretName,
        value: &SecretValue,
        options: &PutOptions,
        now: Now,
    ) -> Result<Metadata> {
        if let Ok(entry) = self.entry(name, now) {
            if let Some(earlier) = entry.earlier(options.idempotency_token.as_deref()) {
                return if earlier.value == *value {
                    Ok(entry.metadata(name, earlier, now))
                } else {
                    Err(Error::new(
                        ErrorKind::Conflict,
                        "the idempotency token was used for another value",
                    )
                    .with_name(name)
                    .with_hint("use a new token for a new value"))
                };
            }
            entry.check(name, &options.mode)?;
        } else if let PutMode::IfVersion(_) = options.mode {
            return Err(Error::from(ErrorKind::Conflict)
                .with_name(name)
                .with_hint("the secret does not exist any more; create it instead"));
        }
        self.purge_if_gone(name, now);
        let entry = self.secrets.entry(name.clone()).or_default();
        if entry.deletion.take().is_some() {
            for revision in &mut entry.revisions {
                revision.buried = true;
            }
        }
        if let Some(tags) = &options.tags {
            entry.tags = tags.clone();
        }
        entry.push(
            Revision {
                number: 0,
                value: value.clone(),
                written_at: now.wall,
                expires_at: options.expires_at,
                idempotency_token: options.idempotency_token.clone(),
                buried: false,
            },
            self.keep_versions,
        );
        Ok(entry.metadata(name, entry.revision(name, None)?, now))
    }

    pub(super) fn delete(&mut self, name: &SecretName, mode: DeleteMode, now: Now) -> Result<()> {
        let is_deleted = self.entry(name, now)?.deletion.is_some();
        let gone_at = match mode {
            DeleteMode::Purge => {
                self.purge(name);
                return Ok(());
            }
            _ if is_deleted => return Err(deleted(name)),
            DeleteMode::Soft => None,
            DeleteMode::Window(window) => now.monotonic.checked_add(window),
            _ => return Err(unknown_option("this way of deleting")),
        };
        let entry = self.entry_mut(name, now)?;
        entry.deletion = Some(Deletion { gone_at });
        entry.updated_at = Some(now.wall);
        Ok(())
    }

    pub(super) fn restore(&mut self, name: &SecretName, now: Now) -> Result<()> {
        let entry = self.entry_mut(name, now)?;
        if entry.deletion.take().is_some() {
            entry.updated_at = Some(now.wall);
        }
        Ok(())
    }

    pub(super) fn versions(
        &self,
        name: &SecretName,
        options: &VersionsOptions,
        now: Now,
    ) -> Result<Page> {
        let size = page_size(options.page_size)?;
        let entry = self.entry(name, now)?;
        if entry.deletion.is_some() {
            return Err(deleted(name));
        }
        let before = match &options.page_token {
            Some(token) => token
                .as_str()
                .parse::<u64>()
                .map_err(|_| Error::invalid_page_token())?,
            None => u64::MAX,
        };
        let mut older = entry
            .revisions
            .iter()
            .rev()
            .skip_while(|revision| revision.number >= before)
            .peekable();
        let mut items = Vec::new();
        let mut last = 0;
        while items.len() < size
            && let Some(revision) = older.next()
        {
            items.push(entry.metadata(name, revision, now));
            last = revision.number;
        }
        let next = older.peek().map(|_| PageToken::new(last.to_string()));
        Ok(Page::new(items, next))
    }

    pub(super) fn rollback(
        &mut self,
        name: &SecretName,
        to: &Version,
        now: Now,
    ) -> Result<Metadata> {
        let keep_versions = self.keep_versions;
        let entry = self.entry_mut(name, now)?;
        if entry.deletion.is_some() {
            return Err(deleted(name));
        }
        let old = entry.revision(name, Some(to))?;
        if old.buried {
            return Err(deleted(name));
        }
        let again = Revision {
            number: 0,
            value: old.value.clone(),
            written_at: now.wall,
            expires_at: old.expires_at,
            idempotency_token: None,
            buried: false,
        };
        entry.push(again, keep_versions);
        Ok(entry.metadata(name, entry.revision(name, None)?, now))
    }

    /// How many secrets there are that are not deleted.
    pub(super) fn len(&self, now: Now) -> usize {
        self.secrets
            .values()
            .filter(|entry| entry.exists(now) && entry.deletion.is_none())
            .count()
    }

    fn entry(&self, name: &SecretName, now: Now) -> Result<&Entry> {
        self.secrets
            .get(name)
            .filter(|entry| entry.exists(now))
            .ok_or_else(|| Error::not_found(name))
    }

    fn entry_mut(&mut self, name: &SecretName, now: Now) -> Result<&mut Entry> {
        self.secrets
            .get_mut(name)
            .filter(|entry| entry.exists(now))
            .ok_or_else(|| Error::not_found(name))
    }

    fn purge_if_gone(&mut self, name: &SecretName, now: Now) {
        if self
            .secrets
            .get(name)
            .is_some_and(|entry| !entry.exists(now))
        {
            self.purge(name);
        }
    }

    fn purge(&mut self, name: &SecretName) {
        if let Some(entry) = self.secrets.get_mut(name) {
            *entry = Entry {
                last_number: entry.last_number,
                ..Entry::default()
            };
        }
    }
}

impl Entry {
    fn exists(&self, now: Now) -> bool {
        let gone_at = self.deletion.as_ref().and_then(|deletion| deletion.gone_at);
        !self.revisions.is_empty() && gone_at.is_none_or(|gone_at| now.monotonic < gone_at)
    }

    /// The revision with this id, or the current one.
    fn revision(&self, name: &SecretName, version: Option<&Version>) -> Result<&Revision> {
        let Some(version) = version else {
            return self.revisions.back().ok_or_else(|| Error::not_found(name));
        };
        let number = number(version).filter(|number| (1..=self.last_number).contains(number));
        let never =
            || Error::new(ErrorKind::NotFound, "the secret has no such version").with_name(name);
        let number = number.ok_or_else(never)?;
        self.revisions
            .iter()
            .find(|revision| revision.number == number)
            .ok_or_else(|| {
                Error::new(ErrorKind::Deleted, "the version was destroyed").with_name(name)
            })
    }

    fn earlier(&self, token: Option<&str>) -> Option<&Revision> {
        let token = token?;
        self.revisions.iter().find(|revision| {
            !revision.buried && revision.idempotency_token.as_deref() == Some(token)
        })
    }

    fn check(&self, name: &SecretName, mode: &PutMode) -> Result<()> {
        match mode {
            PutMode::Upsert => Ok(()),
            PutMode::Create if self.deletion.is_some() => {
                Err(Error::from(ErrorKind::AlreadyExists)
                    .with_name(name)
                    .with_hint("it is deleted but can be restored; restore or purge it first"))
            }
            PutMode::Create => Err(Error::from(ErrorKind::AlreadyExists).with_name(name)),
            PutMode::IfVersion(version) => {
                let current = self.revisions.back().map(|revision| revision.number);
                if self.deletion.is_none() && current.is_some() && current == number(version) {
                    Ok(())
                } else {
                    Err(Error::from(ErrorKind::Conflict)
                        .with_name(name)
                        .with_hint("read the secret again, then decide"))
                }
            }
            _ => Err(unknown_option("this condition for a write")),
        }
    }

    fn push(&mut self, mut revision: Revision, keep: NonZeroUsize) {
        self.last_number += 1;
        revision.number = self.last_number;
        self.created_at.get_or_insert(revision.written_at);
        self.updated_at = Some(revision.written_at);
        self.revisions.push_back(revision);
        while self.revisions.len() > keep.get() {
            self.revisions.pop_front();
        }
    }

    fn metadata(&self, name: &SecretName, revision: &Revision, now: Now) -> Metadata {
        let state = match self.deletion {
            Some(_) => SecretState::Deleted,
            None => revision.state(now),
        };
        Metadata::new(name.clone())
            .with_version(Version::new(revision.number.to_string()))
            .with_created_at(revision.written_at)
            .with_updated_at(self.updated_at)
            .with_expires_at(revision.expires_at)
            .with_tags(self.tags.clone())
            .with_state(state)
    }
}

impl Revision {
    fn state(&self, now: Now) -> SecretState {
        match self.expires_at {
            _ if self.buried => SecretState::Deleted,
            Some(end) if end <= now.wall => SecretState::Disabled,
            _ => SecretState::Enabled,
        }
    }
}

/// The number behind a version of ours. `+1` and `01` are not, though they would parse.
fn number(version: &Version) -> Option<u64> {
    let number: u64 = version.as_str().parse().ok()?;
    (number.to_string() == version.as_str()).then_some(number)
}

fn page_size(asked: Option<usize>) -> Result<usize> {
    match asked {
        Some(0) => Err(Error::new(
            ErrorKind::InvalidConfig,
            "a page has at least one item",
        )),
        asked => Ok(asked.unwrap_or(PAGE_SIZE).min(PAGE_SIZE)),
    }
}

fn page_before(items: Vec<Metadata>) -> Page {
    let next = items.last().map(|last| PageToken::new(last.name.as_str()));
    Page::new(items, next)
}

fn deleted(name: &SecretName) -> Error {
    Error::from(ErrorKind::Deleted).with_name(name)
}

/// For variants that the contract may get later.
fn unknown_option(what: &str) -> Error {
    Error::new(
        ErrorKind::Unsupported,
        format!("the memory provider does not support {what}"),
    )
}
