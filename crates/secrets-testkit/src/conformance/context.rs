use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use secrets_core::{
    Capabilities, Capability, DeleteMode, DeleteOptions, DescribeOptions, Error, GetOptions,
    ListOptions, Metadata, Page, PutMode, PutOptions, Result, RollbackOptions, Secret, SecretName,
    SecretProvider, SecretValue, Version, VersionsOptions,
};

use super::check::{CaseResult, Stop};
use super::fixture::Fixture;
use crate::canary::Sinks;

/// More pages than any listing of the suite has: a listing that does not end must not hang the run.
const MAX_PAGES: usize = 100_000;

/// A value of more bytes is deleted after its case, or it would slow down every later one on a store that is one file.
const HEAVY: usize = 8 * 1024;

/// What a case works with: the fixture, and names that no other case uses.
pub(super) struct Context<'a> {
    pub(super) fixture: &'a dyn Fixture,
    pub(super) capabilities: Capabilities,
    label: String,
    names: Mutex<BTreeSet<SecretName>>,
    is_heavy: AtomicBool,
}

impl<'a> Context<'a> {
    pub(super) fn new(fixture: &'a dyn Fixture, capabilities: Capabilities, label: String) -> Self {
        Self {
            fixture,
            capabilities,
            label,
            names: Mutex::default(),
            is_heavy: AtomicBool::new(false),
        }
    }

    pub(super) fn has(&self, capability: Capability) -> bool {
        self.capabilities.has(capability)
    }

    /// What the names of this case begin with.
    pub(super) fn prefix(&self) -> String {
        self.fixture.name(&format!("{}/", self.label))
    }

    /// The same, narrowed down by the beginning of a label.
    pub(super) fn prefix_of(&self, label: &str) -> String {
        self.fixture.name(&format!("{}/{label}", self.label))
    }

    /// Fails with the list of leaks, or when the scanner itself does not work.
    pub(super) fn no_leaks(&self, sinks: &Sinks<'_>) -> CaseResult {
        match sinks.verdict() {
            Ok(()) => Ok(()),
            Err(reason) => Err(Stop::fail(reason)),
        }
    }

    /// A name of this case alone, for a label of letters, digits, `-` and `/`.
    pub(super) fn name(&self, label: &str) -> Result<SecretName> {
        self.register(&self.fixture.name(&format!("{}/{label}", self.label)))
    }

    /// A name with any text after what the fixture makes of this case's label.
    pub(super) fn raw_name(&self, tail: &str) -> Result<SecretName> {
        self.register(&format!("{}{tail}", self.prefix()))
    }

    fn register(&self, name: &str) -> Result<SecretName> {
        let name = SecretName::new(name)?;
        self.names
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(name.clone());
        Ok(name)
    }

    pub(super) async fn open(&self) -> Result<Store<'a>> {
        Ok(Store {
            provider: self.fixture.open().await?,
            fixture: self.fixture,
        })
    }

    /// A store that holds these secrets, put or else seeded.
    pub(super) async fn holding(&self, secrets: &[(&SecretName, &[u8])]) -> Result<Store<'a>> {
        if secrets.iter().any(|(_, value)| value.len() > HEAVY) {
            self.is_heavy.store(true, Ordering::Relaxed);
        }
        if self.has(Capability::Put) {
            let store = self.open().await?;
            for (name, value) in secrets {
                store.put(name, *value).await?;
            }
            return Ok(store);
        }
        for (name, value) in secrets {
            self.fixture.seed(name, &SecretValue::from(*value)).await?;
        }
        self.fixture.settle().await;
        self.open().await
    }

    /// Deletes every secret that this case may have made, where that is asked for or needed. Errors are left alone: the case
    /// has its outcome already.
    pub(super) async fn clean_up(&self) {
        let is_light = !self.is_heavy.load(Ordering::Relaxed);
        if (self.fixture.is_disposable() && is_light) || !self.has(Capability::Delete) {
            return;
        }
        let mode = if self.has(Capability::Purge) {
            DeleteMode::Purge
        } else {
            DeleteMode::Soft
        };
        let names = std::mem::take(&mut *self.names.lock().unwrap_or_else(PoisonError::into_inner));
        if let Ok(store) = self.open().await {
            for name in names {
                let _ = store.delete(&name, mode).await;
            }
        }
    }

    /// How many requests `work` made the provider send, where that is counted.
    pub(super) async fn requests_of<T>(&self, work: impl Future<Output = T>) -> (T, Option<u64>) {
        let before = self.fixture.requests_sent();
        let output = work.await;
        let after = self.fixture.requests_sent();
        (
            output,
            before.zip(after).map(|(before, after)| after - before),
        )
    }
}

/// A provider with the calls that cases make most.
#[derive(Clone)]
pub(super) struct Store<'a> {
    pub(super) provider: Arc<dyn SecretProvider>,
    fixture: &'a dyn Fixture,
}

impl Store<'_> {
    pub(super) async fn get(&self, name: &SecretName) -> Result<Secret> {
        self.provider.get(name, &GetOptions::default()).await
    }

    pub(super) async fn get_version(&self, name: &SecretName, version: &Version) -> Result<Secret> {
        let options = GetOptions::default().with_version(version.clone());
        self.provider.get(name, &options).await
    }

    pub(super) async fn describe(&self, name: &SecretName) -> Result<Metadata> {
        self.provider
            .describe(name, &DescribeOptions::default())
            .await
    }

    pub(super) async fn put(&self, name: &SecretName, value: impl AsRef<[u8]>) -> Result<Metadata> {
        self.put_with(name, value, PutOptions::default()).await
    }

    pub(super) async fn put_mode(
        &self,
        name: &SecretName,
        value: impl AsRef<[u8]>,
        mode: PutMode,
    ) -> Result<Metadata> {
        self.put_with(name, value, PutOptions::default().with_mode(mode))
            .await
    }

    pub(super) async fn put_with(
        &self,
        name: &SecretName,
        value: impl AsRef<[u8]>,
        options: PutOptions,
    ) -> Result<Metadata> {
        let value = SecretValue::from(value.as_ref());
        let answer = self.provider.put(name, &value, &options).await;
        self.fixture.settle().await;
        answer
    }

    /// Puts, and gives the version of what was put.
    pub(super) async fn put_version(
        &self,
        name: &SecretName,
        value: impl AsRef<[u8]>,
    ) -> Result<Version, Stop> {
        self.put(name, value)
            .await?
            .version
            .ok_or_else(|| Stop::fail("the metadata that put answered with has no version"))
    }

    pub(super) async fn delete(&self, name: &SecretName, mode: DeleteMode) -> Result<()> {
        let options = DeleteOptions::default().with_mode(mode);
        let answer = self.provider.delete(name, &options).await;
        self.fixture.settle().await;
        answer
    }

    pub(super) async fn restore(&self, name: &SecretName) -> Result<()> {
        let answer = self.provider.restore(name).await;
        self.fixture.settle().await;
        answer
    }

    pub(super) async fn rollback(&self, name: &SecretName, to: &Version) -> Result<Metadata> {
        let answer = self
            .provider
            .rollback(name, to, &RollbackOptions::default())
            .await;
        self.fixture.settle().await;
        answer
    }

    /// Every page of a listing. Fails on a page with more items than asked for.
    pub(super) async fn list(
        &self,
        prefix: &str,
        page_size: Option<usize>,
    ) -> Result<Vec<Metadata>, Stop> {
        let mut options = ListOptions::default()
            .with_prefix(prefix)
            .with_page_size(page_size);
        let mut items = Vec::new();
        for _ in 0..MAX_PAGES {
            let page = self.provider.list(&options).await?;
            match collect(page, page_size, &mut items)? {
                Some(token) => options = options.with_page_token(token),
                None => return Ok(items),
            }
        }
        Err(Stop::fail("the listing does not end"))
    }

    /// The names of a listing, in order of name.
    pub(super) async fn list_names(
        &self,
        prefix: &str,
        page_size: Option<usize>,
    ) -> Result<Vec<SecretName>, Stop> {
        let mut names: Vec<_> = self
            .list(prefix, page_size)
            .await?
            .into_iter()
            .map(|item| item.name)
            .collect();
        names.sort();
        Ok(names)
    }

    /// Every page of a secret's versions.
    pub(super) async fn versions(
        &self,
        name: &SecretName,
        page_size: Option<usize>,
    ) -> Result<Vec<Metadata>, Stop> {
        let mut options = VersionsOptions::default().with_page_size(page_size);
        let mut items = Vec::new();
        for _ in 0..MAX_PAGES {
            let page = self.provider.versions(name, &options).await?;
            match collect(page, page_size, &mut items)? {
                Some(token) => options = options.with_page_token(token),
                None => return Ok(items),
            }
        }
        Err(Stop::fail("the listing of versions does not end"))
    }

    /// The ids of a secret's versions, newest first.
    pub(super) async fn version_ids(&self, name: &SecretName) -> Result<Vec<Version>, Stop> {
        self.versions(name, None)
            .await?
            .into_iter()
            .map(|item| {
                item.version
                    .ok_or_else(|| Stop::fail("a listed version has no id"))
            })
            .collect()
    }

    /// Fails unless the current value is this one.
    pub(super) async fn holds(&self, name: &SecretName, value: impl AsRef<[u8]>) -> CaseResult {
        super::check::same(&self.get(name).await?.value, value.as_ref())
    }
}

fn collect(
    page: Page,
    page_size: Option<usize>,
    items: &mut Vec<Metadata>,
) -> Result<Option<secrets_core::PageToken>, Stop> {
    if let Some(limit) = page_size
        && page.items.len() > limit
    {
        return Err(Stop::fail(format!(
            "a page has {} items where {limit} was the limit",
            page.items.len()
        )));
    }
    items.extend(page.items);
    Ok(page.next)
}

/// Polls a future for a while and drops it; `None` when it had not finished.
pub(super) async fn cancelled<T>(
    work: impl Future<Output = Result<T, Error>>,
    round: usize,
) -> Option<Result<T, Error>> {
    let mut work = Box::pin(work);
    if round.is_multiple_of(2) {
        // A number of polls finds the points of await that come one after the other.
        let mut left = round / 2;
        std::future::poll_fn(|context| {
            if left == 0 {
                return std::task::Poll::Ready(None);
            }
            left -= 1;
            work.as_mut().poll(context).map(Some)
        })
        .await
    } else {
        // A time finds those that wait for the network or for a thread.
        let limit = Duration::from_micros(fastrand::u64(0..3000));
        tokio::time::timeout(limit, work).await.ok()
    }
}
