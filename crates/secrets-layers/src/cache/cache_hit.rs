use std::time::Duration;

use secrets_core::{Answer, SecretValue};

use super::entry::Entry;
use super::sync::Arc;

/// An answer within its time, and when it was found.
#[derive(Debug)]
pub struct CacheHit {
    entry: Arc<Entry>,
    at: Duration,
}

impl CacheHit {
    pub(super) fn new(entry: Arc<Entry>, at: Duration) -> Self {
        Self { entry, at }
    }

    /// As the provider gave it; `None` for a remembered absence.
    pub fn answer(&self) -> Option<&Answer> {
        self.entry.answer.as_ref().ok()
    }

    /// Its value, which keeps the entry: readers of one secret meet at one count of references.
    pub fn into_value(self) -> Option<SecretValue> {
        self.answer()?;
        Some(SecretValue::from_owner(self.entry))
    }

    /// The same, said to be as old as it is.
    pub fn to_answer(&self) -> Option<Answer> {
        self.entry.answer(self.at).ok()
    }

    /// When it was found, on the monotonic clock.
    pub fn at(&self) -> Duration {
        self.at
    }
}
