use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pin_project_lite::pin_project;
use secrets_core::{Clock, Error, ErrorKind, Operation, Request, Response, Result};
use tokio::time::Timeout;
use tower::{Layer, Service};

/// Ends a single attempt after this long, or at the request's deadline if that comes first, so that a retry can follow.
#[derive(Debug, Clone)]
pub struct AttemptTimeoutLayer {
    limit: Duration,
    clock: Arc<dyn Clock>,
}

impl AttemptTimeoutLayer {
    /// At most this long an attempt.
    pub fn new(limit: Duration, clock: Arc<dyn Clock>) -> Self {
        Self { limit, clock }
    }
}

impl<S> Layer<S> for AttemptTimeoutLayer {
    type Service = AttemptTimeoutService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        AttemptTimeoutService {
            inner,
            layer: self.clone(),
        }
    }
}

/// The service of [`AttemptTimeoutLayer`].
#[derive(Debug, Clone)]
pub struct AttemptTimeoutService<S> {
    inner: S,
    layer: AttemptTimeoutLayer,
}

impl<S: Service<Request, Response = Response, Error = Error>> Service<Request>
    for AttemptTimeoutService<S>
{
    type Response = Response;
    type Error = Error;
    type Future = AttemptFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let remaining = request
            .deadline
            .map(|deadline| deadline.remaining(&*self.layer.clock));
        let limit = remaining.map_or(self.layer.limit, |remaining| {
            remaining.min(self.layer.limit)
        });
        let operation = request.call.operation();
        AttemptFuture {
            call: tokio::time::timeout(limit, self.inner.call(request)),
            limit,
            operation,
        }
    }
}

pin_project! {
    /// The future of [`AttemptTimeoutService`].
    #[derive(Debug)]
    pub struct AttemptFuture<F> {
        #[pin]
        call: Timeout<F>,
        limit: Duration,
        operation: Operation,
    }
}

impl<F: Future<Output = Result<Response>>> Future for AttemptFuture<F> {
    type Output = Result<Response>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        Poll::Ready(ready!(this.call.poll(cx)).unwrap_or_else(|_| {
            Err(Error::new(
                ErrorKind::Timeout,
                format!("the provider gave no answer within {:?}", this.limit),
            )
            .with_operation(*this.operation)
            .with_hint("raise `timeouts.attempt`, or look at the provider's health"))
        }))
    }
}
