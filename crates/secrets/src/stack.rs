//! The two stacks, and the order of their layers.
//!
//! - **inner**, one for each configured provider: breaker → retry → rate limit → concurrency limit → metrics → attempt
//!   timeout → provider. The breaker sees calls, not attempts; a retry's sleep holds no place in a limit; each attempt has its own
//!   timeout, and a turn in the rate limit of its own.
//! - **outer**, one for each handle: trace → audit → policy → deadline → cache → router. A policy is there
//!   only if it is configured, outside of the cache, so that it is asked for every hit. The deadline spans queues, retries and failover.
//!   A cache is there only if it is configured; its loads have a deadline of their own. What it has is given without a
//!   future, which nobody could wait for anyway: each layer is asked in the same order by a call that returns at once.
//!
//! Layers that a user adds stand outside of ours: around the retries of a provider, or around the whole handle.

use std::fmt;
use std::future::Future;
#[cfg(feature = "rate-limit")]
use std::num::NonZeroU32;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use secrets_core::{Capability, Clock, Error, Request, Response, Result, SecretProvider};
use tower::limit::ConcurrencyLimitLayer;
use tower::util::BoxCloneSyncService;
use tower::{BoxError, Layer, Service, ServiceBuilder, ServiceExt};

#[cfg(feature = "audit")]
use crate::layers::AuditLayer;
#[cfg(feature = "policy")]
use crate::layers::PolicyLayer;
#[cfg(feature = "rate-limit")]
use crate::layers::RateLimitLayer;
use crate::layers::{
    AttemptTimeoutLayer, Breaker, BreakerConfig, BreakerLayer, DeadlineLayer, Metrics,
    MetricsLayer, ProviderService, RetryConfig, RetryLayer, TimeoutConfig, TraceLayer,
    error_from_boxed,
};
#[cfg(feature = "cache")]
use crate::layers::{Cache, CacheHit, CacheLayer, CachedRead, TryCached};

/// A composed stack: a tower service from [`Request`] to [`Response`] that is cheap to clone. Clones share it.
///
/// A layer for [`SecretsBuilder::inner_layer`](crate::SecretsBuilder::inner_layer) or
/// [`SecretsBuilder::outer_layer`](crate::SecretsBuilder::outer_layer) wraps one.
#[derive(Debug, Clone)]
pub struct Stack(BoxCloneSyncService<Request, Response, Error>);

impl Stack {
    pub(crate) fn new<S>(service: S) -> Self
    where
        S: Service<Request, Response = Response, Error = Error> + Clone + Send + Sync + 'static,
        S::Future: Send,
    {
        Self(BoxCloneSyncService::new(service))
    }
}

impl Service<Request> for Stack {
    type Response = Response;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        self.0.call(request)
    }
}

/// How the stacks are built; from the configuration.
#[derive(Debug, Clone)]
pub(crate) struct StackOptions {
    pub(crate) retry: RetryConfig,
    pub(crate) timeouts: TimeoutConfig,
    pub(crate) concurrency: Option<usize>,
    /// Calls per second; `None` for the vendor's quota.
    #[cfg(feature = "rate-limit")]
    pub(crate) rate: Option<u32>,
    pub(crate) breaker: BreakerConfig,
    #[cfg(feature = "cache")]
    pub(crate) cache: Option<CacheLayer>,
    /// Made once there is a router, which reads its key.
    #[cfg(feature = "audit")]
    pub(crate) audit: Option<AuditLayer>,
    #[cfg(feature = "policy")]
    pub(crate) policy: Option<PolicyLayer>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) added_inner: Vec<AddedLayer>,
    pub(crate) added_outer: Vec<AddedLayer>,
}

/// A layer of the user's, with its types erased.
#[derive(Clone)]
pub(crate) struct AddedLayer(Arc<dyn Fn(Stack) -> Stack + Send + Sync>);

impl AddedLayer {
    pub(crate) fn new<L>(layer: L) -> Self
    where
        L: Layer<Stack> + Send + Sync + 'static,
        L::Service: Service<Request, Response = Response> + Clone + Send + Sync + 'static,
        <L::Service as Service<Request>>::Error: Into<BoxError>,
        <L::Service as Service<Request>>::Future: Send,
    {
        Self(Arc::new(move |stack| {
            let service = layer
                .layer(stack)
                .map_err(|error| error_from_boxed(error.into()));
            Stack::new(service)
        }))
    }
}

impl fmt::Debug for AddedLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AddedLayer")
    }
}

/// The first layer that was added stands outermost, as in tower's `ServiceBuilder`.
fn add(layers: &[AddedLayer], stack: Stack) -> Stack {
    layers
        .iter()
        .rev()
        .fold(stack, |stack, layer| (layer.0)(stack))
}

/// How many calls a provider takes at once where neither the configuration nor the provider says.
const CONCURRENCY: usize = 16;

/// The inner stack of a provider, with its counters and its breaker.
#[derive(Debug, Clone)]
pub(crate) struct Inner {
    pub(crate) stack: Stack,
    pub(crate) metrics: Metrics,
    pub(crate) breaker: Breaker,
}

pub(crate) fn inner(provider: Arc<dyn SecretProvider>, options: &StackOptions) -> Inner {
    let info = provider.info();
    let put_tokens_honoured = info.capabilities.has(Capability::IdempotentPut);
    let concurrency = options
        .concurrency
        .or(info.concurrency)
        .unwrap_or(CONCURRENCY);
    let metrics = Metrics::new(info.name.clone(), info.scheme);
    let clock = &options.clock;
    let outside = ServiceBuilder::new()
        .layer(BreakerLayer::new(options.breaker.clone(), clock.clone()))
        .layer(RetryLayer::new(
            options.retry.clone(),
            clock.clone(),
            put_tokens_honoured,
        ));
    #[cfg(feature = "rate-limit")]
    let outside = {
        let rate = options.rate.or(info.rate).and_then(NonZeroU32::new);
        outside.option_layer(rate.map(|rate| RateLimitLayer::new(rate, clock.clone())))
    };
    let standard = outside
        .layer(ConcurrencyLimitLayer::new(concurrency.max(1)))
        .layer(MetricsLayer::new(metrics.clone(), clock.clone()))
        .layer(AttemptTimeoutLayer::new(
            options.timeouts.attempt,
            clock.clone(),
        ))
        .service(ProviderService::new(provider));
    let breaker = standard.breaker().clone();
    Inner {
        stack: add(&options.added_inner, Stack::new(standard)),
        metrics,
        breaker,
    }
}

/// The stack of a handle.
pub(crate) struct Outer {
    pub(crate) stack: Stack,
    /// The same for reads that the cache can answer without a future. Absent without a cache, and where a layer of the
    /// user's, which knows requests alone, has to see them.
    #[cfg(feature = "cache")]
    pub(crate) try_cached: Option<Arc<dyn TryCached + Send + Sync>>,
}

pub(crate) fn outer<R>(router: R, options: &StackOptions) -> Outer
where
    R: Service<Request, Response = Response, Error = Error> + Clone + Send + Sync + 'static,
    R::Future: Send,
{
    let outside = ServiceBuilder::new().layer(TraceLayer::new(options.clock.clone()));
    #[cfg(feature = "audit")]
    let outside = outside.option_layer(options.audit.clone());
    #[cfg(feature = "policy")]
    let outside = outside.option_layer(options.policy.clone());
    let outside = outside.layer(DeadlineLayer::new(
        options.timeouts.deadline,
        options.clock.clone(),
    ));
    #[cfg(feature = "cache")]
    if let Some(cache) = &options.cache {
        let standard = outside.layer(cache.clone()).service(router);
        let try_cached = options.added_outer.is_empty().then(|| {
            let counted = Counted {
                service: standard.clone(),
                cache: cache.cache().clone(),
            };
            Arc::new(counted) as _
        });
        return Outer {
            stack: add(&options.added_outer, Stack::new(standard)),
            try_cached,
        };
    }
    Outer {
        stack: add(&options.added_outer, Stack::new(outside.service(router))),
        #[cfg(feature = "cache")]
        try_cached: None,
    }
}

/// Counts a hit when all layers are done with it.
#[cfg(feature = "cache")]
struct Counted<S> {
    service: S,
    cache: Cache,
}

#[cfg(feature = "cache")]
impl<S: TryCached> TryCached for Counted<S> {
    fn try_cached(&self, read: CachedRead<'_>) -> Option<CacheHit> {
        let hit = self.service.try_cached(read)?;
        self.cache.count_hit();
        Some(hit)
    }
}
