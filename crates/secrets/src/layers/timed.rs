use std::borrow::Cow;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pin_project_lite::pin_project;
use secrets_core::{Error, ErrorKind, Operation, Response, Result};
use tokio::time::Timeout;

/// What is said when the time is up.
#[derive(Debug, Clone, Copy)]
pub(super) struct Words {
    pub(super) message: &'static str,
    pub(super) hint: &'static str,
}

pin_project! {
    /// A call that ends with [`ErrorKind::Timeout`] when its time is up.
    #[derive(Debug)]
    pub struct TimedFuture<F> {
        #[pin]
        call: Timeout<F>,
        limit: Duration,
        operation: Operation,
        words: Words,
    }
}

impl<F: Future<Output = Result<Response>>> TimedFuture<F> {
    pub(super) fn new(call: F, limit: Duration, operation: Operation, words: Words) -> Self {
        Self {
            call: tokio::time::timeout(limit, call),
            limit,
            operation,
            words,
        }
    }
}

impl<F: Future<Output = Result<Response>>> Future for TimedFuture<F> {
    type Output = Result<Response>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        Poll::Ready(ready!(this.call.poll(cx)).unwrap_or_else(|_| {
            let message = format!("{} {:?}", this.words.message, this.limit);
            Err(Error::new(ErrorKind::Timeout, message)
                .with_operation(*this.operation)
                .with_hint(Cow::Borrowed(this.words.hint)))
        }))
    }
}
