use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pin_project_lite::pin_project;
use secrets_core::{Clock, ErrorKind, Operation, Reply, Request, Response, Result};
use tower::{Layer, Service};

/// The upper bounds of the groups in which durations are counted, in seconds.
pub const DURATION_BOUNDS: [f64; 13] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// Counts the calls that a provider gets, each attempt on its own: how many, how they ended, how long they took.
///
/// It stands inside the retries and the limits. With the feature `metrics` it also tells the recorder of the crate
/// `metrics`, if the program has installed one: the counter `secrets.provider.calls` and the histogram
/// `secrets.provider.call.duration` (seconds), with `secrets.provider`, `secrets.scheme`, `secrets.operation` and, for a
/// failure, `error.type`. No label ever holds a secret's name or value.
#[derive(Debug, Clone)]
pub struct MetricsLayer {
    metrics: Metrics,
    clock: Arc<dyn Clock>,
}

impl MetricsLayer {
    /// Counts into this metrics; durations come from the clock.
    pub fn new(metrics: Metrics, clock: Arc<dyn Clock>) -> Self {
        Self { metrics, clock }
    }
}

impl<S> Layer<S> for MetricsLayer {
    type Service = MetricsService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        MetricsService {
            inner,
            layer: self.clone(),
        }
    }
}

/// What one provider was asked so far. Clones are one.
#[derive(Debug, Clone)]
pub struct Metrics(Arc<Counted>);

#[derive(Debug)]
struct Counted {
    provider: Arc<str>,
    scheme: &'static str,
    calls: Mutex<BTreeMap<(&'static str, &'static str), CallStats>>,
}

/// The calls of one operation that ended in one way.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct CallStats {
    /// What was asked: `get`, `put`, …
    pub operation: &'static str,
    /// `ok`, or the kind of error: `not_found`, `rate_limited`, …
    pub outcome: &'static str,
    /// How many calls ended so, attempts counted one by one.
    pub count: u64,
    /// How long they took together.
    pub total: Duration,
    /// How many of them took at most as long as [`DURATION_BOUNDS`] says at the same place.
    pub within: [u64; DURATION_BOUNDS.len()],
}

/// The outcome of a call that went well.
const OK: &str = "ok";

impl Metrics {
    /// A metrics for this provider.
    pub fn new(provider: impl Into<Arc<str>>, scheme: &'static str) -> Self {
        Self(Arc::new(Counted {
            provider: provider.into(),
            scheme,
            calls: Mutex::default(),
        }))
    }

    /// What was counted so far, by operation and outcome.
    pub fn calls(&self) -> Vec<CallStats> {
        self.lock().values().cloned().collect()
    }

    /// The provider that is counted.
    pub fn provider(&self) -> &Arc<str> {
        &self.0.provider
    }

    /// Its scheme.
    pub fn scheme(&self) -> &'static str {
        self.0.scheme
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<(&'static str, &'static str), CallStats>> {
        self.0.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, operation: Operation, outcome: &'static str, took: Duration) {
        let operation = operation.as_str();
        let seconds = took.as_secs_f64();
        {
            let mut calls = self.lock();
            let stats = calls
                .entry((operation, outcome))
                .or_insert_with(|| CallStats {
                    operation,
                    outcome,
                    count: 0,
                    total: Duration::ZERO,
                    within: [0; DURATION_BOUNDS.len()],
                });
            stats.count += 1;
            stats.total += took;
            for (within, bound) in stats.within.iter_mut().zip(DURATION_BOUNDS) {
                *within += u64::from(seconds <= bound);
            }
        }
        #[cfg(feature = "metrics")]
        self.forward(operation, outcome, seconds);
    }

    #[cfg(feature = "metrics")]
    fn forward(&self, operation: &'static str, outcome: &'static str, seconds: f64) {
        let mut labels = vec![
            ::metrics::Label::new("secrets.provider", self.0.provider.to_string()),
            ::metrics::Label::new("secrets.scheme", self.0.scheme),
            ::metrics::Label::new("secrets.operation", operation),
        ];
        if outcome != OK {
            labels.push(::metrics::Label::new("error.type", outcome));
        }
        ::metrics::histogram!("secrets.provider.call.duration", labels.clone()).record(seconds);
        ::metrics::counter!("secrets.provider.calls", labels).increment(1);
    }
}

/// How an answer counts: of many, the first failure that is not the secret's own absence.
fn outcome(answer: &Result<Response>) -> &'static str {
    match answer {
        Err(error) => kind_name(error.kind()),
        Ok(Response {
            reply: Reply::Secrets(answers),
            ..
        }) => answers
            .iter()
            .filter_map(|answer| answer.as_ref().err())
            .map(secrets_core::Error::kind)
            .find(|kind| *kind != ErrorKind::NotFound)
            .map_or(OK, kind_name),
        Ok(_) => OK,
    }
}

/// The word for a kind of error in counters: lowercase, with underscores.
pub(crate) fn kind_name(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::NotFound => "not_found",
        ErrorKind::Deleted => "deleted",
        ErrorKind::Disabled => "disabled",
        ErrorKind::AlreadyExists => "already_exists",
        ErrorKind::Conflict => "conflict",
        ErrorKind::Unauthenticated => "unauthenticated",
        ErrorKind::PermissionDenied => "permission_denied",
        ErrorKind::RateLimited => "rate_limited",
        ErrorKind::Unavailable => "unavailable",
        ErrorKind::Timeout => "timeout",
        ErrorKind::InvalidName => "invalid_name",
        ErrorKind::InvalidValue => "invalid_value",
        ErrorKind::InvalidConfig => "invalid_config",
        ErrorKind::InvalidResponse => "invalid_response",
        ErrorKind::IntegrityFailure => "integrity_failure",
        ErrorKind::Unsupported => "unsupported",
        _ => "unexpected",
    }
}

/// The service of [`MetricsLayer`].
#[derive(Debug, Clone)]
pub struct MetricsService<S> {
    inner: S,
    layer: MetricsLayer,
}

impl<S: Service<Request, Response = Response, Error = secrets_core::Error>> Service<Request>
    for MetricsService<S>
{
    type Response = Response;
    type Error = secrets_core::Error;
    type Future = MetricsFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        MetricsFuture {
            operation: request.call.operation(),
            started: self.layer.clock.monotonic(),
            layer: self.layer.clone(),
            call: self.inner.call(request),
        }
    }
}

pin_project! {
    /// The future of [`MetricsService`].
    #[derive(Debug)]
    pub struct MetricsFuture<F> {
        #[pin]
        call: F,
        layer: MetricsLayer,
        operation: Operation,
        started: Duration,
    }
}

impl<F: Future<Output = Result<Response>>> Future for MetricsFuture<F> {
    type Output = Result<Response>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let answer = ready!(this.call.poll(cx));
        let took = this.layer.clock.monotonic().saturating_sub(*this.started);
        this.layer
            .metrics
            .count(*this.operation, outcome(&answer), took);
        Poll::Ready(answer)
    }
}

#[cfg(test)]
mod tests {
    use secrets_core::{Call, Error, Origin};
    use secrets_testkit::ManualClock;
    use tower::{ServiceExt, service_fn};

    use super::*;

    #[tokio::test]
    async fn calls_are_counted_by_operation_and_outcome() {
        let clock = Arc::new(ManualClock::new());
        let metrics = Metrics::new("main", "memory");
        let moved = clock.clone();
        let inner = service_fn(move |request: Request| {
            moved.advance(Duration::from_millis(30));
            std::future::ready(match request.call {
                Call::Health => Err(Error::of(ErrorKind::RateLimited)),
                _ => Ok(Response::new(Reply::Done, Origin::fresh("main".into()))),
            })
        });
        let service = MetricsLayer::new(metrics.clone(), clock).layer(inner);
        for call in [Call::Close, Call::Health, Call::Health] {
            let _ = service.clone().oneshot(Request::new(call)).await;
        }
        let calls = metrics.calls();
        let counted: Vec<_> = calls
            .iter()
            .map(|one| (one.operation, one.outcome, one.count, one.total.as_millis()))
            .collect();
        assert_eq!(
            counted,
            [("close", "ok", 1, 30), ("health", "rate_limited", 2, 60)]
        );
        assert_eq!(calls[1].within[4..6], [0, 2]);
    }
}
