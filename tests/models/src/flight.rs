//! The single flight, with loom's threads and locks.

mod sync {
    use loom::sync::MutexGuard;
    pub(super) use loom::sync::{Arc, Mutex};
    use std::sync::PoisonError;

    pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
        mutex.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[path = "../../../crates/secrets-layers/src/cache/flight.rs"]
#[allow(dead_code, reason = "the models use only a part")]
mod real;

#[cfg(test)]
mod tests;
