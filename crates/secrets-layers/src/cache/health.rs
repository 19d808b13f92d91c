//! What loads tell of a provider or chain: whether it can be reached.

use std::time::Duration;

use super::flight::{Flight, Waiter};
use super::sync::{Arc, Mutex, lock};

/// How long a failure is held to be news.
const RECENT: Duration = Duration::from_secs(30);

/// Whether a provider or chain could be reached when it was last asked.
#[derive(Debug)]
pub(super) struct Health(Mutex<State>);

#[derive(Debug)]
struct State {
    failed: Option<Duration>,
    /// Lands with the next failure.
    next_failure: Arc<Flight<()>>,
}

impl Health {
    pub(super) fn new() -> Self {
        Self(Mutex::new(State {
            failed: None,
            next_failure: Flight::new(),
        }))
    }

    /// Whether it failed lately, and has answered nothing since.
    pub(super) fn is_failing(&self, now: Duration) -> bool {
        let failed = lock(&self.0).failed;
        failed.is_some_and(|failed| now.saturating_sub(failed) < RECENT)
    }

    /// Notes that it could not be reached, and tells all who wait for the next failure.
    pub(super) fn fails(&self, now: Duration) {
        let failure = {
            let mut state = lock(&self.0);
            state.failed = Some(now);
            std::mem::replace(&mut state.next_failure, Flight::new())
        };
        failure.complete(());
    }

    /// Notes that it has answered, whatever it said.
    pub(super) fn answers(&self) {
        lock(&self.0).failed = None;
    }

    /// Waits until it fails once more.
    pub(super) fn failure(&self) -> Waiter<()> {
        Waiter::new(Arc::clone(&lock(&self.0).next_failure))
    }
}
