use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pin_project_lite::pin_project;
use secrets_core::{Clock, Error, Operation, Request, Response, Result, SecretName};
use tower::{Layer, Service};
use tracing::Span;

#[cfg(feature = "cache")]
use crate::cache::CacheHit;
#[cfg(feature = "cache")]
use crate::cached_read::{CachedRead, TryCached};
use crate::metrics::kind_name;

/// Leaves a `tracing` event for every call: operation, target, secret's name, provider, outcome and duration. Never a
/// value. An error is report at `INFO`, since its caller learns of it anyway; anything else at `DEBUG`. What happens on the
/// way, down to the provider, happens within a span `secrets.call` at `DEBUG`, with `otel.kind`, `otel.name`,
/// `secrets.operation`, `secrets.target`, `secrets.name` and, at its end, `secrets.provider` and `error.type`.
#[derive(Debug, Clone)]
pub struct TraceLayer {
    clock: Arc<dyn Clock>,
}

impl TraceLayer {
    /// Durations come from this clock.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock }
    }
}

impl<S> Layer<S> for TraceLayer {
    type Service = TraceService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        TraceService {
            inner,
            clock: self.clock.clone(),
        }
    }
}

/// The service of [`TraceLayer`].
#[derive(Debug, Clone)]
pub struct TraceService<S> {
    inner: S,
    clock: Arc<dyn Clock>,
}

impl<S: Service<Request, Response = Response, Error = Error>> Service<Request> for TraceService<S> {
    type Response = Response;
    type Error = Error;
    type Future = TraceFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        // In a box, so that where nobody listens nothing of it is moved about.
        let report = tracing::enabled!(tracing::Level::INFO).then(|| {
            Box::new(Report {
                operation: request.call.operation(),
                target: request.target.clone(),
                name: request.call.name().cloned(),
                started: self.clock.monotonic(),
                clock: self.clock.clone(),
            })
        });
        let span = match tracing::enabled!(tracing::Level::DEBUG) {
            true => span(&request),
            false => Span::none(),
        };
        let call = {
            let _entered = span.enter();
            self.inner.call(request)
        };
        TraceFuture { call, report, span }
    }
}

#[cfg(feature = "cache")]
impl<S: TryCached> TryCached for TraceService<S> {
    fn try_cached(&self, read: CachedRead<'_>) -> Option<CacheHit> {
        // An answer is report at this level; no error is given at once.
        match tracing::enabled!(tracing::Level::DEBUG) {
            true => None,
            false => self.inner.try_cached(read),
        }
    }
}

fn span(request: &Request) -> Span {
    let operation = request.call.operation().as_str();
    tracing::debug_span!(
        "secrets.call",
        otel.kind = "client",
        otel.name = operation,
        secrets.operation = operation,
        secrets.target = request.target.as_deref(),
        secrets.name = request.call.name().map(SecretName::as_str),
        secrets.provider = tracing::field::Empty,
        error.r#type = tracing::field::Empty,
    )
}

#[derive(Debug)]
struct Report {
    operation: Operation,
    target: Option<Arc<str>>,
    name: Option<SecretName>,
    started: Duration,
    clock: Arc<dyn Clock>,
}

impl Report {
    fn emit(&self, outcome: &Result<Response>) {
        let took = self
            .clock
            .monotonic()
            .saturating_sub(self.started)
            .as_secs_f64();
        let operation = self.operation.as_str();
        let target = self.target.as_deref();
        let name = self.name.as_ref().map(SecretName::as_str);
        match outcome {
            Ok(response) => tracing::debug!(
                operation,
                target,
                name,
                took_seconds = took,
                provider = &*response.origin.provider,
                "answered"
            ),
            Err(error) if error.kind() == secrets_core::ErrorKind::NotFound => tracing::debug!(
                operation,
                target,
                name,
                took_seconds = took,
                provider = error.provider(),
                "not found"
            ),
            Err(error) => tracing::info!(
                operation, target, name, took_seconds = took, provider = error.provider(), kind = ?error.kind(),
                error = error.message(), "failed"
            ),
        }
    }
}

pin_project! {
    /// The future of [`TraceService`].
    #[derive(Debug)]
    pub struct TraceFuture<F> {
        #[pin]
        call: F,
        report: Option<Box<Report>>,
        span: Span,
    }
}

impl<F: Future<Output = Result<Response>>> Future for TraceFuture<F> {
    type Output = Result<Response>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let _entered = this.span.enter();
        let outcome = ready!(this.call.poll(cx));
        match &outcome {
            Ok(response) => this
                .span
                .record("secrets.provider", &*response.origin.provider),
            Err(error) => this
                .span
                .record("error.type", kind_name(error.kind()))
                .record("secrets.provider", error.provider()),
        };
        if let Some(report) = this.report.take() {
            report.emit(&outcome);
        }
        Poll::Ready(outcome)
    }
}
