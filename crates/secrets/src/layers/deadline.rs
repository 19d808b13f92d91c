use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pin_project_lite::pin_project;
use secrets_core::{Clock, Deadline, Error, ErrorKind, Operation, Request, Response, Result};
use tokio::time::Timeout;
use tower::{Layer, Service};

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

impl<S: Service<Request, Response = Response, Error = Error>> Service<Request>
    for DeadlineService<S>
{
    type Response = Response;
    type Error = Error;
    type Future = DeadlineFuture<S::Future>;

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
        DeadlineFuture {
            call: tokio::time::timeout(remaining, self.inner.call(request)),
            remaining,
            operation,
        }
    }
}

pin_project! {
    /// The future of [`DeadlineService`].
    #[derive(Debug)]
    pub struct DeadlineFuture<F> {
        #[pin]
        call: Timeout<F>,
        remaining: Duration,
        operation: Operation,
    }
}

impl<F: Future<Output = Result<Response>>> Future for DeadlineFuture<F> {
    type Output = Result<Response>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        Poll::Ready(ready!(this.call.poll(cx)).unwrap_or_else(|_| {
            Err(Error::new(
                ErrorKind::Timeout,
                format!("no answer within the deadline of {:?}", this.remaining),
            )
            .with_operation(*this.operation)
            .with_hint("raise `timeouts.deadline`, or look at the provider's health"))
        }))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use secrets_core::{Call, SystemClock};
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
            took >= Duration::from_millis(30) && took < Duration::from_millis(90),
            "{took:?}"
        );
    }
}
