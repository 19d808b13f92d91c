use std::task::{Context, Poll};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Either, Ready, join_all, ready};
use secrets_core::{
    Answer, Call, Deadline, Error, ErrorKind, Operation, Origin, Reply, Request, Response, Result,
    SecretName,
};
use tower::{Service, ServiceExt};

use super::entry::Entry;
use super::flight::Waiter;
use super::key::{KeyRef, Scope};
use super::stats::count;
use super::store::{Cache, Flight, Found, Loaded};
use super::sync::{Arc, spawn, within};

/// The service of [`CacheLayer`](super::CacheLayer).
#[derive(Debug, Clone)]
pub struct CacheService<S> {
    inner: S,
    cache: Cache,
    scope: Arc<Scope>,
}

type CacheFuture = Either<Ready<Result<Response>>, BoxFuture<'static, Result<Response>>>;

impl<S> CacheService<S>
where
    S: Service<Request, Response = Response, Error = Error> + Clone + Send + Sync + 'static,
    S::Future: Send,
{
    pub(super) fn new(inner: S, cache: Cache, scope: Arc<Scope>) -> Self {
        Self {
            inner,
            cache,
            scope,
        }
    }

    fn get(&self, request: Request) -> CacheFuture {
        let Call::Get { name, options } = &request.call else {
            return Either::Right(self.pass(request));
        };
        let key = KeyRef {
            scope: &self.scope,
            target: request.target.as_deref(),
            name,
            version: options.version.as_ref(),
        };
        let now = self.cache.now();
        let stale = match self.cache.find(key, now) {
            Found::Fresh(entry, refresh) => {
                self.cache.counters().hit();
                if refresh {
                    self.refresh(key, &request);
                }
                return Either::Left(ready(entry.answer(now).map(respond)));
            }
            Found::Expired(entry) if entry.is_troubled() => {
                count(&self.cache.counters().stale);
                if entry.may_attempt(now) {
                    self.refresh(key, &request);
                }
                return Either::Left(ready(entry.answer(now).map(respond)));
            }
            Found::Expired(entry) => Some(entry),
            Found::Nothing => None,
        };
        let (waiter, flight) = self.join(key);
        if let Some(flight) = flight {
            self.load(request, vec![flight]);
        }
        let cache = self.cache.clone();
        Either::Right(async move { wait(&cache, waiter, stale).await.map(respond) }.boxed())
    }

    fn get_many(&self, mut request: Request) -> CacheFuture {
        let Call::GetMany { items } = &mut request.call else {
            return Either::Right(self.pass(request));
        };
        let now = self.cache.now();
        let mut waits = Vec::new();
        let mut answers: Vec<Option<Result<Answer>>> = Vec::with_capacity(items.len());
        let (mut flights, mut asked) = (Vec::new(), Vec::new());
        for item in items.iter() {
            let key = KeyRef {
                scope: &self.scope,
                target: request.target.as_deref(),
                name: &item.name,
                version: item.options.version.as_ref(),
            };
            let stale = match self.cache.find(key, now) {
                Found::Fresh(entry, refresh) => {
                    self.cache.counters().hit();
                    answers.push(Some(entry.answer(now)));
                    if refresh && let (_, Some(flight)) = self.cache.join(key) {
                        flights.push(flight);
                        asked.push(item.clone());
                    }
                    continue;
                }
                Found::Expired(entry) if entry.is_troubled() => {
                    count(&self.cache.counters().stale);
                    answers.push(Some(entry.answer(now)));
                    if entry.may_attempt(now)
                        && let (_, Some(flight)) = self.cache.join(key)
                    {
                        flights.push(flight);
                        asked.push(item.clone());
                    }
                    continue;
                }
                Found::Expired(entry) => Some(entry),
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
            self.load(request, flights);
        }
        let cache = self.cache.clone();
        let whole = async move {
            let waiting = waits.into_iter().map(|(place, waiter, stale)| {
                let cache = &cache;
                async move { (place, wait(cache, waiter, stale).await) }
            });
            for (place, answer) in join_all(waiting).await {
                answers[place] = Some(answer);
            }
            let lost = || Err(Error::of(ErrorKind::Unexpected));
            let answers: Vec<Result<Answer>> = answers
                .into_iter()
                .map(|answer| answer.unwrap_or_else(lost))
                .collect();
            // Each answer has an origin of its own.
            let origin = Origin::fresh("cache".into());
            Ok(Response::new(Reply::Secrets(answers), origin))
        };
        Either::Right(whole.boxed())
    }

    /// Waits for the load of a key, or begins it; counted as a read that waits.
    fn join(&self, key: KeyRef<'_>) -> (Waiter<Loaded>, Option<Flight>) {
        let counters = self.cache.counters();
        count(&counters.misses);
        let (waiter, flight) = self.cache.join(key);
        if flight.is_none() {
            count(&counters.coalesced);
        }
        (waiter, flight)
    }

    /// Loads a key for whoever reads it next, unless that happens already.
    fn refresh(&self, key: KeyRef<'_>, request: &Request) {
        if let (_, Some(flight)) = self.cache.join(key) {
            self.load(request.clone(), vec![flight]);
        }
    }

    /// Asks the provider, on its own time: whoever waits may leave.
    fn load(&self, mut request: Request, flights: Vec<Flight>) {
        count(&self.cache.counters().loads);
        let limit = self.cache.config().load_timeout;
        request.deadline = Some(Deadline::after(self.cache.clock(), limit));
        let inner = self.inner.clone();
        let cache = self.cache.clone();
        spawn(async move {
            let single = matches!(request.call, Call::Get { .. });
            let outcome = match within(limit, inner.oneshot(request)).await {
                Some(outcome) => outcome,
                None => Err(Error::new(
                    ErrorKind::Timeout,
                    format!("no answer within {} seconds", limit.as_secs_f64()),
                )
                .with_operation(Operation::Get)),
            };
            for (flight, answer) in flights.into_iter().zip(answers(outcome, single)) {
                let answer = answer.map_err(|error| match error.name() {
                    Some(_) => error,
                    None => error.with_name(&flight.key().name),
                });
                flight.land(answer);
            }
            cache.sweep();
        });
    }

    /// What changes a secret makes the cache forget it: before, so that no reader takes the old value for the new one, and
    /// after, so that none keeps what it loaded meanwhile. A write that is given up counts as one that happened.
    fn change(&self, name: SecretName, request: Request) -> BoxFuture<'static, Result<Response>> {
        let forgetting = Forgetting {
            cache: self.cache.clone(),
            name,
        };
        forgetting.cache.invalidate(&forgetting.name);
        let inner = self.inner.clone();
        async move {
            let outcome = inner.oneshot(request).await;
            drop(forgetting);
            outcome
        }
        .boxed()
    }

    fn pass(&self, request: Request) -> BoxFuture<'static, Result<Response>> {
        self.inner.clone().oneshot(request).boxed()
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

/// What the load brings, or the stale answer where it brings nothing in time.
async fn wait(cache: &Cache, waiter: Waiter<Loaded>, stale: Option<Arc<Entry>>) -> Result<Answer> {
    let Some(stale) = stale else {
        return waiter.await.and_then(|entry| entry.answer.clone());
    };
    match within(cache.config().patience, waiter).await {
        Some(Ok(entry)) => return entry.answer.clone(),
        Some(Err(error)) if !error.is_stale_ok() => return Err(error),
        Some(Err(error)) if cache.now() >= stale.usable_until => return Err(error),
        Some(Err(_)) => {}
        None => stale.trouble(cache.now()),
    }
    let now = cache.now();
    if now >= stale.usable_until {
        return Err(Error::new(
            ErrorKind::Unavailable,
            "the provider does not answer, and what is known is too old",
        ));
    }
    count(&cache.counters().stale);
    stale.answer(now)
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
                Either::Right(self.change(name, request))
            }
            _ => Either::Right(self.pass(request)),
        }
    }
}
