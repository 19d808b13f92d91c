use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use secrets_core::{Clock, Deadline, Error, Request, Response, Result};
use tower::{Layer, Service};

use super::future::{TimedFuture, TimeoutMessage};
#[cfg(feature = "cache")]
use crate::cache::CacheHit;
#[cfg(feature = "cache")]
use crate::cached_read::{CachedRead, TryCached};

/// Gives every request without a deadline one, and ends every call when its deadline passes.
///
/// It stands in the outer stack, so that authentication, queues, retries and failover all live within one limit.
#[derive(Debug, Clone)]
pub struct DeadlineLayer {
    limit: Duration,
    clock: Arc<dyn Clock>,
}

impl DeadlineLayer {
    /// This long from the moment of the call.
    pub fn new(limit: Duration, clock: Arc<dyn Clock>) -> Self {
        Self { limit, clock }
    }
}

impl<S> Layer<S> for DeadlineLayer {
    type Service = DeadlineService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        DeadlineService {
            inner,
            layer: self.clone(),
        }
    }
}

/// The service of [`DeadlineLayer`].
#[derive(Debug, Clone)]
pub struct DeadlineService<S> {
    inner: S,
    layer: DeadlineLayer,
}

impl<S> Service<Request> for DeadlineService<S>
where
    S: Service<Request, Response = Response, Error = Error>,
{
    type Response = Response;
    type Error = Error;
    type Future = TimedFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let clock = &*self.layer.clock;
        let deadline = *request
            .deadline
            .get_or_insert_with(|| Deadline::after(clock, self.layer.limit));
        let remaining = deadline.remaining(clock);
        let operation = request.call.operation();
        TimedFuture::new(self.inner.call(request), remaining, operation, &MESSAGE)
    }
}

#[cfg(feature = "cache")]
impl<S: TryCached> TryCached for DeadlineService<S> {
    fn try_cached(&self, read: CachedRead<'_>) -> Option<CacheHit> {
        self.inner.try_cached(read)
    }
}

static MESSAGE: TimeoutMessage = TimeoutMessage {
    message: "no answer within the deadline of",
    hint: "raise `timeouts.deadline`, or look at the provider's health",
};

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use secrets_core::{Call, ErrorKind, SystemClock};
    use tower::{ServiceExt, service_fn};

    use super::*;

    #[tokio::test]
    async fn a_hanging_call_ends_at_the_deadline() {
        let never = service_fn(|_: Request| std::future::pending::<Result<Response>>());
        let service =
            DeadlineLayer::new(Duration::from_millis(40), Arc::new(SystemClock)).layer(never);
        let started = Instant::now();
        let error = service
            .oneshot(Request::new(Call::Health))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout);
        let took = started.elapsed();
        assert!(
            took >= Duration::from_millis(30) && took < Duration::from_millis(500),
            "{took:?}"
        );
    }
}
