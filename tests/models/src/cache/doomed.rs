//! Drops work early, and tracks background work.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use shuttle::rand::Rng;

thread_local! {
    /// The percentage of work that is dropped.
    static PERCENT: Cell<u32> = const { Cell::new(0) };
    static UNDER_WAY: Cell<usize> = const { Cell::new(0) };
}

/// Sets the percentage of work that is dropped, at any of its awaits.
#[cfg(test)]
pub(super) fn set(percent: u32) {
    PERCENT.set(percent);
}

/// Records the start of background work.
pub(super) fn begun() {
    UNDER_WAY.set(UNDER_WAY.get() + 1);
}

pub(super) fn ended() {
    UNDER_WAY.set(UNDER_WAY.get() - 1);
}

/// Waits for all background work, which would be dropped unchecked at the end of a schedule.
#[cfg(test)]
pub(super) async fn settled() {
    while UNDER_WAY.get() > 0 {
        shuttle::future::yield_now().await;
    }
}

/// Runs the work or drops it early; `None` if dropped.
pub(super) async fn sometimes<F: Future>(work: F) -> Option<F::Output> {
    let doomed = shuttle::rand::thread_rng().gen_range(0..100) < PERCENT.get();
    let polls = if doomed {
        shuttle::rand::thread_rng().gen_range(0..12)
    } else {
        usize::MAX
    };
    Doomed {
        work: Some(Box::pin(work)),
        polls,
    }
    .await
}

struct Doomed<F> {
    work: Option<Pin<Box<F>>>,
    polls: usize,
}

impl<F: Future> Future for Doomed<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if self.polls == 0 {
            self.work = None;
            return Poll::Ready(None);
        }
        self.polls -= 1;
        match &mut self.work {
            Some(work) => work.as_mut().poll(cx).map(Some),
            None => Poll::Ready(None),
        }
    }
}
