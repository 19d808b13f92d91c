//! The two stacks, and the order of their layers.
//!
//! - **inner**, one for each configured provider: breaker → retry → rate limit → concurrency limit → meter → attempt
//!   timeout → provider. The breaker sees calls, not attempts; a retry's sleep holds no place in a limit; each attempt has its own
//!   timeout, and a turn in the rate limit of its own.
//! - **outer**, one for each handle: trace → audit → policy → deadline → cache → router. A policy is there
//!   only if it is configured, outside of the cache, so that it is asked for every hit. The deadline spans queues, retries and failover.
//!   A cache is there only if it is configured; its loads have a deadline of their own. What it has is given without a
//!   future, which nobody could wait for anyway: each layer is asked in the same order by a call that returns at once.
//!
//! Layers that a user adds stand outside of ours: around the retries of a provider, or around the whole handle.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;

use secrets_core::{Capability, Clock, Error, Request, Response, SecretProvider};
use tower::limit::ConcurrencyLimitLayer;
use tower::util::BoxCloneSyncService;
use tower::{BoxError, Layer, Service, ServiceBuilder, ServiceExt};

use crate::config::{RetryConfig, TimeoutConfig};
#[cfg(feature = "policy")]
use crate::layers::PolicyLayer;
use crate::layers::{
    AtOnce, AttemptTimeoutLayer, AuditLayer, Breaker, BreakerConfig, BreakerLayer, Cache,
    CacheLayer, DeadlineLayer, Glance, Kept, Meter, MeterLayer, RateLimitLayer, RetryLayer,
    TraceLayer, error_from_boxed,
};
use crate::service::ProviderService;

/// A composed stack: cheap to clone, and shared by all who hold a clone.
pub type Stack = BoxCloneSyncService<Request, Response, Error>;

/// How the stacks are built; from the configuration.
#[derive(Debug, Clone)]
pub(crate) struct StackOptions {
    pub(crate) retry: RetryConfig,
    pub(crate) timeouts: TimeoutConfig,
    pub(crate) concurrency: Option<usize>,
    /// Calls a second; `None` for the vendor's quota.
    pub(crate) rate: Option<u32>,
    pub(crate) breaker: BreakerConfig,
    pub(crate) cache: Option<CacheLayer>,
    /// Made once there is a router, which reads its key.
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
            BoxCloneSyncService::new(service)
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

/// The inner stack of a provider, and what can be seen of it from outside.
#[derive(Debug, Clone)]
pub(crate) struct Inner {
    pub(crate) stack: Stack,
    pub(crate) meter: Meter,
    pub(crate) breaker: Breaker,
}

pub(crate) fn inner(provider: Arc<dyn SecretProvider>, options: &StackOptions) -> Inner {
    let info = provider.info();
    let put_tokens_honoured = info.capabilities.has(Capability::IdempotentPut);
    let concurrency = options
        .concurrency
        .or(info.concurrency)
        .unwrap_or(CONCURRENCY);
    let meter = Meter::new(info.name.clone(), info.scheme);
    let rate = options.rate.or(info.rate).and_then(NonZeroU32::new);
    let standard = ServiceBuilder::new()
        .layer(BreakerLayer::new(
            options.breaker.clone(),
            options.clock.clone(),
        ))
        .layer(RetryLayer::new(
            options.retry.clone(),
            options.clock.clone(),
            put_tokens_honoured,
        ))
        .option_layer(rate.map(|rate| RateLimitLayer::new(rate, options.clock.clone())))
        .layer(ConcurrencyLimitLayer::new(concurrency.max(1)))
        .layer(MeterLayer::new(meter.clone(), options.clock.clone()))
        .layer(AttemptTimeoutLayer::new(
            options.timeouts.attempt,
            options.clock.clone(),
        ))
        .service(ProviderService::new(provider));
    let breaker = standard.breaker().clone();
    Inner {
        stack: add(&options.added_inner, BoxCloneSyncService::new(standard)),
        meter,
        breaker,
    }
}

/// The stack of a handle.
pub(crate) struct Outer {
    pub(crate) stack: Stack,
    /// The same for reads that can be answered at once; absent where nothing is kept, and where a layer of the user's, which
    /// knows requests alone, has to see them.
    pub(crate) at_once: Option<Arc<dyn AtOnce + Send + Sync>>,
}

pub(crate) fn outer<R>(router: R, options: &StackOptions) -> Outer
where
    R: Service<Request, Response = Response, Error = Error> + Clone + Send + Sync + 'static,
    R::Future: Send,
{
    let outside = ServiceBuilder::new()
        .layer(TraceLayer::new(options.clock.clone()))
        .option_layer(options.audit.clone());
    #[cfg(feature = "policy")]
    let outside = outside.option_layer(options.policy.clone());
    let outside = outside.layer(DeadlineLayer::new(
        options.timeouts.deadline,
        options.clock.clone(),
    ));
    let Some(cache) = &options.cache else {
        let standard = BoxCloneSyncService::new(outside.service(router));
        return Outer {
            stack: add(&options.added_outer, standard),
            at_once: None,
        };
    };
    let standard = outside.layer(cache.clone()).service(router);
    let at_once = options.added_outer.is_empty().then(|| {
        let counted = Counted {
            service: standard.clone(),
            cache: cache.cache().clone(),
        };
        Arc::new(counted) as _
    });
    Outer {
        stack: add(&options.added_outer, BoxCloneSyncService::new(standard)),
        at_once,
    }
}

/// Counts what was answered at once, when all layers are done with it.
struct Counted<S> {
    service: S,
    cache: Cache,
}

impl<S: AtOnce> AtOnce for Counted<S> {
    fn glance(&self, read: Glance<'_>) -> Option<Kept> {
        let kept = self.service.glance(read)?;
        self.cache.count_hit();
        Some(kept)
    }
}
