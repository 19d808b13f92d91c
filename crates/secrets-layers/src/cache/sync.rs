//! What the cache needs of threads and the runtime, in one place: a model checker puts its own here.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::{Context, Poll, Waker};

pub(super) use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
pub(super) use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Runs a load on its own, whatever becomes of those who wait for it.
pub(super) fn spawn(work: impl Future<Output = ()> + Send + 'static) {
    drop(tokio::spawn(work));
}

/// The same for who waits for it now: a load that has to wait for nothing needs no task, and is done when this returns.
pub(super) fn begin(work: impl Future<Output = ()> + Send + 'static) {
    let mut work = Box::pin(work);
    let mut nobody = Context::from_waker(Waker::noop());
    let begun = catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(&mut nobody)));
    // What panicked is given up, as it is in a task.
    if let Ok(Poll::Pending) = begun {
        drop(tokio::spawn(work));
    }
}

/// `None` when the time is over first.
pub(super) async fn within<T>(
    limit: std::time::Duration,
    work: impl Future<Output = T>,
) -> Option<T> {
    tokio::time::timeout(limit, work).await.ok()
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
