use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use secrets_core::Clock;

/// A clock that stands still until a test moves it.
#[derive(Debug)]
pub struct ManualClock(Mutex<Hands>);

#[derive(Debug)]
struct Hands {
    monotonic: Duration,
    wall: SystemTime,
}

impl ManualClock {
    /// Midnight of 1 January 2026, UTC, one hour after the monotonic clock began.
    pub fn new() -> Self {
        Self::starting_at(SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600))
    }

    /// This time on the wall, one hour after the monotonic clock began.
    pub fn starting_at(wall: SystemTime) -> Self {
        Self(Mutex::new(Hands {
            monotonic: Duration::from_secs(3600),
            wall,
        }))
    }

    /// Lets time pass on both clocks.
    pub fn advance(&self, by: Duration) {
        let mut hands = self.hands();
        hands.monotonic += by;
        hands.wall += by;
    }

    /// Sets the wall clock, as a time server or a user would; the monotonic clock does not notice.
    pub fn set_wall(&self, wall: SystemTime) {
        self.hands().wall = wall;
    }

    fn hands(&self) -> MutexGuard<'_, Hands> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for ManualClock {
    fn monotonic(&self) -> Duration {
        self.hands().monotonic
    }

    fn wall(&self) -> SystemTime {
        self.hands().wall
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stands_still_until_it_is_moved() {
        let clock = ManualClock::new();
        let (monotonic, wall) = (clock.monotonic(), clock.wall());
        assert_eq!((clock.monotonic(), clock.wall()), (monotonic, wall));
        clock.advance(Duration::from_secs(5));
        assert_eq!(clock.monotonic() - monotonic, Duration::from_secs(5));
        clock.set_wall(SystemTime::UNIX_EPOCH);
        assert_eq!(clock.wall(), SystemTime::UNIX_EPOCH);
        assert_eq!(clock.monotonic() - monotonic, Duration::from_secs(5));
    }
}
