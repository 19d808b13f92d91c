use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::future::{Either, Ready, ready as at_once};
use pin_project_lite::pin_project;
use secrets_core::{
    Call, Clock, Error, ErrorKind, Health, HealthStatus, Reply, Request, Response, Result,
};
use tower::{Layer, Service};

/// When a provider is left alone: `[breaker]`.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct BreakerConfig {
    /// `enabled`: whether it is ever left alone. Default true.
    pub enabled: bool,
    /// `window`: how many of the last calls count. At most 64; default 20.
    pub window: u32,
    /// `min_failures`: how many of them must have failed, or been slow, before anything follows. Default 2.
    pub min_failures: u32,
    /// `failure_percent`: the share of calls that failed, or were slow, from which on the provider is left alone. A call
    /// failed if it ended, after all its repetitions, with `Unavailable` or `Timeout`. Default 50.
    pub failure_percent: u32,
    /// `slow_call`: how long a call may take before it counts as slow, waits and repetitions included. Default 10 s.
    pub slow_call: Duration,
    /// `open_for`: how long the provider is left alone; twice as long each time that it fails again right after, up to
    /// ten times. Default 30 s.
    pub open_for: Duration,
}

impl Default for BreakerConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            window: 20,
            min_failures: 2,
            failure_percent: 50,
            slow_call: Duration::from_secs(10),
            open_for: Duration::from_secs(30),
        }
    }
}

impl BreakerConfig {
    /// Never leaves a provider alone.
    #[must_use]
    pub fn disabled() -> Self {
        Self {
            enabled: false,
            ..Self::default()
        }
    }

    /// With this many failures among the last `window` calls before anything follows.
    #[must_use]
    pub fn with_window(mut self, min_failures: u32, window: u32) -> Self {
        self.min_failures = min_failures;
        self.window = window;
        self
    }

    /// With this share of failed or slow calls, in percent.
    #[must_use]
    pub fn with_failure_percent(mut self, percent: u32) -> Self {
        self.failure_percent = percent;
        self
    }

    /// With this time after which a call counts as slow.
    #[must_use]
    pub fn with_slow_call(mut self, limit: Duration) -> Self {
        self.slow_call = limit;
        self
    }

    /// With this time for which the provider is left alone.
    #[must_use]
    pub fn with_open_for(mut self, time: Duration) -> Self {
        self.open_for = time;
        self
    }
}

/// What a breaker lets through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BreakerState {
    /// Everything.
    Closed,
    /// Nothing.
    Open,
    /// One call, whose outcome decides.
    HalfOpen,
}

/// Leaves a provider alone that fails or has become slow, so that nobody waits for it and a chain goes on to its next member.
///
/// Closed, it counts the last calls. From the configured share of failures on it is open: calls are answered at once with
/// [`ErrorKind::Unavailable`]. After `open_for` one call is let through: if that goes well, all are again. A health check is
/// always let through, and counted by the breaker; a close is always let through. The call that decides is not repeated. Every layer that is laid has a state of its
/// own, which clones of the service share.
#[derive(Debug, Clone)]
pub struct BreakerLayer {
    config: BreakerConfig,
    clock: Arc<dyn Clock>,
}

impl BreakerLayer {
    /// A breaker that decides like this.
    pub fn new(config: BreakerConfig, clock: Arc<dyn Clock>) -> Self {
        Self { config, clock }
    }
}

impl<S> Layer<S> for BreakerLayer {
    type Service = BreakerService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        BreakerService {
            inner,
            breaker: Breaker(Arc::new(Shared {
                config: self.config.clone(),
                clock: self.clock.clone(),
                state: Mutex::new(State::Closed(Recent::default())),
            })),
        }
    }
}

/// The service of [`BreakerLayer`].
#[derive(Debug, Clone)]
pub struct BreakerService<S> {
    inner: S,
    breaker: Breaker,
}

impl<S> BreakerService<S> {
    /// The state of the breaker.
    pub fn breaker(&self) -> &Breaker {
        &self.breaker
    }
}

/// The state of one breaker, to be looked at. Clones are one.
#[derive(Debug, Clone)]
pub struct Breaker(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    config: BreakerConfig,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Debug)]
enum State {
    Closed(Recent),
    /// Until then nothing is let through; `times` is how often in a row it has been opened.
    Open {
        until: Duration,
        times: u32,
    },
    /// A call is under way that decides.
    HalfOpen,
}

/// The last calls, the newest in the lowest bit.
#[derive(Debug, Clone, Copy, Default)]
struct Recent {
    bad: u64,
    count: u32,
}

impl Recent {
    fn add(&mut self, bad: bool, window: u32) {
        let window = window.clamp(1, 64);
        self.bad = (self.bad << 1 | u64::from(bad)) & (u64::MAX >> (64 - window));
        self.count = (self.count + 1).min(window);
    }

    fn failures(self) -> u32 {
        self.bad.count_ones()
    }

    fn percent(self) -> u32 {
        100 * self.failures() / self.count.max(1)
    }
}

impl Breaker {
    /// What it lets through now.
    pub fn state(&self) -> BreakerState {
        match *self.lock() {
            State::Closed(_) => BreakerState::Closed,
            State::Open { until, .. } if self.0.clock.monotonic() >= until => {
                BreakerState::HalfOpen
            }
            State::Open { .. } => BreakerState::Open,
            State::HalfOpen => BreakerState::HalfOpen,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn admit(&self) -> Result<Permit> {
        let now = self.0.clock.monotonic();
        let mut state = self.lock();
        let refused = match *state {
            State::Closed(_) => None,
            State::Open { until, times } if now >= until => {
                *state = State::HalfOpen;
                return Ok(self.permit(now, Some(times)));
            }
            State::Open { until, .. } => Some(until - now),
            State::HalfOpen => Some(Duration::ZERO),
        };
        match refused {
            None => Ok(self.permit(now, None)),
            Some(wait) => Err(left_alone(wait)),
        }
    }

    fn permit(&self, started: Duration, probe: Option<u32>) -> Permit {
        Permit {
            breaker: self.clone(),
            started,
            probe,
        }
    }

    fn record(&self, started: Duration, probe: Option<u32>, failed: bool) {
        let Shared { config, clock, .. } = &*self.0;
        let now = clock.monotonic();
        let bad = failed || now.saturating_sub(started) > config.slow_call;
        let mut state = self.lock();
        let before = state_name(&state);
        match (&mut *state, probe) {
            (State::HalfOpen, Some(times)) if bad => *state = opened(config, now, times + 1),
            (State::HalfOpen, Some(_)) => *state = State::Closed(Recent::default()),
            (State::Closed(recent), _) => {
                recent.add(bad, config.window);
                if recent.failures() >= config.min_failures
                    && recent.percent() >= config.failure_percent
                {
                    *state = opened(config, now, 0);
                }
            }
            // A call from before it was opened changes nothing.
            _ => {}
        }
        let after = state_name(&state);
        if before != after {
            tracing::info!(before, after, "the breaker of a provider has changed");
        }
    }

    /// Gives the place of a deciding call back whose outcome nobody saw.
    fn give_back(&self, times: u32) {
        let mut state = self.lock();
        if let State::HalfOpen = *state {
            let until = self.0.clock.monotonic();
            *state = State::Open { until, times };
        }
    }
}

fn state_name(state: &State) -> &'static str {
    match state {
        State::Closed(_) => "closed",
        State::Open { .. } => "open",
        State::HalfOpen => "half-open",
    }
}

fn opened(config: &BreakerConfig, now: Duration, times: u32) -> State {
    const MOST: u32 = 10;
    let factor = 1u32.checked_shl(times).unwrap_or(MOST).min(MOST);
    State::Open {
        until: now.saturating_add(config.open_for.saturating_mul(factor)),
        times,
    }
}

fn left_alone(wait: Duration) -> Error {
    Error::new(
        ErrorKind::Unavailable,
        "the provider has failed too often and is left alone for a while",
    )
    .with_retry_after(wait)
    .with_hint("look at the provider's health; `[breaker]` says when this happens")
}

/// One call that was let through.
#[derive(Debug)]
struct Permit {
    breaker: Breaker,
    started: Duration,
    /// How often the breaker had been opened before, if this call decides.
    probe: Option<u32>,
}

impl Permit {
    fn record(mut self, failed: bool) {
        let probe = self.probe.take();
        self.breaker.record(self.started, probe, failed);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(times) = self.probe.take() {
            self.breaker.give_back(times);
        }
    }
}

pin_project! {
    /// The future of a call that was let through.
    #[derive(Debug)]
    pub struct BreakerFuture<F> {
        #[pin]
        call: F,
        permit: Option<Permit>,
        reported: Option<Breaker>,
    }
}

impl<F: Future<Output = Result<Response>>> Future for BreakerFuture<F> {
    type Output = Result<Response>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut outcome = ready!(this.call.poll(cx));
        if let Some(permit) = this.permit.take() {
            permit.record(has_failed(&outcome));
        }
        if let (Some(breaker), Ok(Response { reply, .. })) = (this.reported.take(), &mut outcome)
            && let Reply::Health(health) = reply
        {
            tell(&breaker, health);
        }
        Poll::Ready(outcome)
    }
}

/// Whether the provider could not serve: as a whole, or no item of many.
fn has_failed(outcome: &Result<Response>) -> bool {
    let unable =
        |error: &Error| matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Timeout);
    match outcome {
        Err(error) => unable(error),
        Ok(Response {
            reply: Reply::Secrets(answers),
            ..
        }) => !answers.is_empty() && answers.iter().all(|one| one.as_ref().is_err_and(unable)),
        Ok(_) => false,
    }
}

fn tell(breaker: &Breaker, health: &mut Health) {
    let said = match breaker.state() {
        BreakerState::Closed => return,
        BreakerState::Open => "left alone after failures",
        BreakerState::HalfOpen => "about to be tried again after failures",
    };
    if health.status == HealthStatus::Healthy {
        health.status = HealthStatus::Degraded;
    }
    health.detail = match health.detail.as_str() {
        "" => said.to_owned(),
        detail => format!("{detail}; {said}"),
    };
}

impl<S: Service<Request, Response = Response, Error = Error>> Service<Request>
    for BreakerService<S>
{
    type Response = Response;
    type Error = Error;
    type Future = Either<Ready<Result<Response>>, BreakerFuture<S::Future>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let (permit, reported) = match &request.call {
            Call::Close => (None, None),
            Call::Health => (None, Some(self.breaker.clone())),
            _ if !self.breaker.0.config.enabled => (None, None),
            _ => match self.breaker.admit() {
                Ok(permit) => {
                    if permit.probe.is_some() {
                        request.max_attempts = Some(1);
                    }
                    (Some(permit), None)
                }
                Err(error) => return Either::Left(at_once(Err(error))),
            },
        };
        Either::Right(BreakerFuture {
            call: self.inner.call(request),
            permit,
            reported,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use secrets_core::{GetOptions, Metadata, Origin, Secret, SecretName};
    use secrets_testkit::ManualClock;
    use tower::ServiceExt;

    use super::*;

    #[derive(Clone)]
    struct Backend {
        calls: Arc<AtomicUsize>,
        failure: Arc<Mutex<Option<ErrorKind>>>,
        clock: Arc<ManualClock>,
        takes: Arc<Mutex<Duration>>,
    }

    impl Service<Request> for Backend {
        type Response = Response;
        type Error = Error;
        type Future = Ready<Result<Response>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, request: Request) -> Self::Future {
            self.calls.fetch_add(1, Ordering::SeqCst);
            self.clock.advance(*self.takes.lock().unwrap());
            let origin = Origin::fresh("backend".into());
            at_once(match (&request.call, *self.failure.lock().unwrap()) {
                (Call::Health, _) => {
                    let health = Health::new(HealthStatus::Healthy, "up");
                    Ok(Response::new(Reply::Health(health), origin))
                }
                (_, Some(kind)) => Err(Error::from(kind)),
                _ => {
                    let metadata = Metadata::new(SecretName::new("a").unwrap());
                    let secret = Secret::new("1".into(), metadata);
                    Ok(Response::new(Reply::Secret(secret), origin))
                }
            })
        }
    }

    struct Setup {
        backend: Backend,
        service: BreakerService<Backend>,
    }

    impl Setup {
        fn new(config: BreakerConfig) -> Self {
            let clock = Arc::new(ManualClock::new());
            let backend = Backend {
                calls: Arc::default(),
                failure: Arc::default(),
                clock: clock.clone(),
                takes: Arc::default(),
            };
            let service = BreakerLayer::new(config, clock).layer(backend.clone());
            Self { backend, service }
        }

        fn fail(&self, kind: impl Into<Option<ErrorKind>>) {
            *self.backend.failure.lock().unwrap() = kind.into();
        }

        fn later(&self, seconds: u64) {
            self.backend.clock.advance(Duration::from_secs(seconds));
        }

        async fn get(&self) -> Result<Response> {
            let call = Call::Get {
                name: SecretName::new("a").unwrap(),
                options: GetOptions::default(),
            };
            self.service.clone().oneshot(Request::new(call)).await
        }

        fn state(&self) -> BreakerState {
            self.service.breaker().state()
        }

        fn calls(&self) -> usize {
            self.backend.calls.load(Ordering::SeqCst)
        }
    }

    #[tokio::test]
    async fn failures_open_it_and_one_success_closes_it() {
        let setup = Setup::new(BreakerConfig::default());
        setup.fail(ErrorKind::Unavailable);
        for _ in 0..2 {
            assert_eq!(setup.state(), BreakerState::Closed);
            setup.get().await.unwrap_err();
        }
        assert_eq!(setup.state(), BreakerState::Open);
        let error = setup.get().await.unwrap_err();
        assert_eq!(error.retry_after(), Some(Duration::from_secs(30)));
        assert_eq!(setup.calls(), 2);
        setup.fail(None);
        setup.later(30);
        setup.get().await.unwrap();
        assert_eq!((setup.state(), setup.calls()), (BreakerState::Closed, 3));
    }

    #[tokio::test]
    async fn failing_again_keeps_it_open_for_longer() {
        let setup = Setup::new(BreakerConfig::default());
        setup.fail(ErrorKind::Timeout);
        for _ in 0..4 {
            setup.get().await.unwrap_err();
        }
        for wait in [30, 60, 120, 240, 300, 300] {
            setup.later(wait - 1);
            let before = setup.calls();
            setup.get().await.unwrap_err();
            assert_eq!(setup.calls(), before, "{wait}");
            setup.later(1);
            setup.get().await.unwrap_err();
            assert_eq!(setup.calls(), before + 1, "{wait}");
        }
    }

    #[tokio::test]
    async fn what_says_nothing_of_the_backend_does_not_open_it() {
        for kind in [
            ErrorKind::NotFound,
            ErrorKind::PermissionDenied,
            ErrorKind::RateLimited,
            ErrorKind::InvalidName,
        ] {
            let setup = Setup::new(BreakerConfig::default());
            setup.fail(kind);
            for _ in 0..50 {
                setup.get().await.unwrap_err();
            }
            assert_eq!((setup.state(), setup.calls()), (BreakerState::Closed, 50));
        }
    }

    #[tokio::test]
    async fn few_failures_among_many_calls_do_not_open_it() {
        let setup = Setup::new(BreakerConfig::default());
        for number in 1..200 {
            setup.fail((number % 3 == 0).then_some(ErrorKind::Unavailable));
            let _ = setup.get().await;
        }
        assert_eq!(setup.state(), BreakerState::Closed);
        // Every second one is half of them.
        for number in 0..40 {
            setup.fail((number % 2 == 0).then_some(ErrorKind::Unavailable));
            let _ = setup.get().await;
        }
        assert_eq!(setup.state(), BreakerState::Open);
    }

    #[tokio::test]
    async fn slow_calls_count_as_failures() {
        let config = BreakerConfig::default().with_slow_call(Duration::from_secs(2));
        let setup = Setup::new(config);
        *setup.backend.takes.lock().unwrap() = Duration::from_secs(2);
        for _ in 0..4 {
            setup.get().await.unwrap();
        }
        assert_eq!(setup.state(), BreakerState::Closed);
        *setup.backend.takes.lock().unwrap() = Duration::from_secs(3);
        for _ in 0..4 {
            setup.get().await.unwrap();
        }
        assert_eq!(setup.state(), BreakerState::Open);
    }

    #[tokio::test]
    async fn only_one_call_decides_and_one_that_is_given_up_gives_way() {
        let setup = Setup::new(BreakerConfig::default());
        setup.fail(ErrorKind::Unavailable);
        for _ in 0..4 {
            setup.get().await.unwrap_err();
        }
        setup.later(30);
        let permit = setup.service.breaker().admit().unwrap();
        assert!(permit.probe.is_some());
        let calls = setup.calls();
        setup.get().await.unwrap_err();
        assert_eq!(setup.calls(), calls);
        drop(permit);
        setup.fail(None);
        setup.get().await.unwrap();
        assert_eq!(setup.state(), BreakerState::Closed);
    }

    #[tokio::test]
    async fn health_is_always_asked_and_told_of_it() {
        let setup = Setup::new(BreakerConfig::default());
        setup.fail(ErrorKind::Unavailable);
        for _ in 0..4 {
            setup.get().await.unwrap_err();
        }
        let response = setup
            .service
            .clone()
            .oneshot(Request::new(Call::Health))
            .await
            .unwrap();
        let Reply::Health(health) = response.reply else {
            panic!("no health")
        };
        assert_eq!(health.status, HealthStatus::Degraded);
        assert_eq!(health.detail, "up; left alone after failures");
    }

    #[tokio::test]
    async fn it_decides_as_it_is_told_to() {
        let config = BreakerConfig::default()
            .with_window(3, 4)
            .with_failure_percent(75)
            .with_open_for(Duration::from_secs(7));
        let setup = Setup::new(config);
        // Two of four, then three of the last four.
        for (fails, state) in [
            (true, BreakerState::Closed),
            (false, BreakerState::Closed),
            (false, BreakerState::Closed),
            (true, BreakerState::Closed),
            (true, BreakerState::Closed),
            (true, BreakerState::Open),
        ] {
            setup.fail(fails.then_some(ErrorKind::Unavailable));
            let _ = setup.get().await;
            assert_eq!(setup.state(), state);
        }
        setup.later(6);
        assert_eq!(setup.state(), BreakerState::Open);
        setup.later(1);
        assert_eq!(setup.state(), BreakerState::HalfOpen);
    }

    #[tokio::test]
    async fn of_many_all_have_to_fail() {
        use secrets_core::{Answer, GetItem};

        let outcomes = |answers: &[Option<ErrorKind>]| {
            let origin = Origin::fresh("backend".into());
            let answers = answers.iter().map(|kind| match kind {
                Some(kind) => Err(Error::from(*kind)),
                None => {
                    let metadata = Metadata::new(SecretName::new("a").unwrap());
                    let secret = Secret::new("1".into(), metadata);
                    Ok(Answer::new(secret, origin.clone()))
                }
            });
            Response::new(Reply::Secrets(answers.collect()), origin.clone())
        };
        let down = Some(ErrorKind::Unavailable);
        for (answers, state) in [
            (vec![down, down], BreakerState::Open),
            (vec![down, None], BreakerState::Closed),
            (vec![down, Some(ErrorKind::NotFound)], BreakerState::Closed),
            (vec![], BreakerState::Closed),
        ] {
            let response = outcomes(&answers);
            let backend = tower::service_fn(move |_| at_once(Ok(response.clone())));
            let clock = Arc::new(ManualClock::new());
            let service = BreakerLayer::new(BreakerConfig::default(), clock).layer(backend);
            for _ in 0..3 {
                let items: Vec<GetItem> = Vec::new();
                let request = Request::new(Call::GetMany { items });
                let _ = service.clone().oneshot(request).await;
            }
            assert_eq!(service.breaker().state(), state, "{answers:?}");
        }
    }

    #[tokio::test]
    async fn a_close_is_let_through_and_counts_for_nothing() {
        let setup = Setup::new(BreakerConfig::default());
        setup.fail(ErrorKind::Unavailable);
        let close = || setup.service.clone().oneshot(Request::new(Call::Close));
        for _ in 0..5 {
            close().await.unwrap_err();
        }
        assert_eq!(setup.state(), BreakerState::Closed);
        for _ in 0..4 {
            setup.get().await.unwrap_err();
        }
        let calls = setup.calls();
        close().await.unwrap_err();
        assert_eq!(setup.calls(), calls + 1);
    }

    #[test]
    fn it_is_ready_when_what_it_guards_is() {
        struct Busy;
        impl Service<Request> for Busy {
            type Response = Response;
            type Error = Error;
            type Future = Ready<Result<Response>>;

            fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<()>> {
                Poll::Pending
            }

            fn call(&mut self, _: Request) -> Self::Future {
                at_once(Err(Error::from(ErrorKind::Unexpected)))
            }
        }
        let clock = Arc::new(ManualClock::new());
        let mut service = BreakerLayer::new(BreakerConfig::default(), clock).layer(Busy);
        let waker = std::task::Waker::noop();
        assert!(
            service
                .poll_ready(&mut Context::from_waker(waker))
                .is_pending()
        );
    }

    #[tokio::test]
    async fn switched_off_it_lets_everything_through() {
        let setup = Setup::new(BreakerConfig::disabled());
        setup.fail(ErrorKind::Unavailable);
        for _ in 0..100 {
            setup.get().await.unwrap_err();
        }
        assert_eq!(setup.calls(), 100);
    }
}
