use std::fmt;
use std::sync::Arc;

use secrets_core::{
    Clock, Environment, Error, ErrorKind, Request, Response, Result, SecretProvider, SystemClock,
};
use tower::{BoxError, Layer, Service};

use crate::Secrets;
#[cfg(feature = "audit")]
use crate::audit;
use crate::config::Config;
#[cfg(feature = "audit")]
use crate::layers::{Actor, AuditSink};
use crate::layers::{AuditConfig, CacheConfig, PolicyConfig};
#[cfg(feature = "cache")]
use crate::layers::{CacheLayer, cache::SecretTtls};
#[cfg(feature = "policy")]
use crate::layers::{Policy, PolicyLayer};
use crate::registry::Registry;
use crate::router::{Opener, Router};
use crate::secrets::LayerHandles;
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
    #[cfg(feature = "policy")]
    principal: Option<Arc<str>>,
    #[cfg(feature = "audit")]
    actor: Option<Actor>,
    #[cfg(feature = "audit")]
    sinks: Vec<Box<dyn AuditSink>>,
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

    /// Allows nothing but what this policy does; in place of the `[policy]` of the configuration.
    pub fn policy(mut self, policy: PolicyConfig) -> Self {
        self.config.policy = Some(policy);
        self
    }

    /// For whom the policy is asked. Unless given it is who `SECRETS_PRINCIPAL` of the environment names, else the user of
    /// `USER` or `LOGNAME`.
    #[cfg(feature = "policy")]
    pub fn principal(mut self, principal: impl Into<Arc<str>>) -> Self {
        self.principal = Some(principal.into());
        self
    }

    /// Records every use of a secret; in place of the `[audit]` of the configuration.
    pub fn audit(mut self, audit: AuditConfig) -> Self {
        self.config.audit = Some(audit);
        self
    }

    /// Records every use of a secret here too; without any other setting of the audit, here alone.
    #[cfg(feature = "audit")]
    pub fn audit_sink(mut self, sink: impl AuditSink) -> Self {
        self.sinks.push(Box::new(sink));
        self
    }

    /// Who uses secrets, for the audit. Unless given, what the operating system says of this process.
    #[cfg(feature = "audit")]
    pub fn actor(mut self, actor: Actor) -> Self {
        self.actor = Some(actor);
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
        #[cfg(feature = "policy")]
        let policy = policy(
            &config,
            self.default.as_ref(),
            self.principal,
            &self.environment,
        )?;
        refuse_what_is_off(&config)?;
        let options = StackOptions {
            retry: config.retry.clone(),
            timeouts: config.timeouts.clone(),
            concurrency: config.concurrency,
            #[cfg(feature = "rate-limit")]
            rate: None,
            breaker: config.breaker.clone(),
            #[cfg(feature = "cache")]
            cache: cache(&config, &clock)?,
            #[cfg(feature = "audit")]
            audit: None,
            #[cfg(feature = "policy")]
            policy,
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
            transport: secrets_provider::Transport::new(self.environment.clone()),
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
            default.clone(),
            opener,
        )?;
        #[cfg(feature = "audit")]
        let options = {
            let inputs = audit::AuditInputs {
                actor: Arc::new(self.actor.unwrap_or_else(Actor::of_process)),
                sinks: self.sinks,
                default,
                clock: options.clock.clone(),
            };
            StackOptions {
                audit: audit::layer(&config, &router, inputs)?,
                ..options
            }
        };
        let outer = stack::outer(router.clone(), &options);
        Ok(Secrets::new(
            outer,
            router,
            config,
            LayerHandles::new(&options),
        ))
    }
}

/// The cache that the configuration asks for.
#[cfg(feature = "cache")]
fn cache(config: &Config, clock: &Arc<dyn Clock>) -> Result<Option<CacheLayer>> {
    let Some(settings) = &config.cache else {
        return Ok(None);
    };
    let mut secret_ttls = SecretTtls::new();
    for declared in &config.secrets {
        if let Some(ttl) = declared.cache_ttl {
            let target = declared.reference.provider().map(Arc::from);
            let own = secret_ttls.entry(declared.reference.name().clone());
            own.or_default().push((target, ttl));
        }
    }
    CacheLayer::with_secret_ttls(settings.clone(), clock.clone(), secret_ttls).map(Some)
}

/// The policy that the configuration asks for, and the principal for whom.
#[cfg(feature = "policy")]
fn policy(
    config: &Config,
    default: Option<&String>,
    principal: Option<Arc<str>>,
    environment: &Environment,
) -> Result<Option<PolicyLayer>> {
    if config.policy.is_none() {
        return Ok(None);
    }
    let policy = match default {
        Some(default) => Policy::new(config.clone().with_default(default).policy_source()?)?,
        None => Policy::new(config.policy_source()?)?,
    };
    let named = || {
        let variables = ["SECRETS_PRINCIPAL", "USER", "LOGNAME"].into_iter();
        let mut values = variables.filter_map(|variable| environment.text(variable));
        values.find(|value| !value.is_empty()).map(Arc::from)
    };
    let principal = principal.or_else(named).ok_or_else(|| {
        Error::new(
            ErrorKind::InvalidConfig,
            "there is a policy, but nobody for whom it could be asked",
        )
        .with_hint("set SECRETS_PRINCIPAL, or name the principal when the handle is built")
    })?;
    let default = default.or(config.default.as_ref());
    PolicyLayer::new(policy, principal, default.map_or("", String::as_str)).map(Some)
}

/// Refuses settings whose feature is off: a policy that cannot be asked must not be taken for one that allows everything.
fn refuse_what_is_off(config: &Config) -> Result<()> {
    let rate = config.providers.values().find(|one| one.rate.is_some());
    let policy = config.policy.as_ref();
    let asked = [
        ("audit", "[audit]", config.audit.is_some(), None),
        ("cache", "[cache]", config.cache.is_some(), None),
        (
            "policy",
            "[policy]",
            policy.is_some(),
            policy.and_then(|one| one.position.as_ref()),
        ),
        (
            "rate-limit",
            "rate",
            rate.is_some(),
            rate.and_then(|one| one.position.as_ref()),
        ),
    ];
    let off: Vec<&str> = [
        (cfg!(feature = "audit"), "audit"),
        (cfg!(feature = "cache"), "cache"),
        (cfg!(feature = "policy"), "policy"),
        (cfg!(feature = "rate-limit"), "rate-limit"),
    ]
    .into_iter()
    .filter(|(is_on, _)| !is_on)
    .map(|(_, feature)| feature)
    .collect();
    for (feature, setting, is_asked, position) in asked {
        if !is_asked || !off.contains(&feature) {
            continue;
        }
        let error = Error::new(
            ErrorKind::InvalidConfig,
            format!(
                "`{setting}` is set, but this program was built without the feature `{feature}`"
            ),
        )
        .with_hint(format!(
            "build it with the feature `{feature}`, or remove `{setting}`"
        ));
        return Err(match position {
            Some(position) => error.with_position(position.clone()),
            None => error,
        });
    }
    Ok(())
}

impl fmt::Debug for SecretsBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretsBuilder")
            .field("default", &self.default)
            .finish_non_exhaustive()
    }
}
