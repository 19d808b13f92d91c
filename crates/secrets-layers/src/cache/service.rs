use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::LazyLock;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Either, join_all, select};
use secrets_core::{
    Answer, Call, Deadline, Error, ErrorKind, Operation, Origin, Reply, Request, Response, Result,
    RetryObserver, SecretName,
};
use tower::{Service, ServiceExt};

use super::cache_hit::CacheHit;
use super::counters::count;
use super::entry::Entry;
use super::flight::Waiter;
use super::health::Health;
use super::key::{KeyRef, Scope};
use super::store::{Cache, Flight, Found, Loaded};
use super::sync::{Arc, begin, spawn, within};
use crate::cached_read::{CachedRead, TryCached};

/// The service of [`CacheLayer`](super::CacheLayer).
#[derive(Debug)]
pub struct CacheService<S>(Arc<Parts<S>>);

/// Shared, so that a clone costs one counted reference.
#[derive(Debug)]
struct Parts<S> {
    inner: S,
    cache: Cache,
    scope: Arc<Scope>,
}

impl<S> Clone for CacheService<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// The future of [`CacheService`].
#[derive(Debug)]
pub struct CacheFuture(State);

enum State {
    /// What is there, and when it was found if it was kept. It becomes an answer where that is wanted, so that no layer has
    /// to move one about.
    Ready(Option<Result<(Arc<Entry>, Option<Duration>)>>),
    Coming(BoxFuture<'static, Result<Response>>),
}

impl CacheFuture {
    fn kept(entry: Arc<Entry>, now: Duration) -> Self {
        Self(State::Ready(Some(Ok((entry, Some(now))))))
    }

    fn coming(work: impl Future<Output = Result<Response>> + Send + 'static) -> Self {
        Self(State::Coming(work.boxed()))
    }
}

impl Future for CacheFuture {
    type Output = Result<Response>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let known = match &mut self.get_mut().0 {
            State::Coming(work) => return work.poll_unpin(cx),
            State::Ready(known) => known.take(),
        };
        let Some(known) = known else {
            return Poll::Pending;
        };
        Poll::Ready(known.and_then(|(entry, found)| match found {
            Some(at) => entry.answer(at).map(respond),
            None => entry.answer.clone().map(respond),
        }))
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ready(_) => "Ready",
            Self::Coming(_) => "Coming",
        })
    }
}

/// Makes a key fail with its first attempt, so that readers of a stale answer need not wait for the retries.
#[derive(Debug)]
struct FirstFailure {
    cache: Cache,
    health: Arc<Health>,
}

impl RetryObserver for FirstFailure {
    fn on_retry(&self, error: &Error) {
        if error.is_stale_ok() {
            self.health.fails(self.cache.now());
        }
    }
}

impl<S> CacheService<S>
where
    S: Service<Request, Response = Response, Error = Error> + Clone + Send + Sync + 'static,
    S::Future: Send,
{
    pub(super) fn new(inner: S, cache: Cache, scope: Arc<Scope>) -> Self {
        Self(Arc::new(Parts {
            inner,
            cache,
            scope,
        }))
    }

    fn get(&self, request: Request) -> CacheFuture {
        let Call::Get { name, options } = &request.call else {
            return CacheFuture(State::Coming(self.pass(request)));
        };
        let key = KeyRef {
            scope: &self.0.scope,
            target: request.target.as_deref(),
            name,
            version: options.version.as_ref(),
        };
        let now = self.0.cache.now();
        let stale = match self.0.cache.find(key, now) {
            Found::Fresh(entry, refresh) => {
                self.0.cache.counters().hit();
                if refresh {
                    self.refresh(key, &request);
                }
                return CacheFuture::kept(entry, now);
            }
            Found::Expired(entry) => match self.stale(entry, key, now) {
                Ok(entry) => {
                    if entry.may_attempt(now) {
                        self.refresh(key, &request);
                    }
                    return CacheFuture::kept(entry, now);
                }
                Err(stale) => Some(stale),
            },
            Found::Nothing => None,
        };
        let (waiter, flight) = self.join(key);
        if let Some(flight) = flight {
            let for_whom = match stale {
                None => For::Nothing,
                Some(_) => For::Stale,
            };
            self.load(request, vec![flight], for_whom);
        }
        // Nobody waits for an answer that already exists.
        let mut waiter = waiter;
        if let Some(loaded) = (&mut waiter).now_or_never() {
            let stale = stale.as_ref().map(|stale| &stale.entry);
            let known = self.0.cache.make_do(loaded, stale);
            return CacheFuture(State::Ready(Some(known)));
        }
        let cache = self.0.cache.clone();
        CacheFuture::coming(async move { wait(&cache, waiter, stale).await.map(respond) })
    }

    fn get_many(&self, mut request: Request) -> CacheFuture {
        let Call::GetMany { items } = &mut request.call else {
            return CacheFuture(State::Coming(self.pass(request)));
        };
        let now = self.0.cache.now();
        let mut waits = Vec::new();
        let mut answers: Vec<Option<Result<Answer>>> = Vec::with_capacity(items.len());
        let (mut flights, mut asked) = (Vec::new(), Vec::new());
        for item in items.iter() {
            let key = KeyRef {
                scope: &self.0.scope,
                target: request.target.as_deref(),
                name: &item.name,
                version: item.options.version.as_ref(),
            };
            let stale = match self.0.cache.find(key, now) {
                Found::Fresh(entry, refresh) => {
                    self.0.cache.counters().hit();
                    answers.push(Some(entry.answer(now)));
                    if refresh && let (_, Some(flight)) = self.0.cache.join(key) {
                        flights.push(flight);
                        asked.push(item.clone());
                    }
                    continue;
                }
                Found::Expired(entry) => match self.stale(entry, key, now) {
                    Ok(entry) => {
                        answers.push(Some(entry.answer(now)));
                        if entry.may_attempt(now)
                            && let (_, Some(flight)) = self.0.cache.join(key)
                        {
                            flights.push(flight);
                            asked.push(item.clone());
                        }
                        continue;
                    }
                    Err(stale) => Some(stale),
                },
                Found::Nothing => None,
            };
            let (waiter, flight) = self.join(key);
            if let Some(flight) = flight {
                flights.push(flight);
                asked.push(item.clone());
            }
            waits.push((answers.len(), waiter, stale));
            answers.push(None);
        }
        if !flights.is_empty() {
            *items = asked;
            let has_stale = waits.iter().any(|(_, _, stale)| stale.is_some());
            let for_whom = match (waits.is_empty(), has_stale) {
                (true, _) => For::Later,
                (_, true) => For::Stale,
                (_, false) => For::Nothing,
            };
            self.load(request, flights, for_whom);
        }
        let cache = self.0.cache.clone();
        let whole = async move {
            let waiting = waits.into_iter().map(|(place, waiter, stale)| {
                let cache = &cache;
                async move { (place, wait(cache, waiter, stale).await) }
            });
            for (place, answer) in join_all(waiting).await {
                answers[place] = Some(answer);
            }
            let lost = || Err(Error::from(ErrorKind::Unexpected));
            let answers: Vec<Result<Answer>> = answers
                .into_iter()
                .map(|answer| answer.unwrap_or_else(lost))
                .collect();
            // Each answer has an origin of its own.
            let origin = Origin::fresh("cache".into());
            Ok(Response::new(Reply::Secrets(answers), origin))
        };
        CacheFuture::coming(whole)
    }

    /// An answer that is too old, if it can be given at once: where the provider is known to fail. Else with what there is
    /// to know about the provider.
    fn stale(
        &self,
        entry: Arc<Entry>,
        key: KeyRef<'_>,
        now: Duration,
    ) -> std::result::Result<Arc<Entry>, Stale> {
        if !entry.is_troubled() {
            let health = self.0.cache.health(key);
            if !health.is_failing(now) {
                // Before the load begins, so that none of its failures is missed.
                let failure = health.failure();
                return Err(Stale {
                    entry,
                    health,
                    failure,
                });
            }
        }
        count(&self.0.cache.counters().stale);
        Ok(entry)
    }

    /// Waits for the load of a key, or begins it; counted as a read that waits.
    fn join(&self, key: KeyRef<'_>) -> (Waiter<Loaded>, Option<Flight>) {
        let counters = self.0.cache.counters();
        count(&counters.misses);
        let (waiter, flight) = self.0.cache.join(key);
        if flight.is_none() {
            count(&counters.coalesced);
        }
        (waiter, flight)
    }

    /// Loads a key for whoever reads it next, unless that happens already.
    fn refresh(&self, key: KeyRef<'_>, request: &Request) {
        if let (_, Some(flight)) = self.0.cache.join(key) {
            self.load(request.clone(), vec![flight], For::Later);
        }
    }

    /// Asks the provider, on its own time: whoever waits may leave.
    fn load(&self, mut request: Request, flights: Vec<Flight>, for_whom: For) {
        count(&self.0.cache.counters().loads);
        let limit = self.0.cache.config().load_timeout;
        request.deadline = Some(Deadline::after(self.0.cache.clock(), limit));
        let Some(health) = flights.first().map(|flight| Arc::clone(flight.health())) else {
            return;
        };
        if for_whom == For::Stale {
            request.retry_observer = Some(std::sync::Arc::new(FirstFailure {
                cache: self.0.cache.clone(),
                health: Arc::clone(&health),
            }));
        }
        let inner = self.0.inner.clone();
        let cache = self.0.cache.clone();
        let work = async move {
            let single = matches!(request.call, Call::Get { .. });
            let outcome = match within(limit, inner.oneshot(request)).await {
                Some(outcome) => outcome,
                None => Err(Error::new(
                    ErrorKind::Timeout,
                    format!("no answer within {} seconds", limit.as_secs_f64()),
                )
                .with_operation(Operation::Get)),
            };
            match is_out_of_reach(&outcome) {
                true => health.fails(cache.now()),
                false => health.answers(),
            }
            for (flight, answer) in flights.into_iter().zip(answers(outcome, single)) {
                let answer = answer.map_err(|error| match error.name() {
                    Some(_) => error,
                    None => error.with_name(&flight.key().name),
                });
                flight.complete(answer);
            }
            cache.sweep();
        };
        match for_whom {
            For::Later => spawn(work),
            For::Stale | For::Nothing => begin(work),
        }
    }

    /// What changes a secret makes the cache forget it: before, so that no reader takes the old value for the new one, and
    /// after, so that none keeps what it loaded meanwhile. A write that is given up counts as one that happened.
    fn change(&self, name: SecretName, request: Request) -> BoxFuture<'static, Result<Response>> {
        let forgetting = Forgetting {
            cache: self.0.cache.clone(),
            name,
        };
        forgetting.cache.invalidate(&forgetting.name);
        let inner = self.0.inner.clone();
        async move {
            let outcome = inner.oneshot(request).await;
            drop(forgetting);
            outcome
        }
        .boxed()
    }

    fn pass(&self, request: Request) -> BoxFuture<'static, Result<Response>> {
        self.0.inner.clone().oneshot(request).boxed()
    }
}

impl<S> TryCached for CacheService<S> {
    fn try_cached(&self, read: CachedRead<'_>) -> Option<CacheHit> {
        self.0.cache.try_cached(KeyRef {
            scope: &self.0.scope,
            target: read.target,
            name: read.name,
            version: read.version,
        })
    }
}

struct Forgetting {
    cache: Cache,
    name: SecretName,
}

impl Drop for Forgetting {
    fn drop(&mut self) {
        self.cache.invalidate(&self.name);
    }
}

/// What whoever wants a load has instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum For {
    /// An answer that is given without it.
    Later,
    /// An answer that is too old, so that each failure on the way is reported.
    Stale,
    Nothing,
}

/// An answer that is too old, and the provider or chain that may have a newer one.
struct Stale {
    entry: Arc<Entry>,
    health: Arc<Health>,
    failure: Waiter<()>,
}

/// What the load brings, or the stale answer where it fails or brings nothing in time.
async fn wait(cache: &Cache, waiter: Waiter<Loaded>, stale: Option<Stale>) -> Result<Answer> {
    let Some(stale) = stale else {
        return waiter.await.and_then(|entry| entry.answer.clone());
    };
    let Stale {
        entry,
        health,
        failure,
    } = stale;
    let (known, found) = match within(cache.config().patience, select(waiter, failure)).await {
        Some(Either::Left((loaded, _))) => cache.make_do(loaded, Some(&entry)),
        Some(Either::Right(_)) => cache.make_do(Err(SILENT.clone()), Some(&entry)),
        None => {
            let now = cache.now();
            entry.trouble(now);
            health.fails(now);
            cache.make_do(Err(SILENT.clone()), Some(&entry))
        }
    }?;
    match found {
        Some(at) => known.answer(at),
        None => known.answer.clone(),
    }
}

/// What those get who have nothing newer than what is too old.
static SILENT: LazyLock<Error> = LazyLock::new(|| {
    Error::new(
        ErrorKind::Unavailable,
        "the provider does not answer, and what is known is too old",
    )
});

impl Cache {
    /// What a load brought, or the stale answer where it could not reach the provider, with the time from which it is.
    fn make_do(
        &self,
        loaded: Loaded,
        stale: Option<&Arc<Entry>>,
    ) -> Result<(Arc<Entry>, Option<Duration>)> {
        let error = match loaded {
            Ok(entry) => return Ok((entry, None)),
            Err(error) => error,
        };
        let now = self.now();
        match stale {
            Some(stale) if error.is_stale_ok() && now < stale.usable_until => {
                count(&self.counters().stale);
                Ok((Arc::clone(stale), Some(now)))
            }
            _ => Err(error),
        }
    }
}

/// Whether nothing that was asked for could be reached.
fn is_out_of_reach(outcome: &Result<Response>) -> bool {
    match outcome {
        Err(error) => error.is_stale_ok(),
        Ok(Response {
            reply: Reply::Secrets(answers),
            ..
        }) => {
            let failed = |answer: &Result<Answer>| answer.as_ref().is_err_and(Error::is_stale_ok);
            !answers.is_empty() && answers.iter().all(failed)
        }
        Ok(_) => false,
    }
}

/// One result a flight, of a get or of a get-many.
fn answers(
    outcome: Result<Response>,
    single: bool,
) -> Box<dyn Iterator<Item = Result<Answer>> + Send> {
    match outcome {
        Ok(Response {
            reply: Reply::Secret(secret),
            origin,
            ..
        }) if single => Box::new(std::iter::once(Ok(Answer::new(secret, origin)))),
        Ok(Response {
            reply: Reply::Secrets(answers),
            ..
        }) if !single => {
            let missing = std::iter::repeat_with(|| Err(Reply::mismatch(Operation::GetMany)));
            Box::new(answers.into_iter().chain(missing))
        }
        Ok(_) => Box::new(std::iter::repeat_with(|| {
            Err(Reply::mismatch(Operation::Get))
        })),
        Err(error) => Box::new(std::iter::repeat(error).map(Err)),
    }
}

fn respond(answer: Answer) -> Response {
    Response::new(Reply::Secret(answer.secret), answer.origin)
}

impl<S> Service<Request> for CacheService<S>
where
    S: Service<Request, Response = Response, Error = Error> + Clone + Send + Sync + 'static,
    S::Future: Send,
{
    type Response = Response;
    type Error = Error;
    type Future = CacheFuture;

    /// Always: a load waits for the inner service itself.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        match &request.call {
            Call::Get { .. } => self.get(request),
            Call::GetMany { .. } => self.get_many(request),
            Call::Put { name, .. }
            | Call::Delete { name, .. }
            | Call::Restore { name }
            | Call::Rollback { name, .. } => {
                let name = name.clone();
                CacheFuture(State::Coming(self.change(name, request)))
            }
            _ => CacheFuture(State::Coming(self.pass(request))),
        }
    }
}
