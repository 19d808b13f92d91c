use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use secrets_core::{Clock, Error, Request, Response, Result};
use tower::{Layer, Service};

use super::future::{TimedFuture, TimeoutMessage};

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

impl<S> Service<Request> for AttemptTimeoutService<S>
where
    S: Service<Request, Response = Response, Error = Error>,
{
    type Response = Response;
    type Error = Error;
    type Future = TimedFuture<S::Future>;

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
        TimedFuture::new(self.inner.call(request), limit, operation, &MESSAGE)
    }
}

static MESSAGE: TimeoutMessage = TimeoutMessage {
    message: "the provider gave no answer within",
    hint: "raise `timeouts.attempt`, or look at the provider's health",
};
