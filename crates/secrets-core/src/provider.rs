use std::borrow::Cow;
use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::stream::{self, StreamExt};

use crate::{
    Capabilities, DeleteOptions, DescribeOptions, GetOptions, Health, Leases, ListOptions,
    Location, Metadata, Page, Permissions, PutOptions, Result, RollbackOptions, Secret, SecretName,
    SecretValue, Version, VersionsOptions,
};

/// How many gets the default [`SecretProvider::get_many`] has in flight where the provider names no number.
const GETS_IN_FLIGHT: usize = 16;

/// How a provider groups the reads of [`SecretProvider::get_many`].
pub trait Planner: Debug + Send + Sync {
    /// The calls that `get_many` makes for these items; sends nothing.
    ///
    /// Every item is in exactly one of the calls, and the items of a call, asked for alone, are that one call again: a
    /// caller may make the calls one by one, each with its own retries and timeout.
    fn plan(&self, items: &[GetItem]) -> Vec<PlannedCall>;
}

/// The provider's plan for these items: its [`Planner`]'s, else one `get` with one request for each item.
pub fn plan_reads(provider: &dyn SecretProvider, items: &[GetItem]) -> Vec<PlannedCall> {
    match provider.planner() {
        Some(planner) => planner.plan(items),
        None => (0..items.len())
            .map(|item| PlannedCall::new("get", vec![item], 1))
            .collect(),
    }
}

/// The secret that a name addresses; see [`SecretProvider::canonical_name`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CanonicalName {
    /// The name itself.
    AsAsked,
    /// Another name of the same secret, by which it is known: the name in an ARN.
    Other(SecretName),
    /// Any of these, which only the vendor can tell apart. A rule must allow all of them, and one that denies any of them
    /// applies.
    AnyOf(Vec<SecretName>),
}

/// What a provider is and can do.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ProviderInfo {
    /// The kind of provider, such as `vault`.
    pub scheme: &'static str,
    /// The provider's name in the configuration.
    pub name: Arc<str>,
    /// Where it stores its secrets.
    pub location: Location,
    /// What it can do.
    pub capabilities: Capabilities,
    /// Environment variables with the provider's own credentials, which a child process must not inherit.
    pub credential_variables: Vec<String>,
    /// How many calls the vendor handles well at once; `None` for no limit.
    pub concurrency: Option<usize>,
    /// The vendor's quota in calls per second; `None` for no quota.
    pub rate: Option<u32>,
}

impl ProviderInfo {
    /// A provider without credential variables, concurrency limit and quota.
    pub fn new(
        scheme: &'static str,
        name: impl Into<Arc<str>>,
        location: Location,
        capabilities: Capabilities,
    ) -> Self {
        Self {
            scheme,
            name: name.into(),
            location,
            capabilities,
            credential_variables: Vec::new(),
            concurrency: None,
            rate: None,
        }
    }

    /// Sets the default rate limit, in calls per second; the configuration overrides it.
    pub fn with_rate(mut self, calls_per_second: u32) -> Self {
        self.rate = Some(calls_per_second);
        self
    }

    /// Sets the default limit of calls at once; the configuration overrides it.
    pub fn with_concurrency(mut self, calls: usize) -> Self {
        self.concurrency = Some(calls);
        self
    }

    /// Sets the environment variables that hold the provider's credentials.
    pub fn with_credential_variables(mut self, names: Vec<String>) -> Self {
        self.credential_variables = names;
        self
    }
}

/// One secret of a [`SecretProvider::get_many`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct GetItem {
    /// Which secret.
    pub name: SecretName,
    /// Read options.
    pub options: GetOptions,
}

impl GetItem {
    /// A read of this secret.
    pub fn new(name: SecretName, options: GetOptions) -> Self {
        Self { name, options }
    }
}

/// One vendor call of a [`SecretProvider::get_many`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PlannedCall {
    /// The vendor's name of the call, such as `BatchGetSecretValue`.
    pub call: Cow<'static, str>,
    /// The items that it reads, as indices into the items of the request.
    pub items: Vec<usize>,
    /// Network requests that it makes when a session is open and nothing fails; 0 for a local store.
    pub requests: usize,
}

impl PlannedCall {
    /// A call that reads `items` with this many network requests.
    pub fn new(call: impl Into<Cow<'static, str>>, items: Vec<usize>, requests: usize) -> Self {
        Self {
            call: call.into(),
            items,
            requests,
        }
    }

    /// The plan of a local store: one read for all items.
    pub fn local(items: &[GetItem]) -> Vec<Self> {
        match items.len() {
            0 => Vec::new(),
            count => vec![Self::new("read", (0..count).collect(), 0)],
        }
    }
}

/// A store of secrets.
///
/// Every method is one request and one answer. What a provider cannot do returns
/// [`Error::unsupported`](crate::Error::unsupported), and the matching [`Capability`](crate::Capability) is absent; the
/// conformance suite of the testkit tests that, and every sentence below. Dropping a returned future is safe at any time:
/// a write has then happened in full or not at all. Errors need no provider, operation or name; the caller attaches them.
#[async_trait]
pub trait SecretProvider: Debug + Send + Sync {
    /// What the provider is and can do. Makes no request.
    fn info(&self) -> &ProviderInfo;

    /// Reads one secret: exactly the bytes that were put, and the metadata with the version that was read.
    ///
    /// A secret or version that never existed is [`NotFound`](crate::ErrorKind::NotFound), a deleted or destroyed one
    /// [`Deleted`](crate::ErrorKind::Deleted), a disabled one [`Disabled`](crate::ErrorKind::Disabled).
    async fn get(&self, name: &SecretName, options: &GetOptions) -> Result<Secret>;

    /// Reads many secrets: one result an item, in the order asked. An item that fails does not harm the others. Default: as
    /// many gets at once as [`ProviderInfo::concurrency`] says, 16 where it says nothing.
    async fn get_many(&self, items: &[GetItem]) -> Vec<Result<Secret>> {
        let gets: Vec<_> = items
            .iter()
            .map(|item| self.get(&item.name, &item.options))
            .collect();
        let in_flight = self.info().concurrency.unwrap_or(GETS_IN_FLIGHT).max(1);
        stream::iter(gets).buffered(in_flight).collect().await
    }

    /// How [`get_many`](Self::get_many) groups its reads. Default: `None`, for a provider that reads them one by one.
    fn planner(&self) -> Option<&dyn Planner> {
        None
    }

    /// The rights that reads need. Default: `None`, for a store without an access policy of its own.
    fn permissions(&self) -> Option<&dyn Permissions> {
        None
    }

    /// The leases of its secrets. Default: `None`, for a store whose secrets come without a lease.
    fn leases(&self) -> Option<&dyn Leases> {
        None
    }

    /// The secret that a name addresses, for whoever decides by name. Two names with one canonical name are one secret.
    /// Costs nothing. Default: each name addresses its own secret.
    fn canonical_name(&self, name: &SecretName) -> CanonicalName {
        let _ = name;
        CanonicalName::AsAsked
    }

    /// Reads metadata, never the value. A deleted secret that can be restored is described with its state if the
    /// provider knows it; otherwise it is [`Deleted`](crate::ErrorKind::Deleted) or
    /// [`NotFound`](crate::ErrorKind::NotFound).
    async fn describe(&self, name: &SecretName, options: &DescribeOptions) -> Result<Metadata>;

    /// Lists one page of secrets that are not deleted, without values. Following [`Page::next`] to the end returns every
    /// secret that existed throughout exactly once.
    async fn list(&self, options: &ListOptions) -> Result<Page>;

    /// Writes a value and returns the metadata of the new version. A value over [`Capabilities::max_value_bytes`] is
    /// [`InvalidValue`](crate::ErrorKind::InvalidValue) before any call.
    async fn put(
        &self,
        name: &SecretName,
        value: &SecretValue,
        options: &PutOptions,
    ) -> Result<Metadata>;

    /// Deletes a secret. A secret that does not exist or is already deleted is [`NotFound`](crate::ErrorKind::NotFound) or
    /// [`Deleted`](crate::ErrorKind::Deleted); a purge also removes a deleted secret that could be restored.
    async fn delete(&self, name: &SecretName, options: &DeleteOptions) -> Result<()>;

    /// Undoes a soft delete. Leaves a secret that is not deleted unchanged.
    async fn restore(&self, name: &SecretName) -> Result<()>;

    /// Lists one page of a secret's versions, newest first, without values.
    async fn versions(&self, name: &SecretName, options: &VersionsOptions) -> Result<Page>;

    /// Makes the content of an earlier version current again and returns the metadata of the current version: a new version
    /// with the old content, or the old version itself.
    async fn rollback(
        &self,
        name: &SecretName,
        to: &Version,
        options: &RollbackOptions,
    ) -> Result<Metadata>;

    /// Checks whether the provider can serve. An unhealthy provider is an answer, not an error.
    async fn health(&self) -> Result<Health>;

    /// Releases connections, and revokes tokens that no lease depends on. [`leases`](Self::leases) revokes leases: the
    /// caller decides when their secrets are no longer in use. A second call does nothing; a later call of another method
    /// may fail, but does not panic.
    async fn close(&self) -> Result<()>;
}
