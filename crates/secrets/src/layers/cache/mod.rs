//! Answers are kept for a while, and what many want at once is loaded once.
//!
//! - Within its time to live an answer is given without asking anyone. Near its end it is fetched again meanwhile, by one of
//!   those who read it (`refresh_ahead`).
//! - Of all who want what is not there, or not fresh, one load serves all. The load runs on its own time; who waits may
//!   leave, and a load that is given up is an error for those who stay, never a hang.
//! - Where a provider cannot be reached ([`Error::is_stale_ok`](secrets_core::Error::is_stale_ok)), the last answer is given
//!   up to the age `max_stale`, and says so ([`Freshness::Stale`](secrets_core::Freshness::Stale)). The first reader waits
//!   for `patience`, the others do not; one in a second tries again behind their backs.
//! - Any other error makes the cache forget: what is denied, deleted or disabled is never answered from memory.
//! - A write forgets the secret at once, under every provider, chain and version, and what loads under way bring is not kept.
//!
//! A hit costs a look-up and two counted references, whatever the number of answers; a miss a task more.

mod config;
mod entry;
mod flight;
mod key;
mod service;
mod stats;
mod store;
mod sync;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use secrets_core::{Clock, Error, Request, Response, Result, SecretName, SecretValue, Version};
use tower::{Layer, Service};

use key::{KeyRef, Scope};

pub use config::CacheConfig;
pub use service::CacheService;
pub use stats::CacheStats;
pub use store::Cache;
pub(crate) use store::OwnTtls;

/// Keeps the answers to reads.
///
/// It spawns loads, so that services it is laid around must be called within a tokio runtime.
#[derive(Debug, Clone)]
pub struct CacheLayer {
    cache: Cache,
    scope: Arc<Scope>,
}

impl CacheLayer {
    /// A layer with a cache of its own.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`](secrets_core::ErrorKind::InvalidConfig) for settings that make no sense together.
    pub fn new(config: CacheConfig, clock: Arc<dyn Clock>) -> Result<Self> {
        Self::with_own_ttls(config, clock, OwnTtls::new())
    }

    pub(crate) fn with_own_ttls(
        config: CacheConfig,
        clock: Arc<dyn Clock>,
        own_ttls: OwnTtls,
    ) -> Result<Self> {
        config.check()?;
        Ok(Self {
            cache: Cache::new(config, clock, own_ttls),
            scope: Arc::default(),
        })
    }

    /// The same cache for another identity or namespace: nothing that is kept for one is ever given to the other.
    #[must_use]
    pub fn scoped(&self, identity: &str, namespace: &str) -> Self {
        Self {
            cache: self.cache.clone(),
            scope: Arc::new(Scope {
                identity: identity.into(),
                namespace: namespace.into(),
            }),
        }
    }

    /// The cache behind the layer.
    pub fn cache(&self) -> &Cache {
        &self.cache
    }

    /// The value of a secret that can be given at once, without anything being done. Counted as a hit.
    pub(crate) fn peek(
        &self,
        target: Option<&str>,
        name: &SecretName,
        version: Option<&Version>,
    ) -> Option<SecretValue> {
        self.cache.peek(KeyRef {
            scope: &self.scope,
            target,
            name,
            version,
        })
    }
}

impl<S> Layer<S> for CacheLayer
where
    S: Service<Request, Response = Response, Error = Error> + Clone + Send + Sync + 'static,
    S::Future: Send,
{
    type Service = CacheService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        CacheService::new(inner, self.cache.clone(), Arc::clone(&self.scope))
    }
}
