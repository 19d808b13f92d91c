use std::sync::Arc;

use secrets_core::{Clock, Error, Request, Response, Result};
use tower::{Layer, Service};

use super::config::CacheConfig;
use super::key::Scope;
use super::service::CacheService;
use super::store::{Cache, SecretTtls};

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
    /// [`ErrorKind::InvalidConfig`](secrets_core::ErrorKind::InvalidConfig) for settings that conflict.
    pub fn new(config: CacheConfig, clock: Arc<dyn Clock>) -> Result<Self> {
        Self::with_secret_ttls(config, clock, SecretTtls::new())
    }

    /// A layer with a cache of its own, in which these secrets are kept for a time of their own.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_secret_ttls(
        config: CacheConfig,
        clock: Arc<dyn Clock>,
        secret_ttls: SecretTtls,
    ) -> Result<Self> {
        config.check()?;
        Ok(Self {
            cache: Cache::new(config, clock, secret_ttls),
            scope: Arc::default(),
        })
    }

    /// The same cache for another identity or namespace: nothing that is kept for one is ever given to the other.
    #[must_use]
    pub fn scoped(&self, identity: &str, namespace: &str) -> Self {
        Self {
            cache: self.cache.clone(),
            scope: Arc::new(Scope::new(identity, namespace)),
        }
    }

    /// The cache behind the layer.
    pub fn cache(&self) -> &Cache {
        &self.cache
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
