//! What the cache needs of threads and the runtime, in one place: a model checker puts its own here.

use std::future::Future;

pub(super) use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
pub(super) use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Runs a load on its own, whatever becomes of those who wait for it.
pub(super) fn spawn(work: impl Future<Output = ()> + Send + 'static) {
    drop(tokio::spawn(work));
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
