use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;

/// A request that a fake was asked, without headers and body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Asked {
    /// The method.
    pub method: String,
    /// The path as it was sent, still encoded.
    pub path: String,
    /// What stood behind the `?`, still encoded; empty if nothing did.
    pub query: String,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Recorder(Arc<Mutex<Vec<Asked>>>);

impl Recorder {
    /// Every request so far, in the order of their arrival, but for the first `start`.
    pub(super) fn asked_since(&self, start: usize) -> Vec<Asked> {
        self.lock().get(start..).unwrap_or_default().to_vec()
    }

    pub(super) fn count(&self) -> usize {
        self.lock().len()
    }

    pub(super) fn clear(&self) {
        self.lock().clear();
    }

    pub(super) fn record(&self, asked: Asked) {
        self.lock().push(asked);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Asked>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
