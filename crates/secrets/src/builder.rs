use std::fmt;
use std::sync::Arc;

use secrets_core::{Clock, Environment, Request, Response, Result, SecretProvider, SystemClock};
use tower::{BoxError, Layer, Service};

use crate::Secrets;
use crate::config::Config;
use crate::layers::{CacheConfig, CacheLayer, OwnTtls};
use crate::registry::Registry;
use crate::router::{Opener, Router};
use crate::secrets::Hits;
use crate::stack::{self, AddedLayer, Stack, StackOptions};

/// Builds a [`Secrets`] handle. Every setting has a default; providers are opened on first use.
#[derive(Default)]
pub struct SecretsBuilder {
    config: Config,
    registry: Option<Registry>,
    environment: Environment,
    clock: Option<Arc<dyn Clock>>,
    providers: Vec<(Arc<str>, Arc<dyn SecretProvider>)>,
    default: Option<String>,
    inner: Vec<AddedLayer>,
    outer: Vec<AddedLayer>,
}

impl SecretsBuilder {
    /// Providers, chains, declared secrets and limits.
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// The schemes there are, instead of the built-in ones.
    pub fn registry(mut self, registry: Registry) -> Self {
        self.registry = Some(registry);
        self
    }

    /// The environment that providers may read; empty unless given.
    pub fn environment(mut self, environment: Environment) -> Self {
        self.environment = environment;
        self
    }

    /// Where time comes from; the system's clock unless given.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// A provider that is open already.
    pub fn provider(
        mut self,
        name: impl Into<Arc<str>>,
        provider: Arc<dyn SecretProvider>,
    ) -> Self {
        self.providers.push((name.into(), provider));
        self
    }

    /// The provider or chain for references that name none.
    pub fn default_provider(mut self, name: impl Into<String>) -> Self {
        self.default = Some(name.into());
        self
    }

    /// Adds a layer around the stack of every provider, outside of its retries. The first one added stands outermost.
    pub fn inner_layer<L>(mut self, layer: L) -> Self
    where
        L: Layer<Stack> + Send + Sync + 'static,
        L::Service: Service<Request, Response = Response> + Clone + Send + Sync + 'static,
        <L::Service as Service<Request>>::Error: Into<BoxError>,
        <L::Service as Service<Request>>::Future: Send,
    {
        self.inner.push(AddedLayer::new(layer));
        self
    }

    /// Adds a layer around the whole handle. The first one added stands outermost.
    pub fn outer_layer<L>(mut self, layer: L) -> Self
    where
        L: Layer<Stack> + Send + Sync + 'static,
        L::Service: Service<Request, Response = Response> + Clone + Send + Sync + 'static,
        <L::Service as Service<Request>>::Error: Into<BoxError>,
        <L::Service as Service<Request>>::Future: Send,
    {
        self.outer.push(AddedLayer::new(layer));
        self
    }

    /// Keeps answers in memory; in place of the `[cache]` of the configuration.
    pub fn cache(mut self, cache: CacheConfig) -> Self {
        self.config.cache = Some(cache);
        self
    }

    /// Builds the handle. Nothing is opened or asked yet.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`](secrets_core::ErrorKind::InvalidConfig) if the default or a chain names a provider that does not exist.
    pub fn build(self) -> Result<Secrets> {
        let config = self.config;
        let registry = self.registry.unwrap_or_else(Registry::builtin);
        let ready = self.providers.iter().map(|(name, _)| &**name);
        config.check_names(registry.schemes().chain(ready))?;
        let clock = self.clock.unwrap_or_else(|| Arc::new(SystemClock));
        let options = StackOptions {
            retry: config.retry.clone(),
            timeouts: config.timeouts.clone(),
            concurrency: config.concurrency,
            rate: None,
            breaker: config.breaker.clone(),
            cache: cache(&config, &clock)?,
            clock,
            added_inner: self.inner,
            added_outer: self.outer,
        };
        let opener = Opener {
            registry,
            stack: options.clone(),
            base_dir: config.base_dir.clone(),
            config_dir: config.config_dir.clone(),
            state_dir: config.state_dir.clone(),
            #[cfg(feature = "http")]
            transport: secrets_http::Transport::new(self.environment.clone()),
            environment: self.environment,
        };
        let default = self
            .default
            .or_else(|| config.default.clone())
            .map(Arc::from);
        let router = Router::new(
            self.providers,
            &config.providers,
            &config.chains,
            default,
            opener,
        )?;
        let stack = stack::outer(router.clone(), &options);
        Ok(Secrets::new(stack, router, config, Hits::new(&options)))
    }
}

/// The cache that the configuration asks for.
fn cache(config: &Config, clock: &Arc<dyn Clock>) -> Result<Option<CacheLayer>> {
    let Some(settings) = &config.cache else {
        return Ok(None);
    };
    let mut own_ttls = OwnTtls::new();
    for declared in &config.secrets {
        if let Some(ttl) = declared.cache_ttl {
            let target = declared.reference.provider().map(Arc::from);
            let own = own_ttls.entry(declared.reference.name().clone());
            own.or_default().push((target, ttl));
        }
    }
    CacheLayer::with_own_ttls(settings.clone(), clock.clone(), own_ttls).map(Some)
}

impl fmt::Debug for SecretsBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretsBuilder")
            .field("default", &self.default)
            .finish_non_exhaustive()
    }
}
