use std::borrow::Cow;
use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::stream::{self, StreamExt};

use crate::{
    Capabilities, DeleteOptions, DescribeOptions, GetOptions, Health, Leases, ListOptions,
    Location, Metadata, Page, Permissions, PutOptions, Result, RollbackOptions, Secret, SecretName, SecretValue,
    Version, VersionsOptions,
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

/// What a provider says about itself without asking anyone.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ProviderInfo {
    /// Its kind, such as `vault`.
    pub scheme: &'static str,
    /// Its name in the configuration.
    pub name: Arc<str>,
    /// Where it is.
    pub location: Location,
    /// What it can do.
    pub capabilities: Capabilities,
    /// The environment variables that hold credentials of its own, which a child process must not inherit.
    pub credential_variables: Vec<String>,
    /// How many calls the vendor takes well side by side; `None` where it does not matter.
    pub concurrency: Option<usize>,
    /// How many calls a second the vendor's quota allows; `None` where there is none.
    pub rate: Option<u32>,
}

impl ProviderInfo {
    /// A provider without credential variables.
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

    /// With this many calls a second, unless the configuration says otherwise.
    pub fn with_rate(mut self, calls_per_second: u32) -> Self {
        self.rate = Some(calls_per_second);
        self
    }

    /// With this many calls side by side, unless the configuration says otherwise.
    pub fn with_concurrency(mut self, calls: usize) -> Self {
        self.concurrency = Some(calls);
        self
    }

    /// With these variables, which hold credentials of the provider.
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
    /// How it is read.
    pub options: GetOptions,
}

impl GetItem {
    /// This secret, read this way.
    pub fn new(name: SecretName, options: GetOptions) -> Self {
        Self { name, options }
    }
}

/// One call of a vendor that a [`SecretProvider::get_many`] would make.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PlannedCall {
    /// What the vendor calls it, such as `BatchGetSecretValue`.
    pub call: Cow<'static, str>,
    /// The items that it answers, as indices into those that were asked for.
    pub items: Vec<usize>,
    /// How many requests go over the network when all goes well and a session is open; 0 where no server is asked.
    pub requests: usize,
}

impl PlannedCall {
    /// This call for these items, which costs these requests.
    pub fn new(call: impl Into<Cow<'static, str>>, items: Vec<usize>, requests: usize) -> Self {
        Self {
            call: call.into(),
            items,
            requests,
        }
    }

    /// The plan of a store that asks no server: one reading for all of these items.
    pub fn local(items: &[GetItem]) -> Vec<Self> {
        match items.len() {
            0 => Vec::new(),
            count => vec![Self::new("read", (0..count).collect(), 0)],
        }
    }
}

/// A store of secrets.
///
/// Every method is one request and one answer. What a provider cannot do answers
/// [`Error::unsupported`](crate::Error::unsupported), and the matching [`Capability`](crate::Capability) is absent; the
/// conformance suite of the testkit tests that, and every sentence below. Dropping a returned future is safe at any time:
/// a write has then happened in full or not at all. Errors need no provider or operation, the caller attaches both.
#[async_trait]
pub trait SecretProvider: Debug + Send + Sync {
    /// What the provider is and can do. Costs nothing.
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

    /// Reads metadata, never the value. A deleted secret that can be restored is described with its state where the
    /// provider can tell, else it is [`Deleted`](crate::ErrorKind::Deleted) or
    /// [`NotFound`](crate::ErrorKind::NotFound).
    async fn describe(&self, name: &SecretName, options: &DescribeOptions) -> Result<Metadata>;

    /// Lists one page of secrets that are not deleted, without values. Following [`Page::next`] to the end gives every
    /// secret that existed throughout exactly once.
    async fn list(&self, options: &ListOptions) -> Result<Page>;

    /// Writes a value, and answers with the metadata of the new version. A value over
    /// [`Capabilities::max_value_bytes`] is [`InvalidValue`](crate::ErrorKind::InvalidValue) before any call.
    async fn put(
        &self,
        name: &SecretName,
        value: &SecretValue,
        options: &PutOptions,
    ) -> Result<Metadata>;

    /// Deletes a secret. One that does not exist, or is deleted already, is [`NotFound`](crate::ErrorKind::NotFound) or
    /// [`Deleted`](crate::ErrorKind::Deleted); a purge also removes one that is deleted but restorable.
    async fn delete(&self, name: &SecretName, options: &DeleteOptions) -> Result<()>;

    /// Undoes a soft delete. A secret that is not deleted is left as it is.
    async fn restore(&self, name: &SecretName) -> Result<()>;

    /// Lists one page of a secret's versions, newest first, without values.
    async fn versions(&self, name: &SecretName, options: &VersionsOptions) -> Result<Page>;

    /// Makes the content of an earlier version current again, and answers with the metadata of what is current now: a
    /// new version with the old content, or the old version itself.
    async fn rollback(
        &self,
        name: &SecretName,
        to: &Version,
        options: &RollbackOptions,
    ) -> Result<Metadata>;

    /// Asks whether the provider can serve. That it cannot is an answer, not an error.
    async fn health(&self) -> Result<Health>;

    /// Gives back what is held: connections, and tokens that no lease depends on. Leases are given back with
    /// [`leases`](Self::leases), by whoever knows that nobody uses their secrets. Calling it again does nothing; a later
    /// call of another method may fail, but does not panic.
    async fn close(&self) -> Result<()>;
}
