//! The whole cache, with shuttle's locks, tasks and timers.

mod sync {
    use std::future::Future;
    use std::pin::pin;
    use std::time::Duration;

    use futures_util::future::{Either, select};
    use shuttle::sync::MutexGuard;
    pub(super) use shuttle::sync::atomic::{AtomicBool, AtomicU64, Ordering};
    pub(super) use shuttle::sync::{Arc, Mutex};
    use std::sync::PoisonError;

    use super::doomed;

    /// A load may be dropped at any of its awaits, like one that panics.
    pub(super) fn spawn(work: impl Future<Output = ()> + Send + 'static) {
        doomed::begun();
        shuttle::future::spawn(async move {
            doomed::sometimes(work).await;
            doomed::ended();
        });
    }

    pub(super) fn begin(work: impl Future<Output = ()> + Send + 'static) {
        spawn(work);
    }

    /// Any timeout may expire at any moment, except one of [`super::ENDLESS`] or more.
    pub(super) async fn within<T>(limit: Duration, work: impl Future<Output = T>) -> Option<T> {
        if limit >= super::ENDLESS {
            return Some(work.await);
        }
        doomed::begun();
        let timer = shuttle::future::spawn(async {
            super::moments(16).await;
            doomed::ended();
        });
        match select(pin!(work), timer).await {
            Either::Left((done, _)) => Some(done),
            Either::Right(_) => None,
        }
    }

    pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
        mutex.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Includes the files of the cache, except for `sync.rs`.
macro_rules! real {
    ($($name:ident $path:literal)*) => {$(
        #[path = $path]
        #[allow(dead_code, unreachable_pub, reason = "the models use only a part")]
        mod $name;
    )*};
}

real! {
    config "../../../crates/secrets-layers/src/cache/config.rs"
    counters "../../../crates/secrets-layers/src/cache/counters.rs"
    entry "../../../crates/secrets-layers/src/cache/entry.rs"
    flight "../../../crates/secrets-layers/src/cache/flight.rs"
    health "../../../crates/secrets-layers/src/cache/health.rs"
    cache_hit "../../../crates/secrets-layers/src/cache/cache_hit.rs"
    key "../../../crates/secrets-layers/src/cache/key.rs"
    layer "../../../crates/secrets-layers/src/cache/layer.rs"
    service "../../../crates/secrets-layers/src/cache/service.rs"
    sharded "../../../crates/secrets-layers/src/cache/sharded.rs"
    stats "../../../crates/secrets-layers/src/cache/stats.rs"
    store "../../../crates/secrets-layers/src/cache/store.rs"
    threads "../../../crates/secrets-layers/src/cache/threads.rs"
}

mod doomed;
#[cfg(test)]
mod tests;

pub use config::CacheConfig;
pub use cache_hit::CacheHit;
pub use layer::CacheLayer;
pub use service::CacheService;
pub use stats::CacheStats;
pub use store::{Cache, SecretTtls};

/// A timeout that never expires.
const ENDLESS: std::time::Duration = std::time::Duration::from_secs(1_000_000);

/// Yields at most `most` times.
async fn moments(most: usize) {
    use shuttle::rand::Rng;

    let count = shuttle::rand::thread_rng().gen_range(0..=most);
    for _ in 0..count {
        shuttle::future::yield_now().await;
    }
}
