use std::borrow::Cow;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pin_project_lite::pin_project;
use secrets_core::{Error, ErrorKind, Operation, Response, Result};
use tokio::time::Sleep;

/// What is said when the time is up.
#[derive(Debug, Clone, Copy)]
pub(super) struct TimeoutMessage {
    pub(super) message: &'static str,
    pub(super) hint: &'static str,
}

pin_project! {
    /// A call that ends with [`ErrorKind::Timeout`] when its time is up.
    #[derive(Debug)]
    pub struct TimedFuture<F> {
        #[pin]
        call: F,
        // Begun when there is something to wait for: a hit looks at no clock for it.
        sleep: Option<Pin<Box<Sleep>>>,
        limit: Duration,
        operation: Operation,
        message: &'static TimeoutMessage,
    }
}

impl<F: Future<Output = Result<Response>>> TimedFuture<F> {
    pub(super) fn new(
        call: F,
        limit: Duration,
        operation: Operation,
        message: &'static TimeoutMessage,
    ) -> Self {
        Self {
            call,
            sleep: None,
            limit,
            operation,
            message,
        }
    }
}

impl<F: Future<Output = Result<Response>>> Future for TimedFuture<F> {
    type Output = Result<Response>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Poll::Ready(outcome) = this.call.poll(cx) {
            return Poll::Ready(outcome);
        }
        let sleep = this
            .sleep
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(*this.limit)));
        ready!(sleep.as_mut().poll(cx));
        let message = format!("{} {:?}", this.message.message, this.limit);
        Poll::Ready(Err(Error::new(ErrorKind::Timeout, message)
            .with_operation(*this.operation)
            .with_hint(Cow::Borrowed(this.message.hint))))
    }
}
