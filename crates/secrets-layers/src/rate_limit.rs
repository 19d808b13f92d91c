use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use governor::clock::{Clock as GovernorClock, ReasonablyRealtime};
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use secrets_core::{Call, Clock, Deadline, Error, ErrorKind, Request, Response, Result};
use tower::{Layer, Service, ServiceExt};

/// Keeps calls within a rate, so that a program does not run into the quota of its own account.
///
/// As many calls as one second allows may come at once; the others wait for their turn. One whose turn would come after its
/// deadline is refused at once, with [`ErrorKind::RateLimited`]. A close is not counted.
#[derive(Debug, Clone)]
pub struct RateLimitLayer {
    limiter: Limiter,
}

impl RateLimitLayer {
    /// This many calls a second.
    pub fn new(calls_per_second: NonZeroU32, clock: Arc<dyn Clock>) -> Self {
        let clock = Monotonic(clock);
        let quota = Quota::per_second(calls_per_second);
        Self {
            limiter: Limiter {
                state: Arc::new(RateLimiter::direct_with_clock(quota, clock.clone())),
                clock,
            },
        }
    }
}

impl<S> Layer<S> for RateLimitLayer {
    type Service = RateLimitService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        RateLimitService {
            inner,
            limiter: self.limiter.clone(),
        }
    }
}

type State = RateLimiter<NotKeyed, InMemoryState, Monotonic, NoOpMiddleware<Duration>>;

#[derive(Clone)]
struct Limiter {
    state: Arc<State>,
    clock: Monotonic,
}

impl Limiter {
    /// How long to wait before the next look; `None` if the call may go.
    fn wait(&self) -> Option<Duration> {
        let refused = self.state.check().err()?;
        Some(refused.wait_time_from(self.clock.now()))
    }

    async fn turn(&self, deadline: Option<Deadline>) -> Result<()> {
        // The clock may tick coarsely; a shorter sleep would only look again in vain.
        const LEAST: Duration = Duration::from_millis(1);
        while let Some(wait) = self.wait() {
            let wait = wait.max(LEAST);
            if deadline.is_some_and(|deadline| deadline.remaining(&*self.clock.0) <= wait) {
                return Err(Error::new(
                    ErrorKind::RateLimited,
                    "the call's turn would come after its deadline",
                )
                .with_retry_after(wait)
                .with_hint("send fewer calls at once, or raise the provider's `rate`"));
            }
            tokio::time::sleep(wait).await;
        }
        Ok(())
    }
}

impl fmt::Debug for Limiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Limiter(..)")
    }
}

/// Our clock, as the limiter wants it: a duration is an instant there.
#[derive(Debug, Clone)]
struct Monotonic(Arc<dyn Clock>);

impl GovernorClock for Monotonic {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.monotonic()
    }
}

impl ReasonablyRealtime for Monotonic {}

/// The service of [`RateLimitLayer`].
#[derive(Debug, Clone)]
pub struct RateLimitService<S> {
    inner: S,
    limiter: Limiter,
}

impl<S> Service<Request> for RateLimitService<S>
where
    S: Service<Request, Response = Response, Error = Error> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Response>>;

    /// Always: a call waits for its turn before it waits for the inner service.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let inner = self.inner.clone();
        let limiter = self.limiter.clone();
        async move {
            if !matches!(request.call, Call::Close) {
                limiter.turn(request.deadline).await?;
            }
            inner.oneshot(request).await
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use secrets_core::{Origin, Reply, SystemClock};
    use tower::service_fn;

    use super::*;

    fn limited(
        rate: u32,
    ) -> impl Service<Request, Response = Response, Error = Error, Future: Send> + Clone + Send
    {
        let inner = service_fn(|_: Request| {
            let response = Response::new(Reply::Done, Origin::fresh("inner".into()));
            std::future::ready(Ok::<_, Error>(response))
        });
        let rate = NonZeroU32::new(rate).unwrap();
        RateLimitLayer::new(rate, Arc::new(SystemClock)).layer(inner)
    }

    #[tokio::test]
    async fn calls_beyond_a_second_wait_for_their_turn() {
        let service = limited(50);
        let started = Instant::now();
        for _ in 0..50 {
            let request = Request::new(Call::Health);
            service.clone().oneshot(request).await.unwrap();
        }
        let burst = started.elapsed();
        for _ in 0..10 {
            let request = Request::new(Call::Health);
            service.clone().oneshot(request).await.unwrap();
        }
        let took = started.elapsed() - burst;
        assert!(took >= Duration::from_millis(120), "{burst:?} {took:?}");
    }

    #[tokio::test]
    async fn a_turn_after_the_deadline_is_refused_at_once() {
        let service = limited(1);
        let clock = SystemClock;
        let request = |limit| {
            let deadline = Deadline::after(&clock, Duration::from_millis(limit));
            Request::new(Call::Health).with_deadline(deadline)
        };
        service.clone().oneshot(request(100)).await.unwrap();
        let started = Instant::now();
        let error = service.clone().oneshot(request(100)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::RateLimited);
        assert!(error.retry_after().is_some());
        assert!(started.elapsed() < Duration::from_millis(80));
        service.oneshot(Request::new(Call::Close)).await.unwrap();
    }
}
