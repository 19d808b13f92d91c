use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Either};
use pin_project_lite::pin_project;
#[allow(unused_imports, reason = "the cached reads need some of these")]
use secrets_core::{Answer, Error, ErrorKind, Operation, Request, Response, Result};
use tower::{Service, ServiceExt};

use super::config::{Hits, OnFailure};
use super::hits::Hit;
use super::layer::{AuditLayer, Shared};
use super::pending::{Due, Moment, PendingRecord};
#[allow(unused_imports, reason = "the cached reads need some of these")]
use super::record::{Record, RecordSource};
use super::writer::{Wanted, Writer};
#[cfg(feature = "cache")]
use crate::cache::CacheHit;
#[cfg(feature = "cache")]
use crate::cached_read::{CachedRead, TryCached};

/// The service of [`AuditLayer`].
#[derive(Debug, Clone)]
pub struct AuditService<S> {
    inner: S,
    layer: AuditLayer,
}

impl<S> AuditService<S> {
    pub(super) fn new(inner: S, layer: AuditLayer) -> Self {
        Self { inner, layer }
    }
}

impl<S> Service<Request> for AuditService<S>
where
    S: Service<Request, Response = Response, Error = Error> + Clone + Send + Sync + 'static,
    S::Future: Send,
{
    type Response = Response;
    type Error = Error;
    type Future = Either<ReadFuture<S::Future>, BoxFuture<'static, Result<Response>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let shared = &self.layer.0;
        let Some(pending) = PendingRecord::of(&request, shared.clock.monotonic()) else {
            return Either::Left(ReadFuture::unwatched(self.inner.call(request)));
        };
        let is_write = PendingRecord::is_write(&request.call);
        match shared.writer.get() {
            Some(writer) if !is_write => {
                let watch = Watch {
                    pending,
                    writer: writer.clone(),
                    shared: shared.clone(),
                };
                Either::Left(ReadFuture {
                    call: self.inner.call(request),
                    watch: Some(watch),
                    recording: None,
                })
            }
            _ => {
                let clone = self.inner.clone();
                // The one that is ready is called, not its clone.
                let inner = std::mem::replace(&mut self.inner, clone);
                let shared = shared.clone();
                Either::Right(
                    async move {
                        match is_write {
                            true => write(shared, inner, request, pending).await,
                            false => first_read(shared, inner, request, pending).await,
                        }
                    }
                    .boxed(),
                )
            }
        }
    }
}

#[cfg(feature = "cache")]
impl<S: TryCached> TryCached for AuditService<S> {
    fn try_cached(&self, read: CachedRead<'_>) -> Option<CacheHit> {
        let shared = &self.layer.0;
        if shared.hits != Hits::Aggregate {
            return None;
        }
        let writer = shared.writer.get()?;
        let kept = self.inner.try_cached(read)?;
        let Answer { secret, origin, .. } = kept.answer()?;
        let is_counted = writer.count(&Hit {
            operation: Operation::Get,
            name: read.name,
            version: secret.metadata.version.as_ref(),
            provider: &origin.provider,
            via: origin.via.as_ref(),
            source: RecordSource::Cache,
            reason: read.reason,
            at: kept.at(),
        });
        is_counted.then_some(kept)
    }
}

/// A read before anything was recorded: the log is opened first, so that nothing is pending for if it cannot be.
async fn first_read<S>(
    shared: Arc<Shared>,
    mut inner: S,
    request: Request,
    pending: PendingRecord,
) -> Result<Response>
where
    S: Service<Request, Response = Response, Error = Error>,
{
    match shared.writer().await {
        Ok(writer) => {
            let watch = Watch {
                pending,
                writer,
                shared,
            };
            ReadFuture {
                call: inner.call(request),
                watch: Some(watch),
                recording: None,
            }
            .await
        }
        Err(error) => {
            shared.refuse(&pending, error)?;
            inner.call(request).await
        }
    }
}

async fn write<S>(
    shared: Arc<Shared>,
    inner: S,
    request: Request,
    pending: PendingRecord,
) -> Result<Response>
where
    S: Service<Request, Response = Response, Error = Error>,
{
    let intent = pending.intent(shared.moment());
    let begun = match shared.writer().await {
        Ok(writer) => {
            let wanted = shared.wanted();
            writer
                .write(vec![intent.clone()], wanted)
                .await
                .map(|()| writer)
        }
        Err(error) => Err(error),
    };
    let writer = match begun {
        Ok(writer) => writer,
        Err(error) => {
            shared.refuse(&pending, error)?;
            return call_ready(inner, request).await;
        }
    };
    let mut begun = Begun {
        intent,
        watch: Watch {
            pending,
            writer,
            shared,
        },
        concluded: false,
    };
    let answer = call_ready(inner, request).await;
    let recorded = begun.conclude(Some(&answer)).await;
    let (Err(error), Ok(_)) = (recorded, &answer) else {
        return answer;
    };
    begun.watch.shared.happened(&begun.watch.pending, error)?;
    answer
}

/// Time has passed since the service was ready.
async fn call_ready<S>(inner: S, request: Request) -> Result<Response>
where
    S: Service<Request, Response = Response, Error = Error>,
{
    inner.oneshot(request).await
}

/// A write between its two records. One that is given up is recorded as such.
struct Begun {
    intent: Record,
    watch: Watch,
    concluded: bool,
}

impl Begun {
    fn conclude(
        &mut self,
        answer: Option<&Result<Response>>,
    ) -> impl Future<Output = Result<()>> + Send + 'static {
        self.concluded = true;
        let watch = &self.watch;
        let outcome = watch
            .pending
            .outcome(&self.intent, answer, watch.shared.moment());
        watch.writer.conclude(outcome)
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        if !self.concluded {
            drop(self.conclude(None));
        }
    }
}

/// What is needed to record a read once its answer is there.
#[derive(Debug)]
struct Watch {
    pending: PendingRecord,
    writer: Writer,
    shared: Arc<Shared>,
}

impl Watch {
    /// Records an answer; `None` where it was only counted, and can be given at once.
    fn record(
        self,
        answer: Result<Response>,
    ) -> std::result::Result<Result<Response>, BoxFuture<'static, Result<Response>>> {
        let counts = self.shared.hits == Hits::Aggregate;
        let moment = || self.shared.moment();
        let count = |hit: &Hit<'_>| counts && self.writer.count(hit);
        let due = self.pending.settle(&answer, moment, count);
        let Due::Records(records) = due else {
            return Ok(answer);
        };
        let recording = async move {
            match self.writer.write(records, self.shared.wanted()).await {
                Ok(()) => answer,
                Err(error) => {
                    self.shared.refuse(&self.pending, error)?;
                    answer
                }
            }
        };
        Err(recording.boxed())
    }
}

pin_project! {
    /// The future of a read: its answer is released once it is recorded.
    #[must_use]
    pub struct ReadFuture<F> {
        #[pin]
        call: F,
        watch: Option<Watch>,
        recording: Option<BoxFuture<'static, Result<Response>>>,
    }

    impl<F> PinnedDrop for ReadFuture<F> {
        fn drop(this: Pin<&mut Self>) {
            // Somebody was pending, and nothing came of it.
            if let Some(watch) = this.project().watch.take() {
                watch.writer.leave(watch.pending.given_up(watch.shared.moment()));
            }
        }
    }
}

impl<F> std::fmt::Debug for ReadFuture<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReadFuture")
            .field("watch", &self.watch)
            .finish_non_exhaustive()
    }
}

impl<F> ReadFuture<F> {
    fn unwatched(call: F) -> Self {
        Self {
            call,
            watch: None,
            recording: None,
        }
    }
}

impl<F: Future<Output = Result<Response>>> Future for ReadFuture<F> {
    type Output = Result<Response>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Some(recording) = this.recording {
            return recording.poll_unpin(cx);
        }
        let answer = ready!(this.call.poll(cx));
        let Some(watch) = this.watch.take() else {
            return Poll::Ready(answer);
        };
        match watch.record(answer) {
            Ok(answer) => Poll::Ready(answer),
            Err(recording) => this.recording.insert(recording).poll_unpin(cx),
        }
    }
}

impl Shared {
    fn moment(&self) -> Moment<'_> {
        Moment {
            actor: &self.actor,
            wall: self.clock.wall(),
            monotonic: self.clock.monotonic(),
            default: self.default.as_ref(),
        }
    }

    /// Whether a record is still to be written when its operation went on without it.
    fn wanted(&self) -> Wanted {
        match self.on_failure {
            OnFailure::Deny => Wanted::WhileAwaited,
            OnFailure::Warn => Wanted::Always,
        }
    }

    /// What is said about a use that is not recorded; nothing but a warning where it goes on all the same.
    fn refuse(&self, pending: &PendingRecord, error: Error) -> Result<()> {
        let message = "this use is not recorded, so it is refused";
        self.fail(pending, error, None, message)
    }

    fn happened(&self, pending: &PendingRecord, error: Error) -> Result<()> {
        let message = format!(
            "the {} is done, but its outcome is not recorded",
            pending.operation()
        );
        // Nothing is gained by doing it again.
        self.fail(pending, error, Some(ErrorKind::Unexpected), message)
    }

    fn fail(
        &self,
        pending: &PendingRecord,
        cause: Error,
        kind: Option<ErrorKind>,
        message: impl Into<std::borrow::Cow<'static, str>>,
    ) -> Result<()> {
        if self.on_failure == OnFailure::Warn {
            tracing::warn!(
                target: "polysecrets::audit",
                operation = pending.operation().as_str(),
                name = pending.name().map(secrets_core::SecretName::as_str),
                error = %cause,
                "a use is not recorded"
            );
            return Ok(());
        }
        let kind = kind.unwrap_or(match cause.kind() {
            ErrorKind::InvalidConfig | ErrorKind::IntegrityFailure => cause.kind(),
            _ => ErrorKind::Unavailable,
        });
        let hint = match cause.hint() {
            Some(hint) => hint.to_owned(),
            None => "look at the audit log and its disk; `on_failure = \"warn\"` in `[audit]` goes on without records".to_owned(),
        };
        let error = Error::new(kind, message)
            .with_operation(pending.operation())
            .with_hint(hint)
            .with_source(cause);
        Err(match pending.name() {
            Some(name) => error.with_name(name),
            None => error,
        })
    }
}
